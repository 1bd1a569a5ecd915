//! Programs beside JavaScript: whole epochs on a thread of their own.
//!
//! A job owns its programs, the data and a lease on the state it writes. Between steps it lets
//! everybody through who waits for that state.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::backend::{Backend, Binding, BufferId, Executable, Run};
use crate::dtype::DType;
use crate::engine::Given;
use crate::engine::Runnable;
use crate::error::{Error, Result};
use crate::plan::{Expr, Kernel, Operand, Plan, Step};
use crate::rng::{self, Stream};
use crate::shape::View;
use crate::storage::{Gate, Storage, gates};

/// One pass over data with one kind of step.
pub struct Phase {
    /// The program for a full batch, with the storages of its states.
    pub full: Stage,
    /// The program for the last, smaller batch.
    pub rest: Option<Stage>,
    /// Row-major tensors whose first axis counts the examples, in the order of the program's inputs.
    pub data: Vec<(Arc<Storage>, usize)>,
    pub count: usize,
    pub batch_size: usize,
    /// Where the outputs go, one after the other along their first axis; none where they are numbers to be averaged.
    pub collect: Vec<Arc<Storage>>,
}

/// A program and what it is bound to.
#[derive(Clone)]
pub struct Stage {
    pub runnable: Arc<Runnable>,
    pub states: Arc<[Arc<Storage>]>,
}

/// What a thread is to do.
pub struct Job {
    pub train: Option<Phase>,
    pub validation: Option<Phase>,
    pub epochs: std::ops::Range<usize>,
    pub shuffle: bool,
    /// Numeric arguments of the programs.
    pub numbers: Vec<f64>,
    /// Seeds the shuffle and the random numbers of the programs.
    pub stream: Stream,
    pub progress: Duration,
    pub gate: Arc<Gate>,
    /// The state that the job writes; given back at the end.
    pub leases: Vec<Arc<Storage>>,
    /// What the job only reads; others that write it do so between two steps.
    pub reads: Vec<Arc<Storage>>,
    /// Whether to wait for [`Control::resume`] after each epoch.
    pub ask: bool,
}

/// What a job tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Means so far of the running epoch.
    Progress {
        epoch: usize,
        step: usize,
        steps: usize,
        values: Vec<f64>,
    },
    /// An epoch is over; the job waits for an answer if it was made to.
    Epoch {
        epoch: usize,
        values: Vec<f64>,
        validation: Vec<f64>,
    },
    Done,
    Aborted,
    Failed(Error),
}

/// The strings by which JavaScript holds a job.
#[derive(Default)]
pub struct Control {
    abort: AtomicBool,
    answer: Mutex<Option<bool>>,
    answered: Condvar,
}

impl Control {
    /// Ends the job after the current step.
    pub fn abort(&self) {
        self.abort.store(true, Ordering::Release);
        self.resume(true);
    }

    /// Answers an epoch event: go on, or stop here.
    pub fn resume(&self, stop: bool) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        self.answered.notify_all();
    }

    fn aborted(&self) -> bool {
        self.abort.load(Ordering::Acquire)
    }

    fn wait(&self) -> bool {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(stop) = answer.take() {
                return stop;
            }
            answer = self.answered.wait(answer).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Where the orders of epochs begin in the stream of a seed: far beyond what a training draws from it.
const FIRST_ORDER: u64 = 1 << 52;
/// Numbers set aside for the order of one epoch.
const ORDER_ROOM: u64 = 1 << 32;

/// The order of examples in an epoch; the loader of the library draws the same numbers.
pub fn shuffled(seed: u64, epoch: u64, count: usize) -> Vec<i32> {
    let mut order = vec![0; count];
    rng::permutation(seed, FIRST_ORDER + epoch * ORDER_ROOM, &mut order);
    order
}

enum End {
    Done,
    Aborted,
}

impl Job {
    /// Runs to the end; the last event is `Done`, `Aborted` or `Failed`.
    pub fn run(mut self, control: &Control, emit: &mut dyn FnMut(Event)) {
        let end = self.epochs_loop(control, emit);
        self.end_leases();
        emit(match end {
            Ok(End::Done) => Event::Done,
            Ok(End::Aborted) => Event::Aborted,
            Err(error) => Event::Failed(error),
        });
    }

    fn end_leases(&mut self) {
        for storage in self.leases.drain(..) {
            storage.end_lease();
        }
        for storage in self.reads.drain(..) {
            storage.end_reading(&self.gate);
        }
    }

    fn epochs_loop(&mut self, control: &Control, emit: &mut dyn FnMut(Event)) -> Result<End> {
        let mut train = self.train.take().map(|phase| Loop::new(phase, &self.numbers)).transpose()?;
        let mut validation =
            self.validation.take().map(|phase| Loop::new(phase, &self.numbers)).transpose()?;
        for epoch in self.epochs.clone() {
            let mut values = Vec::new();
            if let Some(train) = &mut train {
                if self.shuffle {
                    train.set_order(&shuffled(self.stream.seed, epoch as u64, train.phase.count))?;
                }
                let mut tell = Ticker { last: Instant::now(), every: self.progress, epoch, emit };
                match train.pass(&self.gate, &mut self.stream, control, Some(&mut tell))? {
                    Some(means) => values = means,
                    None => return Ok(End::Aborted),
                }
            }
            let mut held_out = Vec::new();
            if let Some(validation) = &mut validation {
                match validation.pass(&self.gate, &mut self.stream, control, None)? {
                    Some(means) => held_out = means,
                    None => return Ok(End::Aborted),
                }
            }
            emit(Event::Epoch { epoch, values, validation: held_out });
            if self.ask && control.wait() {
                return Ok(if control.aborted() { End::Aborted } else { End::Done });
            }
            if control.aborted() {
                return Ok(End::Aborted);
            }
        }
        Ok(End::Done)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Also where a step panicked, or no thread could be had.
        self.end_leases();
    }
}

struct Ticker<'a> {
    last: Instant,
    every: Duration,
    epoch: usize,
    emit: &'a mut dyn FnMut(Event),
}

/// A phase with its buffers: nothing is allocated per step.
struct Loop {
    phase: Phase,
    backend: Arc<dyn Backend>,
    numbers: Vec<f64>,
    arena: BufferId,
    arena_bytes: usize,
    /// The order of the examples, if it is not that of the data.
    order: Option<BufferId>,
    batches: Vec<Gathered>,
    outputs: Vec<(BufferId, DType, usize)>,
    /// Room for the bytes of an output.
    bytes: Vec<u8>,
}

/// A gathered batch of one data tensor.
struct Gathered {
    buffer: BufferId,
    row_bytes: usize,
    full: Executable,
    rest: Option<Executable>,
}

impl Loop {
    fn new(phase: Phase, numbers: &[f64]) -> Result<Self> {
        let backend = Arc::clone(&phase.full.runnable.backend);
        let stages = [Some(&phase.full), phase.rest.as_ref()];
        let arena_bytes =
            stages.iter().flatten().map(|s| s.runnable.plan.arena_bytes).max().unwrap_or(0).max(64);
        let arena = backend.alloc(arena_bytes)?;
        let mut outputs = Vec::new();
        for (ty, view) in &phase.full.runnable.outputs {
            let bytes = view.numel() * ty.dtype.size();
            outputs.push((backend.alloc(bytes)?, ty.dtype, view.numel()));
        }
        Ok(Self {
            backend,
            numbers: numbers.to_vec(),
            arena,
            arena_bytes,
            order: None,
            batches: Vec::new(),
            outputs,
            bytes: Vec::new(),
            phase,
        })
    }

    /// Makes the batches follow an order of their own: they are gathered from now on.
    fn set_order(&mut self, order: &[i32]) -> Result<()> {
        if self.order.is_none() {
            self.order = Some(self.backend.alloc(order.len() * 4)?);
            for (at, ty) in self.phase.full.runnable.inputs.iter().enumerate() {
                let row: usize = ty.shape.iter().skip(1).product();
                let row_bytes = row * ty.dtype.size();
                let gather = |batch: usize| self.gather_plan(ty.dtype, batch, row);
                let full = gather(self.phase.batch_size.min(self.phase.count))?;
                let rest = match &self.phase.rest {
                    Some(rest) => Some(gather(rest.runnable.inputs[at].shape[0])?),
                    None => None,
                };
                let buffer = self.backend.alloc(self.phase.batch_size * row_bytes)?;
                self.batches.push(Gathered { buffer, row_bytes, full, rest });
            }
        }
        let bytes: Vec<u8> = order.iter().flat_map(|i| i.to_le_bytes()).collect();
        match self.order {
            Some(buffer) => self.backend.upload(buffer, 0, &bytes),
            None => Ok(()),
        }
    }

    fn gather_plan(&self, dtype: DType, batch: usize, row: usize) -> Result<Executable> {
        let operand =
            |slot, dtype, shape: &[usize]| Operand { slot, dtype, base: 0, view: View::contiguous(shape) };
        let step = Step {
            kernel: Kernel::IndexSelect(Expr::plain(dtype)),
            ins: SmallVec::from_vec(vec![
                operand(1, dtype, &[1, self.phase.count, row]),
                operand(2, DType::I32, &[batch]),
            ]),
            outs: SmallVec::from_vec(vec![operand(3, dtype, &[1, batch, row])]),
            origin: 0,
        };
        self.backend.prepare(&Plan { steps: vec![step], slots: 4, scalars: 0, arena_bytes: 0 })
    }

    /// One pass; the means of the outputs over all examples, or `None` where it was aborted.
    fn pass(
        &mut self,
        gate: &Arc<Gate>,
        stream: &mut Stream,
        control: &Control,
        mut tell: Option<&mut Ticker<'_>>,
    ) -> Result<Option<Vec<f64>>> {
        let steps = self.phase.count.div_ceil(self.phase.batch_size.max(1));
        let mut sums = vec![0.0; self.outputs.len()];
        let mut seen = 0.0;
        let mut start = 0;
        let mut step = 0;
        while start < self.phase.count {
            let batch = self.phase.batch_size.min(self.phase.count - start);
            let is_rest = batch < self.phase.batch_size;
            let Some(stage) = (if is_rest { self.phase.rest.clone() } else { Some(self.phase.full.clone()) })
            else {
                break;
            };
            if control.aborted() {
                return Ok(None);
            }
            {
                let read = stage.states.iter().chain(self.phase.data.iter().map(|(storage, _)| storage));
                let written = stage.runnable.written.iter().map(|&state| &stage.states[state as usize]);
                let others = gates(Some(gate), read, written);
                let _passes = gate.step_among(&others);
                self.step(&stage, start, is_rest, stream)?;
                if self.phase.collect.is_empty() {
                    self.add_outputs(&mut sums, batch as f64)?;
                }
            }
            seen += batch as f64;
            start += batch;
            step += 1;
            if let Some(tell) = tell.as_deref_mut()
                && tell.last.elapsed() >= tell.every
            {
                tell.last = Instant::now();
                let values = sums.iter().map(|s| s / seen).collect();
                (tell.emit)(Event::Progress { epoch: tell.epoch, step, steps, values });
            }
        }
        self.backend.sync()?;
        Ok(Some(sums.iter().map(|s| s / seen).collect()))
    }

    fn step(&mut self, stage: &Stage, start: usize, is_rest: bool, stream: &mut Stream) -> Result<()> {
        let mut inputs: SmallVec<[Binding; 4]> = SmallVec::new();
        for (at, (storage, offset)) in self.phase.data.iter().enumerate() {
            let data = Binding { buffer: storage.buffer, offset: *offset };
            let ty = &stage.runnable.inputs[at];
            let row_bytes = ty.shape.iter().skip(1).product::<usize>() * ty.dtype.size();
            inputs.push(match self.order {
                None => Binding { offset: data.offset + start * row_bytes, ..data },
                Some(order) => {
                    let batch = &self.batches[at];
                    let executable = if is_rest { batch.rest.as_ref() } else { Some(&batch.full) };
                    let executable = executable
                        .ok_or_else(|| Error::Internal("fit: no plan to gather the last batch".into()))?;
                    debug_assert_eq!(batch.row_bytes, row_bytes);
                    let to = Binding { buffer: batch.buffer, offset: 0 };
                    let bindings = [
                        Binding { buffer: self.arena, offset: 0 },
                        data,
                        Binding { buffer: order, offset: start * 4 },
                        to,
                    ];
                    self.backend.run(
                        executable,
                        &Run { bindings: &bindings, scalars: &[], seed: 0, rng_offset: 0 },
                    )?;
                    to
                }
            });
        }
        let outputs: SmallVec<[Binding; 4]> = if self.phase.collect.is_empty() {
            self.outputs.iter().map(|&(buffer, ..)| Binding { buffer, offset: 0 }).collect()
        } else {
            self.phase
                .collect
                .iter()
                .zip(&stage.runnable.outputs)
                .map(|(storage, (ty, view))| {
                    let row = view.shape.iter().skip(1).product::<usize>() * ty.dtype.size();
                    let offset = if start == 0 { 0 } else { start * row };
                    Binding { buffer: storage.buffer, offset }
                })
                .collect()
        };
        stage.runnable.run(&Given {
            inputs: &inputs,
            numbers: &self.numbers,
            states: &stage.states,
            outputs: &outputs,
            arena: self.arena,
            stream: *stream,
        })?;
        debug_assert!(stage.runnable.plan.arena_bytes <= self.arena_bytes);
        stream.offset += stage.runnable.random_blocks;
        Ok(())
    }

    /// Adds the mean of each output, weighted by the size of the batch.
    fn add_outputs(&mut self, sums: &mut [f64], weight: f64) -> Result<()> {
        for (sum, &(buffer, dtype, numel)) in sums.iter_mut().zip(&self.outputs) {
            self.bytes.resize(numel * dtype.size(), 0);
            self.backend.download(buffer, 0, &mut self.bytes)?;
            let total: f64 =
                self.bytes.chunks_exact(dtype.size()).map(|element| decode(element, dtype)).sum();
            *sum += weight * total / numel as f64;
        }
        Ok(())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.backend.free(self.arena);
        for &(buffer, ..) in &self.outputs {
            self.backend.free(buffer);
        }
        for batch in &self.batches {
            self.backend.free(batch.buffer);
        }
        if let Some(order) = self.order {
            self.backend.free(order);
        }
    }
}

/// One element as a number.
pub fn decode(element: &[u8], dtype: DType) -> f64 {
    match dtype {
        DType::Bool | DType::U8 => element[0].into(),
        DType::I32 => element.try_into().map_or(0, i32::from_le_bytes).into(),
        DType::F32 => element.try_into().map_or(0.0, f32::from_le_bytes).into(),
        DType::F64 => element.try_into().map_or(0.0, f64::from_le_bytes),
    }
}
