//! The part of a program that runs on any thread.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::anomaly::Watched;
use super::optimizer::Shared;
use crate::backend::{Backend, BufferId, Executable, Fault};
use crate::error::{Error, Result};
use crate::graph::{NodeId, Type};
use crate::pass::{Origin, Slot};
use crate::plan::Plan;
use crate::shape::View;
use crate::storage::Storage;

/// Where a run-time scalar comes from.
#[derive(Clone, Debug)]
pub enum ScalarSource {
    Const(f64),
    /// The n-th numeric argument.
    Arg(usize),
    /// A scalar of the n-th parameter update.
    Update {
        bump: usize,
        index: usize,
    },
}

/// A scratch buffer that grows to what the largest plan needs.
#[derive(Default)]
pub struct Arena {
    held: Option<(Arc<dyn Backend>, BufferId, usize)>,
}

impl Arena {
    pub fn at_least(&mut self, backend: &Arc<dyn Backend>, bytes: usize) -> Result<BufferId> {
        if let Some((_, buffer, size)) = &self.held
            && *size >= bytes
        {
            return Ok(*buffer);
        }
        let size = bytes.max(4096);
        let buffer = backend.alloc(size)?;
        self.release();
        self.held = Some((Arc::clone(backend), buffer, size));
        Ok(buffer)
    }

    fn release(&mut self) {
        if let Some((backend, buffer, _)) = self.held.take() {
            backend.free(buffer);
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.release();
    }
}

/// A state of a program.
#[derive(Clone)]
pub enum StateRef {
    Storage(Arc<Storage>),
    /// Whatever storage holds the gradient of this leaf when the program begins.
    GradOf(NodeId),
}

/// A parameter update in a program: its optimizer's shared numbers and the parameter's index.
#[derive(Clone)]
pub struct Bump {
    pub shared: Arc<Shared>,
    pub param: usize,
    /// Steps of the same parameter that come before in the same run.
    pub ahead: u64,
}

/// The part of a program that can run on any thread.
pub struct Runnable {
    pub backend: Arc<dyn Backend>,
    pub executable: Executable,
    /// Where values that are not finite are searched for: the program step by step.
    pub watched: Option<Watched>,
    pub plan: Plan,
    pub slots: Vec<Slot>,
    pub scalars: Vec<ScalarSource>,
    pub bumps: Vec<Bump>,
    pub states: Vec<StateRef>,
    pub written: Vec<u32>,
    /// (input, state): arguments that are read after a write to a state.
    pub reads_late: Vec<(u32, u32)>,
    pub inputs: Vec<Type>,
    pub outputs: Vec<(Type, View)>,
    pub random_blocks: u64,
    pub origins: Vec<Origin>,
    /// Module paths of the origins, since names belong to the engine's thread.
    pub paths: Vec<Arc<str>>,
    /// Source lines of the origins.
    pub sites: Vec<Arc<str>>,
}

impl Runnable {
    pub(super) fn named(&self, fault: Fault) -> Error {
        let Some(origin) = self.origins.get(fault.origin as usize) else { return fault.error };
        let error = if fault.error.message().starts_with(origin.name.as_str()) {
            fault.error
        } else {
            fault.error.within(&origin.name)
        };
        let error = match origin.called {
            Some(called) => error.of(called),
            None => error,
        };
        let error = error.within(&self.paths[fault.origin as usize]);
        let site = &self.sites[fault.origin as usize];
        if site.is_empty() { error } else { error.at(site) }
    }
}

/// Locks a mutex whose data stays valid when a holder panicked.
pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
