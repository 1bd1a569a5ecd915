//! One pass over data after another, with everything laid out before the first step.

use std::sync::Arc;

use super::tally::Tally;
use super::ticker::Ticker;
use super::{Control, Event, Phase, Stage, shuffled};
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
    order: Option<Order>,
    scratch: Buffer,
    tally: Tally,
    inputs: Vec<Binding>,
    outputs: Vec<Binding>,
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
}

impl Loop {
    pub fn new(phase: Phase, numbers: &[f64], each: bool) -> Result<Self> {
        let backend = &phase.full.runnable.backend;
        let stages = [Some(&phase.full), phase.rest.as_ref()];
        let arena_bytes =
            stages.iter().flatten().map(|s| s.runnable.plan.arena_bytes).max().unwrap_or(0).max(64);
        let scratch = Buffer::new(backend, arena_bytes)?;
        let tally = Tally::new(&phase.full.runnable, each)?;
        let order = if phase.gathers {
            let numbers = Vec::with_capacity(phase.count);
            let bytes = Vec::with_capacity(phase.count * 4);
            Some(Order { buffer: Buffer::new(backend, phase.count * 4)?, numbers, bytes })
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
        let rest = phase.rest.as_ref().map(|stage| Lane::new(stage, &first)).transpose()?;
        Ok(Self { numbers: numbers.to_vec(), full, rest, order, scratch, tally, inputs, outputs, phase })
    }

    /// Visits the examples of the coming pass in the order of an epoch, where the phase gathers.
    pub fn shuffle(&mut self, seed: u64, epoch: u64) -> Result<()> {
        let Some(Order { buffer, numbers, bytes }) = &mut self.order else { return Ok(()) };
        shuffled(seed, epoch, self.phase.count, numbers);
        bytes.clear();
        bytes.extend(numbers.iter().flat_map(|example| example.to_le_bytes()));
        buffer.backend.upload(buffer.id, 0, bytes)
    }

    /// One pass; the means of the outputs over all examples, or `None` where it was aborted.
    pub fn pass(
        &mut self,
        passing: &mut Passing<'_>,
        mut tell: Option<&mut Ticker<'_>>,
    ) -> Result<Option<Vec<f64>>> {
        let (count, batch_size) = (self.phase.count, self.phase.batch_size);
        let steps = count.div_ceil(batch_size.max(1));
        self.tally.clear();
        let (mut start, mut step) = (0, 0);
        while start < count {
            let batch = batch_size.min(count - start);
            if batch < batch_size && self.rest.is_none() {
                break;
            }
            if passing.control.aborted() {
                return Ok(None);
            }
            self.step(passing, start, batch)?;
            if self.phase.collect.is_empty() {
                self.tally.add(batch as f64)?;
            }
            start += batch;
            step += 1;
            let Some(tell) = tell.as_deref_mut() else { continue };
            if tell.batches {
                let values = self.tally.means()?;
                (tell.emit)(Event::Batch { epoch: tell.epoch, step, steps, values });
            }
            if tell.due() {
                let values = self.tally.means()?;
                (tell.emit)(Event::Progress { epoch: tell.epoch, step, steps, values });
            }
        }
        self.scratch.backend.sync()?;
        self.tally.means().map(Some)
    }

    fn step(&mut self, passing: &mut Passing<'_>, start: usize, batch: usize) -> Result<()> {
        let lane = if batch < self.phase.batch_size {
            self.rest.as_mut().ok_or_else(|| Error::Internal("fit: no program for the last batch".into()))?
        } else {
            &mut self.full
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
