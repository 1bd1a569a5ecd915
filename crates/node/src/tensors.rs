//! Tensors: making, asking, reading, letting go.

use napi::sys;
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, Operand};
use neuroxide_core::error::Error;
use neuroxide_core::shape::Dims;

use crate::background::{self, Lane};
use crate::call::{Call, whole};
use crate::failure::{Failure, Outcome, wrong_argument};
use crate::home::State;
use crate::io::{self, Io, MAX_RANK};
use crate::value;

/// Stands where a handle could be and none is; below it stand literals.
pub const NONE: Handle = -1.0;

/// `init(io) -> io`: pins the shared array, or answers with the one pinned before.
pub fn init(call: &Call<'_>) -> Outcome<sys::napi_value> {
    call.home.state()?.io.pin(call.env, call.value(0))
}

/// `intern(text) -> id`
pub fn intern(call: &Call<'_>) -> Outcome<f64> {
    let text = call.text(0)?;
    Ok(f64::from(call.state()?.engine.names().intern(&text)))
}

/// `pathName(id) -> text`
pub fn path_name(call: &Call<'_>) -> Outcome<String> {
    let id = u32::try_from(call.count(0)?).map_err(|_| wrong_argument(0, "an id"))?;
    Ok(call.state()?.engine.names().get(id).to_owned())
}

/// Runs what makes a tensor; argument 0 becomes its owner, the shared array describes it.
pub fn making(call: &Call<'_>, make: impl FnOnce(&mut Engine, &Io) -> Outcome<Handle>) -> Outcome<Handle> {
    let mut state = call.at_work()?;
    let state = &mut *state;
    let handle = make(&mut state.engine, &state.io)?;
    state.adopt(call.env, call.value(0), handle)?;
    state.describe(handle)?;
    Ok(handle)
}

/// What one of three operands, or an entry of a list, says.
fn operand(given: f64, attrs: &[f64]) -> Outcome<Operand> {
    if given > NONE || given.is_nan() {
        return Ok(Operand::Tensor(given));
    }
    if given == NONE {
        return Ok(Operand::Absent);
    }
    whole(-2.0 - given).and_then(|at| attrs.get(at)).map(|&number| Operand::Number(number)).ok_or_else(|| {
        Failure::Core(Error::Value(format!(
            "operand {given}: it names no attribute of the {} given",
            attrs.len()
        )))
    })
}

/// `apply(out, code, a, b, c, nAttrs) -> handle`
pub fn apply(call: &Call<'_>) -> Outcome<f64> {
    let (code, count) = (call.count(1)?, call.count(5)?);
    let given = [call.number(2)?, call.number(3)?, call.number(4)?];
    making(call, |engine, io| {
        let attrs = io.attrs(count)?;
        let operands = [operand(given[0], attrs)?, operand(given[1], attrs)?, operand(given[2], attrs)?];
        Ok(engine.apply(code, &operands, attrs)?)
    })
}

/// `applyList(out, code, n, nAttrs) -> handle`: the operands stand in the list.
pub fn apply_list(call: &Call<'_>) -> Outcome<f64> {
    let (code, operands, attrs) = (call.count(1)?, call.count(2)?, call.count(3)?);
    making(call, |engine, io| {
        let attrs = io.attrs(attrs)?;
        let operands: Vec<Operand> =
            io.list(operands)?.iter().map(|&given| operand(given, attrs)).collect::<Outcome<_>>()?;
        Ok(engine.apply(code, &operands, attrs)?)
    })
}

/// Sizes that stand in the shared array.
pub fn sizes(given: &[f64]) -> Outcome<Dims> {
    given
        .iter()
        .map(|&size| {
            whole(size).ok_or_else(|| {
                Error::Shape(format!("size {size}; expected a whole number, not negative")).into()
            })
        })
        .collect()
}

fn rank(call: &Call<'_>, index: usize) -> Outcome<usize> {
    match call.count(index)? {
        rank if rank <= MAX_RANK => Ok(rank),
        rank => Err(Error::Value(format!("a tensor with {rank} dims; expected at most {MAX_RANK}")).into()),
    }
}

/// `create(out, dtype, rank, bytes) -> handle`: row-major elements, which are copied.
pub fn create(call: &Call<'_>) -> Outcome<f64> {
    let dtype = u32::try_from(call.count(1)?).ok().and_then(DType::from_code);
    let dtype = dtype.ok_or_else(|| wrong_argument(1, "the code of an element type"))?;
    let rank = rank(call, 2)?;
    making(call, |engine, io| {
        let shape = sizes(io.attrs(rank)?)?;
        Ok(call.with_bytes(3, |bytes| engine.create(dtype, &shape, bytes))??)
    })
}

/// `number(out, value) -> handle`: a weakly typed 0-d tensor.
pub fn number(call: &Call<'_>) -> Outcome<f64> {
    let number = call.number(1)?;
    making(call, |engine, _| Ok(engine.number(number)?))
}

/// `parameter(out, source, rank) -> handle`: the order of the axes in memory stands in the attributes.
pub fn parameter(call: &Call<'_>) -> Outcome<f64> {
    let (source, rank) = (call.number(1)?, rank(call, 2)?);
    making(call, |engine, io| {
        let order = sizes(io.attrs(rank)?)?;
        Ok(engine.parameter(source, &order)?)
    })
}

/// `meta(handle)`: describes a tensor in the shared array.
pub fn meta(call: &Call<'_>) -> Outcome<()> {
    let handle = call.number(0)?;
    call.state()?.describe(handle)
}

/// `read(handle, bytes)`: the elements in row-major order.
pub fn read(call: &Call<'_>) -> Outcome<()> {
    let handle = call.number(0)?;
    let elements = call.at_work()?.engine.read(handle)?;
    call.with_bytes_mut(1, |bytes| {
        if bytes.len() != elements.len() {
            return Err(Failure::Core(Error::Shape(format!(
                "read: room for {} bytes; expected {}",
                bytes.len(),
                elements.len()
            ))));
        }
        bytes.copy_from_slice(&elements);
        Ok(())
    })?
}

/// `readAsync(handle) -> Promise<Uint8Array>`: waits elsewhere for a training that owns the tensor.
pub fn read_async(call: &Call<'_>) -> Outcome<sys::napi_value> {
    let handle = call.number(0)?;
    let reading = call.at_work()?.engine.reading(handle)?;
    background::promise(
        call,
        Lane::Computing,
        move || reading.bytes(),
        |env, _, bytes| value::bytes(env, &bytes?),
    )
}

/// `release(handle)`: nothing happens where it is free already.
pub fn release(call: &Call<'_>) -> Outcome<()> {
    let handle = call.number(0)?;
    call.state()?.let_go(call.env, handle);
    Ok(())
}

/// `releaseMany(n)`: the handles stand in the list.
pub fn release_many(call: &Call<'_>) -> Outcome<()> {
    let count = call.count(0)?;
    let mut state = call.state()?;
    let handles = state.io.list(count)?.to_vec();
    for handle in handles {
        state.let_go(call.env, handle);
    }
    Ok(())
}

/// `alive(handle) -> boolean`
pub fn alive(call: &Call<'_>) -> Outcome<bool> {
    let handle = call.number(0)?;
    Ok(call.state()?.engine.alive(handle))
}

/// `sweep() -> number`: frees the tensors whose owners were collected.
pub fn sweep(call: &Call<'_>) -> Outcome<f64> {
    let mut state = call.state()?;
    let state: &mut State = &mut state;
    let mut dead = Vec::new();
    let polled = state.owners.collected(call.env, &mut dead);
    for &handle in &dead {
        state.engine.release(handle);
    }
    state.io.set(io::PRESSURE, 0.0);
    polled.map(|()| dead.len() as f64)
}

/// `pressure(threshold) -> number`: sets when sweeps are due (NaN: leaves it) and tells the load.
pub fn pressure(call: &Call<'_>) -> Outcome<f64> {
    let threshold = call.number(0)?;
    let mut state = call.state()?;
    if !threshold.is_nan() {
        state.threshold = threshold;
        let due = state.load() > threshold;
        state.io.set(io::PRESSURE, f64::from(due));
    }
    Ok(state.load())
}

/// `assign(target, value)`: writes into a leaf in place.
pub fn assign(call: &Call<'_>) -> Outcome<()> {
    let (target, source) = (call.number(0)?, call.number(1)?);
    Ok(call.at_work()?.engine.assign(target, source)?)
}

/// `seed(n)`
pub fn seed(call: &Call<'_>) -> Outcome<()> {
    let seed = call.count(0)? as u64;
    call.state()?.engine.seed(seed);
    Ok(())
}

/// `rngState()`: seed, offset and forks into the list.
pub fn rng_state(call: &Call<'_>) -> Outcome<()> {
    let mut state = call.state()?;
    let (stream, forks) = (state.engine.stream(), state.engine.forks());
    state.io.write_list([stream.seed as f64, stream.offset as f64, forks as f64].into_iter())
}

/// `setRngState(seed, offset, forks)`
pub fn set_rng_state(call: &Call<'_>) -> Outcome<()> {
    let (seed, offset, forks) = (call.count(0)? as u64, call.count(1)? as u64, call.count(2)? as u64);
    let mut state = call.state()?;
    state.engine.set_stream(neuroxide_core::rng::Stream { seed, offset }, forks);
    Ok(())
}
