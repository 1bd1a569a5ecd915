//! One pass over data after another, with everything laid out before the first step.

use std::sync::Arc;

use super::tally::Tally;
use super::ticker::Ticker;
use super::{Control, Event, Phase, Stage, Standing, Start, shuffled};
use crate::backend::{Backend, Binding, BufferId};
use crate::engine::{Given, Replay};
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::storage::{Gate, Storage, gates, uses};

/// A phase with its buffers: nothing is allocated per step.
pub(super) struct Loop {
    phase: Phase,
    numbers: Vec<f64>,
    full: Lane,
    rest: Option<Lane>,
    /// Batches whose gradients are only added up take these.
    adding: Option<(u64, Lane, Option<Lane>)>,
    /// Batches of all passes.
    pub batches: u64,
    /// Steps of the present pass that are done, and all of them; none where it has not begun.
    at: Option<(usize, usize)>,
    order: Option<Order>,
    scratch: Buffer,
    tally: Tally,
    inputs: Vec<Binding>,
    outputs: Vec<Binding>,
}

/// Which pass it is, and who hears of it.
pub(super) struct Pass {
    pub epoch: usize,
    pub from: Start,
    pub validation: bool,
    /// Whether it waits for an answer before the first step and after each.
    pub asks: bool,
    /// Whether it tells of its progress.
    pub told: bool,
}

/// How a pass ended.
pub(super) struct Passed {
    pub values: Vec<f64>,
    pub bad: Option<usize>,
    /// Whether an answer ended it.
    pub stopped: bool,
}

/// A program bound to what it works on.
struct Lane {
    replay: Replay,
    /// Bytes of a row of each output, where they are collected.
    rows: Vec<usize>,
    /// The gates of other trainings to pass in each step, and the count of uses for which that is known.
    others: Vec<Arc<Gate>>,
    known: Option<u64>,
}

/// The order in which the examples of an epoch are visited, on the device.
struct Order {
    buffer: Buffer,
    numbers: Vec<i32>,
    bytes: Vec<u8>,
    /// The visit of the examples that the numbers are for.
    visit: Option<usize>,
}

/// A buffer of the loop's own.
struct Buffer {
    backend: Arc<dyn Backend>,
    id: BufferId,
}

impl Buffer {
    fn new(backend: &Arc<dyn Backend>, bytes: usize) -> Result<Self> {
        Ok(Self { backend: Arc::clone(backend), id: backend.alloc(bytes)? })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.backend.free(self.id);
    }
}

/// What a pass is part of.
pub(super) struct Passing<'a> {
    pub gate: &'a Arc<Gate>,
    pub stream: &'a mut Stream,
    pub control: &'a Control,
    /// Decides the orders.
    pub seed: u64,
}

impl Loop {
    pub fn new(phase: Phase, numbers: &[f64], each: bool) -> Result<Self> {
        let backend = &phase.full.runnable.backend;
        let arena_bytes = phase.stages().map(|s| s.runnable.plan.arena_bytes).max().unwrap_or(0).max(64);
        let scratch = Buffer::new(backend, arena_bytes)?;
        let tally = Tally::new(&phase, each)?;
        let order = if phase.gathers {
            let numbers = Vec::with_capacity(phase.count);
            let bytes = Vec::with_capacity(phase.count * 4);
            Some(Order { buffer: Buffer::new(backend, phase.count * 4)?, numbers, bytes, visit: None })
        } else {
            None
        };
        let mut inputs: Vec<Binding> = phase
            .data
            .iter()
            .map(|(storage, offset)| Binding { buffer: storage.buffer, offset: *offset })
            .collect();
        inputs.extend(order.as_ref().map(|order| Binding { buffer: order.buffer.id, offset: 0 }));
        let outputs: Vec<Binding> = if phase.collect.is_empty() {
            tally.places().collect()
        } else {
            phase.collect.iter().map(|storage| storage.binding()).collect()
        };
        let first =
            Given { inputs: &inputs, numbers, outputs: &outputs, arena: scratch.id, stream: Stream::new(0) };
        let full = Lane::new(&phase.full, &first)?;
        let lane = |stage: &Option<Stage>| stage.as_ref().map(|stage| Lane::new(stage, &first)).transpose();
        let rest = lane(&phase.rest)?;
        let adding = match &phase.accumulation {
            Some(more) => Some((more.every, Lane::new(&more.full, &first)?, lane(&more.rest)?)),
            None => None,
        };
        let numbers = numbers.to_vec();
        Ok(Self {
            numbers,
            full,
            rest,
            adding,
            batches: 0,
            at: None,
            order,
            scratch,
            tally,
            inputs,
            outputs,
            phase,
        })
    }

    /// Visits the examples in the order of one visit of them all, where the phase gathers.
    fn shuffle(&mut self, seed: u64, visit: usize) -> Result<()> {
        let Some(order) = &mut self.order else { return Ok(()) };
        if order.visit == Some(visit) {
            return Ok(());
        }
        shuffled(seed, visit as u64, self.phase.count, &mut order.numbers);
        order.bytes.clear();
        order.bytes.extend(order.numbers.iter().flat_map(|example| example.to_le_bytes()));
        order.visit = Some(visit);
        order.buffer.backend.upload(order.buffer.id, 0, &order.bytes)
    }

    /// Batches in one visit of the examples.
    fn per_visit(&self) -> usize {
        let (count, size) = (self.phase.count, self.phase.batch_size.max(1));
        if self.rest.is_some() { count.div_ceil(size) } else { count / size }
    }

    /// One pass, or what is left of it; none where it was aborted.
    pub fn pass(
        &mut self,
        passing: &mut Passing<'_>,
        pass: Pass,
        tell: &mut Ticker<'_>,
    ) -> Result<Option<Passed>> {
        let per_visit = self.per_visit();
        let steps = match self.phase.steps {
            // What is measured is measured from the first example on, and at most once.
            Some(steps) if pass.validation => steps.min(per_visit),
            Some(steps) => steps,
            None => per_visit,
        };
        let before = if pass.validation { 0 } else { pass.epoch * steps };
        let mut step = pass.from.step;
        self.at = None;
        self.tally.clear(pass.from.running, step)?;
        if step < steps && per_visit > 0 {
            self.shuffle(passing.seed, (before + step) / per_visit)?;
        }
        self.at = Some((step, steps));
        // What was prepared is no part of the first step.
        tell.begin();
        let mut stopped = false;
        if pass.asks && step < steps {
            stopped = self.ask(passing, (pass.epoch, pass.validation), (step, steps, true), tell)?;
        }
        while step < steps && per_visit > 0 && !stopped {
            if passing.control.aborted() {
                return Ok(None);
            }
            let (visit, at) = ((before + step) / per_visit, (before + step) % per_visit);
            self.shuffle(passing.seed, visit)?;
            let start = at * self.phase.batch_size;
            let batch = self.phase.batch_size.min(self.phase.count - start);
            self.step(passing, start, batch)?;
            if self.phase.collect.is_empty() {
                self.tally.add(batch as f64)?;
            }
            step += 1;
            self.at = Some((step, steps));
            if pass.asks {
                stopped = self.ask(passing, (pass.epoch, pass.validation), (step, steps, false), tell)?;
            }
            if pass.told {
                self.tell(tell, step, steps)?;
            }
        }
        // Also after the last step: whoever aborts hears of no more epochs.
        if passing.control.aborted() {
            return Ok(None);
        }
        self.scratch.backend.sync()?;
        let values = self.tally.means()?;
        Ok(Some(Passed { values, bad: self.tally.bad(), stopped }))
    }

    fn tell(&mut self, tell: &mut Ticker<'_>, step: usize, steps: usize) -> Result<()> {
        if tell.batches {
            let values = self.tally.means()?;
            (tell.emit)(Event::Batch { epoch: tell.epoch, step, steps, values });
        }
        if tell.due() {
            let values = self.tally.means()?;
            let bad = self.tally.bad();
            (tell.emit)(Event::Progress { epoch: tell.epoch, step, steps, values, bad });
        }
        Ok(())
    }

    /// Tells where the pass stands and waits; whether it is to end here.
    fn ask(
        &mut self,
        passing: &Passing<'_>,
        (epoch, validation): (usize, bool),
        (step, steps, first): (usize, usize, bool),
        tell: &mut Ticker<'_>,
    ) -> Result<bool> {
        let offset = passing.stream.offset;
        let standing = self.standing(epoch, (step, steps), offset)?;
        (tell.emit)(Event::Ask(Standing { validation, first, ..standing }));
        Ok(passing.control.wait())
    }

    fn standing(&mut self, epoch: usize, (step, steps): (usize, usize), offset: u64) -> Result<Standing> {
        self.scratch.backend.sync()?;
        Ok(Standing {
            validation: false,
            epoch,
            step,
            steps,
            first: false,
            values: self.tally.means()?,
            running: self.tally.running().clone(),
            offset,
            batches: self.batches,
        })
    }

    /// What a training that ends within an epoch tells of it; nothing where the epoch had not begun, or where even the
    /// device fails, which the last event is about.
    pub fn left(&mut self, epoch: usize, offset: u64) -> Option<Event> {
        let at = self.at?;
        self.standing(epoch, at, offset).ok().map(Event::Left)
    }

    fn step(&mut self, passing: &mut Passing<'_>, start: usize, batch: usize) -> Result<()> {
        let lanes = match &mut self.adding {
            Some((every, full, rest)) if !(self.batches + 1).is_multiple_of(*every) => (full, rest),
            _ => (&mut self.full, &mut self.rest),
        };
        let lane = if batch < self.phase.batch_size {
            let missing = || Error::Internal("fit: no program for the last batch".into());
            lanes.1.as_mut().ok_or_else(missing)?
        } else {
            lanes.0
        };
        if let Some(order) = self.inputs.get_mut(self.phase.data.len()) {
            order.offset = start * 4;
        } else {
            let types = &lane.replay.runnable().inputs;
            for ((input, (_, offset)), ty) in self.inputs.iter_mut().zip(&self.phase.data).zip(types) {
                let row: usize = ty.shape.iter().skip(1).product();
                input.offset = offset + start * row * ty.dtype.size();
            }
        }
        if self.phase.collect.is_empty() {
            for (output, place) in self.outputs.iter_mut().zip(self.tally.places()) {
                *output = place;
            }
        } else {
            for (output, row) in self.outputs.iter_mut().zip(&lane.rows) {
                output.offset = start * row;
            }
        }
        let given = Given {
            inputs: &self.inputs,
            numbers: &self.numbers,
            outputs: &self.outputs,
            arena: self.scratch.id,
            stream: *passing.stream,
        };
        lane.meet(passing.gate, &self.phase.data);
        let _passes = passing.gate.step_among(&lane.others);
        lane.replay.run(&given)?;
        passing.stream.offset += lane.replay.runnable().random_blocks;
        self.batches += 1;
        Ok(())
    }
}

impl Lane {
    fn new(stage: &Stage, first: &Given<'_>) -> Result<Self> {
        let outputs = stage.runnable.outputs.iter();
        let rows = outputs
            .map(|(ty, view)| view.shape.iter().skip(1).product::<usize>() * ty.dtype.size())
            .collect();
        let replay = Replay::new(Arc::clone(&stage.runnable), Arc::clone(&stage.states), Some(first))?;
        Ok(Self { replay, rows, others: Vec::new(), known: None })
    }

    /// Finds out whom the step meets, where that may have changed.
    fn meet(&mut self, gate: &Arc<Gate>, data: &[(Arc<Storage>, usize)]) {
        let now = uses();
        if self.known != Some(now) {
            let read = self.replay.states().iter().chain(data.iter().map(|(storage, _)| storage));
            self.others = gates(Some(gate), read, self.replay.written());
            self.known = Some(now);
        }
    }
}
