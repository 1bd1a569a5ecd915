//! One engine per JavaScript environment: handles, the eager driver, traces, programs, optimizers.
//!
//! A call resolves its handles to nodes of the current graph, lets the Builder append, and turns
//! the result into a handle. Nodes made on the way are let go when the call ends.

mod alias;
mod anomaly;
mod batch;
mod beside;
mod calls;
mod driver;
mod execute;
mod explain;
mod gradient;
pub mod handles;
mod jobs;
mod lending;
mod log;
mod optimizer;
mod overlay;
mod prepared;
mod program;
mod reading;
mod recorded;
mod replay;
mod runnable;
mod sketch;
mod spare;
mod tape;
mod trace;
mod update;
mod verify;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use beside::{Beside, Made};
pub use calls::{Glance, Info, Operand};
pub use explain::{ExplainRow, Explanation};
pub use gradient::Grad;
pub use handles::Handle;
pub use jobs::{AccumulationSpec, JobSpec, PhaseSpec};
pub use optimizer::{OptimizerId, OptimizerSpec};
pub use program::{ProgramId, RunArg};
pub use reading::{Elements, Loaded, Loader, Reading, Readings};
pub use replay::{Given, Replay};
pub use runnable::Runnable;
pub use tape::ProducerKind;
pub use trace::{ArgSpec, TraceOptions};

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::hash::FastMap;
use crate::rng::Stream;
use crate::storage::{Meter, Value};
use batch::Batch;
use execute::Writes;
use handles::{Handles, Target};
use log::Log;
use optimizer::Optimizer;
use prepared::Prepared;
use program::Program;
use runnable::Arena;
use tape::Tape;
use trace::Trace;
use verify::Verify;

/// Texts that nodes refer to by number: module paths and source lines. 0 is the empty text.
pub struct Names {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
}

impl Names {
    fn new() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self { texts: vec![Arc::clone(&empty)], ids: HashMap::from([(empty, 0)]) }
    }

    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        let id = (self.texts.len() - 1) as u32;
        self.ids.insert(text, id);
        id
    }

    pub fn get(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", |text| text)
    }
}

/// Counts for tests and benchmarks; they do not flake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels plans run eagerly.
    pub eager_runs: u64,
    /// Runs of traced programs on this thread.
    pub program_runs: u64,
    /// Plans prepared, eager and traced.
    pub prepared: u64,
    /// Nodes appended to either graph.
    pub nodes: u64,
}

/// The state of one environment.
pub struct Engine {
    backend: Arc<dyn Backend>,
    meter: Arc<Meter>,
    handles: Handles,
    tape: Tape,
    /// Eager nodes made in the current call, each holding one reference.
    pool: Vec<NodeId>,
    /// Nodes of the current call that have no value yet.
    batch: Batch,
    /// Room for the nodes that a release frees.
    gone: Vec<NodeId>,
    trace: Option<Trace>,
    traces: u64,
    grads: FastMap<NodeId, Grad>,
    grad_enabled: bool,
    /// Another number after anything that the guards of programs look at has changed.
    guarded: u64,
    stream: Stream,
    forks: u64,
    prepared: Prepared,
    writes: Writes,
    arena: Arena,
    programs: Vec<Option<Program>>,
    optimizers: Vec<Option<Optimizer>>,
    names: Names,
    path: u32,
    site: u32,
    /// The op of the library that is being applied.
    called: Option<&'static str>,
    /// The forward node whose backward rule is running.
    backward_of: Option<&'static str>,
    walked: Vec<NodeId>,
    anomaly: bool,
    log: Option<Log>,
    verify: Option<Verify>,
    counters: Counters,
}

impl Engine {
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            meter: Arc::default(),
            handles: Handles::default(),
            tape: Tape::default(),
            pool: Vec::new(),
            batch: Batch::default(),
            gone: Vec::new(),
            trace: None,
            traces: 0,
            grads: FastMap::default(),
            grad_enabled: true,
            guarded: 1,
            stream: Stream::new(0),
            forks: 0,
            prepared: Prepared::default(),
            writes: Writes::default(),
            arena: Arena::default(),
            programs: Vec::new(),
            optimizers: Vec::new(),
            names: Names::new(),
            path: 0,
            site: 0,
            called: None,
            backward_of: None,
            walked: Vec::new(),
            anomaly: false,
            log: None,
            verify: None,
            counters: Counters::default(),
        }
    }

    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Module path and source line that the next nodes belong to.
    pub fn set_context(&mut self, path: u32, site: u32) {
        self.path = path;
        self.site = site;
    }

    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Bytes held by the tensors of this environment, now and at most.
    pub fn bytes(&self) -> (usize, usize) {
        (self.meter.bytes(), self.meter.peak())
    }

    /// Handles in use.
    pub fn tensors(&self) -> usize {
        self.handles.live()
    }

    /// Nodes of the eager graph in memory: it comes back to the number of live tensors when
    /// nothing is saved for backward.
    pub fn nodes(&self) -> usize {
        self.tape.live()
    }

    pub fn tracing(&self) -> bool {
        self.trace.is_some()
    }

    pub fn set_anomaly(&mut self, on: bool) -> bool {
        std::mem::replace(&mut self.anomaly, on)
    }

    pub fn anomaly(&self) -> bool {
        self.anomaly
    }

    /// Whether the nodes of a call are lowered together when such a call is met first (off: the second time). For
    /// tests that make each call once.
    pub fn set_lower_at_once(&mut self, on: bool) {
        self.prepared.at_once = on;
    }

    pub fn set_grad_enabled(&mut self, on: bool) -> bool {
        std::mem::replace(&mut self.grad_enabled, on)
    }

    pub fn seed(&mut self, seed: u64) {
        self.stream = Stream::new(seed);
        self.forks = 0;
    }

    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// How many streams were made of it: they are part of where the random numbers stand.
    pub fn forks(&self) -> u64 {
        self.forks
    }

    pub fn set_stream(&mut self, stream: Stream, forks: u64) {
        (self.stream, self.forks) = (stream, forks);
    }

    /// A stream of its own for a training that runs beside JavaScript.
    pub fn fork_stream(&mut self) -> Stream {
        self.forks += 1;
        self.stream.fork(self.forks)
    }

    // What every call is made of.

    /// Runs `body` with a Builder, gives its node a handle and lets go of everything else.
    fn call(&mut self, body: impl FnOnce(&mut Builder<'_>) -> Result<NodeId>) -> Result<Handle> {
        let made = body(&mut Builder::new(self)).map(|node| self.handle(node));
        let result = match made {
            Ok(handle) => self.complete().map(|()| handle).inspect_err(|_| self.release(handle)),
            Err(error) => Err(error),
        };
        let result = result.map_err(|error| error.within(self.names.get(self.path)));
        self.settle();
        result
    }

    /// Lets go of the nodes made in the current call; those without a value get none.
    fn settle(&mut self) {
        self.trim(&|_| false);
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.dissolve(batch);
        }
    }

    fn trim(&mut self, keep: &dyn Fn(NodeId) -> bool) {
        if self.pool.is_empty() {
            return;
        }
        let mut gone = std::mem::take(&mut self.gone);
        let tape = &mut self.tape;
        self.pool.retain(|&node| {
            let kept = keep(node);
            if !kept {
                tape.release(node, &mut gone);
            }
            kept
        });
        self.forget(gone);
    }

    /// Drops what was kept for nodes that are gone.
    fn forget(&mut self, mut gone: Vec<NodeId>) {
        if self.grads.is_empty() {
            gone.clear();
        }
        while let Some(node) = gone.pop() {
            let Some(grad) = self.grads.remove(&node) else { continue };
            self.guarded += 1;
            if let Grad::Node(grad) = grad {
                self.tape.release(grad, &mut gone);
            }
        }
        self.gone = gone;
    }

    fn release_node(&mut self, node: NodeId) {
        let mut gone = std::mem::take(&mut self.gone);
        self.tape.release(node, &mut gone);
        self.forget(gone);
    }

    /// A new handle to a node of the current graph.
    fn handle(&mut self, node: NodeId) -> Handle {
        if let Some(trace) = &self.trace {
            return self.handles.insert(Target::Traced(trace.id, node));
        }
        self.tape.retain(node);
        self.handles.insert(Target::Eager(node))
    }

    /// The node of the current graph that a handle stands for.
    fn resolve(&mut self, handle: Handle) -> Result<NodeId> {
        match self.handles.get(handle)? {
            Target::Eager(node) => {
                self.check_lent(node)?;
                if self.trace.is_some() { self.capture(node) } else { Ok(node) }
            }
            Target::Traced(id, node) => match &self.trace {
                Some(trace) if trace.id == id => Ok(node),
                _ => Err(escaped()),
            },
        }
    }

    /// The eager node behind a handle, also while a trace is open.
    fn resolve_eager(&self, handle: Handle, op: &str) -> Result<NodeId> {
        match self.handles.get(handle)? {
            Target::Eager(node) => {
                self.check_lent(node)?;
                Ok(node)
            }
            Target::Traced(id, _) if self.trace.as_ref().is_some_and(|t| t.id == id) => {
                Err(Error::Trace(format!(
                    "{op}: the tensor is computed inside a jitted function and has no value yet; \
                 expected a tensor with a value. Hint: return it from the function and read the result"
                )))
            }
            Target::Traced(..) => Err(escaped()),
        }
    }

    fn check_lent(&self, node: NodeId) -> Result<()> {
        match &self.tape.get(node).lent {
            Some(gone) if gone.load(Ordering::Relaxed) => Err(Error::Disposed(
                "tensor: this output of a jitted function was lent until the function's next run, which has happened; \
                 expected a tensor that is still valid. Hint: keep a copy with .clone() before the next call"
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    fn value(&self, node: NodeId) -> &Value {
        &self.tape.get(node).value
    }
}

fn escaped() -> Error {
    Error::Trace(
        "tensor: it was made inside a jitted function and was not returned from it; expected a tensor with a value. \
         Hint: return it from the function and use the result of the call"
            .into(),
    )
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Programs and optimizers hold nodes of the tape: all of it goes together.
        self.programs.clear();
        self.optimizers.clear();
    }
}
