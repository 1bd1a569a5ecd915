//! What a device has to offer: memory and the execution of plans.

use std::any::Any;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::op::Composite;
use crate::plan::Plan;

/// A buffer of a backend. Only the backend that made it knows what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u64);

/// Where a slot lies in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    pub buffer: BufferId,
    /// Bytes from the start of the buffer.
    pub offset: usize,
}

/// What changes from run to run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// One per slot of the plan; slot 0 is the arena (any buffer where the plan needs none).
    pub bindings: &'a [Binding],
    pub scalars: &'a [f64],
    pub seed: u64,
    /// Philox blocks consumed before this run.
    pub rng_offset: u64,
}

/// A step that failed while running: its `origin` and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub origin: u32,
    pub error: Error,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

/// A prepared plan.
pub type Executable = Arc<dyn Any + Send + Sync>;

/// A device.
///
/// Commands take effect in the order they are given. `run` may return before the work is done:
/// then errors that only show while running come from the next `download` or `sync`. Only
/// `download` and `sync` wait. All methods may be called from any thread; callers see to it that
/// a buffer is not written by two runs at once. No method exposes a host pointer.
pub trait Backend: Send + Sync {
    /// The device's name: `cpu`.
    fn name(&self) -> &str;

    /// Whether the backend has a kernel of its own for a composite.
    fn claims(&self, composite: Composite) -> bool;

    /// A buffer of at least `bytes` (0 is legal), aligned to [`crate::plan::ALIGN`], content arbitrary.
    fn alloc(&self, bytes: usize) -> Result<BufferId>;

    /// Gives a buffer back. Runs given before still see it.
    fn free(&self, buffer: BufferId);

    /// Copies host bytes into a buffer.
    fn upload(&self, buffer: BufferId, offset: usize, bytes: &[u8]) -> Result<()>;

    /// Copies bytes of a buffer to the host, after everything given before.
    fn download(&self, buffer: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()>;

    /// Turns a plan into something that runs without further decisions.
    fn prepare(&self, plan: &Plan) -> Result<Executable>;

    /// Runs a prepared plan.
    fn run(&self, executable: &Executable, run: &Run<'_>) -> std::result::Result<(), Fault>;

    /// Waits for everything given before.
    fn sync(&self) -> Result<()>;

    /// Bytes handed out and not given back.
    fn allocated_bytes(&self) -> usize;
}
