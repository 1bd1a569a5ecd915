//! Programs beside JavaScript: whole epochs on a thread of their own.
//!
//! A job owns its programs, the data and a lease on the state it writes. Between steps it lets
//! everybody through who waits for that state.

mod pass;
mod tally;
mod ticker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Runnable;
use crate::error::{Error, Result};
use crate::rng::{self, Stream};
use crate::storage::{Gate, Storage};
use pass::{Loop, Pass, Passing};
pub use tally::decode;
use ticker::Ticker;

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
    /// Batches of a pass where that is not one visit of each example: the next pass goes on where it ended.
    pub steps: Option<usize>,
    /// Which outputs are sums, to be added, rather than means; the others are numbers.
    pub sums: Vec<bool>,
    /// Programs for the batches whose gradients are only added up.
    pub accumulation: Option<Accumulation>,
    /// Whether the programs take all of the data and, as one input more, the examples of the batch.
    pub gathers: bool,
    /// Where the outputs go, one after the other along their first axis; none where they are numbers to be averaged.
    pub collect: Vec<Arc<Storage>>,
}

/// Programs that add gradients up, and how many batches share a step of the optimizer.
pub struct Accumulation {
    pub every: u64,
    pub full: Stage,
    pub rest: Option<Stage>,
}

impl Phase {
    /// All programs.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        let added = self.accumulation.as_ref();
        let more = added.into_iter().flat_map(|added| std::iter::once(&added.full).chain(&added.rest));
        std::iter::once(&self.full).chain(&self.rest).chain(more)
    }
}

/// A program and what it is bound to.
#[derive(Clone)]
pub struct Stage {
    pub runnable: Arc<Runnable>,
    pub states: Arc<[Arc<Storage>]>,
}

/// What a pass has measured so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// For an output that is a mean its sum over the examples, for one that is a sum its elements.
    pub sums: Vec<f64>,
    /// Examples that were seen.
    pub seen: f64,
}

/// Where a training begins, or goes on where it was interrupted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// Steps of the first epoch that are done.
    pub step: usize,
    /// What they have measured; nothing where none is done.
    pub running: Running,
    /// Batches of all epochs before, which decide when gradients that are added up are used.
    pub batches: u64,
}

/// After which epochs the validation runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Validates {
    Every(usize),
    /// After these, counted from 1.
    After(Vec<usize>),
}

impl Validates {
    fn after(&self, epoch: usize) -> bool {
        match self {
            Self::Every(every) => (epoch + 1).is_multiple_of((*every).max(1)),
            Self::After(epochs) => epochs.contains(&(epoch + 1)),
        }
    }
}

/// Which passes wait for an answer before their first step and after each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    pub train: bool,
    pub validation: bool,
}

/// What a thread is to do.
pub struct Job {
    pub train: Option<Phase>,
    pub validation: Option<Phase>,
    pub epochs: std::ops::Range<usize>,
    pub start: Start,
    pub validates: Validates,
    pub asks: Asks,
    /// Numeric arguments of the programs.
    pub numbers: Vec<f64>,
    /// Seeds the shuffle and the random numbers of the programs.
    pub stream: Stream,
    pub progress: Duration,
    /// Whether to tell of each batch of the training.
    pub batches: bool,
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
        /// The first step of the epoch whose first output was not finite.
        bad: Option<usize>,
    },
    /// A pass stands before its first step (or the one it goes on with) or after another one, and waits for an answer.
    Ask(Standing),
    /// A batch has been trained on; means of the running epoch, this batch included.
    Batch {
        epoch: usize,
        step: usize,
        steps: usize,
        values: Vec<f64>,
    },
    /// An epoch is over; the job waits for an answer if it was made to.
    Epoch {
        epoch: usize,
        values: Vec<f64>,
        /// None where the validation did not run.
        validation: Option<Vec<f64>>,
        bad: Option<usize>,
        /// How far the random numbers are used, and the batches of all epochs.
        offset: u64,
        batches: u64,
    },
    /// An epoch was left before its event: what has been trained until then. The last event but one.
    Left(Standing),
    Done,
    Aborted,
    Failed(Error),
}

/// Where a pass stands that waits for an answer, or was left.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub validation: bool,
    pub epoch: usize,
    /// Steps that are done.
    pub step: usize,
    pub steps: usize,
    /// Whether no step of this pass has run since the job began it.
    pub first: bool,
    pub values: Vec<f64>,
    pub running: Running,
    pub offset: u64,
    pub batches: u64,
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

    /// Answers an event that waits: go on, or end with this epoch.
    pub fn resume(&self, stop: bool) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        self.answered.notify_all();
    }

    pub fn aborted(&self) -> bool {
        self.abort.load(Ordering::Acquire)
    }

    fn wait(&self) -> bool {
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let given = answer.take();
            // An abort stays one, whichever question its answer was taken for.
            if self.aborted() {
                return true;
            }
            if let Some(stop) = given {
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

/// Writes the order of `count` examples in an epoch; the loader of the library draws the same numbers.
pub fn shuffled(seed: u64, epoch: u64, count: usize, order: &mut Vec<i32>) {
    order.resize(count, 0);
    rng::permutation(seed, FIRST_ORDER + epoch * ORDER_ROOM, order);
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
        let each = self.batches || self.asks.train;
        let mut train = self.train.take().map(|phase| Loop::new(phase, &self.numbers, each)).transpose()?;
        let asks = self.asks;
        let mut validation = self
            .validation
            .take()
            .map(|phase| Loop::new(phase, &self.numbers, asks.validation))
            .transpose()?;
        let seed = self.stream.seed;
        let mut passing = Passing { gate: &self.gate, stream: &mut self.stream, control, seed };
        let mut start = std::mem::take(&mut self.start);
        if let Some(train) = &mut train {
            train.batches = start.batches;
        }
        for epoch in self.epochs.clone() {
            let (mut values, mut bad, mut stop) = (Vec::new(), None, false);
            if let Some(train) = &mut train {
                let from = std::mem::take(&mut start);
                let mut tell = Ticker::new(self.progress, epoch, self.batches, emit);
                let pass = Pass { epoch, from, validation: false, asks: asks.train, told: true };
                let end = train.pass(&mut passing, pass, &mut tell);
                let Ok(Some(end)) = end else {
                    train.left(epoch, passing.stream.offset).into_iter().for_each(emit);
                    return end.map(|_| End::Aborted);
                };
                (values, bad, stop) = (end.values, end.bad, end.stopped);
            }
            let trained = passing.stream.offset;
            let mut held_out = None;
            if let Some(validation) = validation.as_mut().filter(|_| self.validates.after(epoch)) {
                let mut tell = Ticker::new(self.progress, epoch, false, emit);
                let from = Start::default();
                let pass = Pass { epoch, from, validation: true, asks: asks.validation, told: false };
                let end = validation.pass(&mut passing, pass, &mut tell);
                let Ok(Some(end)) = end else {
                    let left = train.as_mut().and_then(|train| train.left(epoch, trained));
                    left.into_iter().for_each(emit);
                    return end.map(|_| End::Aborted);
                };
                held_out = Some(end.values);
            }
            let (offset, batches) = (passing.stream.offset, train.as_ref().map_or(0, |train| train.batches));
            emit(Event::Epoch { epoch, values, validation: held_out, bad, offset, batches });
            if self.ask && control.wait() || stop {
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
