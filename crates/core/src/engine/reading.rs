//! Tensors' elements for a thread that may wait for a running training, and tensors that such a thread makes.

use std::mem;
use std::sync::Arc;

use super::execute::encode;
use super::{Engine, Handle};
use crate::backend::Backend;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Type;
use crate::shape::{View, checked_bytes, show};
use crate::storage::{Gate, Meter, Pass, Storage, Value, gates, host_room};

/// A tensor to read, held by what reads it, so releases do not matter. A copy made when it was asked
/// for, unless a training writes the tensor: then it is the tensor after a whole step.
pub struct Reading {
    ty: Type,
    value: Value,
    backend: Arc<dyn Backend>,
}

/// Several tensors to read as they are at one moment: when they were asked for, unless a training is within a step
/// that may write them. Then it is when that step has ended.
pub struct Readings {
    each: Vec<Reading>,
    /// The elements of those that are not read later.
    copies: Vec<Option<Vec<u8>>>,
    /// Those whose writers have to wait while they are copied, also where the training has ended by then.
    marked: Vec<Arc<Storage>>,
    gate: Arc<Gate>,
}

/// Element type, sizes and row-major elements of a tensor.
pub struct Elements {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// What a thread of its own needs to make tensors.
#[derive(Clone)]
pub struct Loader {
    backend: Arc<dyn Backend>,
    meter: Arc<Meter>,
}

/// A tensor made elsewhere that nobody has a handle of yet.
pub struct Loaded(Arc<Storage>);

impl Engine {
    /// What a thread of its own needs to read a tensor.
    pub fn reading(&mut self, handle: Handle) -> Result<Reading> {
        let node = self.resolve_eager(handle, "read")?;
        let ty = self.tape.get(node).node.ty.clone();
        let mut value = self.value(node).clone();
        if let Value::Tensor { storage, .. } = &value
            && storage.gate().is_none()
        {
            // The tensor may be written before the other thread comes to read it.
            let trace = self.trace.take();
            let copy = self.contiguous_copy(node);
            self.settle();
            self.trace = trace;
            let storage = copy?;
            let view = storage.base.clone();
            value = Value::Tensor { storage, view };
        }
        Ok(Reading { ty, value, backend: Arc::clone(&self.backend) })
    }

    /// The same for several tensors, which are read at one moment.
    pub fn readings(&mut self, handles: &[Handle]) -> Result<Readings> {
        let each: Vec<Reading> = handles.iter().map(|&handle| self.reading(handle)).collect::<Result<_>>()?;
        let copies = copies_between_steps(&each)?;
        let gate = Arc::new(Gate::default());
        let mut marked: Vec<Arc<Storage>> = Vec::new();
        let later = each.iter().zip(&copies).filter(|(_, copy)| copy.is_none());
        for storage in later.filter_map(|(reading, _)| reading.storage()) {
            if storage.gate().is_some() && !marked.iter().any(|known| known.id == storage.id) {
                storage.begin_reading(&gate);
                marked.push(Arc::clone(storage));
            }
        }
        Ok(Readings { each, copies, marked, gate })
    }

    /// What another thread makes tensors with.
    pub fn loader(&self) -> Loader {
        Loader { backend: Arc::clone(&self.backend), meter: Arc::clone(&self.meter) }
    }

    /// A handle of a tensor that was made elsewhere.
    pub fn take_loaded(&mut self, Loaded(storage): Loaded) -> Result<Handle> {
        if self.trace.is_some() {
            return self.create_traced(storage);
        }
        let node = self.adopt_storage(storage, false);
        let handle = self.handle(node);
        self.settle();
        Ok(handle)
    }
}

impl Reading {
    fn storage(&self) -> Option<&Arc<Storage>> {
        match &self.value {
            Value::Tensor { storage, .. } => Some(storage),
            Value::Scalar(_) | Value::Later => None,
        }
    }

    /// The elements in row-major order, little-endian; waits for the step boundary of a training
    /// that uses the tensor.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let gates = gates(None, self.storage(), []);
        let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
        self.copied()
    }

    /// The same within the gates.
    fn copied(&self) -> Result<Vec<u8>> {
        let size = self.ty.dtype.size();
        let mut out = host_room(self.ty.numel() * size)?;
        match &self.value {
            Value::Scalar(number) => {
                for element in out.chunks_exact_mut(size) {
                    encode(*number, self.ty.dtype, element);
                }
            }
            Value::Tensor { storage, view } if !out.is_empty() => {
                if view.is_contiguous() {
                    self.backend.download(storage.buffer, view.offset * size, &mut out)?;
                } else {
                    let mut all = host_room(storage.bytes)?;
                    self.backend.download(storage.buffer, 0, &mut all)?;
                    for (element, at) in out.chunks_exact_mut(size).zip(view.elements()) {
                        element.copy_from_slice(&all[at * size..][..size]);
                    }
                }
            }
            Value::Tensor { .. } | Value::Later => {}
        }
        Ok(out)
    }
}

/// Elements of what trainings write that are between two steps. One that waits for JavaScript may go on before the
/// other thread comes to read: what was asked for while it stood still is what it was then.
fn copies_between_steps(each: &[Reading]) -> Result<Vec<Option<Vec<u8>>>> {
    let gates = gates(None, each.iter().filter_map(Reading::storage), []);
    let open: Vec<(&Arc<Gate>, Pass<'_>)> =
        gates.iter().filter_map(|gate| Some((gate, gate.visit_between_steps()?))).collect();
    let copy = |reading: &Reading| match reading.storage().and_then(|storage| storage.gate()) {
        Some(gate) if open.iter().any(|(known, _)| Arc::ptr_eq(known, &gate)) => reading.copied().map(Some),
        _ => Ok(None),
    };
    each.iter().map(copy).collect()
}

impl Readings {
    /// All elements; waits for the step boundary of the trainings that use the tensors.
    pub fn elements(mut self) -> Result<Vec<Elements>> {
        let copies = mem::take(&mut self.copies);
        let later = self.each.iter().zip(&copies).filter(|(_, copy)| copy.is_none());
        let mut gates = gates(None, later.filter_map(|(reading, _)| reading.storage()), []);
        gates.push(Arc::clone(&self.gate));
        // The order in which everybody passes several.
        gates.sort_by_key(|gate| Arc::as_ptr(gate) as usize);
        let _passes: Vec<Pass<'_>> = gates.iter().map(|gate| gate.visit()).collect();
        let elements = self.each.iter().zip(copies).map(|(reading, copy)| {
            let Type { dtype, shape, .. } = &reading.ty;
            let bytes = copy.map_or_else(|| reading.copied(), Ok)?;
            Ok(Elements { dtype: *dtype, shape: shape.to_vec(), bytes })
        });
        elements.collect()
    }
}

impl Drop for Readings {
    fn drop(&mut self) {
        for storage in &self.marked {
            storage.end_reading(&self.gate);
        }
    }
}

impl Loader {
    /// A tensor of row-major elements.
    pub fn tensor(&self, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Loaded> {
        let expected = checked_bytes("load", dtype, shape)?;
        if bytes.len() != expected {
            let (given, shape) = (bytes.len(), show(shape));
            return Err(Error::Shape(format!("load: {given} bytes; expected {expected} for shape {shape}")));
        }
        let storage = Storage::new(&self.backend, &self.meter, dtype, View::contiguous(shape))?;
        if !bytes.is_empty() {
            self.backend.upload(storage.buffer, 0, bytes)?;
        }
        Ok(Loaded(storage))
    }
}
