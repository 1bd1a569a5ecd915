//! A tensor's elements for a thread that may wait for a running training.

use std::sync::Arc;

use super::execute::encode;
use super::{Engine, Handle};
use crate::backend::Backend;
use crate::error::Result;
use crate::graph::Type;
use crate::storage::{Value, gates, host_room};

/// A tensor to read, held by what reads it, so releases do not matter. A copy made when it was asked
/// for, unless a training writes the tensor: then it is the tensor after a whole step.
pub struct Reading {
    ty: Type,
    value: Value,
    backend: Arc<dyn Backend>,
}

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
}

impl Reading {
    /// The elements in row-major order, little-endian; waits for the step boundary of a training
    /// that uses the tensor.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let size = self.ty.dtype.size();
        let mut out = host_room(self.ty.numel() * size)?;
        match &self.value {
            Value::Scalar(number) => {
                for element in out.chunks_exact_mut(size) {
                    encode(*number, self.ty.dtype, element);
                }
            }
            Value::Tensor { storage, view } if !out.is_empty() => {
                let gates = gates(None, [storage], []);
                let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
                if view.is_contiguous() {
                    self.backend.download(storage.buffer, view.offset * size, &mut out)?;
                } else {
                    let mut all = vec![0; storage.bytes];
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
