//! Programs: what a trace becomes, and how it runs on the JavaScript thread.

use std::sync::Arc;

use smallvec::SmallVec;

use super::alias;
use super::anomaly::Watched;
use super::gradient::Grad;
use super::lending::Lent;
use super::log;
use super::overlay::Leaf;
use super::recorded::{Recorded, trust};
use super::replay::{Given, Replay};
use super::runnable::{Bump, Runnable, StateRef};
use super::tape::Entry;
use super::trace::{Trace, TraceOptions};
use super::verify::Records;
use super::{Engine, Handle, OptimizerId};
use crate::backend::{Binding, Executable};
use crate::error::{Error, Result};
use crate::graph::{Driver, Inputs, Node, NodeId, Type};
use crate::op::Op;
use crate::pass::Lowered;
use crate::shape::{View, show};
use crate::storage::{Storage, Value, gates};

/// A program of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgramId(pub u32);

/// A storage and the byte at which a tensor begins in it.
pub type Placed = (Arc<Storage>, usize);

/// Tensors and numbers among the arguments of a run.
pub type Arguments = (SmallVec<[Placed; 4]>, SmallVec<[f64; 4]>);

/// An argument of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunArg {
    Tensor(Handle),
    Number(f64),
}

/// What a lowering became on the backend.
struct Prepared {
    lowered: Lowered,
    executable: Executable,
    watched: Option<Watched>,
}

/// What every lowering of a trace shares.
struct Rest {
    bumps: Vec<Bump>,
    states: Vec<StateRef>,
    reads_late: Vec<(u32, u32)>,
    random_blocks: u64,
}

/// A program with what belongs to the engine's thread.
pub struct Program {
    pub runnable: Arc<Runnable>,
    recorded: Recorded,
    /// The program as its last run left it, bound; none before the first, or where it writes gradients.
    replay: Option<Replay>,
    pub(super) grads: Vec<(NodeId, bool)>,
    pub(super) effects: Arc<[(NodeId, Effect)]>,
    pub(super) structures: Vec<(OptimizerId, usize, u32)>,
    /// Captured leaves and whether they required a gradient.
    flags: Vec<(NodeId, bool)>,
    /// The engine's count of changes up to which the guards are known to hold, and that up to which the effects
    /// on gradients are in force.
    held: u64,
    settled: u64,
    pub(super) records: Records,
    /// Storages of the arguments of the run that is being verified.
    pub(super) arguments: Vec<u64>,
    retained: Vec<NodeId>,
    /// Outputs that the caller asked for; kept gradients follow them.
    pub returned: usize,
    pub(super) lent: Vec<Option<Lent>>,
}

/// What a run does to the gradient of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The n-th output becomes the gradient.
    Keep(usize),
    Lose,
    Clear,
}

impl Engine {
    /// Closes the trace: the nodes behind `outputs`, the writes and the kept gradients become a program.
    pub fn trace_end(&mut self, outputs: &[Handle], options: TraceOptions) -> Result<ProgramId> {
        match self.build(outputs, options) {
            Ok(program) => {
                self.trace = None;
                let free = self.programs.iter().position(Option::is_none);
                let at = free.unwrap_or_else(|| {
                    self.programs.push(None);
                    self.programs.len() - 1
                });
                self.programs[at] = Some(program);
                Ok(ProgramId(at as u32))
            }
            Err(error) => {
                self.trace_abort();
                Err(error)
            }
        }
    }

    fn build(&mut self, outputs: &[Handle], options: TraceOptions) -> Result<Program> {
        let mut roots: Vec<(NodeId, Option<View>)> = Vec::new();
        for &output in outputs {
            let node = self.resolve(output)?;
            let node = self.refresh(node);
            roots.push((node, Some(View::contiguous(&self.ty(node).shape))));
        }
        let effects = self.effects(&mut roots, options)?;
        let trace = self.trace.as_ref().ok_or_else(|| Error::Internal("jit: no trace is open".into()))?;
        let recorded = Recorded {
            nodes: trace.nodes.clone(),
            inputs: trace.inputs.clone(),
            states: trace.states.iter().map(|s| (s.storage.dtype, s.storage.base.clone())).collect(),
            slots: trace.slots.clone(),
            roots,
            separate: self.anomaly,
        };
        let prepared = self.prepare_trace(&recorded, recorded.lower()?)?;
        // From here on nothing fails: what the trace retained goes over to the program.
        let mut trace = self.trace.take().expect("found open above");
        let retained = std::mem::take(&mut trace.retained);
        let trace = &trace;
        let runnable = self.runnable(trace, prepared, &recorded);
        let grads = trace
            .grads
            .iter()
            .filter_map(|(leaf, grad)| match leaf {
                Leaf::Eager(leaf) => grad.guard.map(|guard| (*leaf, guard)),
                Leaf::Traced(_) => None,
            })
            .collect();
        let flags = retained.iter().map(|&n| (n, self.tape.get(n).node.requires_grad)).collect();
        let records = Arc::new(log::records(trace));
        let structures = trace.structures.iter().map(|&(o, g, s)| (OptimizerId(o), g, s)).collect();
        let lent = vec![None; recorded.roots.len()];
        Ok(Program {
            runnable: Arc::new(runnable),
            recorded,
            replay: None,
            grads,
            effects: effects.into(),
            structures,
            flags,
            held: 0,
            settled: 0,
            records,
            arguments: Vec::new(),
            retained,
            returned: outputs.len(),
            lent,
        })
    }

    /// What happens to gradients; those that stay become outputs.
    fn effects(
        &mut self,
        roots: &mut Vec<(NodeId, Option<View>)>,
        options: TraceOptions,
    ) -> Result<Vec<(NodeId, Effect)>> {
        let trace = self.trace.as_ref().ok_or_else(|| Error::Internal("jit: no trace is open".into()))?;
        let grads = trace.grads.clone();
        let mut effects = Vec::new();
        for (leaf, grad) in grads {
            let Leaf::Eager(eager) = leaf else { continue };
            let effect = match grad.current {
                Some(_) if grad.in_place => continue,
                Some(node) if grad.guard.is_some() || options.keep_grads => {
                    let node = self.refresh(node);
                    roots.push((node, Some(self.grad_layout(eager))));
                    Effect::Keep(roots.len() - 1)
                }
                Some(_) => Effect::Lose,
                None if grad.guard == Some(false) => continue,
                None => Effect::Clear,
            };
            effects.push((eager, effect));
        }
        Ok(effects)
    }

    fn grad_layout(&self, leaf: NodeId) -> View {
        match self.value(leaf) {
            Value::Tensor { storage, view } if storage.base == *view => storage.base.clone(),
            _ => View::contiguous(&self.tape.get(leaf).node.ty.shape),
        }
    }

    /// Prepares what was lowered.
    fn prepare_trace(&mut self, recorded: &Recorded, lowered: Lowered) -> Result<Prepared> {
        let executable = self.backend.prepare(&lowered.plan)?;
        self.counters.prepared += 1;
        let watched =
            if recorded.separate { Some(Watched::new(&self.backend, &lowered.plan)?) } else { None };
        Ok(Prepared { lowered, executable, watched })
    }

    fn runnable(&self, trace: &Trace, prepared: Prepared, recorded: &Recorded) -> Runnable {
        let bumps = trace
            .bumps
            .iter()
            .enumerate()
            .map(|(at, &(optimizer, param))| {
                let ahead = trace.bumps[..at].iter().filter(|&&bump| bump == (optimizer, param)).count();
                Bump { shared: self.shared_of(OptimizerId(optimizer)), param, ahead: ahead as u64 }
            })
            .collect();
        let states = trace
            .states
            .iter()
            .map(|s| s.grad_of.map_or_else(|| StateRef::Storage(Arc::clone(&s.storage)), StateRef::GradOf))
            .collect();
        let reads_late = alias::late_reads(trace, &recorded.roots);
        self.assembled(
            prepared,
            recorded,
            Rest { bumps, states, reads_late, random_blocks: trace.random_blocks },
        )
    }

    /// A program that takes all `count` examples and an order instead of a batch.
    pub(super) fn gathering(&mut self, id: ProgramId, count: usize) -> Result<Arc<Runnable>> {
        let program = self.program(id)?;
        let recorded = program.recorded.gathering(count);
        let Runnable { bumps, states, random_blocks, .. } = &*program.runnable;
        let rest = Rest {
            bumps: bumps.clone(),
            states: states.clone(),
            reads_late: Vec::new(),
            random_blocks: *random_blocks,
        };
        let mut lowered = recorded.lower()?;
        trust(&mut lowered, recorded.inputs.len() as u32 - 1);
        let prepared = self.prepare_trace(&recorded, lowered)?;
        Ok(Arc::new(self.assembled(prepared, &recorded, rest)))
    }

    fn assembled(&self, prepared: Prepared, recorded: &Recorded, rest: Rest) -> Runnable {
        let Prepared { lowered, executable, watched } = prepared;
        let scalars = recorded.scalars(&lowered);
        let text = |id: u32| -> Arc<str> { Arc::from(self.names.get(id)) };
        let outputs = recorded
            .roots
            .iter()
            .zip(lowered.outputs)
            .map(|((node, _), view)| {
                (Type { weak: None, ..recorded.nodes[node.0 as usize].ty.clone() }, view)
            })
            .collect();
        Runnable {
            backend: Arc::clone(&self.backend),
            executable,
            watched,
            plan: lowered.plan,
            slots: lowered.slots,
            scalars,
            bumps: rest.bumps,
            states: rest.states,
            written: lowered.written,
            reads_late: rest.reads_late,
            inputs: recorded.inputs.clone(),
            outputs,
            random_blocks: rest.random_blocks,
            paths: lowered.origins.iter().map(|o| text(o.path)).collect(),
            sites: lowered.origins.iter().map(|o| text(o.site)).collect(),
            origins: lowered.origins,
        }
    }

    pub(super) fn program(&self, id: ProgramId) -> Result<&Program> {
        self.programs
            .get(id.0 as usize)
            .and_then(Option::as_ref)
            .ok_or_else(|| Error::Internal("run: the program was freed".into()))
    }

    fn program_mut(&mut self, id: ProgramId) -> Result<&mut Program> {
        self.programs
            .get_mut(id.0 as usize)
            .and_then(Option::as_mut)
            .ok_or_else(|| Error::Internal("run: the program was freed".into()))
    }

    /// Frees a program.
    pub fn program_free(&mut self, id: ProgramId) {
        if let Some(program) = self.programs.get_mut(id.0 as usize).and_then(Option::take) {
            for node in program.retained {
                self.release_node(node);
            }
        }
    }

    /// Whether everything the program took for granted still holds.
    pub(super) fn guards_hold(&self, program: &Program) -> bool {
        let grads = program.grads.iter().all(|&(leaf, present)| match self.grads.get(&leaf) {
            Some(Grad::Node(_)) => present,
            Some(Grad::Lost) => false,
            None => !present,
        });
        let flags = program.flags.iter().all(|&(node, flag)| self.tape.get(node).node.requires_grad == flag);
        grads
            && flags
            && program
                .structures
                .iter()
                .all(|&(o, group, structure)| self.structure_of(o, group) == Some(structure))
    }

    /// Runs a program; `Error::GuardMiss` where it has to be traced again (nothing has run then).
    pub fn run(&mut self, id: ProgramId, args: &[RunArg]) -> Result<Vec<Handle>> {
        if self.trace.is_some() {
            return Err(Error::Internal("run: a trace is open".into()));
        }
        let runnable = Arc::clone(&self.guarded_program(id)?.runnable);
        self.own_gradients(&runnable)?;
        let states = self.bound_states(id, &runnable)?;
        let result = self.run_with(id, &runnable, args, &states);
        self.settle();
        result
    }

    /// A program whose guards hold.
    pub(super) fn guarded_program(&mut self, id: ProgramId) -> Result<&Program> {
        let program = self.program(id)?;
        if program.held != self.guarded {
            if !self.guards_hold(program) {
                return Err(Error::GuardMiss("run: gradients or optimizer settings have changed".into()));
            }
            let held = self.guarded;
            self.program_mut(id)?.held = held;
        }
        self.program(id)
    }

    /// The states of a program: those that it is bound to, if it stays bound.
    fn bound_states(&self, id: ProgramId, runnable: &Runnable) -> Result<Arc<[Arc<Storage>]>> {
        match &self.program(id)?.replay {
            Some(replay) => Ok(Arc::clone(replay.states())),
            None => Ok(self.states_of(runnable)?.into()),
        }
    }

    /// Gives the gradients that a program writes memory of their own: whoever holds such a gradient
    /// from before keeps its value, as after an eager `backward()`.
    pub(super) fn own_gradients(&mut self, runnable: &Runnable) -> Result<()> {
        for &state in &runnable.written {
            let StateRef::GradOf(leaf) = runnable.states[state as usize] else { continue };
            let Some(&Grad::Node(grad)) = self.grads.get(&leaf) else { continue };
            let entry = self.tape.get(grad);
            let Value::Tensor { storage, .. } = &entry.value else { continue };
            if entry.refs == 1 && Arc::strong_count(storage) == 1 {
                continue;
            }
            let layout = storage.base.clone();
            let storage = self.copy_to_layout(grad, &layout)?;
            let own = self.adopt_storage(storage, false);
            self.tape.retain(own);
            self.replace_grad(leaf, Some(Grad::Node(own)));
            self.settle();
        }
        Ok(())
    }

    /// The storages that a program's states stand for now.
    pub(super) fn states_of(&self, runnable: &Runnable) -> Result<Vec<Arc<Storage>>> {
        let gone = || Error::GuardMiss("run: a gradient is gone".into());
        runnable.states.iter().map(|state| self.storage_of(state).ok_or_else(gone)).collect()
    }

    /// The storage that a state stands for now; `None` for a gradient that is not there.
    pub(super) fn storage_of(&self, state: &StateRef) -> Option<Arc<Storage>> {
        match state {
            StateRef::Storage(storage) => Some(Arc::clone(storage)),
            StateRef::GradOf(leaf) => match self.grads.get(leaf) {
                Some(&Grad::Node(grad)) => match self.value(grad) {
                    Value::Tensor { storage, .. } => Some(Arc::clone(storage)),
                    Value::Scalar(_) | Value::Later => None,
                },
                _ => None,
            },
        }
    }

    fn run_with(
        &mut self,
        id: ProgramId,
        runnable: &Arc<Runnable>,
        args: &[RunArg],
        states: &Arc<[Arc<Storage>]>,
    ) -> Result<Vec<Handle>> {
        let (inputs, numbers) = self.bind_args(runnable, args, states)?;
        self.remember_arguments(id, args);
        for (storage, _) in &inputs {
            self.keep_lent(storage.id);
        }
        let outputs = self.output_storages(id, runnable)?;
        let arena = self.arena.at_least(&self.backend, runnable.plan.arena_bytes)?;
        let bindings: SmallVec<[Binding; 4]> = inputs
            .iter()
            .map(|(storage, offset)| Binding { buffer: storage.buffer, offset: *offset })
            .collect();
        let targets: SmallVec<[Binding; 4]> = outputs.iter().map(|storage| storage.binding()).collect();
        let given =
            Given { inputs: &bindings, numbers: &numbers, outputs: &targets, arena, stream: self.stream };
        {
            let read = states.iter().chain(inputs.iter().map(|(storage, _)| storage));
            let written = runnable.written.iter().map(|&state| &states[state as usize]);
            let gates = gates(None, read, written.clone());
            if !gates.is_empty() && written.clone().any(|storage| storage.gate().is_some()) {
                return Err(busy("run"));
            }
            let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
            let replay = &mut self.program_mut(id)?.replay;
            if replay.is_none() {
                // What belongs to a single call is looked up for its run alone, so a program that is not called any
                // more holds no memory but its states'.
                *replay = Some(Replay::new(Arc::clone(runnable), Arc::clone(states), None)?);
            }
            let ran = replay.as_mut().map_or(Ok(()), |replay| replay.run(&given));
            if runnable.states.iter().any(|state| matches!(state, StateRef::GradOf(_))) {
                // A gradient belongs to its leaf alone, which may drop it or get another one before the next call.
                *replay = None;
            }
            ran?;
        }
        self.counters.program_runs += 1;
        self.stream.offset += runnable.random_blocks;
        self.after_run(id, runnable, outputs)
    }

    /// Arguments as storages with byte offsets: tensors in place where they are contiguous.
    pub(super) fn bind_args(
        &mut self,
        runnable: &Runnable,
        args: &[RunArg],
        states: &[Arc<Storage>],
    ) -> Result<Arguments> {
        let mut inputs: SmallVec<[Placed; 4]> = SmallVec::new();
        let mut numbers = SmallVec::new();
        for arg in args {
            match *arg {
                RunArg::Number(value) => numbers.push(value),
                RunArg::Tensor(handle) => {
                    let node = self.resolve(handle)?;
                    let have = &self.tape.get(node).node.ty;
                    let Some(want) = runnable.inputs.get(inputs.len()) else {
                        return Err(Error::Internal("run: more tensors than the program takes".into()));
                    };
                    if have.shape != want.shape || have.dtype != want.dtype {
                        return Err(Error::GuardMiss(format!(
                            "run: {} {} where the program takes {} {}",
                            have.dtype,
                            show(&have.shape),
                            want.dtype,
                            show(&want.shape)
                        )));
                    }
                    let size = have.dtype.size();
                    let shared = match self.value(node) {
                        Value::Tensor { storage, .. } => {
                            alias::is_written(runnable, states, inputs.len() as u32, storage)?
                        }
                        Value::Scalar(_) | Value::Later => false,
                    };
                    let bound = match self.value(node) {
                        Value::Tensor { storage, view } if view.is_contiguous() && !shared => {
                            Some((Arc::clone(storage), view.offset * size))
                        }
                        _ => None,
                    };
                    inputs.push(match bound {
                        Some(bound) => bound,
                        None => (self.contiguous_copy(node)?, 0),
                    });
                }
            }
        }
        Ok((inputs, numbers))
    }

    /// Gradients, lent outputs and handles after a run.
    fn after_run(
        &mut self,
        id: ProgramId,
        runnable: &Runnable,
        outputs: SmallVec<[Arc<Storage>; 2]>,
    ) -> Result<Vec<Handle>> {
        let returned = self.program(id)?.returned;
        let mut handles = Vec::with_capacity(returned);
        let mut kept: SmallVec<[NodeId; 4]> = SmallVec::new();
        for (at, storage) in outputs.into_iter().enumerate() {
            let lent = self.program(id)?.lent[at].as_ref().map(|lent| Arc::clone(&lent.gone));
            let node = self.output_node(runnable.outputs[at].0.clone(), storage);
            if at < returned {
                self.tape.get_mut(node).lent = lent;
                handles.push(self.handle(node));
            } else {
                kept.push(node);
            }
        }
        let program = self.program(id)?;
        if program.settled == self.guarded && kept.is_empty() {
            // Gradients that were lost or cleared are so still.
            return Ok(handles);
        }
        let effects = Arc::clone(&program.effects);
        for &(leaf, effect) in effects.iter() {
            let grad = match effect {
                Effect::Keep(at) => {
                    let node = kept[at - returned];
                    self.tape.retain(node);
                    Some(Grad::Node(node))
                }
                Effect::Lose => Some(Grad::Lost),
                Effect::Clear => None,
            };
            self.replace_grad(leaf, grad);
        }
        let settled = self.guarded;
        self.program_mut(id)?.settled = settled;
        Ok(handles)
    }

    pub(super) fn output_node(&mut self, ty: Type, storage: Arc<Storage>) -> NodeId {
        let view = storage.base.clone();
        let node = Node {
            op: Op::Leaf,
            inputs: Inputs::new(),
            ty,
            requires_grad: false,
            path: 0,
            site: 0,
            called: None,
            gradient_of: None,
            sequence: self.tape.next_sequence(),
            random: 0,
        };
        let id = self.tape.insert(Entry::leaf(node, Value::Tensor { storage, view }));
        self.pool.push(id);
        id
    }
}

/// What to say where a running training owns the state.
pub(super) fn busy(op: &str) -> Error {
    Error::Busy(format!(
        "{op}: fit() is training these parameters; expected no other training of them at the same time. \
         Hint: await the promise of the running fit() first, or abort it"
    ))
}
