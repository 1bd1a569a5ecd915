//! A program laid out for many runs: what stays the same is done once, what changes is patched.

use std::sync::Arc;

use super::optimizer::Shared;
use super::runnable::{Runnable, ScalarSource};
use crate::backend::{Binding, Bound, BufferId, Run, Turn};
use crate::error::Result;
use crate::pass::Slot;
use crate::rng::Stream;
use crate::storage::Storage;

/// What one run is given.
pub struct Given<'a> {
    pub inputs: &'a [Binding],
    pub numbers: &'a [f64],
    pub outputs: &'a [Binding],
    pub arena: BufferId,
    pub stream: Stream,
}

impl Given<'_> {
    fn binding(&self, slot: Slot) -> Binding {
        match slot {
            Slot::Input(n) => self.inputs[n as usize],
            Slot::Output(n) => self.outputs[n as usize],
            Slot::Arena | Slot::State(_) => Binding { buffer: self.arena, offset: 0 },
        }
    }
}

/// A runnable bound to its states and, where they are given, to the places of a first run. Nothing is allocated from run to run; places
/// in the buffers of the first run cost nothing, other buffers a look into the backend's table.
pub struct Replay {
    runnable: Arc<Runnable>,
    states: Arc<[Arc<Storage>]>,
    bound: Bound,
    bindings: Vec<Option<Binding>>,
    /// Slots that are given with each run.
    given: Vec<(u32, Slot)>,
    moved: Vec<(u32, Binding)>,
    scalars: Vec<f64>,
    /// (scalar, numeric argument).
    numbers: Vec<(usize, usize)>,
    updates: Vec<Update>,
}

/// The parameters of one optimizer that a run updates.
struct Update {
    shared: Arc<Shared>,
    params: Vec<Param>,
}

struct Param {
    index: usize,
    ahead: u64,
    /// (scalar, its place among those of the update).
    targets: Vec<(usize, usize)>,
}

impl Replay {
    /// Binds a runnable: to its states alone, or also where `first` says.
    pub fn new(
        runnable: Arc<Runnable>,
        states: Arc<[Arc<Storage>]>,
        first: Option<&Given<'_>>,
    ) -> Result<Self> {
        let binding = |&slot: &Slot| match slot {
            Slot::State(n) => Some(states[n as usize].binding()),
            slot => first.map(|first| first.binding(slot)),
        };
        let bindings: Vec<Option<Binding>> = runnable.slots.iter().map(binding).collect();
        let bound = runnable.backend.bind(&runnable.executable, &bindings)?;
        let slots = runnable.slots.iter().enumerate().map(|(at, &slot)| (at as u32, slot));
        let given: Vec<_> = slots.filter(|(_, slot)| !matches!(slot, Slot::State(_))).collect();
        let mut scalars = vec![0.0; runnable.scalars.len()];
        let mut numbers = Vec::new();
        let mut updates: Vec<Update> = Vec::new();
        for bump in &runnable.bumps {
            let known = updates.iter().position(|update| Arc::ptr_eq(&update.shared, &bump.shared));
            let at = known.unwrap_or_else(|| {
                updates.push(Update { shared: Arc::clone(&bump.shared), params: Vec::new() });
                updates.len() - 1
            });
            updates[at].params.push(Param { index: bump.param, ahead: bump.ahead, targets: Vec::new() });
        }
        for (at, source) in runnable.scalars.iter().enumerate() {
            match *source {
                ScalarSource::Const(value) => scalars[at] = value,
                ScalarSource::Arg(number) => numbers.push((at, number)),
                ScalarSource::Update { bump, index } => {
                    let bump = &runnable.bumps[bump];
                    let param = updates
                        .iter_mut()
                        .filter(|update| Arc::ptr_eq(&update.shared, &bump.shared))
                        .flat_map(|update| &mut update.params)
                        .find(|param| (param.index, param.ahead) == (bump.param, bump.ahead));
                    param.expect("each was entered above").targets.push((at, index));
                }
            }
        }
        Ok(Self {
            moved: Vec::with_capacity(given.len()),
            runnable,
            states,
            bound,
            bindings,
            given,
            scalars,
            numbers,
            updates,
        })
    }

    pub fn runnable(&self) -> &Arc<Runnable> {
        &self.runnable
    }

    pub fn states(&self) -> &Arc<[Arc<Storage>]> {
        &self.states
    }

    /// The states that are written.
    pub fn written(&self) -> impl Iterator<Item = &Arc<Storage>> + Clone {
        self.runnable.written.iter().map(|&state| &self.states[state as usize])
    }

    /// Runs once. Step counts of the updated parameters go up when the run succeeded.
    pub fn run(&mut self, given: &Given<'_>) -> Result<()> {
        self.moved.clear();
        for &(at, slot) in &self.given {
            let binding = given.binding(slot);
            if Some(binding) != self.bindings[at as usize] {
                self.moved.push((at, binding));
            }
        }
        for &(at, number) in &self.numbers {
            self.scalars[at] = given.numbers[number];
        }
        for update in &self.updates {
            update.fill(&mut self.scalars);
        }
        let done = self.run_backend(given);
        // A run that failed may have written before.
        for storage in self.written() {
            storage.written();
        }
        done?;
        for update in &self.updates {
            let mut numbers = update.shared.lock();
            for param in &update.params {
                numbers.steps[param.index] += 1;
            }
        }
        Ok(())
    }

    fn run_backend(&mut self, given: &Given<'_>) -> Result<()> {
        let Self { runnable, bound, bindings, moved, scalars, .. } = self;
        let (seed, rng_offset) = (given.stream.seed, given.stream.offset);
        if let Some(watched) = &runnable.watched {
            let mut bindings: Vec<Binding> = bindings
                .iter()
                .map(|binding| binding.unwrap_or(Binding { buffer: given.arena, offset: 0 }))
                .collect();
            for &(slot, binding) in &*moved {
                bindings[slot as usize] = binding;
            }
            return watched.run(runnable, &Run { bindings: &bindings, scalars, seed, rng_offset });
        }
        let turn = Turn { moved, scalars, seed, rng_offset };
        runnable.backend.run_bound(bound, &turn).map_err(|fault| runnable.named(fault))
    }
}

impl Update {
    /// The scalars of the next step. Parameters of one group are in step nearly always: what they share is
    /// computed once.
    fn fill(&self, scalars: &mut [f64]) {
        let numbers = self.shared.lock();
        let mut known = None;
        for param in &self.params {
            let key = (numbers.group_of[param.index], numbers.steps[param.index] + param.ahead);
            let values = match &known {
                Some((earlier, values)) if *earlier == key => values,
                _ => {
                    let values = self.shared.scalars(&numbers, param.index, param.ahead);
                    &known.insert((key, values)).1
                }
            };
            for &(target, index) in &param.targets {
                scalars[target] = values[index];
            }
        }
    }
}
