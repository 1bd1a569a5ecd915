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

/// What changes between two runs of a plan that is bound: see [`Backend::bind`].
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Slots that were left open, or lie elsewhere in this run than where they were bound, each at most once. Another place in the
    /// buffer that was bound costs nothing; another buffer is looked up and kept for this run.
    pub moved: &'a [(u32, Binding)],
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

/// A prepared plan with its bindings, looked up and kept: the buffers live until it is dropped, also where they are
/// freed before.
pub type Bound = Box<dyn Any + Send>;

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

    /// Binds a prepared plan for many runs: one binding per slot, or `None` where each run gives its own.
    fn bind(&self, executable: &Executable, bindings: &[Option<Binding>]) -> Result<Bound>;

    /// Runs a plan that this backend has bound.
    fn run_bound(&self, bound: &mut Bound, turn: &Turn<'_>) -> std::result::Result<(), Fault>;

    /// Waits for everything given before.
    fn sync(&self) -> Result<()>;

    /// Bytes handed out and not given back.
    fn allocated_bytes(&self) -> usize;
}
