//! Turns programs and tensors into a job for another thread.

use std::sync::Arc;
use std::time::Duration;

use super::gradient::Grad;
use super::program::{Effect, busy};
use super::runnable::Runnable;
use super::{Engine, Handle, ProgramId};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::runner::{Accumulation, Asks, Job, Phase, Stage, Start, Validates};
use crate::shape::View;
use crate::storage::{Gate, Storage, Value};

/// A pass over data, in handles.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseSpec {
    pub full: ProgramId,
    pub rest: Option<ProgramId>,
    /// Tensors whose first axis counts the examples.
    pub data: Vec<Handle>,
    pub batch_size: usize,
    /// Whether the outputs are wanted whole rather than as means.
    pub collect: bool,
    /// Batches of a pass, where it is not one visit of each example.
    pub steps: Option<usize>,
    /// Which outputs are sums rather than means; all are means where it is empty.
    pub sums: Vec<bool>,
    pub accumulation: Option<AccumulationSpec>,
}

/// Programs that only add gradients up: all batches but each `every`-th take them.
#[derive(Clone, Debug, PartialEq)]
pub struct AccumulationSpec {
    pub every: u64,
    pub full: ProgramId,
    pub rest: Option<ProgramId>,
}

impl PhaseSpec {
    /// One visit of each example, the outputs as means.
    pub fn new(full: ProgramId, data: Vec<Handle>, batch_size: usize) -> Self {
        Self {
            full,
            rest: None,
            data,
            batch_size,
            collect: false,
            steps: None,
            sums: Vec::new(),
            accumulation: None,
        }
    }
}

/// A training, an evaluation or a prediction.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    pub train: Option<PhaseSpec>,
    pub validation: Option<PhaseSpec>,
    pub epochs: std::ops::Range<usize>,
    pub shuffle: bool,
    pub numbers: Vec<f64>,
    pub stream: Stream,
    pub progress_ms: u64,
    /// Whether to tell of each batch.
    pub batches: bool,
    pub ask: bool,
    pub start: Start,
    pub validates: Validates,
    pub asks: Asks,
}

impl JobSpec {
    /// Epochs of nothing yet, told of as they end.
    pub fn new(epochs: std::ops::Range<usize>, stream: Stream) -> Self {
        Self {
            train: None,
            validation: None,
            epochs,
            shuffle: false,
            numbers: Vec::new(),
            stream,
            progress_ms: 100,
            batches: false,
            ask: false,
            start: Start::default(),
            validates: Validates::Every(1),
            asks: Asks::default(),
        }
    }
}

impl Engine {
    /// Prepares a job and leases the state it writes; the second value are handles to what it collects.
    pub fn job(&mut self, spec: &JobSpec) -> Result<(Job, Vec<Handle>)> {
        let mut collected = Vec::new();
        let train = spec.train.as_ref().map(|p| self.phase(p, spec.shuffle, &mut collected)).transpose()?;
        let validation =
            spec.validation.as_ref().map(|p| self.phase(p, false, &mut collected)).transpose()?;
        let gate = Arc::new(Gate::default());
        let leases = lease(&gate, train.iter().chain(&validation))?;
        let reads = read_only(&gate, &leases, train.iter().chain(&validation));
        for phase in spec.train.iter().chain(&spec.validation) {
            self.take_gradients(phase.full)?;
            if let Some(more) = &phase.accumulation {
                self.take_gradients(more.full)?;
            }
        }
        let handles = collected.into_iter().map(|storage| {
            let node = self.adopt_storage(storage, false);
            self.handle(node)
        });
        let handles = handles.collect();
        self.settle();
        let job = Job {
            train,
            validation,
            epochs: spec.epochs.clone(),
            start: spec.start.clone(),
            validates: spec.validates.clone(),
            asks: spec.asks,
            numbers: spec.numbers.clone(),
            stream: spec.stream,
            progress: Duration::from_millis(spec.progress_ms),
            batches: spec.batches,
            gate,
            leases,
            reads,
            ask: spec.ask,
        };
        Ok((job, handles))
    }

    /// Whether tensors are what a program takes, but for the number of examples.
    fn check_data(&mut self, runnable: &Runnable, data: &[Handle]) -> Result<()> {
        if data.len() != runnable.inputs.len() {
            let (given, wanted) = (data.len(), runnable.inputs.len());
            return Err(Error::Value(format!("fit: {given} tensors; expected {wanted}, as the step takes")));
        }
        for (&handle, want) in data.iter().zip(&runnable.inputs) {
            let node = self.resolve(handle)?;
            let have = &self.tape.get(node).node.ty;
            if have.dtype != want.dtype || have.shape.get(1..) != want.shape.get(1..) {
                return Err(Error::Shape(format!(
                    "fit: {} {}; expected {} examples as in {}",
                    have.dtype,
                    crate::shape::show(&have.shape),
                    want.dtype,
                    crate::shape::show(&want.shape)
                )));
            }
        }
        Ok(())
    }

    fn phase(&mut self, spec: &PhaseSpec, gathers: bool, collected: &mut Vec<Arc<Storage>>) -> Result<Phase> {
        let mut full = self.stage(spec.full)?;
        let mut rest = spec.rest.map(|id| self.stage(id)).transpose()?;
        let mut accumulation = match &spec.accumulation {
            Some(more) => Some(Accumulation {
                every: more.every.max(1),
                full: self.stage(more.full)?,
                rest: more.rest.map(|id| self.stage(id)).transpose()?,
            }),
            None => None,
        };
        let added = accumulation.iter().flat_map(|more| std::iter::once(&more.full).chain(&more.rest));
        for stage in std::iter::once(&full).chain(&rest).chain(added) {
            self.check_data(&stage.runnable, &spec.data)?;
        }
        let mut data = Vec::new();
        let mut count = None;
        for &handle in &spec.data {
            let node = self.resolve(handle)?;
            let ty = self.tape.get(node).node.ty.clone();
            let Some(&rows) = ty.shape.first() else {
                return Err(Error::Shape(
                    "fit: a 0-d tensor; expected a first axis that counts the examples".into(),
                ));
            };
            if count.is_some_and(|n| n != rows) {
                return Err(Error::Shape(format!(
                    "fit: {rows} examples beside {}; expected equally many",
                    count.unwrap_or(0)
                )));
            }
            count = Some(rows);
            let bound = match self.value(node) {
                Value::Tensor { storage, view } if view.is_contiguous() => {
                    Some((Arc::clone(storage), view.offset * ty.dtype.size()))
                }
                _ => None,
            };
            data.push(match bound {
                Some(bound) => bound,
                None => (self.contiguous_copy(node)?, 0),
            });
        }
        for (storage, _) in &data {
            self.keep_lent(storage.id);
        }
        let count = count.unwrap_or(1);
        let batches = count.div_ceil(spec.batch_size.max(1));
        let mut collect = Vec::new();
        if spec.collect {
            let stage = if count < spec.batch_size { rest.as_ref().unwrap_or(&full) } else { &full };
            for (ty, view) in &stage.runnable.outputs {
                let mut shape = view.shape.clone();
                if batches > 1 {
                    match shape.first_mut() {
                        Some(rows) if *rows == spec.batch_size => *rows = count,
                        _ => {
                            return Err(Error::Shape(format!(
                                "predict: an output of shape {}; expected its first axis to count the {} examples of a batch",
                                crate::shape::show(&view.shape),
                                spec.batch_size
                            )));
                        }
                    }
                }
                let storage = Storage::new(&self.backend, &self.meter, ty.dtype, View::contiguous(&shape))?;
                collected.push(Arc::clone(&storage));
                collect.push(storage);
            }
        }
        if gathers {
            full.runnable = self.gathering(spec.full, count)?;
            if let (Some(rest), Some(id)) = (&mut rest, spec.rest) {
                rest.runnable = self.gathering(id, count)?;
            }
            if let (Some(more), Some(ids)) = (&mut accumulation, &spec.accumulation) {
                more.full.runnable = self.gathering(ids.full, count)?;
                if let (Some(rest), Some(id)) = (&mut more.rest, ids.rest) {
                    rest.runnable = self.gathering(id, count)?;
                }
            }
        }
        let (batch_size, steps, sums) = (spec.batch_size, spec.steps, spec.sums.clone());
        Ok(Phase { full, rest, data, count, batch_size, steps, sums, accumulation, gathers, collect })
    }

    fn stage(&mut self, id: ProgramId) -> Result<Stage> {
        let program = self.program(id)?;
        if program.effects.iter().any(|(_, effect)| matches!(effect, Effect::Keep(_))) {
            return Err(Error::Trace(
                "fit: the step leaves gradients behind; expected it to start with zeroGrad(), so that they stay inside the step".into(),
            ));
        }
        let runnable = Arc::clone(&program.runnable);
        self.own_gradients(&runnable)?;
        let states = self.states_of(&runnable)?.into();
        Ok(Stage { runnable, states })
    }

    /// Gradients that the steps use up are gone for everybody else from now on.
    fn take_gradients(&mut self, id: ProgramId) -> Result<()> {
        let effects = Arc::clone(&self.program(id)?.effects);
        for &(leaf, effect) in effects.iter() {
            let grad = (effect == Effect::Lose).then_some(Grad::Lost);
            self.replace_grad(leaf, grad);
        }
        Ok(())
    }
}

/// Leases everything that the phases write, all or nothing.
fn lease<'a>(gate: &Arc<Gate>, phases: impl Iterator<Item = &'a Phase>) -> Result<Vec<Arc<Storage>>> {
    let mut leases: Vec<Arc<Storage>> = Vec::new();
    for phase in phases {
        for stage in phase.stages() {
            for &written in &stage.runnable.written {
                let storage = &stage.states[written as usize];
                if leases.iter().any(|s| s.id == storage.id) {
                    continue;
                }
                if !storage.lease(gate) {
                    for storage in &leases {
                        storage.end_lease();
                    }
                    return Err(busy("fit"));
                }
                leases.push(Arc::clone(storage));
            }
        }
    }
    Ok(leases)
}

/// Marks everything that the phases only read.
fn read_only<'a>(
    gate: &Arc<Gate>,
    leases: &[Arc<Storage>],
    phases: impl Iterator<Item = &'a Phase>,
) -> Vec<Arc<Storage>> {
    let mut reads: Vec<Arc<Storage>> = Vec::new();
    for phase in phases {
        let states = phase.stages().flat_map(|s| &*s.states);
        for storage in states.chain(phase.data.iter().map(|(storage, _)| storage)) {
            if !leases.iter().chain(&reads).any(|known| known.id == storage.id) {
                storage.begin_reading(gate);
                reads.push(Arc::clone(storage));
            }
        }
    }
    reads
}
