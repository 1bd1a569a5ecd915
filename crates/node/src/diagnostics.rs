//! What the environment is doing, for people and tests.

use neuroxide_core::error::Error;

use crate::call::Call;
use crate::failure::{Outcome, wrong_argument};

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
    Ok(format!(
        r#"{{"tensors":{},"nodes":{},"owners":{},"bytes":{bytes},"peakBytes":{peak},"backendBytes":{}}}"#,
        state.engine.tensors(),
        state.engine.nodes(),
        state.owners.live(),
        state.engine.backend().allocated_bytes(),
    ))
}

/// `counters() -> JSON`
pub fn counters(call: &Call<'_>) -> Outcome<String> {
    let state = call.state()?;
    let counters = state.engine.counters();
    Ok(format!(
        r#"{{"calls":{},"eagerRuns":{},"runs":{},"prepared":{},"nodes":{}}}"#,
        state.calls, counters.eager_runs, counters.program_runs, counters.prepared, counters.nodes,
    ))
}

/// `device() -> JSON`
pub fn device(call: &Call<'_>) -> Outcome<String> {
    let state = call.state()?;
    let (name, isa) = (state.engine.backend().name().to_owned(), state.backend.isa().name());
    Ok(format!(r#"{{"name":"{name}","isa":"{isa}","threads":{}}}"#, state.backend.threads()))
}

/// `debugPanic()`: exists to test that a panic becomes an error.
pub fn debug_panic(call: &Call<'_>) -> Outcome<()> {
    let state = call.state()?;
    assert!(state.threshold.is_nan(), "a panic on purpose");
    Err(Error::Internal("a threshold that is no number".into()).into())
}
