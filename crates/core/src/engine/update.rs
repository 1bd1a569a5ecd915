//! The step of an optimizer outside of a trace: one plan over all parameters that have a gradient.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Engine;
use super::batch::{first, lead};
use super::execute::named;
use super::gradient::Grad;
use super::optimizer::{OptimizerId, Shared};
use super::runnable::Arena;
use super::sketch::Sketch;
use crate::backend::{Binding, Executable, Run};
use crate::composite::optimizer;
use crate::dtype::{DType, Weak};
use crate::error::{Error, Result};
use crate::graph::{Builder, Driver, NodeId, Type};
use crate::op::{Op, ViewOp};
use crate::pass::{Origin, Slot, Source, lower};
use crate::shape::{Dims, Strides, View};
use crate::storage::{Storage, Value, gates};

/// Plans that an optimizer keeps: which parameters have gradients rarely changes.
const CAPACITY: usize = 8;

/// What decides the plan of a step, for each parameter; `None` where there is no gradient. Parameters and states
/// never move.
type Key = SmallVec<[Option<(u32, Strides)>; 8]>;

/// A tensor that a step writes: a parameter, or one of its states.
#[derive(Clone, Copy)]
struct Target {
    param: usize,
    state: Option<usize>,
}

/// A prepared step.
pub struct Update {
    key: Key,
    executable: Executable,
    slots: Vec<Slot>,
    arena_bytes: usize,
    /// (parameter, scalar of its update).
    scalars: Vec<(usize, usize)>,
    /// The parameters whose gradients are read, in order.
    inputs: Vec<usize>,
    targets: Vec<Target>,
    origins: Vec<Origin>,
}

/// The graph of a step while it grows.
struct Growing<'a> {
    sketch: Sketch<'a>,
    inputs: Vec<View>,
    read: Vec<usize>,
    states: Vec<(DType, View)>,
    targets: Vec<Target>,
    slots: Vec<(usize, usize)>,
}

impl Growing<'_> {
    /// A tensor that is read and written in place: its state, and the part of it that the tensor is.
    fn place(&mut self, target: Target, storage: &Storage, view: &View) -> Result<(NodeId, NodeId)> {
        let ty = Type::new(storage.dtype, &storage.base.shape);
        let state = self.sketch.leaf(Op::State(self.states.len() as u32), ty);
        self.states.push((storage.dtype, storage.base.clone()));
        self.targets.push(target);
        if *view == storage.base {
            return Ok((state, state));
        }
        let ty = Type::new(storage.dtype, &view.shape);
        let node = self.sketch.append(Op::View(ViewOp::Place(view.clone())), &[state], ty)?;
        Ok((state, node))
    }

    fn write(&mut self, state: NodeId, view: &View, value: NodeId) -> Result<()> {
        let ty = self.sketch.ty(state).clone();
        self.sketch.append(Op::Assign(view.clone()), &[state, value], ty).map(drop)
    }
}

/// Where a tensor lies.
type Placed = (Arc<Storage>, View);

impl Engine {
    fn placed(&self, node: NodeId) -> Option<Placed> {
        match self.value(node) {
            Value::Tensor { storage, view } => Some((Arc::clone(storage), view.clone())),
            Value::Scalar(_) | Value::Later => None,
        }
    }

    fn grad_place(&self, param: NodeId) -> Option<(&Arc<Storage>, &View)> {
        match self.grads.get(&param) {
            Some(&Grad::Node(grad)) => match self.value(grad) {
                Value::Tensor { storage, view } => Some((storage, view)),
                Value::Scalar(_) | Value::Later => None,
            },
            _ => None,
        }
    }

    /// Updates all parameters at once; false where that is not possible, and nothing has happened then.
    pub(super) fn step_together(&mut self, id: OptimizerId) -> Result<bool> {
        let optimizer = self.optimizer(id)?;
        let shared = Arc::clone(&optimizer.shared);
        let mut key = Key::new();
        {
            let numbers = shared.lock();
            for (at, &param) in optimizer.params.iter().enumerate() {
                let group = &numbers.groups[numbers.group_of[at]];
                let part = self
                    .grad_place(param)
                    .map(|(_, view)| (optimizer::structure(shared.kind, group), view.strides.clone()));
                key.push(part);
            }
        }
        if key.iter().all(Option::is_none) {
            return Ok(true);
        }
        let known = optimizer.updates.iter().find(|update| update.key == key).map(Arc::clone);
        let update = if let Some(update) = known {
            update
        } else {
            let Some(update) = self.prepare_update(id, key)? else { return Ok(false) };
            let update = Arc::new(update);
            let updates = &mut self.optimizer_mut(id)?.updates;
            if updates.len() >= CAPACITY {
                updates.clear();
            }
            updates.push(Arc::clone(&update));
            update
        };
        self.run_update(id, &shared, &update)?;
        Ok(true)
    }

    /// `None` where tensors share memory, so that the order of their updates matters.
    fn prepare_update(&mut self, id: OptimizerId, key: Key) -> Result<Option<Update>> {
        let optimizer = self.optimizer(id)?;
        let (kind, params, states) =
            (optimizer.shared.kind, optimizer.params.clone(), optimizer.states.clone());
        let claims = |composite| self.backend.claims(composite);
        let mut graph = Growing {
            sketch: Sketch::new(&claims),
            inputs: Vec::new(),
            read: Vec::new(),
            states: Vec::new(),
            targets: Vec::new(),
            slots: Vec::new(),
        };
        let mut memories = Vec::new();
        for (at, part) in key.iter().enumerate() {
            let Some((structure, strides)) = part else { continue };
            let Some(param) = self.placed(params[at]) else { return Ok(None) };
            let mut places = vec![(Target { param: at, state: None }, param)];
            for (state, &node) in states[at].iter().enumerate() {
                let Some(place) = self.placed(node) else { return Ok(None) };
                places.push((Target { param: at, state: Some(state) }, place));
            }
            memories.extend(places.iter().map(|(_, (storage, _))| storage.id));
            if !grow(&mut graph, kind, *structure, strides, &places)? {
                return Ok(None);
            }
        }
        memories.sort_unstable();
        if memories.windows(2).any(|pair| pair[0] == pair[1]) {
            return Ok(None);
        }
        let lowered = lower(&Source {
            nodes: &graph.sketch.nodes,
            inputs: &graph.inputs,
            states: &graph.states,
            outputs: &[],
            separate: false,
        })?;
        let slot_of = |id: &NodeId| match graph.sketch.nodes[id.0 as usize].op {
            Op::Slot(n) => Ok(graph.slots[n as usize]),
            _ => Err(Error::Internal("optimizer: a number that is no scalar of the update".into())),
        };
        let scalars = lowered.scalars.iter().map(slot_of).collect::<Result<Vec<_>>>()?;
        let (inputs, targets) = (graph.read, graph.targets);
        self.counters.prepared += 1;
        Ok(Some(Update {
            key,
            executable: self.backend.prepare(&lowered.plan)?,
            slots: lowered.slots,
            arena_bytes: lowered.plan.arena_bytes,
            scalars,
            inputs,
            targets,
            origins: lowered.origins,
        }))
    }

    fn run_update(&mut self, id: OptimizerId, shared: &Shared, update: &Update) -> Result<()> {
        let mut large = Arena::default();
        let held = if update.arena_bytes > super::batch::LARGE { &mut large } else { &mut self.arena };
        let arena = held.at_least(&self.backend, update.arena_bytes)?;
        self.counters.eager_runs += 1;
        let optimizer = self.optimizer(id)?;
        let missing = || Error::Internal("optimizer: a tensor without memory".into());
        let storage_of = |target: &Target| -> Result<&Arc<Storage>> {
            let node = match target.state {
                Some(state) => optimizer.states[target.param][state],
                None => optimizer.params[target.param],
            };
            match self.value(node) {
                Value::Tensor { storage, .. } => Ok(storage),
                Value::Scalar(_) | Value::Later => Err(missing()),
            }
        };
        let written = update.targets.iter().map(storage_of).collect::<Result<SmallVec<[_; 24]>>>()?;
        let read = update
            .inputs
            .iter()
            .map(|&param| self.grad_place(optimizer.params[param]).ok_or_else(missing))
            .collect::<Result<SmallVec<[_; 8]>>>()?;
        let bindings: SmallVec<[Binding; 32]> = update
            .slots
            .iter()
            .map(|slot| match *slot {
                Slot::Arena | Slot::Output(_) => Binding { buffer: arena, offset: 0 },
                Slot::Input(n) => {
                    let (storage, view) = read[n as usize];
                    Binding { buffer: storage.buffer, offset: first(view) * storage.dtype.size() }
                }
                Slot::State(n) => written[n as usize].binding(),
            })
            .collect();
        let scalars = scalars_of(shared, update);
        {
            let gates = gates(None, read.iter().map(|&(storage, _)| storage), written.iter().copied());
            let _passes: SmallVec<[_; 2]> = gates.iter().map(|gate| gate.visit()).collect();
            let run = Run { bindings: &bindings, scalars: &scalars, seed: 0, rng_offset: 0 };
            let done = self.backend.run(&update.executable, &run);
            // A run that failed may have written before.
            written.iter().for_each(|storage| storage.written());
            done.map_err(|fault| named(&update.origins, fault))?;
        }
        let mut numbers = shared.lock();
        for &param in &update.inputs {
            numbers.steps[param] += 1;
        }
        Ok(())
    }
}

/// Appends the update of one parameter: the first of `places` is the parameter itself.
fn grow(
    graph: &mut Growing<'_>,
    kind: optimizer::OptimizerKind,
    structure: u32,
    strides: &Strides,
    places: &[(Target, Placed)],
) -> Result<bool> {
    let (Target { param, .. }, (storage, view)) = &places[0];
    let ty = Type::new(storage.dtype, &view.shape);
    let grad = graph.sketch.leaf(Op::Input(graph.inputs.len() as u32), ty.clone());
    let offset = lead(&view.shape, strides);
    graph.inputs.push(View { shape: view.shape.clone(), strides: strides.clone(), offset });
    graph.read.push(*param);
    let mut nodes: SmallVec<[(NodeId, NodeId); 4]> = SmallVec::new();
    for (target, (storage, view)) in places {
        nodes.push(graph.place(*target, storage, view)?);
    }
    let scalar = Type { dtype: DType::F32, shape: Dims::new(), weak: Some(Weak::Float) };
    let mut scalars: SmallVec<[NodeId; 8]> = SmallVec::new();
    for index in 0..optimizer::scalar_count(kind) {
        scalars.push(graph.sketch.leaf(Op::Slot(graph.slots.len() as u32), scalar.clone()));
        graph.slots.push((*param, index));
    }
    let states: SmallVec<[NodeId; 3]> = nodes[1..].iter().map(|&(_, node)| node).collect();
    let mut b = Builder::new(&mut graph.sketch);
    let updated = optimizer::update(&mut b, kind, structure, nodes[0].1, grad, &states, &scalars)?;
    let values = updated.states.iter().zip(&nodes[1..]).zip(&places[1..]);
    let values = values.map(|((&value, &(state, _)), (_, (_, view)))| (state, view, value));
    let values: SmallVec<[_; 4]> = values.chain([(nodes[0].0, view, updated.param)]).collect();
    for (state, view, value) in values {
        // Whatever else an update gives is written by the ordinary way, which casts and expands.
        if *graph.sketch.ty(value) != Type::new(ty.dtype, &view.shape) {
            return Ok(false);
        }
        graph.write(state, view, value)?;
    }
    Ok(true)
}

fn scalars_of(shared: &Shared, update: &Update) -> SmallVec<[f64; 64]> {
    let numbers = shared.lock();
    let mut out = SmallVec::new();
    let mut last = None;
    let mut values = SmallVec::<[f64; 8]>::new();
    for &(param, index) in &update.scalars {
        // Parameters of one group are in step nearly always: their scalars are computed once.
        let at = (numbers.group_of[param], numbers.steps[param]);
        if last != Some(at) {
            values = shared.scalars(&numbers, param, 0);
            last = Some(at);
        }
        out.push(values[index]);
    }
    out
}
