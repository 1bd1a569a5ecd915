//! Nodes that are a kernel of their own.

use smallvec::SmallVec;

use super::fuse::Region;
use super::lower::{Lowering, Place};
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::op::{Composite, Op};
use crate::plan::{Cut, Kernel};
use crate::shape::{Dims, View};

impl Lowering<'_> {
    pub(super) fn kernel(&mut self, id: NodeId, op: &Op, inputs: &[NodeId]) -> Result<()> {
        let name = op.name();
        match op {
            Op::Reduce { op, first, count } => {
                let x = self.read_contiguous(inputs[0]);
                let rank = x.view.rank();
                let cut = if first + count == rank { Cut::Lanes } else { Cut::Chain };
                let (x, out) = (folded(&x, *first, *count), self.out(id));
                let out = folded(&out, *first, *count);
                self.emit(Kernel::Reduce { op: *op, cut }, &[x], &[out], name, id);
            }
            Op::Arg { op, axis } => {
                let x = self.read_contiguous(inputs[0]);
                let (x, out) = (folded(&x, *axis, 1), self.out(id));
                self.emit(Kernel::Arg(*op), &[x], &[folded(&out, *axis, 1)], name, id);
            }
            Op::Concat { axis } => self.concat(id, *axis, inputs),
            Op::Pad { before, .. } => {
                let out = self.out(id);
                if let Some(Place::Scalar(index)) = self.places[inputs[1].0 as usize] {
                    self.emit_fill(index, &out, id);
                } else {
                    let value = self.read(inputs[1]);
                    let view = value.view.expand(&out.view.shape);
                    self.emit(
                        Kernel::Copy,
                        &[Region { view, ..value }],
                        std::slice::from_ref(&out),
                        name,
                        id,
                    );
                }
                let mut view = out.view.clone();
                for (axis, &start) in before.iter().enumerate() {
                    view = view.slice(axis, start, self.get(inputs[0]).ty.shape[axis], 1);
                }
                self.copy_into(inputs[0], Region { view, ..out }, name, id);
            }
            Op::Gather { axis } => {
                let (x, index) = (self.read_contiguous(inputs[0]), self.read_contiguous(inputs[1]));
                let out = self.out(id);
                self.emit(Kernel::Gather { axis: *axis }, &[x, index], &[out], name, id);
            }
            Op::IndexSelect { axis } => {
                let (x, index) = (self.read_contiguous(inputs[0]), self.read_contiguous(inputs[1]));
                self.index_select(id, &x, index, *axis);
            }
            Op::ScatterAdd { axis } | Op::IndexAdd { axis } => {
                let (index, source) = (self.read_contiguous(inputs[1]), self.read_contiguous(inputs[2]));
                let out = self.out(id);
                self.copy_into(inputs[0], out.clone(), name, id);
                if matches!(op, Op::ScatterAdd { .. }) {
                    self.emit(Kernel::ScatterAdd { axis: *axis }, &[index, source], &[out], name, id);
                } else {
                    let (source, out) = (folded(&source, *axis, 1), folded(&out, *axis, 1));
                    self.emit(Kernel::IndexAdd, &[index, source], &[out], name, id);
                }
            }
            Op::CheckNonZero => {
                let x = self.read_contiguous(inputs[0]);
                self.emit(Kernel::CheckNonZero, std::slice::from_ref(&x), &[], name, id);
                self.places[id.0 as usize] = Some(Place::Memory(x));
            }
            Op::Random(dist) => {
                let offset = self.get(id).random;
                let out = self.out(id);
                self.emit(Kernel::Random { dist: *dist, offset }, &[], &[out], name, id);
            }
            Op::Composite(
                composite @ (Composite::CrossEntropy { .. } | Composite::CrossEntropyGrad { .. }),
            ) => self.entropy(id, *composite, inputs),
            Op::Composite(composite) => {
                let x = self.read_contiguous(inputs[0]);
                let out = self.out(id);
                let (x, out) = (rows(&x), rows(&out));
                self.emit(Kernel::Composite(*composite), &[x], &[out], name, id);
            }
            _ => return Err(Error::Internal(format!("lower: no kernel for {name}"))),
        }
        Ok(())
    }

    /// Checks indices as soon as they are there, so that a bad one stops the run before a write.
    pub(super) fn checks(&mut self, index: NodeId) {
        let mut done: SmallVec<[(usize, Option<i32>); 2]> = SmallVec::new();
        for at in 0..self.order.checks.len() {
            let (checked, reader) = self.order.checks[at];
            let node = self.get(reader);
            let (axis, ignore) = match node.op {
                Op::Gather { axis }
                | Op::IndexSelect { axis }
                | Op::ScatterAdd { axis }
                | Op::IndexAdd { axis } => (axis, None),
                Op::Composite(
                    Composite::CrossEntropy { ignore } | Composite::CrossEntropyGrad { ignore },
                ) => (1, ignore),
                _ => continue,
            };
            let size = self.get(node.inputs[0]).ty.shape[axis];
            if checked != index || done.contains(&(size, ignore)) {
                continue;
            }
            done.push((size, ignore));
            let name = node.op.name();
            let region = self.read_contiguous(index);
            self.emit(Kernel::CheckIndex { size, ignore }, &[region], &[], name, reader);
        }
    }

    /// Losses and their slope in one sweep, where both are there.
    fn entropy(&mut self, id: NodeId, composite: Composite, inputs: &[NodeId]) {
        let (x, index) = (self.read_contiguous(inputs[0]), self.read_contiguous(inputs[1]));
        let (Composite::CrossEntropy { ignore } | Composite::CrossEntropyGrad { ignore }) = composite else {
            return;
        };
        let [losses, slope] = [Composite::CrossEntropy { ignore }, Composite::CrossEntropyGrad { ignore }]
            .map(|wanted| {
                let fits = |&&reader: &&NodeId| {
                    let node = self.get(reader);
                    node.op == Op::Composite(wanted) && node.inputs.as_slice() == inputs
                };
                let others =
                    if self.source.separate { &[][..] } else { &self.order.readers[inputs[0].0 as usize] };
                if composite == wanted { Some(id) } else { others.iter().find(fits).copied() }
            });
        let mut names = Vec::new();
        let mut outs = Vec::new();
        for node in [losses, slope].into_iter().flatten() {
            self.absorbed[node.0 as usize] = true;
            names.push(self.get(node).op.name());
            outs.push(self.out(node));
        }
        let composite = if losses.is_some() { Composite::CrossEntropy { ignore } } else { composite };
        let kernel = Kernel::Composite(composite);
        self.emit_as(kernel, &[x, index], &outs, ("crossEntropy", &names.join(" ")), losses.unwrap_or(id));
    }

    fn concat(&mut self, id: NodeId, axis: usize, inputs: &[NodeId]) {
        let out = self.out(id);
        let mut start = 0;
        for &input in inputs {
            let len = self.get(input).ty.shape[axis];
            let view = out.view.slice(axis, start, len, 1);
            self.copy_into(input, Region { view, ..out.clone() }, "concat", id);
            start += len;
        }
    }

    fn copy_into(&mut self, input: NodeId, target: Region, name: &str, at: NodeId) {
        if let Some(Place::Scalar(index)) = self.places[input.0 as usize] {
            self.emit_fill(index, &target, at);
        } else {
            let source = self.read(input);
            self.emit(Kernel::Copy, &[source], &[target], name, at);
        }
    }
}

/// A contiguous tensor as `[outer, len, inner]` around a run of axes.
pub(super) fn folded(region: &Region, first: usize, count: usize) -> Region {
    let shape = &region.view.shape;
    let dims: Dims = SmallVec::from_slice(&[
        shape[..first].iter().product(),
        shape[first..first + count].iter().product(),
        shape[first + count..].iter().product(),
    ]);
    let view = View { offset: region.view.offset, ..View::contiguous(&dims) };
    Region { view, ..region.clone() }
}

/// A contiguous tensor as `[rows, len]`.
fn rows(region: &Region) -> Region {
    let shape = &region.view.shape;
    let (last, lead) = shape.split_last().expect("composites work along the last axis");
    let view = View { offset: region.view.offset, ..View::contiguous(&[lead.iter().product(), *last]) };
    Region { view, ..region.clone() }
}
