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
use pass::{Loop, Passing};
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
    /// Whether the programs take all of the data and, as one input more, the examples of the batch.
    pub gathers: bool,
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
    },
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

    pub fn aborted(&self) -> bool {
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
        let each = self.batches;
        let mut train = self.train.take().map(|phase| Loop::new(phase, &self.numbers, each)).transpose()?;
        let mut validation =
            self.validation.take().map(|phase| Loop::new(phase, &self.numbers, false)).transpose()?;
        let seed = self.stream.seed;
        let mut passing = Passing { gate: &self.gate, stream: &mut self.stream, control };
        for epoch in self.epochs.clone() {
            let mut values = Vec::new();
            if let Some(train) = &mut train {
                train.shuffle(seed, epoch as u64)?;
                let mut tell = Ticker::new(self.progress, epoch, self.batches, emit);
                match train.pass(&mut passing, Some(&mut tell))? {
                    Some(means) => values = means,
                    None => return Ok(End::Aborted),
                }
            }
            let mut held_out = Vec::new();
            if let Some(validation) = &mut validation {
                match validation.pass(&mut passing, None)? {
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
