//! Eager values that need no kernel, writes, and the elements of a tensor.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Engine;
use super::batch::{first, lead};
use super::sketch::blank;
use crate::backend::{Binding, Executable, Run};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Inputs, Node, NodeId, Type};
use crate::hash::FastMap;
use crate::op::{Number, Op, ViewOp};
use crate::pass::{Origin, Slot, Source, lower};
use crate::shape::{Strides, View};
use crate::storage::{Storage, Value, gates, host_room};

/// Kinds of writes whose plans are kept; loops over data of ever new shapes stay bounded.
const CAPACITY: usize = 1024;

/// What decides the plan of a write.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    place: View,
    base: (Type, Strides),
    /// The number of a scalar's type, or how the value lies.
    value: Option<Strides>,
}

/// A prepared write.
pub struct Write {
    executable: Executable,
    slots: Vec<Slot>,
    arena_bytes: usize,
    scalars: usize,
    origins: Vec<Origin>,
}

/// The writes prepared so far.
#[derive(Default)]
pub struct Writes {
    plans: FastMap<Key, Arc<Write>>,
}

impl Engine {
    /// The value of a node that needs no kernel; `None` where it does.
    pub(super) fn immediate(&self, node: &Node, inputs: &[NodeId]) -> Result<Option<Value>> {
        Ok(match &node.op {
            Op::Const(Number(value)) => Some(Value::Scalar(*value)),
            Op::View(view) => match self.value(inputs[0]) {
                Value::Scalar(value) => Some(Value::Scalar(*value)),
                Value::Tensor { storage, view: place } => {
                    let storage = Arc::clone(storage);
                    view.apply(place).map(|view| Value::Tensor { storage, view })
                }
                Value::Later => None,
            },
            Op::CheckNonZero => match self.value(inputs[0]) {
                Value::Scalar(0.0) => {
                    return Err(Error::Value(
                        "integer division by zero; expected a divisor other than 0".into(),
                    ));
                }
                Value::Scalar(divisor) => Some(Value::Scalar(*divisor)),
                _ => None,
            },
            Op::Cast(_) if node.ty.weak.is_none() && self.tape.get(inputs[0]).node.ty.weak.is_some() => {
                match self.value(inputs[0]) {
                    Value::Scalar(value) => Some(Value::Scalar(*value)),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// `Op::Assign` of the eager driver: copies into the storage of the target.
    pub(super) fn write(&mut self, target: NodeId, value: NodeId, place: &View) -> Result<Value> {
        self.run_batch()?;
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
                (Slot::Input(_), Value::Tensor { storage, view }) => {
                    Binding { buffer: storage.buffer, offset: first(view) * storage.dtype.size() }
                }
                _ => storage.binding(),
            })
            .collect();
        let scalars: SmallVec<[f64; 1]> = match source {
            Value::Scalar(number) => SmallVec::from_elem(number, ready.scalars),
            Value::Tensor { .. } | Value::Later => SmallVec::new(),
        };
        let other = match &source {
            Value::Tensor { storage, .. } => Some(storage),
            Value::Scalar(_) | Value::Later => None,
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
    fn ready_write(&mut self, storage: &Arc<Storage>, source: &Value, place: &View) -> Result<Arc<Write>> {
        let base = Type::new(storage.dtype, &storage.base.shape);
        let ty = Type::new(storage.dtype, &place.shape);
        let inside = matches!(source, Value::Tensor { storage: other, .. } if other.id == storage.id);
        let strides = match source {
            Value::Scalar(_) => None,
            Value::Tensor { view, .. } => Some(view.strides.clone()),
            Value::Later => return Err(Error::Internal("assign: a value that was never computed".into())),
        };
        let key =
            Key { place: place.clone(), base: (base.clone(), storage.base.strides.clone()), value: strides };
        // A view of the storage itself may overlap the place: its offset matters, so that plan is made anew.
        if !inside && let Some(ready) = self.writes.plans.get(&key) {
            return Ok(Arc::clone(ready));
        }
        let node = |op, inputs: &[u32], ty: &Type| {
            let inputs: Inputs = inputs.iter().map(|&i| NodeId(i)).collect();
            blank(op, &inputs, ty.clone(), false)
        };
        let mut views = Vec::new();
        let value = match source {
            Value::Tensor { view, .. } if inside => node(Op::View(ViewOp::Place(view.clone())), &[0], &ty),
            Value::Tensor { view, .. } => {
                views.push(View { offset: lead(&view.shape, &view.strides), ..view.clone() });
                node(Op::Input(0), &[], &ty)
            }
            Value::Scalar(_) | Value::Later => node(Op::Slot(0), &[], &ty),
        };
        let nodes = [node(Op::State(0), &[], &base), value, node(Op::Assign(place.clone()), &[0, 1], &base)];
        let states = [(storage.dtype, storage.base.clone())];
        let lowered =
            lower(&Source { nodes: &nodes, inputs: &views, states: &states, outputs: &[], separate: false })?;
        self.counters.prepared += 1;
        let ready = Arc::new(Write {
            executable: self.backend.prepare(&lowered.plan)?,
            slots: lowered.slots,
            arena_bytes: lowered.plan.arena_bytes,
            scalars: lowered.scalars.len(),
            origins: lowered.origins,
        });
        if !inside {
            if self.writes.plans.len() >= CAPACITY {
                self.writes.plans.clear();
            }
            self.writes.plans.insert(key, Arc::clone(&ready));
        }
        Ok(ready)
    }

    /// The elements in row-major order.
    pub(super) fn bytes_of(&mut self, node: NodeId) -> Result<Vec<u8>> {
        self.run_batch()?;
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
            Value::Later => return Err(Error::Internal("read: a value that was never computed".into())),
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
pub(super) fn named(origins: &[Origin], fault: crate::backend::Fault) -> Error {
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
