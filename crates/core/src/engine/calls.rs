//! Tensors from outside, their values, flags and producers.

use smallvec::SmallVec;

use super::tape::{Entry, Producer, ProducerKind};
use super::{Engine, Handle};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, Driver, Inputs, Node, NodeId, Type};
use crate::op::{Op, ViewOp};
use crate::ops::api;
use crate::shape::{View, checked_bytes, numel, show};
use crate::storage::{Storage, Value};

/// An operand of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    Absent,
    Tensor(Handle),
    Number(f64),
}

/// What JavaScript knows of a tensor without asking again.
// The flags are independent facts, not states of one machine.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub ty: Type,
    pub requires_grad: bool,
    pub leaf: bool,
    pub traced: bool,
    pub lent: bool,
}

/// [`Info`] by reference.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug)]
pub struct Glance<'a> {
    pub ty: &'a Type,
    pub requires_grad: bool,
    pub leaf: bool,
    pub traced: bool,
    pub lent: bool,
}

impl Info {
    pub fn glance(&self) -> Glance<'_> {
        let Self { ty, requires_grad, leaf, traced, lent } = self;
        Glance { ty, requires_grad: *requires_grad, leaf: *leaf, traced: *traced, lent: *lent }
    }
}

impl Engine {
    /// Runs the op with a code of [`api::API`].
    pub fn apply(&mut self, code: usize, operands: &[Operand], attrs: &[f64]) -> Result<Handle> {
        let mut nodes: SmallVec<[Option<NodeId>; 4]> = SmallVec::new();
        for &operand in operands {
            nodes.push(match operand {
                Operand::Absent => None,
                Operand::Tensor(handle) => Some(self.resolve(handle)?),
                Operand::Number(value) => Some(Builder::new(self).number(value)?),
            });
        }
        let row =
            api::API.get(code).ok_or_else(|| Error::Internal(format!("apply: no op has code {code}")))?;
        // Only tensors have producers; the node of a number may be gone after the call.
        let source =
            nodes.first().copied().flatten().filter(|_| matches!(operands.first(), Some(Operand::Tensor(_))));
        let path = self.path;
        let mut made = None;
        self.called = Some(row.name);
        let handle = self.call(|b| {
            let node = api::apply(b, code, &nodes, attrs).map_err(|error| error.of(row.name))?;
            made = Some(node);
            Ok(node)
        });
        self.called = None;
        let handle = handle?;
        if let (Some(node), Some(source)) = (made, source)
            // Of nothing, softmax is its operand.
            && node != source
            && row.kind != api::ApiKind::Binary
            && let Some((kind, axis)) = self.produces(row.name, source, attrs)
        {
            let source = (kind != ProducerKind::Linear).then_some(source);
            let producer = Producer { kind, source, views: SmallVec::new(), axis, path };
            self.set_producer(node, producer);
        }
        if let Some(node) = made
            && row.name == "full"
            && self.trace.is_none()
        {
            self.give_memory(node)?;
            self.settle();
        }
        Ok(handle)
    }

    /// Memory for a constant that a user holds: views of it and writes to it must meet.
    /// The Builder does not know its number any more.
    pub(super) fn give_memory(&mut self, node: NodeId) -> Result<()> {
        let storage = self.contiguous_copy(node)?;
        let view = storage.base.clone();
        let entry = self.tape.get_mut(node);
        entry.value = Value::Tensor { storage, view };
        entry.node.op = Op::Leaf;
        Ok(())
    }

    fn produces(&self, name: &str, source: NodeId, attrs: &[f64]) -> Option<(ProducerKind, Option<usize>)> {
        let rank = self.ty(source).shape.len();
        let dim = || attrs.first().and_then(|&d| crate::shape::axis("softmax", d as i64, rank).ok());
        match name {
            "softmax" => Some((ProducerKind::Softmax, dim())),
            "logSoftmax" => Some((ProducerKind::LogSoftmax, dim())),
            "sigmoid" => Some((ProducerKind::Sigmoid, None)),
            "linear" => Some((ProducerKind::Linear, None)),
            _ => None,
        }
    }

    fn set_producer(&mut self, node: NodeId, producer: Producer) {
        if let Some(trace) = &mut self.trace {
            trace.producers.insert(node, producer);
        } else if self.tape.get(node).producer.is_none() {
            if let Some(source) = producer.source {
                self.tape.retain(source);
            }
            self.tape.get_mut(node).producer = Some(Box::new(producer));
        }
    }

    /// Which op a prediction came from, its input as the prediction is viewed (for softmax only
    /// where the classes lie on `class_axis`), and the module that made it.
    pub fn producer(
        &mut self,
        handle: Handle,
        class_axis: Option<i64>,
    ) -> Result<Option<(ProducerKind, Option<Handle>, u32)>> {
        let node = self.resolve(handle)?;
        let found = match &self.trace {
            Some(trace) => trace.producers.get(&node).cloned(),
            None => self.tape.get(node).producer.as_deref().cloned(),
        };
        let Some(producer) = found else { return Ok(None) };
        let rank = self.ty(node).shape.len();
        let fits = match (producer.kind, class_axis) {
            (ProducerKind::Softmax | ProducerKind::LogSoftmax, Some(axis)) => {
                producer.axis.is_some() && crate::shape::axis("loss", axis, rank).ok() == producer.axis
            }
            (ProducerKind::Softmax | ProducerKind::LogSoftmax, None) => false,
            _ => true,
        };
        if !fits {
            return Ok(Some((producer.kind, None, producer.path)));
        }
        let Some(source) = producer.source else { return Ok(Some((producer.kind, None, producer.path))) };
        let views = producer.views.clone();
        let logits = self
            .call(|b| views.iter().try_fold(source, |node, view| b.push(Op::View(view.clone()), &[node])))?;
        Ok(Some((producer.kind, Some(logits), producer.path)))
    }

    /// A tensor over bytes in row-major order.
    pub fn create(&mut self, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Handle> {
        let expected = checked_bytes("tensor", dtype, shape)?;
        if bytes.len() != expected {
            return Err(Error::Shape(format!(
                "tensor: {} elements of {dtype}; expected {} for shape {}",
                bytes.len() / dtype.size(),
                numel(shape),
                show(shape)
            )));
        }
        let storage = Storage::new(&self.backend, &self.meter, dtype, View::contiguous(shape))?;
        if !bytes.is_empty() {
            self.backend.upload(storage.buffer, 0, bytes)?;
        }
        if self.trace.is_some() {
            return self.create_traced(storage);
        }
        let node = self.adopt_storage(storage, false);
        let handle = self.handle(node);
        self.settle();
        Ok(handle)
    }

    /// A weakly typed 0-d number.
    pub fn number(&mut self, value: f64) -> Result<Handle> {
        self.call(|b| b.number(value))
    }

    /// A leaf that is not yet anybody's, owned by the current call.
    pub(super) fn adopt(&mut self, value: Value, ty: Type, requires_grad: bool) -> NodeId {
        let node = Node {
            op: Op::Leaf,
            inputs: Inputs::new(),
            ty,
            requires_grad,
            path: self.path,
            site: self.site,
            called: None,
            gradient_of: None,
            sequence: self.tape.next_sequence(),
            random: 0,
        };
        let id = self.tape.insert(Entry::leaf(node, value));
        self.pool.push(id);
        id
    }

    /// A trainable leaf with a copy of `source`, its axes lying in memory in `order` (outermost first).
    pub fn parameter(&mut self, source: Handle, order: &[usize]) -> Result<Handle> {
        if self.trace.is_some() {
            return Err(Error::Trace(
                "Parameter: made inside a jitted function; expected it to exist before the first call. \
                 Hint: construct modules outside of the step"
                    .into(),
            ));
        }
        let node = self.resolve(source)?;
        let ty = self.ty(node).clone();
        if !ty.dtype.is_float() {
            return Err(Error::DType(format!("Parameter: {}; expected f32 or f64", ty.dtype)));
        }
        let mut layout = View::contiguous(&ty.shape);
        if order.len() == ty.shape.len() {
            let mut step = 1;
            for &axis in order.iter().rev() {
                let Some(&size) = ty.shape.get(axis) else {
                    return Err(Error::Index(format!(
                        "Parameter: axis {axis} of a tensor with {} dims",
                        ty.shape.len()
                    )));
                };
                layout.strides[axis] = step;
                step *= size.max(1) as isize;
            }
        }
        let storage = self.copy_to_layout(node, &layout);
        let result = storage.map(|storage| {
            let leaf = self.adopt_storage(storage, true);
            self.handle(leaf)
        });
        self.settle();
        result
    }

    pub fn info(&self, handle: Handle) -> Result<Info> {
        let Glance { ty, requires_grad, leaf, traced, lent } = self.glance(handle)?;
        Ok(Info { ty: ty.clone(), requires_grad, leaf, traced, lent })
    }

    /// The same without a copy of the type.
    pub fn glance(&self, handle: Handle) -> Result<Glance<'_>> {
        use super::handles::Target;
        match self.handles.get(handle)? {
            Target::Traced(id, node) => match &self.trace {
                Some(trace) if trace.id == id => Ok(Glance {
                    ty: &trace.nodes[node.0 as usize].ty,
                    requires_grad: trace.nodes[node.0 as usize].requires_grad,
                    leaf: trace.is_leaf(node),
                    traced: true,
                    lent: false,
                }),
                _ => Err(super::escaped()),
            },
            Target::Eager(node) => {
                let entry = self.tape.get(node);
                Ok(Glance {
                    ty: &entry.node.ty,
                    requires_grad: entry.node.requires_grad,
                    leaf: entry.leaf,
                    traced: false,
                    lent: entry.lent.is_some(),
                })
            }
        }
    }

    /// The elements in row-major order, little-endian.
    pub fn read(&mut self, handle: Handle) -> Result<Vec<u8>> {
        let node = self.resolve_eager(handle, "read")?;
        // Reading is not part of the trace even while one is open.
        let trace = self.trace.take();
        let bytes = self.bytes_of(node);
        self.settle();
        self.trace = trace;
        bytes
    }

    pub fn release(&mut self, handle: Handle) {
        if let Some(super::handles::Target::Eager(node)) = self.handles.remove(handle) {
            self.release_node(node);
        }
    }

    pub fn alive(&self, handle: Handle) -> bool {
        self.handles.contains(handle)
    }

    pub fn set_requires_grad(&mut self, handle: Handle, on: bool) -> Result<()> {
        let node = self.resolve(handle)?;
        let dtype = self.ty(node).dtype;
        if on && !dtype.is_float() {
            return Err(Error::DType(format!("requiresGrad: a tensor of {dtype}; expected f32 or f64")));
        }
        if !self.is_leaf(node) {
            if on {
                return Ok(());
            }
            return Err(Error::Grad(
                "requiresGrad: the tensor is the result of an operation; expected a leaf. Hint: use detach()"
                    .into(),
            ));
        }
        if self.trace.is_some() {
            return self.set_traced_requires_grad(node, on);
        }
        if on && matches!(self.value(node), Value::Scalar(_)) {
            // A leaf has memory of its own: its gradient and its updates need a place.
            self.give_memory(node)?;
            self.settle();
        }
        self.tape.get_mut(node).node.requires_grad = on;
        self.guarded += 1;
        Ok(())
    }

    /// `copyFrom`: writes into the memory of a leaf or of a view of one.
    pub fn assign(&mut self, target: Handle, value: Handle) -> Result<()> {
        let (node, source) = (self.resolve(target)?, self.resolve(value)?);
        let (to, from) = (self.ty(node).clone(), self.ty(source).clone());
        let fits =
            crate::shape::broadcast("copyFrom", &to.shape, &from.shape).is_ok_and(|shape| shape == to.shape);
        if !fits {
            return Err(Error::Shape(format!(
                "copyFrom: a tensor of shape {} into one of {}; expected a shape that broadcasts to it",
                show(&from.shape),
                show(&to.shape)
            )));
        }
        if self.requires_grad(node) && !self.is_leaf(node) {
            return Err(Error::Grad(
                "copyFrom: the target is the result of an operation that needs its gradient; expected a leaf. Hint: write to the parameter itself"
                    .into(),
            ));
        }
        let enabled = self.set_grad_enabled(false);
        let result = self.assign_node(node, source);
        self.set_grad_enabled(enabled);
        let result = result.map_err(|e| e.within(self.names.get(self.path)));
        self.settle();
        result
    }

    pub(super) fn assign_node(&mut self, target: NodeId, source: NodeId) -> Result<()> {
        let to = self.ty(target).clone();
        let mut b = Builder::new(self);
        let mut value = if b.dtype(source) == to.dtype { source } else { b.cast(source, to.dtype)? };
        if b.shape(value) != to.shape {
            value = b.push(Op::View(ViewOp::Expand(to.shape.clone())), &[value])?;
        }
        if self.trace.is_some() {
            return self.assign_traced(target, value);
        }
        if matches!(self.value(target), Value::Scalar(_)) {
            // A constant such as zeros() has no memory until someone writes into it.
            self.give_memory(target)?;
        }
        let Value::Tensor { view, storage } = self.value(target).clone() else {
            return Err(Error::Internal("copyFrom: a target without memory".into()));
        };
        if view.strides.iter().zip(&view.shape).any(|(&s, &n)| s == 0 && n > 1) {
            return Err(Error::Shape("copyFrom: the target is a broadcast view, whose elements share memory; expected a plain tensor".into()));
        }
        let base = Type::new(storage.dtype, &storage.base.shape);
        self.append(Op::Assign(view), &[target, value], base)?;
        Ok(())
    }
}
