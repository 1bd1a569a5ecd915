//! Gradients.

use neuroxide_core::engine::Handle;

use crate::call::Call;
use crate::failure::Outcome;
use crate::tensors::NONE;
use crate::value;

fn optional(handle: Handle) -> Option<Handle> {
    (handle != NONE).then_some(handle)
}

/// `setRequiresGrad(handle, on)`: leaves only.
pub fn set_requires_grad(call: &Call<'_>) -> Outcome<()> {
    let (handle, on) = (call.number(0)?, call.flag(1)?);
    Ok(call.at_work()?.engine.set_requires_grad(handle, on)?)
}

/// `gradEnabled(on) -> boolean`: what was set before.
pub fn grad_enabled(call: &Call<'_>) -> Outcome<bool> {
    let on = call.flag(0)?;
    Ok(call.state()?.engine.set_grad_enabled(on))
}

/// `backward(y, gradient | -1, retain)`
pub fn backward(call: &Call<'_>) -> Outcome<()> {
    let (y, gradient, retain) = (call.number(0)?, optional(call.number(1)?), call.flag(2)?);
    Ok(call.at_work()?.engine.backward(y, gradient, retain)?)
}

/// `gradients(outs, y, gradient | -1, n, retain)`: for the tensors in the list, whose gradients
/// take their places (-1 where unconnected).
pub fn gradients(call: &Call<'_>) -> Outcome<()> {
    let (y, gradient) = (call.number(1)?, optional(call.number(2)?));
    let (count, retain) = (call.count(3)?, call.flag(4)?);
    let owners = call.elements(0, count)?;
    let mut state = call.at_work()?;
    let state = &mut *state;
    let found = state.engine.gradients(y, gradient, state.io.list(count)?, retain)?;
    for (&owner, &handle) in owners.iter().zip(&found) {
        if let Some(handle) = handle {
            state.adopt(call.env, owner, handle)?;
        }
    }
    state.io.write_list(found.iter().map(|handle| handle.unwrap_or(NONE)))
}

/// `gradOf(out, handle) -> handle | -1`
pub fn grad_of(call: &Call<'_>) -> Outcome<f64> {
    let handle = call.number(1)?;
    let mut state = call.at_work()?;
    let Some(grad) = state.engine.grad_of(handle)? else { return Ok(NONE) };
    state.adopt(call.env, call.value(0), grad)?;
    state.describe(grad)?;
    Ok(grad)
}

/// `setGrad(handle, gradient | -1)`
pub fn set_grad(call: &Call<'_>) -> Outcome<()> {
    let (handle, gradient) = (call.number(0)?, optional(call.number(1)?));
    Ok(call.at_work()?.engine.set_grad(handle, gradient)?)
}

/// `zeroGrad(n)`: of the leaves in the list.
pub fn zero_grad(call: &Call<'_>) -> Outcome<()> {
    let count = call.count(0)?;
    let mut state = call.at_work()?;
    let state = &mut *state;
    Ok(state.engine.zero_grad(state.io.list(count)?)?)
}

/// `producer(out, handle, axis) -> handle | -1`: the input of the softmax or sigmoid that a
/// prediction came from, for a softmax only where the classes lie on `axis`; kind (0 where
/// unknown) and path into the list.
pub fn producer(call: &Call<'_>) -> Outcome<f64> {
    let handle = call.number(1)?;
    let axis =
        value::as_number(call.env, call.value(2)).filter(|axis| axis.is_finite()).map(|axis| axis as i64);
    let mut state = call.at_work()?;
    let (kind, source, path) = match state.engine.producer(handle, axis)? {
        Some((kind, source, path)) => (kind as u8, source, path),
        None => (0, None, 0),
    };
    state.io.write_list([f64::from(kind), f64::from(path)].into_iter())?;
    let Some(source) = source else { return Ok(NONE) };
    state.adopt(call.env, call.value(0), source)?;
    state.describe(source)?;
    Ok(source)
}
