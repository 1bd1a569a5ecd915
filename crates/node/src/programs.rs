//! Traces and the programs they become.

use napi::sys;
use neuroxide_core::dtype::{DType, Weak};
use neuroxide_core::engine::{ArgSpec, Handle, ProgramId, RunArg, TraceOptions};
use neuroxide_core::error::Error;
use neuroxide_core::graph::Type;

use crate::background::{self, Lane};
use crate::call::{Call, whole};
use crate::failure::{Failure, Outcome, wrong_argument};
use crate::home::{State, header};
use crate::io::{self, DESCRIPTORS, LIST, MAX_RANK};
use crate::json;
use crate::panics::caught;
use crate::tensors::{NONE, sizes};
use crate::value::{self, Strong};

/// What the list says of an argument of a traced function.
const LIKE: f64 = 0.0;
const NUMBER: f64 = 1.0;
const SPEC: f64 = 2.0;

fn program(call: &Call<'_>, index: usize) -> Outcome<ProgramId> {
    let id = u32::try_from(call.count(index)?).map_err(|_| wrong_argument(index, "a program"))?;
    Ok(ProgramId(id))
}

/// The next `N` numbers of the list.
fn take<const N: usize>(state: &State, at: &mut usize) -> Outcome<[f64; N]> {
    let taken = state.io.slice(*at, N)?;
    *at += N;
    Ok(std::array::from_fn(|i| taken[i]))
}

/// Reads the description of one argument; `at` moves behind it.
fn spec(state: &mut State, at: &mut usize) -> Outcome<ArgSpec> {
    let [kind] = take(state, at)?;
    if kind == LIKE {
        let [handle] = take(state, at)?;
        let info = state.engine.info(handle)?;
        return Ok(ArgSpec::Tensor { ty: Type { weak: None, ..info.ty }, requires_grad: info.requires_grad });
    }
    if kind == NUMBER {
        let [value] = take(state, at)?;
        return Ok(ArgSpec::Number { integral: Weak::of(value) == Weak::Int });
    }
    if kind != SPEC {
        return Err(Error::Value(format!("an argument of kind {kind}; expected 0, 1 or 2")).into());
    }
    let [dtype, rank] = take(state, at)?;
    let dtype = whole(dtype).and_then(|code| DType::from_code(code as u32));
    let rank = whole(rank).filter(|&rank| rank <= MAX_RANK);
    let (Some(dtype), Some(rank)) = (dtype, rank) else {
        return Err(
            Error::Value("an argument that is no tensor; expected element type and rank".into()).into()
        );
    };
    let shape = sizes(state.io.slice(*at, rank)?)?;
    *at += rank;
    Ok(ArgSpec::Tensor { ty: Type::new(dtype, &shape), requires_grad: false })
}

/// `traceBegin(outs, n)`: descriptions in the list, whose place the arguments' handles take.
pub fn trace_begin(call: &Call<'_>) -> Outcome<()> {
    let count = call.count(1)?;
    let owners = call.elements(0, count)?;
    let mut state = call.at_work()?;
    let state = &mut *state;
    let mut at = LIST;
    let specs: Vec<ArgSpec> = (0..count).map(|_| spec(state, &mut at)).collect::<Outcome<_>>()?;
    let handles = state.engine.trace_begin(&specs)?;
    state.traced = specs;
    state.io.set(io::TRACING, 1.0);
    for (&owner, &handle) in owners.iter().zip(&handles) {
        if let Err(failure) = state.adopt(call.env, owner, handle) {
            state.io.set(io::TRACING, 0.0);
            state.engine.trace_abort();
            return Err(failure);
        }
    }
    state.io.write_list(handles.into_iter())
}

/// `traceEnd(n, keepGrads) -> program`: the outputs stand in the list. A failure aborts the trace.
pub fn trace_end(call: &Call<'_>) -> Outcome<f64> {
    let (count, keep_grads) = (call.count(0)?, call.flag(1)?);
    let mut state = call.at_work()?;
    let state = &mut *state;
    state.io.set(io::TRACING, 0.0);
    let specs = std::mem::take(&mut state.traced);
    let outputs = match state.io.list(count) {
        Ok(outputs) => outputs,
        Err(failure) => {
            state.engine.trace_abort();
            return Err(failure);
        }
    };
    let ended = caught(|| state.engine.trace_end(outputs, TraceOptions { keep_grads }));
    if ended.is_err() {
        // The engine has done so itself, unless it panicked.
        state.engine.trace_abort();
    }
    let id = ended?;
    state.traces += 1;
    let numbers = specs.iter().map(|spec| matches!(spec, ArgSpec::Number { .. })).collect();
    let at = id.0 as usize;
    if state.signatures.len() <= at {
        state.signatures.resize(at + 1, Vec::new());
    }
    state.signatures[at] = numbers;
    Ok(f64::from(id.0))
}

/// `traceAbort()`: everything is as before the trace.
pub fn trace_abort(call: &Call<'_>) -> Outcome<()> {
    let mut state = call.state()?;
    state.io.set(io::TRACING, 0.0);
    state.traced.clear();
    state.engine.trace_abort();
    Ok(())
}

/// The arguments of a run as the program takes them.
fn arguments(state: &State, id: ProgramId, count: usize) -> Outcome<Vec<RunArg>> {
    let numbers =
        state.signatures.get(id.0 as usize).filter(|numbers| numbers.len() == count).ok_or_else(|| {
            Failure::Core(Error::Internal(format!(
                "run: {count} arguments for program {}, which takes others",
                id.0
            )))
        })?;
    let given = state.io.list(count)?;
    Ok(given
        .iter()
        .zip(numbers)
        .map(|(&given, &number)| if number { RunArg::Number(given) } else { RunArg::Tensor(given) })
        .collect())
}

/// Gives outputs their owners and describes them: handles from the list's begin, then rank,
/// element type, flags and sizes of each while there is room.
fn hand_over(call: &Call<'_>, state: &mut State, owners: usize, handles: &[Handle]) -> Outcome<()> {
    let owners = call.elements(owners, handles.len())?;
    for (&owner, &handle) in owners.iter().zip(handles) {
        state.adopt(call.env, owner, handle)?;
    }
    state.io.write_list(handles.iter().copied())?;
    let mut at = DESCRIPTORS.max(LIST + handles.len());
    let mut described = 0;
    for &handle in handles {
        let info = state.engine.info(handle)?;
        let header = header(&info);
        if state.io.room(at) < header.len() + info.ty.shape.len() {
            break;
        }
        for number in header.into_iter().chain(info.ty.shape.iter().map(|&size| size as f64)) {
            state.io.set(at, number);
            at += 1;
        }
        described += 1;
    }
    state.io.set(io::DESCRIBED, f64::from(described));
    Ok(())
}

/// `run(program, outs, nArgs) -> nOut`: arguments and outputs in the list; -1 where the program
/// does not fit any more, and nothing has run.
pub fn run(call: &Call<'_>) -> Outcome<f64> {
    let (id, count) = (program(call, 0)?, call.count(2)?);
    let mut state = call.at_work()?;
    let state = &mut *state;
    let args = arguments(state, id, count)?;
    let handles = match state.engine.run(id, &args) {
        Err(Error::GuardMiss(_)) => return Ok(NONE),
        ran => ran?,
    };
    hand_over(call, state, 1, &handles)?;
    Ok(handles.len() as f64)
}

/// `programFree(program)`
pub fn free(call: &Call<'_>) -> Outcome<()> {
    let id = program(call, 0)?;
    call.state()?.engine.program_free(id);
    Ok(())
}

/// `explain(program) -> JSON`
pub fn explain(call: &Call<'_>) -> Outcome<String> {
    let id = program(call, 0)?;
    let explanation = call.state()?.engine.explain(id)?;
    let steps = explanation.rows.iter().map(|row| {
        json::object([
            ("kernel", json::string(row.kernel)),
            ("ops", json::string(&row.ops)),
            ("shapes", json::string(&row.shapes)),
            ("bytes", row.bytes.to_string()),
            ("offset", row.offset.map_or("null".to_owned(), |offset| offset.to_string())),
            ("path", json::string(&row.path)),
        ])
    });
    Ok(json::object([
        ("steps", json::array(steps)),
        ("arena", explanation.arena_bytes.to_string()),
        ("inputs", explanation.inputs.to_string()),
        ("states", explanation.states.to_string()),
        ("outputs", explanation.outputs.to_string()),
    ]))
}

/// `verifyBegin(program)`: remembers everything that a run of the program changes.
pub fn verify_begin(call: &Call<'_>) -> Outcome<()> {
    let id = program(call, 0)?;
    Ok(call.at_work()?.engine.verify_begin(id)?)
}

/// `verifyReplay()`: after the run; everything is put back for the function to run eagerly.
pub fn verify_replay(call: &Call<'_>) -> Outcome<()> {
    Ok(call.at_work()?.engine.verify_replay()?)
}

/// `verifyEnd(n)`: compares the eager outputs in the list with those of the run behind them.
pub fn verify_end(call: &Call<'_>) -> Outcome<()> {
    let count = call.count(0)?;
    let mut state = call.at_work()?;
    let state = &mut *state;
    let (eager, traced) = state.io.list(2 * count)?.split_at(count);
    Ok(state.engine.verify_end(eager, traced)?)
}

/// `verifyAbort()`: gives up, with everything as after the run.
pub fn verify_abort(call: &Call<'_>) -> Outcome<()> {
    Ok(call.at_work()?.engine.verify_abort()?)
}

/// `runAsync(program, outs, nArgs) -> Promise<Float64Array>`: handles of the outputs, then rank,
/// element type, flags and sizes of each.
pub fn run_async(call: &Call<'_>) -> Outcome<sys::napi_value> {
    let (id, count) = (program(call, 0)?, call.count(2)?);
    let owners = Strong::new(call.env, call.value(1))?;
    let prepared = {
        let mut state = call.at_work()?;
        arguments(&state, id, count).and_then(|args| Ok(state.engine.run_beside(id, &args)?))
    };
    let run = match prepared {
        Ok(run) => run,
        Err(failure) => {
            owners.release(call.env);
            return Err(failure);
        }
    };
    background::promise(
        call,
        Lane::Computing,
        move || run.run(),
        move |env, home, made| {
            let array = owners.get(env);
            owners.release(env);
            let (array, made) = (array?, made?);
            let mut state = home.state()?;
            let handles = state.engine.take_in(made);
            let mut numbers = handles.clone();
            for (at, &handle) in handles.iter().enumerate() {
                state.adopt(env, value::element(env, array, at)?, handle)?;
                let info = state.engine.info(handle)?;
                numbers.extend(header(&info));
                numbers.extend(info.ty.shape.iter().map(|&size| size as f64));
            }
            value::f64s(env, &numbers)
        },
    )
}
