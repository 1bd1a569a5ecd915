//! Optimizers: their state and the arithmetic of a step live in the core.

use neuroxide_core::composite::optimizer::{self, OptimizerKind};
use neuroxide_core::engine::{OptimizerId, OptimizerSpec};
use neuroxide_core::error::Error;

use crate::call::Call;
use crate::failure::{Outcome, wrong_argument};
use crate::json;
use crate::tensors::NONE;

fn id(call: &Call<'_>, index: usize) -> Outcome<OptimizerId> {
    let id = u32::try_from(call.count(index)?).map_err(|_| wrong_argument(index, "an optimizer"))?;
    Ok(OptimizerId(id))
}

fn kind(call: &Call<'_>, index: usize) -> Outcome<OptimizerKind> {
    let name = call.text(index)?;
    OptimizerKind::ALL
        .into_iter()
        .find(|kind| kind.name().eq_ignore_ascii_case(&name))
        .ok_or_else(|| Error::Value(format!("optim: there is no optimizer {name:?}")).into())
}

/// `optimizerCreate(kind, hypers, n, groupOf) -> id`: the parameters stand in the list.
pub fn create(call: &Call<'_>) -> Outcome<f64> {
    let (kind, hypers, count) = (kind(call, 0)?, call.f64s(1)?, call.count(2)?);
    let group_of: Vec<usize> = call.i32s(3)?.into_iter().map(|group| group as usize).collect();
    if group_of.len() != count {
        return Err(wrong_argument(3, "one group for each parameter"));
    }
    let groups: Vec<Vec<f64>> = hypers.chunks(kind.hypers().len()).map(<[f64]>::to_vec).collect();
    for group in &groups {
        kind.validate(group)?;
    }
    let mut state = call.at_work()?;
    let state = &mut *state;
    let params = state.io.list(count)?.to_vec();
    let id = state.engine.optimizer_create(OptimizerSpec { kind, groups, params, group_of })?;
    Ok(f64::from(id.0))
}

/// `optimizerHyper(id, group, index, value | NaN) -> value`: NaN only asks.
pub fn hyper(call: &Call<'_>) -> Outcome<f64> {
    let (id, group, index) = (id(call, 0)?, call.count(1)?, call.count(2)?);
    let given = call.number(3)?;
    let given = (!given.is_nan()).then_some(given);
    Ok(call.at_work()?.engine.optimizer_hyper(id, group, index, given)?)
}

/// `optimizerStep(id)`
pub fn step(call: &Call<'_>) -> Outcome<()> {
    let id = id(call, 0)?;
    Ok(call.at_work()?.engine.optimizer_step(id)?)
}

/// `optimizerSteps(id, parameter, value | -1) -> value`: steps taken; -1 only asks.
pub fn steps(call: &Call<'_>) -> Outcome<f64> {
    let (id, parameter, given) = (id(call, 0)?, call.count(1)?, call.number(2)?);
    let given = (given >= 0.0).then_some(given as u64);
    Ok(call.at_work()?.engine.optimizer_steps(id, parameter, given)? as f64)
}

/// `optimizerState(out, id, parameter, name) -> handle | -1`: -1 where the hyperparameters leave
/// the state out.
pub fn state(call: &Call<'_>) -> Outcome<f64> {
    let (id, parameter, name) = (id(call, 1)?, call.count(2)?, call.text(3)?);
    let mut state = call.at_work()?;
    let Some(handle) = state.engine.optimizer_state(id, parameter, &name)? else { return Ok(NONE) };
    state.adopt(call.env, call.value(0), handle)?;
    state.describe(handle)?;
    Ok(handle)
}

/// `optimizerFree(id)`
pub fn free(call: &Call<'_>) -> Outcome<()> {
    let id = id(call, 0)?;
    call.state()?.engine.optimizer_free(id);
    Ok(())
}

/// `optimizerInfo(kind) -> JSON`: hyperparameters in the order of their indices, and the
/// names of all states that there can be.
pub fn info(call: &Call<'_>) -> Outcome<String> {
    let kind = kind(call, 0)?;
    let hypers = kind.hypers().iter().map(|hyper| {
        json::object([("name", json::string(hyper.name)), ("default", json::number(hyper.default))])
    });
    let states = optimizer::states(kind, u32::MAX).iter().map(|name| json::string(name));
    Ok(json::object([("hypers", json::array(hypers)), ("states", json::array(states))]))
}
