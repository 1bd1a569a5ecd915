//! Optimizers: numbers shared with running trainings, state tensors, and the update as nodes.

use std::sync::{Arc, Mutex, MutexGuard};

use smallvec::SmallVec;

use super::gradient::{Grad, lost};
use super::program::busy;
use super::runnable::{ScalarSource, lock};
use super::update::Update;
use super::{Engine, Handle};
use crate::composite::optimizer::{self, OptimizerKind};
use crate::dtype::Weak;
use crate::error::{Error, Result};
use crate::graph::{Builder, Driver, NodeId};
use crate::storage::Value;

/// An optimizer of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OptimizerId(pub u32);

/// How an optimizer is made.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerSpec {
    pub kind: OptimizerKind,
    /// Hyperparameters of each group, in the order of the kind's table.
    pub groups: Vec<Vec<f64>>,
    pub params: Vec<Handle>,
    /// The group of each parameter.
    pub group_of: Vec<usize>,
}

/// The numbers that change between steps.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub groups: Vec<Vec<f64>>,
    pub group_of: Vec<usize>,
    /// Steps done, per parameter.
    pub steps: Vec<u64>,
}

/// What a running training shares with JavaScript: learning rates may change at any time.
pub struct Shared {
    pub kind: OptimizerKind,
    numbers: Mutex<Numbers>,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Numbers> {
        lock(&self.numbers)
    }

    /// The scalars of a parameter's next step but `ahead`.
    pub fn scalars(&self, numbers: &Numbers, param: usize, ahead: u64) -> SmallVec<[f64; 8]> {
        let hypers = &numbers.groups[numbers.group_of[param]];
        optimizer::scalars(self.kind, hypers, numbers.steps[param] + 1 + ahead)
    }
}

/// An optimizer.
pub struct Optimizer {
    pub(super) shared: Arc<Shared>,
    pub(super) params: Vec<NodeId>,
    /// State tensors of each parameter, in the order of its names.
    pub(super) states: Vec<SmallVec<[NodeId; 3]>>,
    /// Names of the states of each parameter: those that its group asked for when the optimizer was made.
    names: Vec<&'static [&'static str]>,
    /// Steps prepared so far.
    pub(super) updates: Vec<Arc<Update>>,
}

impl Engine {
    pub fn optimizer_create(&mut self, spec: OptimizerSpec) -> Result<OptimizerId> {
        if self.trace.is_some() {
            return Err(Error::Trace(
                "optimizer: constructed inside a jitted function; expected it to exist before the first call. \
                 Hint: construct it outside of the step"
                    .into(),
            ));
        }
        let mut params = Vec::with_capacity(spec.params.len());
        for &handle in &spec.params {
            let node = self.resolve(handle)?;
            if !self.tape.get(node).leaf {
                return Err(Error::Grad(
                    "optimizer: a parameter is the result of an operation; expected leaves such as nn.Parameter".into(),
                ));
            }
            params.push(node);
        }
        let mut states = Vec::with_capacity(params.len());
        for (&param, &group) in params.iter().zip(&spec.group_of) {
            let hypers = spec
                .groups
                .get(group)
                .ok_or_else(|| Error::Internal(format!("optimizer: no group {group}")))?;
            states.push(self.optimizer_states(spec.kind, hypers, param)?);
        }
        for &param in &params {
            self.tape.retain(param);
        }
        for &state in states.iter().flatten() {
            self.tape.retain(state);
        }
        self.settle();
        let steps = vec![0; params.len()];
        let names = spec
            .group_of
            .iter()
            .map(|&group| optimizer::states(spec.kind, optimizer::structure(spec.kind, &spec.groups[group])));
        let names = names.collect();
        let numbers = Mutex::new(Numbers { groups: spec.groups, group_of: spec.group_of, steps });
        let shared = Arc::new(Shared { kind: spec.kind, numbers });
        let made = Optimizer { shared, params, states, names, updates: Vec::new() };
        let free = self.optimizers.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.optimizers.push(None);
            self.optimizers.len() - 1
        });
        self.optimizers[at] = Some(made);
        self.guarded += 1;
        Ok(OptimizerId(at as u32))
    }

    /// State tensors in the layout of their parameter, so that one walk over memory updates all.
    fn optimizer_states(
        &mut self,
        kind: OptimizerKind,
        hypers: &[f64],
        param: NodeId,
    ) -> Result<SmallVec<[NodeId; 3]>> {
        let ty = self.ty(param).clone();
        let layout = match self.value(param) {
            Value::Tensor { storage, view } if storage.base == *view => storage.base.clone(),
            _ => crate::shape::View::contiguous(&ty.shape),
        };
        let structure = optimizer::structure(kind, hypers);
        let mut nodes = SmallVec::new();
        for initial in optimizer::initial_states(kind, structure, hypers) {
            let fill = Builder::new(self).full(&ty.shape, initial, ty.dtype)?;
            let storage = self.copy_to_layout(fill, &layout)?;
            nodes.push(self.adopt_storage(storage, false));
        }
        Ok(nodes)
    }

    pub(super) fn optimizer(&self, id: OptimizerId) -> Result<&Optimizer> {
        self.optimizers.get(id.0 as usize).and_then(Option::as_ref).ok_or_else(freed)
    }

    pub(super) fn optimizer_mut(&mut self, id: OptimizerId) -> Result<&mut Optimizer> {
        self.optimizers.get_mut(id.0 as usize).and_then(Option::as_mut).ok_or_else(freed)
    }

    pub(super) fn shared_of(&self, id: OptimizerId) -> Arc<Shared> {
        Arc::clone(&self.optimizer(id).expect("a trace only refers to live optimizers").shared)
    }

    pub(super) fn structure_of(&self, id: OptimizerId, group: usize) -> Option<u32> {
        let shared = &self.optimizer(id).ok()?.shared;
        let numbers = shared.lock();
        Some(optimizer::structure(shared.kind, numbers.groups.get(group)?))
    }

    /// Reads a hyperparameter, or writes it and returns the new value.
    pub fn optimizer_hyper(
        &mut self,
        id: OptimizerId,
        group: usize,
        index: usize,
        value: Option<f64>,
    ) -> Result<f64> {
        if value.is_some() && self.trace.is_some() {
            return Err(Error::Trace(
                "optimizer: a hyperparameter was written inside a jitted function, where it would happen once; expected it outside. \
                 Hint: set it between the calls, no new trace is needed"
                    .into(),
            ));
        }
        self.guarded += u64::from(value.is_some());
        let mut numbers = self.optimizer(id)?.shared.lock();
        let slot = numbers.groups.get_mut(group).and_then(|g| g.get_mut(index)).ok_or_else(|| {
            Error::Internal(format!("optimizer: no hyperparameter {index} in group {group}"))
        })?;
        if let Some(value) = value {
            *slot = value;
        }
        Ok(*slot)
    }

    /// Steps done for a parameter, or sets them.
    pub fn optimizer_steps(&mut self, id: OptimizerId, param: usize, value: Option<u64>) -> Result<u64> {
        let mut numbers = self.optimizer(id)?.shared.lock();
        let steps = numbers
            .steps
            .get_mut(param)
            .ok_or_else(|| Error::Internal(format!("optimizer: no parameter {param}")))?;
        if let Some(value) = value {
            *steps = value;
        }
        Ok(*steps)
    }

    /// A state tensor of a parameter, `None` where it has none of that name; it can be read and
    /// written with `copyFrom`.
    pub fn optimizer_state(&mut self, id: OptimizerId, param: usize, name: &str) -> Result<Option<Handle>> {
        let optimizer = self.optimizer(id)?;
        let at = optimizer.names.get(param).and_then(|names| names.iter().position(|&n| n == name));
        let node = at.and_then(|at| optimizer.states[param].get(at)).copied();
        let Some(node) = node else { return Ok(None) };
        let node = if self.trace.is_some() { self.capture(node)? } else { node };
        Ok(Some(self.handle(node)))
    }

    pub fn optimizer_free(&mut self, id: OptimizerId) {
        self.guarded += 1;
        if let Some(optimizer) = self.optimizers.get_mut(id.0 as usize).and_then(Option::take) {
            for node in optimizer.params.into_iter().chain(optimizer.states.into_iter().flatten()) {
                self.release_node(node);
            }
        }
    }

    /// Updates every parameter that has a gradient.
    pub fn optimizer_step(&mut self, id: OptimizerId) -> Result<()> {
        let enabled = self.set_grad_enabled(false);
        let result = self.step_all(id);
        self.set_grad_enabled(enabled);
        self.settle();
        result
    }

    fn step_all(&mut self, id: OptimizerId) -> Result<()> {
        if self.trace.is_none() {
            for &param in &self.optimizer(id)?.params {
                let leased = match self.value(param) {
                    Value::Tensor { storage, .. } => storage.gate().is_some(),
                    Value::Scalar(_) | Value::Later => false,
                };
                if leased {
                    return Err(busy("optimizer.step"));
                }
                // Before the first write, so that a step happens as a whole or not at all.
                if matches!(self.grads.get(&param), Some(Grad::Lost)) {
                    return Err(lost());
                }
            }
            // Who looks at every value, or compares every op, wants them one by one.
            if !self.anomaly && self.log.is_none() && self.step_together(id)? {
                return Ok(());
            }
        }
        let optimizer = self.optimizer(id)?;
        let (shared, params, states) =
            (Arc::clone(&optimizer.shared), optimizer.params.clone(), optimizer.states.clone());
        for (at, (&param, states)) in params.iter().zip(&states).enumerate() {
            self.step_one(id, &shared, at, param, states)?;
            if self.trace.is_none() {
                self.settle();
            }
        }
        Ok(())
    }

    fn step_one(
        &mut self,
        id: OptimizerId,
        shared: &Arc<Shared>,
        at: usize,
        param: NodeId,
        states: &[NodeId],
    ) -> Result<()> {
        let tracing = self.trace.is_some();
        let node = if tracing { self.capture(param)? } else { param };
        let grad = if tracing {
            self.read_traced_grad(node)?
        } else {
            match self.grads.get(&param) {
                Some(Grad::Lost) => return Err(lost()),
                Some(&Grad::Node(grad)) => Some(grad),
                None => None,
            }
        };
        let Some(grad) = grad else { return Ok(()) };
        let (values, group, structure) = {
            let numbers = shared.lock();
            let group = numbers.group_of[at];
            (
                shared.scalars(&numbers, at, 0),
                group,
                optimizer::structure(shared.kind, &numbers.groups[group]),
            )
        };
        let mut scalars: SmallVec<[NodeId; 8]> = SmallVec::new();
        let bump = self.trace.as_ref().map(|t| t.bumps.len());
        for (index, &value) in values.iter().enumerate() {
            scalars.push(match bump {
                Some(bump) => self.slot(ScalarSource::Update { bump, index }, Some(Weak::Float)),
                None => Builder::new(self).number(value)?,
            });
        }
        let mut inputs: SmallVec<[NodeId; 3]> = SmallVec::new();
        for &state in states {
            inputs.push(if tracing { self.capture(state)? } else { state });
        }
        let updated = optimizer::update(
            &mut Builder::new(self),
            shared.kind,
            structure,
            node,
            grad,
            &inputs,
            &scalars,
        )?;
        for (&state, &value) in inputs.iter().zip(&updated.states) {
            self.assign_node(state, value)?;
        }
        self.assign_node(node, updated.param)?;
        match &mut self.trace {
            Some(trace) => {
                trace.bumps.push((id.0, at));
                if !trace.structures.contains(&(id.0, group, structure)) {
                    trace.structures.push((id.0, group, structure));
                }
            }
            None => shared.lock().steps[at] += 1,
        }
        Ok(())
    }
}

fn freed() -> Error {
    Error::Disposed("optimizer: it was freed".into())
}
