//! Means over the outputs of many steps, read from the device some steps at a time.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::backend::{Backend, Binding, BufferId};
use crate::dtype::DType;
use crate::engine::Runnable;
use crate::error::Result;

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
    sums: Vec<f64>,
    seen: f64,
}

struct Output {
    buffer: BufferId,
    dtype: DType,
    numel: usize,
    bytes: usize,
}

impl Tally {
    /// For the outputs of a program; `each` where every step is looked at.
    pub fn new(runnable: &Runnable, each: bool) -> Result<Self> {
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
            sums: vec![0.0; sizes.len()],
            seen: 0.0,
        };
        for ((ty, view), &bytes) in runnable.outputs.iter().zip(&sizes) {
            let buffer = tally.backend.alloc(room * bytes)?;
            tally.outputs.push(Output { buffer, dtype: ty.dtype, numel: view.numel(), bytes });
        }
        Ok(tally)
    }

    /// Begins another pass.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.sums.fill(0.0);
        self.seen = 0.0;
    }

    /// Where the next step puts its outputs.
    pub fn places(&self) -> impl Iterator<Item = Binding> {
        let at = self.waiting.len();
        self.outputs.iter().map(move |output| Binding { buffer: output.buffer, offset: at * output.bytes })
    }

    /// A step over `examples` examples has been given to the backend.
    pub fn add(&mut self, examples: f64) -> Result<()> {
        self.waiting.push(examples);
        self.seen += examples;
        if self.waiting.len() == self.room { self.settle() } else { Ok(()) }
    }

    /// Adds what waits, in the order of the steps: the mean of each output, weighted by the examples.
    fn settle(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        for (sum, output) in self.sums.iter_mut().zip(&self.outputs) {
            let bytes = &mut self.bytes[..self.waiting.len() * output.bytes];
            self.backend.download(output.buffer, 0, bytes)?;
            let size = output.dtype.size();
            for (at, weight) in self.waiting.iter().enumerate() {
                let step = &bytes[at * output.bytes..(at + 1) * output.bytes];
                let total: f64 = step.chunks_exact(size).map(|element| decode(element, output.dtype)).sum();
                *sum += weight * total / output.numel as f64;
            }
        }
        self.waiting.clear();
        Ok(())
    }

    /// The means so far; NaN before the first step.
    pub fn means(&mut self) -> Result<Vec<f64>> {
        self.settle()?;
        Ok(self.sums.iter().map(|sum| sum / self.seen).collect())
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
