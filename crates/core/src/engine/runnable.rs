//! The part of a program that runs on any thread, and what a run is given.

use std::sync::{Arc, MutexGuard, PoisonError};

use smallvec::SmallVec;

use super::anomaly::Watched;
use super::optimizer::Shared;
use crate::backend::{Backend, Binding, BufferId, Executable, Fault, Run};
use crate::error::{Error, Result};
use crate::graph::{NodeId, Type};
use crate::pass::{Origin, Slot};
use crate::plan::Plan;
use crate::rng::Stream;
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

/// What one run is given.
pub struct Given<'a> {
    pub inputs: &'a [Binding],
    pub numbers: &'a [f64],
    pub states: &'a [Arc<Storage>],
    pub outputs: &'a [Binding],
    pub arena: BufferId,
    pub stream: Stream,
}

impl Runnable {
    /// Runs once. Step counts of the updated parameters go up when the run succeeded.
    pub fn run(&self, given: &Given<'_>) -> Result<()> {
        let bindings: SmallVec<[Binding; 32]> = self
            .slots
            .iter()
            .map(|slot| match *slot {
                Slot::Arena => Binding { buffer: given.arena, offset: 0 },
                Slot::Input(n) => given.inputs[n as usize],
                Slot::State(n) => given.states[n as usize].binding(),
                Slot::Output(n) => given.outputs[n as usize],
            })
            .collect();
        let updates = self.update_scalars();
        let scalars: SmallVec<[f64; 64]> = self
            .scalars
            .iter()
            .map(|source| match *source {
                ScalarSource::Const(value) => value,
                ScalarSource::Arg(n) => given.numbers[n],
                ScalarSource::Update { bump, index } => updates[bump][index],
            })
            .collect();
        let run = Run {
            bindings: &bindings,
            scalars: &scalars,
            seed: given.stream.seed,
            rng_offset: given.stream.offset,
        };
        let done = match &self.watched {
            Some(watched) => watched.run(self, &run),
            None => self.backend.run(&self.executable, &run).map_err(|fault| self.named(fault)),
        };
        // A run that failed may have written before.
        for &state in &self.written {
            given.states[state as usize].written();
        }
        done?;
        for bump in &self.bumps {
            bump.shared.lock().steps[bump.param] += 1;
        }
        Ok(())
    }

    fn update_scalars(&self) -> SmallVec<[SmallVec<[f64; 8]>; 8]> {
        let mut out: SmallVec<[SmallVec<[f64; 8]>; 8]> = SmallVec::new();
        let mut last: Option<(*const Shared, usize, u64)> = None;
        for bump in &self.bumps {
            let numbers = bump.shared.lock();
            let key = (
                Arc::as_ptr(&bump.shared),
                numbers.group_of[bump.param],
                numbers.steps[bump.param] + bump.ahead,
            );
            // Parameters of one group are in step nearly always: their scalars are computed once.
            let values = match (out.last(), last) {
                (Some(values), Some(earlier)) if earlier == key => values.clone(),
                _ => bump.shared.scalars(&numbers, bump.param, bump.ahead),
            };
            last = Some(key);
            out.push(values);
        }
        out
    }

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
