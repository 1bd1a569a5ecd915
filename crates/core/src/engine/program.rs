//! Programs: what a trace becomes, and how it runs on the JavaScript thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use smallvec::SmallVec;

use super::anomaly::Watched;
use super::execute::gates;
use super::gradient::Grad;
use super::optimizer::Shared;
use super::tape::Entry;
use super::trace::{Leaf, Trace, TraceOptions};
use super::verify::Records;
use super::log;
use super::{Engine, Handle, OptimizerId};
use crate::backend::{Backend, Binding, BufferId, Executable, Fault, Run};
use crate::error::{Error, Result};
use crate::graph::{Driver, Inputs, Node, NodeId, Type};
use crate::op::{Number, Op};
use crate::pass::{Lowered, Origin, Slot, Source, lower};
use crate::plan::Plan;
use crate::rng::Stream;
use crate::shape::{View, show};
use crate::storage::{Storage, Value};

/// Outputs up to this size are ordinary tensors; larger ones are lent until the next run.
const COPIED_OUTPUT_BYTES: usize = 4096;

/// A program of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgramId(pub u32);

/// An argument of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunArg {
    Tensor(Handle),
    Number(f64),
}

/// Where a run-time scalar comes from.
#[derive(Clone, Debug)]
pub enum ScalarSource {
    Const(f64),
    /// The n-th numeric argument.
    Arg(usize),
    /// A scalar of the n-th parameter update.
    Update { bump: usize, index: usize },
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
        let run =
            Run { bindings: &bindings, scalars: &scalars, seed: given.stream.seed, rng_offset: given.stream.offset };
        match &self.watched {
            Some(watched) => watched.run(self, &run)?,
            None => self.backend.run(&self.executable, &run).map_err(|fault| self.named(fault))?,
        }
        for &state in &self.written {
            given.states[state as usize].written();
        }
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
            let key = (Arc::as_ptr(&bump.shared), numbers.group_of[bump.param], numbers.steps[bump.param] + 1);
            // Parameters of one group are in step nearly always: their scalars are computed once.
            let values = match (out.last(), last) {
                (Some(values), Some(earlier)) if earlier == key => values.clone(),
                _ => bump.shared.scalars(&numbers, bump.param),
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
        let error = error.within(&self.paths[fault.origin as usize]);
        let site = &self.sites[fault.origin as usize];
        if site.is_empty() { error } else { error.at(site) }
    }
}

/// A program with what belongs to the engine's thread.
pub struct Program {
    pub runnable: Arc<Runnable>,
    pub(super) grads: Vec<(NodeId, bool)>,
    pub(super) effects: Vec<(NodeId, Effect)>,
    pub(super) structures: Vec<(OptimizerId, usize, u32)>,
    /// Captured leaves and whether they required a gradient.
    flags: Vec<(NodeId, bool)>,
    pub(super) records: Records,
    /// Storages of the arguments of the run that is being verified.
    pub(super) arguments: Vec<u64>,
    retained: Vec<NodeId>,
    /// Outputs that the caller asked for; kept gradients follow them.
    pub returned: usize,
    lent: Vec<Option<Arc<Storage>>>,
    runs: Arc<AtomicU64>,
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
        let mut trace = self.trace.take().ok_or_else(|| Error::Internal("jit: no trace is open".into()))?;
        let lowered = self.lower_trace(&trace, &roots);
        let retained = std::mem::take(&mut trace.retained);
        self.trace = Some(trace);
        let lowered = lowered?;
        let executable = self.backend.prepare(&lowered.plan)?;
        self.counters.prepared += 1;
        let watched = if self.anomaly { Some(Watched::new(&self.backend, &lowered.plan)?) } else { None };
        let trace = self.trace.as_ref().expect("put back above");
        let runnable = Runnable { watched, ..self.runnable(trace, lowered, executable, &roots) };
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
        let lent = vec![None; roots.len()];
        Ok(Program {
            runnable: Arc::new(runnable),
            grads,
            effects,
            structures,
            flags,
            records,
            arguments: Vec::new(),
            retained,
            returned: outputs.len(),
            lent,
            runs: Arc::default(),
        })
    }

    /// What happens to gradients; those that stay become outputs.
    fn effects(&mut self, roots: &mut Vec<(NodeId, Option<View>)>, options: TraceOptions) -> Result<Vec<(NodeId, Effect)>> {
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

    fn lower_trace(&self, trace: &Trace, roots: &[(NodeId, Option<View>)]) -> Result<Lowered> {
        let inputs: Vec<View> = trace.inputs.iter().map(|ty| View::contiguous(&ty.shape)).collect();
        let states: Vec<_> = trace.states.iter().map(|s| (s.storage.dtype, s.storage.base.clone())).collect();
        lower(&Source { nodes: &trace.nodes, inputs: &inputs, states: &states, outputs: roots, separate: self.anomaly })
    }

    fn runnable(&self, trace: &Trace, lowered: Lowered, executable: Executable, roots: &[(NodeId, Option<View>)]) -> Runnable {
        let scalars = lowered
            .scalars
            .iter()
            .map(|&id| match trace.nodes[id.0 as usize].op {
                Op::Slot(n) => trace.slots[n as usize].clone(),
                Op::Const(Number(value)) => ScalarSource::Const(value),
                _ => ScalarSource::Const(0.0),
            })
            .collect();
        let bumps = trace
            .bumps
            .iter()
            .map(|&(optimizer, param)| Bump { shared: self.shared_of(OptimizerId(optimizer)), param })
            .collect();
        let states = trace
            .states
            .iter()
            .map(|s| s.grad_of.map_or_else(|| StateRef::Storage(Arc::clone(&s.storage)), StateRef::GradOf))
            .collect();
        let text = |id: u32| -> Arc<str> { Arc::from(self.names.get(id)) };
        let outputs = roots
            .iter()
            .zip(lowered.outputs)
            .map(|((node, _), view)| (Type { weak: None, ..trace.nodes[node.0 as usize].ty.clone() }, view))
            .collect();
        Runnable {
            backend: Arc::clone(&self.backend),
            executable,
            watched: None,
            plan: lowered.plan,
            slots: lowered.slots,
            scalars,
            bumps,
            states,
            written: lowered.written,
            inputs: trace.inputs.clone(),
            outputs,
            random_blocks: trace.random_blocks,
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
        grads && flags && program.structures.iter().all(|&(o, group, structure)| self.structure_of(o, group) == Some(structure))
    }

    /// Runs a program; `Error::GuardMiss` where it has to be traced again (nothing has run then).
    pub fn run(&mut self, id: ProgramId, args: &[RunArg]) -> Result<Vec<Handle>> {
        if self.trace.is_some() {
            return Err(Error::Internal("run: a trace is open".into()));
        }
        let program = self.program(id)?;
        if !self.guards_hold(program) {
            return Err(Error::GuardMiss("run: gradients or optimizer settings have changed".into()));
        }
        let runnable = Arc::clone(&program.runnable);
        let states = self.states_of(&runnable)?;
        let result = self.run_with(id, &runnable, args, &states);
        self.settle();
        result
    }

    /// The storages that a program's states stand for now.
    pub(super) fn states_of(&self, runnable: &Runnable) -> Result<Vec<Arc<Storage>>> {
        runnable
            .states
            .iter()
            .map(|state| match state {
                StateRef::Storage(storage) => Ok(Arc::clone(storage)),
                StateRef::GradOf(leaf) => match self.grads.get(leaf) {
                    Some(&Grad::Node(grad)) => match self.value(grad) {
                        Value::Tensor { storage, .. } => Ok(Arc::clone(storage)),
                        Value::Scalar(_) => Err(Error::Internal("run: a gradient without memory".into())),
                    },
                    _ => Err(Error::GuardMiss("run: a gradient is gone".into())),
                },
            })
            .collect()
    }

    fn run_with(&mut self, id: ProgramId, runnable: &Runnable, args: &[RunArg], states: &[Arc<Storage>]) -> Result<Vec<Handle>> {
        let (inputs, numbers) = self.bind_args(runnable, args)?;
        self.remember_arguments(id, &inputs);
        let outputs = self.output_storages(id, runnable)?;
        let arena = self.arena.at_least(&self.backend, runnable.plan.arena_bytes)?;
        let bindings: SmallVec<[Binding; 4]> =
            inputs.iter().map(|(storage, offset)| Binding { buffer: storage.buffer, offset: *offset }).collect();
        let targets: SmallVec<[Binding; 4]> = outputs.iter().map(|storage| storage.binding()).collect();
        {
            let gates = gates(states.iter().chain(inputs.iter().map(|(storage, _)| storage)));
            if !gates.is_empty() && !runnable.written.is_empty() {
                return Err(busy("run"));
            }
            let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
            runnable.run(&Given {
                inputs: &bindings,
                numbers: &numbers,
                states,
                outputs: &targets,
                arena,
                stream: self.stream,
            })?;
        }
        self.counters.program_runs += 1;
        self.stream.offset += runnable.random_blocks;
        self.after_run(id, runnable, outputs)
    }

    /// Arguments as storages with byte offsets: tensors in place where they are contiguous.
    pub(super) fn bind_args(&mut self, runnable: &Runnable, args: &[RunArg]) -> Result<(Vec<(Arc<Storage>, usize)>, Vec<f64>)> {
        let mut inputs: Vec<(Arc<Storage>, usize)> = Vec::new();
        let mut numbers = Vec::new();
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
                    let bound = match self.value(node) {
                        Value::Tensor { storage, view } if view.is_contiguous() => {
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

    fn output_storages(&mut self, id: ProgramId, runnable: &Runnable) -> Result<Vec<Arc<Storage>>> {
        let mut out = Vec::with_capacity(runnable.outputs.len());
        for (at, (ty, view)) in runnable.outputs.iter().enumerate() {
            let program = self.program(id)?;
            let lends = at < program.returned && view.numel() * ty.dtype.size() > COPIED_OUTPUT_BYTES;
            if lends && let Some(storage) = &program.lent[at] {
                out.push(Arc::clone(storage));
                continue;
            }
            let storage = Storage::new(&self.backend, &self.meter, ty.dtype, view.clone())?;
            if lends && let Some(Some(program)) = self.programs.get_mut(id.0 as usize) {
                program.lent[at] = Some(Arc::clone(&storage));
            }
            out.push(storage);
        }
        Ok(out)
    }

    /// Gradients, lent outputs and handles after a run.
    fn after_run(&mut self, id: ProgramId, runnable: &Runnable, outputs: Vec<Arc<Storage>>) -> Result<Vec<Handle>> {
        let program = self.program(id)?;
        let (effects, returned) = (program.effects.clone(), program.returned);
        let lends: Vec<bool> = program.lent.iter().map(Option::is_some).collect();
        let runs = Arc::clone(&program.runs);
        let serial = runs.fetch_add(1, Ordering::Relaxed) + 1;
        let mut handles = Vec::with_capacity(returned);
        let mut kept: HashMap<usize, NodeId> = HashMap::new();
        for (at, storage) in outputs.into_iter().enumerate() {
            let node = self.output_node(runnable.outputs[at].0.clone(), storage);
            if at < returned {
                if lends[at] {
                    self.tape.get_mut(node).lent = Some((Arc::clone(&runs), serial));
                }
                handles.push(self.handle(node));
            } else {
                kept.insert(at, node);
            }
        }
        for (leaf, effect) in effects {
            let grad = match effect {
                Effect::Keep(at) => {
                    let node = kept[&at];
                    self.tape.retain(node);
                    Some(Grad::Node(node))
                }
                Effect::Lose => Some(Grad::Lost),
                Effect::Clear => None,
            };
            self.replace_grad(leaf, grad);
        }
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
            gradient_of: None,
            sequence: self.tape.next_sequence(),
            random: 0,
        };
        let id = self.tape.insert(Entry {
            node,
            value: Value::Tensor { storage, view },
            refs: 1,
            versions: SmallVec::new(),
            leaf: true,
            spent: false,
            producer: None,
            lent: None,
        });
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

/// Locks a mutex whose data stays valid when a holder panicked.
pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
