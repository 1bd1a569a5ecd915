//! What the environment is doing, for people and tests.

use std::sync::Arc;

use napi::sys;
use neuroxide_core::error::Error;

use crate::background::{self, Lane};
use crate::call::Call;
use crate::failure::{Outcome, wrong_argument};
use crate::json;
use crate::value::{self, Strong};

/// `setMode('anomaly', on)`
pub fn set_mode(call: &Call<'_>) -> Outcome<()> {
    let (which, on) = (call.text(0)?, call.flag(1)?);
    let mut state = call.state()?;
    match which.as_str() {
        "anomaly" => state.engine.set_anomaly(on),
        _ => return Err(wrong_argument(0, "'anomaly'")),
    };
    Ok(())
}

/// `memory() -> JSON`
pub fn memory(call: &Call<'_>) -> Outcome<String> {
    let state = call.state()?;
    let (bytes, peak) = state.engine.bytes();
    Ok(json::object([
        ("tensors", state.engine.tensors().to_string()),
        ("nodes", state.engine.nodes().to_string()),
        ("owners", state.owners.live().to_string()),
        ("bytes", bytes.to_string()),
        ("peakBytes", peak.to_string()),
        ("backendBytes", state.engine.backend().allocated_bytes().to_string()),
    ]))
}

/// `counters() -> JSON`
pub fn counters(call: &Call<'_>) -> Outcome<String> {
    let state = call.state()?;
    let counters = state.engine.counters();
    Ok(json::object([
        ("calls", state.calls.to_string()),
        ("traces", state.traces.to_string()),
        ("runs", counters.program_runs.to_string()),
        ("eagerRuns", counters.eager_runs.to_string()),
        ("prepared", counters.prepared.to_string()),
        ("nodes", counters.nodes.to_string()),
    ]))
}

/// `device() -> JSON`
pub fn device(call: &Call<'_>) -> Outcome<String> {
    let state = call.state()?;
    Ok(json::object([
        ("name", json::string(state.engine.backend().name())),
        ("isa", json::string(state.backend.isa().name())),
        ("threads", state.backend.threads().to_string()),
    ]))
}

/// `debugCalls(count, callback) -> Promise`: exists to measure what a call from another thread costs.
pub fn debug_calls(call: &Call<'_>) -> Outcome<sys::napi_value> {
    let count = call.count(0)?;
    let callback = Arc::new(Strong::new(call.env, call.value(1))?);
    let (sender, kept) = (call.home.channel().sender(), Arc::clone(&callback));
    background::promise(
        call,
        Lane::Computing,
        move || {
            for _ in 0..count {
                let callback = Arc::clone(&callback);
                sender.post(move |env, _| value::call(env, callback.get(env)?, &[]));
            }
            Ok(())
        },
        move |env, _, done| {
            // The calls came before, so nobody else holds it.
            if let Some(callback) = Arc::into_inner(kept) {
                callback.release(env);
            }
            Ok(done?)
        },
    )
}

/// `debugPanic()`: exists to test that a panic becomes an error.
pub fn debug_panic(call: &Call<'_>) -> Outcome<()> {
    let state = call.state()?;
    assert!(state.threshold.is_nan(), "a panic on purpose");
    Err(Error::Internal("a threshold that is no number".into()).into())
}
