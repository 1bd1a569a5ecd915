//! Means over the outputs of many steps, read from the device some steps at a time.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Phase, Running};
use crate::backend::{Backend, Binding, BufferId};
use crate::dtype::DType;
use crate::engine::Runnable;
use crate::error::{Error, Result};

/// Steps between two readings at most: a reading costs as much as everything else around a small step.
const STEPS: usize = 64;
/// Room that the outputs between two readings may take.
const ROOM: usize = 1 << 16;

/// Outputs of steps, waiting in buffers of their own, and the sums of those before.
pub(super) struct Tally {
    backend: Arc<dyn Backend>,
    outputs: Vec<Output>,
    /// Steps that fit between two readings.
    room: usize,
    /// The weights of the steps that wait.
    waiting: Vec<f64>,
    bytes: Vec<u8>,
    running: Running,
    /// Steps that were read in this pass, and the first of them whose first output was not finite.
    read: usize,
    bad: Option<usize>,
}

struct Output {
    buffer: BufferId,
    dtype: DType,
    numel: usize,
    bytes: usize,
    /// Where its sums begin; one for a mean, one for each element of a sum.
    first: usize,
    sum: bool,
}

impl Tally {
    /// For the outputs of a program; `each` where every step is looked at.
    pub fn new(phase: &Phase, each: bool) -> Result<Self> {
        let runnable: &Runnable = &phase.full.runnable;
        let sizes: SmallVec<[usize; 4]> =
            runnable.outputs.iter().map(|(ty, view)| view.numel() * ty.dtype.size()).collect();
        let largest = sizes.iter().copied().max().unwrap_or(0).max(1);
        let room = if each { 1 } else { (ROOM / largest).clamp(1, STEPS) };
        let mut tally = Self {
            backend: Arc::clone(&runnable.backend),
            outputs: Vec::with_capacity(sizes.len()),
            room,
            waiting: Vec::with_capacity(room),
            bytes: vec![0; room * largest],
            running: Running::default(),
            read: 0,
            bad: None,
        };
        let mut first = 0;
        for (at, ((ty, view), &bytes)) in runnable.outputs.iter().zip(&sizes).enumerate() {
            let buffer = tally.backend.alloc(room * bytes)?;
            let (sum, numel) = (phase.sums.get(at).copied().unwrap_or(false), view.numel());
            tally.outputs.push(Output { buffer, dtype: ty.dtype, numel, bytes, first, sum });
            first += if sum { numel } else { 1 };
        }
        tally.running.sums = vec![0.0; first];
        Ok(tally)
    }

    /// Begins another pass, of which `from` may be done.
    pub fn clear(&mut self, from: Running, done: usize) -> Result<()> {
        self.waiting.clear();
        (self.read, self.bad) = (done, None);
        if done == 0 {
            self.running.sums.fill(0.0);
            self.running.seen = 0.0;
            return Ok(());
        }
        let (given, wanted) = (from.sums.len(), self.running.sums.len());
        if given != wanted {
            return Err(Error::Value(format!("fit: {given} sums to go on with; expected {wanted}")));
        }
        self.running = from;
        Ok(())
    }

    /// Where the next step puts its outputs.
    pub fn places(&self) -> impl Iterator<Item = Binding> {
        let at = self.waiting.len();
        self.outputs.iter().map(move |output| Binding { buffer: output.buffer, offset: at * output.bytes })
    }

    /// A step over `examples` examples has been given to the backend.
    pub fn add(&mut self, examples: f64) -> Result<()> {
        self.waiting.push(examples);
        self.running.seen += examples;
        if self.waiting.len() == self.room { self.settle() } else { Ok(()) }
    }

    /// Adds what waits, in the order of the steps: means weighted by the examples, sums as they are.
    fn settle(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        for output in &self.outputs {
            let bytes = &mut self.bytes[..self.waiting.len() * output.bytes];
            self.backend.download(output.buffer, 0, bytes)?;
            let size = output.dtype.size();
            for (at, weight) in self.waiting.iter().enumerate() {
                let step = &bytes[at * output.bytes..(at + 1) * output.bytes];
                let elements = step.chunks_exact(size).map(|element| decode(element, output.dtype));
                if output.sum {
                    let sums = &mut self.running.sums[output.first..output.first + output.numel];
                    sums.iter_mut().zip(elements).for_each(|(sum, element)| *sum += element);
                    continue;
                }
                let total: f64 = elements.sum();
                if output.first == 0 && self.bad.is_none() && !total.is_finite() {
                    self.bad = Some(self.read + at);
                }
                self.running.sums[output.first] += weight * total / output.numel as f64;
            }
        }
        self.read += self.waiting.len();
        self.waiting.clear();
        Ok(())
    }

    /// The means so far, NaN before the first step, and the sums as they are.
    pub fn means(&mut self) -> Result<Vec<f64>> {
        self.settle()?;
        let Running { sums, seen } = &self.running;
        let mut values = sums.clone();
        for output in self.outputs.iter().filter(|output| !output.sum) {
            values[output.first] /= seen;
        }
        Ok(values)
    }

    /// What has been measured, after [`Tally::means`].
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The first step whose first output was not finite, after [`Tally::means`].
    pub fn bad(&self) -> Option<usize> {
        self.bad
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        for output in &self.outputs {
            self.backend.free(output.buffer);
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
