//! One run of a program on another thread, for loops that JavaScript drives itself.

use std::sync::Arc;

use smallvec::SmallVec;

use super::gradient::Grad;
use super::program::{Effect, Placed, busy};
use super::runnable::Arena;
use super::{Engine, Handle, ProgramId, RunArg};
use crate::backend::Binding;
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::storage::{Gate, Storage, gates};

use super::replay::{Given, Replay};
use super::runnable::Runnable;

/// A run that has been prepared: it leases the state it writes until it is dropped.
pub struct Beside {
    runnable: Arc<Runnable>,
    inputs: SmallVec<[Placed; 4]>,
    numbers: SmallVec<[f64; 4]>,
    states: Vec<Arc<Storage>>,
    outputs: Vec<Arc<Storage>>,
    returned: usize,
    stream: Stream,
    gate: Arc<Gate>,
    leased: Vec<Arc<Storage>>,
    reads: Vec<Arc<Storage>>,
}

/// What a run on another thread has made.
pub struct Made {
    runnable: Arc<Runnable>,
    outputs: Vec<Arc<Storage>>,
    returned: usize,
}

impl Engine {
    /// Prepares a run for another thread; `Error::GuardMiss` as in [`Engine::run`].
    ///
    /// Its share of the random stream is taken now, so the numbers do not depend on when it runs.
    pub fn run_beside(&mut self, id: ProgramId, args: &[RunArg]) -> Result<Beside> {
        let program = self.guarded_program(id)?;
        if program.effects.iter().any(|(_, effect)| matches!(effect, Effect::Keep(_))) {
            return Err(Error::Trace(
                "run: the step leaves gradients behind; expected it to start with zeroGrad(), so that they stay inside the step"
                    .into(),
            ));
        }
        let (runnable, returned, effects) =
            (Arc::clone(&program.runnable), program.returned, Arc::clone(&program.effects));
        self.own_gradients(&runnable)?;
        let states = self.states_of(&runnable)?;
        let bound = self.bind_args(&runnable, args, &states);
        self.settle();
        let (inputs, numbers) = bound?;
        for (storage, _) in &inputs {
            self.keep_lent(storage.id);
        }
        let outputs = runnable
            .outputs
            .iter()
            .map(|(ty, view)| Storage::new(&self.backend, &self.meter, ty.dtype, view.clone()))
            .collect::<Result<Vec<_>>>()?;
        let mut run = Beside {
            inputs,
            numbers,
            states,
            outputs,
            returned,
            stream: self.stream,
            gate: Arc::default(),
            leased: Vec::new(),
            reads: Vec::new(),
            runnable,
        };
        run.lease()?;
        self.stream.offset += run.runnable.random_blocks;
        for &(leaf, effect) in effects.iter() {
            self.replace_grad(leaf, (effect == Effect::Lose).then_some(Grad::Lost));
        }
        Ok(run)
    }

    /// Handles to the outputs of a run that has ended.
    pub fn take_in(&mut self, made: Made) -> Vec<Handle> {
        let outputs = made.outputs.into_iter().zip(&made.runnable.outputs).take(made.returned);
        let handles = outputs
            .map(|(storage, (ty, _))| {
                let node = self.output_node(ty.clone(), storage);
                self.handle(node)
            })
            .collect();
        self.settle();
        self.counters.program_runs += 1;
        handles
    }
}

impl Beside {
    /// Leases everything that the run writes, all or nothing, and marks what it only reads.
    fn lease(&mut self) -> Result<()> {
        for &written in &self.runnable.written {
            let storage = &self.states[written as usize];
            if self.leased.iter().any(|s| s.id == storage.id) {
                continue;
            }
            if !storage.lease(&self.gate) {
                return Err(busy("run"));
            }
            self.leased.push(Arc::clone(storage));
        }
        for storage in self.states.iter().chain(self.inputs.iter().map(|(storage, _)| storage)) {
            if !self.leased.iter().chain(&self.reads).any(|known| known.id == storage.id) {
                storage.begin_reading(&self.gate);
                self.reads.push(Arc::clone(storage));
            }
        }
        Ok(())
    }

    /// Runs; whoever wants the state meanwhile waits.
    pub fn run(self) -> Result<Made> {
        let backend = Arc::clone(&self.runnable.backend);
        let mut arena = Arena::default();
        let inputs: Vec<Binding> = self
            .inputs
            .iter()
            .map(|(storage, offset)| Binding { buffer: storage.buffer, offset: *offset })
            .collect();
        let outputs: Vec<Binding> = self.outputs.iter().map(|storage| storage.binding()).collect();
        let scratch = arena.at_least(&backend, self.runnable.plan.arena_bytes)?;
        {
            let read = self.states.iter().chain(self.inputs.iter().map(|(storage, _)| storage));
            let others = gates(Some(&self.gate), read, &self.leased);
            let _passes = self.gate.step_among(&others);
            let given = Given {
                inputs: &inputs,
                numbers: &self.numbers,
                outputs: &outputs,
                arena: scratch,
                stream: self.stream,
            };
            let states = self.states.as_slice().into();
            Replay::new(Arc::clone(&self.runnable), states, Some(&given))?.run(&given)?;
            backend.sync()?;
        }
        Ok(Made {
            runnable: Arc::clone(&self.runnable),
            outputs: self.outputs.clone(),
            returned: self.returned,
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        for storage in &self.leased {
            storage.end_lease();
        }
        for storage in &self.reads {
            storage.end_reading(&self.gate);
        }
    }
}
