//! Eager execution: the lowering of a graph of one node, kept for the next time.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Engine;
use crate::backend::{Binding, Executable, Run};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Inputs, Node, NodeId, Type};
use crate::op::{Number, Op, ViewOp};
use crate::pass::{Lowered, Origin, Slot, Source, lower};
use crate::shape::{Strides, View};
use crate::storage::{Storage, Value, gates, host_room};

/// Kinds of one-node plans that are kept; loops over data of ever new shapes stay bounded.
const CAPACITY: usize = 4096;

/// What decides the plan of a node: everything but addresses and numbers.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    op: Op,
    ty: Type,
    inputs: SmallVec<[(Type, Option<Strides>); 3]>,
}

/// A prepared one-node plan.
pub struct Ready {
    executable: Executable,
    slots: Vec<Slot>,
    layout: View,
    arena_bytes: usize,
    /// Inputs whose numbers are the run-time scalars.
    scalars: SmallVec<[usize; 3]>,
    origins: Vec<Origin>,
}

/// The plans prepared so far.
#[derive(Default)]
pub struct Cache {
    plans: HashMap<Key, Arc<Ready>>,
}

impl Cache {
    fn insert(&mut self, key: Key, ready: &Arc<Ready>) {
        if self.plans.len() >= CAPACITY {
            self.plans.clear();
        }
        self.plans.insert(key, Arc::clone(ready));
    }
}

/// How many elements of a storage a view reaches back from its first: none, unless a stride is
/// negative. Follows from shape and strides, so plans for views at other offsets have it too.
fn lead(view: &View) -> usize {
    if view.numel() == 0 { 0 } else { view.offset - view.span().0 }
}

impl Engine {
    /// The value of a node whose inputs have values.
    pub(super) fn evaluate(&mut self, node: &Node, inputs: &[NodeId]) -> Result<Value> {
        match &node.op {
            Op::Const(Number(value)) => return Ok(Value::Scalar(*value)),
            Op::View(view) => {
                if let Some(value) = self.view_of(view, inputs[0]) {
                    return Ok(value);
                }
            }
            Op::CheckNonZero => {
                if let Value::Scalar(divisor) = self.value(inputs[0]) {
                    return if *divisor == 0.0 {
                        Err(Error::Value("integer division by zero; expected a divisor other than 0".into()))
                    } else {
                        Ok(Value::Scalar(*divisor))
                    };
                }
            }
            Op::Assign(view) => return self.write(inputs[0], inputs[1], view),
            Op::Cast(_) if node.ty.weak.is_none() && self.tape.get(inputs[0]).node.ty.weak.is_some() => {
                if let Value::Scalar(value) = self.value(inputs[0]) {
                    return Ok(Value::Scalar(*value));
                }
            }
            _ => {}
        }
        self.execute(node, inputs)
    }

    fn view_of(&self, op: &ViewOp, input: NodeId) -> Option<Value> {
        match self.value(input) {
            Value::Scalar(value) => Some(Value::Scalar(*value)),
            Value::Tensor { storage, view } => {
                Some(Value::Tensor { storage: Arc::clone(storage), view: op.apply(view)? })
            }
        }
    }

    fn execute(&mut self, node: &Node, inputs: &[NodeId]) -> Result<Value> {
        let ready = self.ready(node, inputs)?;
        if matches!(node.op, Op::CheckNonZero) {
            self.run_ready(&ready, node, inputs, None)?;
            return Ok(self.value(inputs[0]).clone());
        }
        let storage = Storage::new(&self.backend, &self.meter, node.ty.dtype, ready.layout.clone())?;
        self.run_ready(&ready, node, inputs, Some(&storage))?;
        Ok(Value::Tensor { storage, view: ready.layout.clone() })
    }

    fn ready(&mut self, node: &Node, inputs: &[NodeId]) -> Result<Arc<Ready>> {
        let key = Key {
            op: node.op.clone(),
            ty: node.ty.clone(),
            inputs: inputs
                .iter()
                .map(|&i| {
                    let entry = self.tape.get(i);
                    let strides = match &entry.value {
                        Value::Scalar(_) => None,
                        Value::Tensor { view, .. } => Some(view.strides.clone()),
                    };
                    (entry.node.ty.clone(), strides)
                })
                .collect(),
        };
        if let Some(ready) = self.cache.plans.get(&key) {
            return Ok(Arc::clone(ready));
        }
        let ready = Arc::new(self.prepare_one(node, inputs)?);
        self.cache.insert(key, &ready);
        Ok(ready)
    }

    /// Lowers the graph that consists of the node alone; its inputs are slots or numbers.
    fn prepare_one(&mut self, node: &Node, inputs: &[NodeId]) -> Result<Ready> {
        let mut nodes: Vec<Node> = Vec::with_capacity(inputs.len() + 1);
        let mut views = Vec::new();
        let mut number_inputs = HashMap::new();
        for (at, &input) in inputs.iter().enumerate() {
            let entry = self.tape.get(input);
            let op = match &entry.value {
                Value::Scalar(_) => {
                    // The plan serves other numbers too: two that are equal today stay two.
                    number_inputs.insert(NodeId(at as u32), at);
                    Op::Slot(at as u32)
                }
                Value::Tensor { view, .. } => {
                    // Addresses are bound at run time.
                    views.push(View { offset: lead(view), ..view.clone() });
                    Op::Input((views.len() - 1) as u32)
                }
            };
            nodes.push(Node {
                op,
                inputs: Inputs::new(),
                ty: entry.node.ty.clone(),
                sequence: at as u64,
                ..node.clone()
            });
        }
        let id = NodeId(nodes.len() as u32);
        let operands: Inputs = (0..inputs.len()).map(|i| NodeId(i as u32)).collect();
        nodes.push(Node { inputs: operands, random: 0, ..node.clone() });
        // A check writes nothing: its value is that of its operand.
        let wanted = [(id, None)];
        let wanted = if matches!(node.op, Op::CheckNonZero) { &wanted[..0] } else { &wanted[..] };
        let Lowered { plan, slots, scalars, mut outputs, origins, .. } =
            lower(&Source { nodes: &nodes, inputs: &views, states: &[], outputs: wanted, separate: false })?;
        self.counters.prepared += 1;
        Ok(Ready {
            executable: self.backend.prepare(&plan)?,
            slots,
            layout: outputs.pop().unwrap_or_else(|| View::contiguous(&node.ty.shape)),
            arena_bytes: plan.arena_bytes,
            scalars: scalars.iter().map(|id| number_inputs[id]).collect(),
            origins,
        })
    }

    fn run_ready(
        &mut self,
        ready: &Ready,
        node: &Node,
        inputs: &[NodeId],
        out: Option<&Arc<Storage>>,
    ) -> Result<()> {
        let arena = self.arena.at_least(&self.backend, ready.arena_bytes)?;
        let mut tensors: SmallVec<[(&Arc<Storage>, usize); 3]> = SmallVec::new();
        let mut numbers: SmallVec<[f64; 3]> = SmallVec::new();
        for &input in inputs {
            match &self.tape.get(input).value {
                Value::Tensor { storage, view } => {
                    tensors.push((storage, (view.offset - lead(view)) * storage.dtype.size()));
                    numbers.push(0.0);
                }
                Value::Scalar(value) => numbers.push(*value),
            }
        }
        let bindings: SmallVec<[Binding; 6]> = ready
            .slots
            .iter()
            .map(|slot| match *slot {
                Slot::Arena => Binding { buffer: arena, offset: 0 },
                Slot::Input(n) => {
                    let (storage, offset) = tensors[n as usize];
                    Binding { buffer: storage.buffer, offset }
                }
                Slot::Output(_) | Slot::State(_) => {
                    out.map_or(Binding { buffer: arena, offset: 0 }, |storage| storage.binding())
                }
            })
            .collect();
        let scalars: SmallVec<[f64; 3]> = ready.scalars.iter().map(|&at| numbers[at]).collect();
        let gates = gates(None, tensors.iter().map(|&(storage, _)| storage), []);
        let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
        self.counters.eager_runs += 1;
        let run =
            Run { bindings: &bindings, scalars: &scalars, seed: self.stream.seed, rng_offset: node.random };
        self.backend.run(&ready.executable, &run).map_err(|fault| named(&ready.origins, fault))
    }

    /// `Op::Assign` of the eager driver: copies into the storage of the target.
    fn write(&mut self, target: NodeId, value: NodeId, place: &View) -> Result<Value> {
        let Value::Tensor { storage, view } = self.value(target).clone() else {
            return Err(Error::Internal("assign: the target is a number".into()));
        };
        let source = self.value(value).clone();
        let ready = self.ready_write(&storage, &source, place)?;
        let arena = self.arena.at_least(&self.backend, ready.arena_bytes)?;
        let bindings: SmallVec<[Binding; 4]> = ready
            .slots
            .iter()
            .map(|slot| match (slot, &source) {
                (Slot::Arena, _) => Binding { buffer: arena, offset: 0 },
                (Slot::Input(_), Value::Tensor { storage, view }) => Binding {
                    buffer: storage.buffer,
                    offset: (view.offset - lead(view)) * storage.dtype.size(),
                },
                _ => storage.binding(),
            })
            .collect();
        let scalars: SmallVec<[f64; 1]> = match source {
            Value::Scalar(number) => SmallVec::from_elem(number, ready.scalars.len()),
            Value::Tensor { .. } => SmallVec::new(),
        };
        let other = match &source {
            Value::Tensor { storage, .. } => Some(storage),
            Value::Scalar(_) => None,
        };
        let gates = gates(None, other, [&storage]);
        let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
        self.counters.eager_runs += 1;
        let run = Run { bindings: &bindings, scalars: &scalars, seed: 0, rng_offset: 0 };
        self.backend.run(&ready.executable, &run).map_err(|fault| named(&ready.origins, fault))?;
        storage.written();
        Ok(Value::Tensor { storage, view })
    }

    /// The plan that writes a value into a place of a storage.
    fn ready_write(&mut self, storage: &Arc<Storage>, source: &Value, place: &View) -> Result<Arc<Ready>> {
        let base = Type::new(storage.dtype, &storage.base.shape);
        let ty = Type::new(storage.dtype, &place.shape);
        let inside = matches!(source, Value::Tensor { storage: other, .. } if other.id == storage.id);
        let strides = match source {
            Value::Scalar(_) => None,
            Value::Tensor { view, .. } => Some(view.strides.clone()),
        };
        let state = (base.clone(), Some(storage.base.strides.clone()));
        let key = Key {
            op: Op::Assign(place.clone()),
            ty: base.clone(),
            inputs: SmallVec::from_vec(vec![state, (ty.clone(), strides)]),
        };
        // A view of the storage itself may overlap the place: its offset matters, so that plan is made anew.
        if !inside && let Some(ready) = self.cache.plans.get(&key) {
            return Ok(Arc::clone(ready));
        }
        let node = |op, inputs: &[u32], ty: &Type| Node {
            op,
            inputs: inputs.iter().map(|&i| NodeId(i)).collect(),
            ty: ty.clone(),
            requires_grad: false,
            path: 0,
            site: 0,
            called: None,
            gradient_of: None,
            sequence: 0,
            random: 0,
        };
        let mut views = Vec::new();
        let value = match source {
            Value::Scalar(number) => node(Op::Const(Number(*number)), &[], &ty),
            Value::Tensor { view, .. } if inside => node(Op::View(ViewOp::Place(view.clone())), &[0], &ty),
            Value::Tensor { view, .. } => {
                views.push(View { offset: lead(view), ..view.clone() });
                node(Op::Input(0), &[], &ty)
            }
        };
        let nodes = [node(Op::State(0), &[], &base), value, node(Op::Assign(place.clone()), &[0, 1], &base)];
        let states = [(storage.dtype, storage.base.clone())];
        let lowered =
            lower(&Source { nodes: &nodes, inputs: &views, states: &states, outputs: &[], separate: false })?;
        self.counters.prepared += 1;
        let ready = Arc::new(Ready {
            executable: self.backend.prepare(&lowered.plan)?,
            slots: lowered.slots,
            layout: place.clone(),
            arena_bytes: lowered.plan.arena_bytes,
            scalars: SmallVec::from_elem(1, lowered.scalars.len()),
            origins: lowered.origins,
        });
        if !inside {
            self.cache.insert(key, &ready);
        }
        Ok(ready)
    }

    /// The elements in row-major order.
    pub(super) fn bytes_of(&mut self, node: NodeId) -> Result<Vec<u8>> {
        let ty = self.tape.get(node).node.ty.clone();
        let mut bytes = host_room(ty.numel() * ty.dtype.size())?;
        match self.value(node).clone() {
            Value::Scalar(value) => {
                for element in bytes.chunks_exact_mut(ty.dtype.size()) {
                    encode(value, ty.dtype, element);
                }
            }
            Value::Tensor { storage, view } => {
                let (storage, view) = if view.is_contiguous() {
                    (storage, view)
                } else {
                    let copy = self.contiguous_copy(node)?;
                    let view = copy.base.clone();
                    (copy, view)
                };
                let gates = gates(None, [&storage], []);
                let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
                if !bytes.is_empty() {
                    self.backend.download(storage.buffer, view.offset * ty.dtype.size(), &mut bytes)?;
                }
            }
        }
        Ok(bytes)
    }

    /// The elements in a storage of their own, row-major.
    pub(super) fn contiguous_copy(&mut self, node: NodeId) -> Result<Arc<Storage>> {
        let ty = self.tape.get(node).node.ty.clone();
        self.copy_to_layout(node, &View::contiguous(&ty.shape))
    }

    /// The elements in a storage of their own with a given dense layout.
    pub(super) fn copy_to_layout(&mut self, node: NodeId, layout: &View) -> Result<Arc<Storage>> {
        let dtype = self.tape.get(node).node.ty.dtype;
        let storage = Storage::new(&self.backend, &self.meter, dtype, layout.clone())?;
        let ty = self.tape.get(node).node.ty.clone();
        let target =
            self.adopt(Value::Tensor { storage: Arc::clone(&storage), view: layout.clone() }, ty, false);
        self.write(target, node, layout)?;
        Ok(storage)
    }
}

/// The error of a run with the name of the step that failed where the kernel could not know it.
fn named(origins: &[Origin], fault: crate::backend::Fault) -> Error {
    match origins.get(fault.origin as usize) {
        Some(origin) if !fault.error.message().starts_with(&origin.name) => fault.error.within(&origin.name),
        _ => fault.error,
    }
}

/// One element from a number.
pub(super) fn encode(value: f64, dtype: DType, out: &mut [u8]) {
    match dtype {
        DType::Bool => out[0] = u8::from(value != 0.0),
        DType::U8 => out[0] = value as i64 as u8,
        DType::I32 => out.copy_from_slice(&(value as i64 as i32).to_le_bytes()),
        DType::F32 => out.copy_from_slice(&(value as f32).to_le_bytes()),
        DType::F64 => out.copy_from_slice(&value.to_le_bytes()),
    }
}
