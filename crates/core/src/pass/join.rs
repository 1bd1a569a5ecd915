//! What joins the open kernel: elementwise nodes, views that keep the order of elements, writes.

use smallvec::SmallVec;

use super::fuse::{Group, Region};
use super::lower::{Kind, Lowering, Place, Slot};
use crate::graph::{Node, NodeId};
use crate::op::{Op, ViewOp};
use crate::ops::table::{BinaryOp, UnaryOp};
use crate::plan::{Instr, Kernel};
use crate::shape::{View, numel};

/// Ops of a value made of numbers alone that every reader computes for itself.
const MAX_UNIFORM: usize = 4;

impl Lowering<'_> {
    pub(super) fn view(&mut self, id: NodeId, input: NodeId, op: &ViewOp) {
        if let Some(place @ (Place::Scalar(_) | Place::Uniform { .. })) = &self.places[input.0 as usize] {
            self.places[id.0 as usize] = Some(place.clone());
            return;
        }
        let same = self.get(id).ty.shape == self.get(input).ty.shape;
        let keeps = match op {
            ViewOp::Reshape(_) => !self.source.separate,
            ViewOp::Alias | ViewOp::Detach | ViewOp::Expand(_) => same,
            _ => false,
        };
        if let Some(group) = &mut self.group
            && keeps
            && let Some(reg) = group.reg(input)
        {
            group.name_reg(id, reg);
            return;
        }
        let region = self.region(input);
        let place = if let Some(view) = op.apply(&region.view) {
            Region { view, ..region }
        } else {
            let source = self.read_contiguous(input);
            Region { view: op.apply(&source.view).expect("a contiguous tensor takes every view"), ..source }
        };
        self.places[id.0 as usize] = Some(Place::Memory(place));
    }

    pub(super) fn elementwise(&mut self, id: NodeId, op: &Op, inputs: &[NodeId]) {
        if let Some(size) = self.uniform_size(id, op, inputs) {
            self.places[id.0 as usize] = Some(Place::Uniform { node: id, size });
            return;
        }
        let shape = self.get(id).ty.shape.clone();
        if !self.joins(op, inputs, &shape) {
            self.flush();
        }
        let mut group = self.group.take().unwrap_or_else(|| Group::new(&shape));
        let regs: SmallVec<[u16; 3]> = inputs.iter().map(|&i| self.operand(&mut group, i)).collect();
        let reg = group.push(self.instr(self.get(id), &regs));
        group.name_reg(id, reg);
        group.add_shape(&shape);
        group.names.push(op.name());
        self.group = Some(group);
    }

    /// Whether the open group can take a node. Members of another shape are reshapes of the group's: the
    /// order of elements is the same, so it is enough that the node's operands can be read in that order.
    fn joins(&self, op: &Op, inputs: &[NodeId], shape: &[usize]) -> bool {
        let Some(group) = &self.group else { return false };
        let related =
            || numel(shape) == numel(&group.shape) && inputs.iter().any(|&input| group.reg(input).is_some());
        if group.is_full() || !(group.has_shape(shape) || related()) {
            return false;
        }
        if matches!(op, Op::Iota) && group.shape.as_slice() != shape {
            return false;
        }
        inputs.iter().all(|&input| match &self.places[input.0 as usize] {
            _ if group.reg(input).is_some() => true,
            Some(Place::Memory(region)) => !group.writes(region.buf) && group.fit(&region.view).is_some(),
            _ => true,
        })
    }

    fn instr(&self, node: &Node, regs: &[u16]) -> Instr {
        let dtype_of = |n: usize| self.get(node.inputs[n]).ty.dtype;
        match node.op {
            Op::Unary(op) => Instr::Unary { op, dtype: dtype_of(0), a: regs[0] },
            Op::Binary(op) => Instr::Binary { op, dtype: dtype_of(0), a: regs[0], b: regs[1] },
            Op::Where => Instr::Where { dtype: dtype_of(1), cond: regs[0], a: regs[1], b: regs[2] },
            Op::Cast(to) => Instr::Cast { from: dtype_of(0), to, a: regs[0] },
            _ => Instr::Iota { axis: 0 },
        }
    }

    /// The register that holds an operand in a group.
    fn operand(&self, group: &mut Group, id: NodeId) -> u16 {
        if let Some(reg) = group.reg(id) {
            return reg;
        }
        match &self.places[id.0 as usize] {
            Some(Place::Scalar(index)) => group.scalar(*index, self.get(id).ty.dtype),
            Some(Place::Uniform { node, .. }) => self.uniform(group, *node),
            Some(Place::Memory(region)) => {
                let view = group.fit(&region.view).expect("seen before the node joined");
                group.load(Region { view, ..region.clone() })
            }
            None => unreachable!("nodes are lowered before their readers"),
        }
    }

    // Values that are the same for every element.

    /// How many cheap ops make a node of numbers alone: each reader repeats them, which costs less than
    /// a kernel and its memory. `None` where the node is to be a member of a kernel like any other.
    fn uniform_size(&self, id: NodeId, op: &Op, inputs: &[NodeId]) -> Option<usize> {
        let cheap = matches!(
            op,
            Op::Unary(UnaryOp::Neg)
                | Op::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div)
                | Op::Cast(_)
        );
        if !cheap || self.source.separate || self.order.is_root[id.0 as usize] {
            return None;
        }
        let mut size = 1;
        for input in inputs {
            match self.places[input.0 as usize] {
                Some(Place::Scalar(_)) => {}
                Some(Place::Uniform { size: more, .. }) => size += more,
                _ => return None,
            }
        }
        (size <= MAX_UNIFORM).then_some(size)
    }

    fn uniform(&self, group: &mut Group, id: NodeId) -> u16 {
        if let Some(reg) = group.uniform(id) {
            return reg;
        }
        let node = self.get(id);
        let regs: SmallVec<[u16; 3]> = node.inputs.iter().map(|&i| self.operand(group, i)).collect();
        let reg = group.push(self.instr(node, &regs));
        group.names.push(node.op.name());
        group.name_uniform(id, reg);
        reg
    }

    /// Memory for a value made of numbers alone.
    pub(super) fn spread(&mut self, id: NodeId, node: NodeId) -> Region {
        let ty = self.get(id).ty.clone();
        let mut group = Group::new(&ty.shape);
        let reg = self.uniform(&mut group, node);
        group.join(node);
        let region = self.temp(ty.dtype, View::contiguous(&ty.shape));
        group.outs.push((reg, region.clone()));
        self.emit_group(&group);
        self.places[id.0 as usize] = Some(Place::Memory(region.clone()));
        region
    }

    // The end of a kernel.

    /// Emits the open group: whatever is read outside of it gets memory.
    pub(super) fn flush(&mut self) {
        let Some(group) = &self.group else { return };
        let needed: Vec<NodeId> = group
            .members()
            .iter()
            .copied()
            .filter(|&m| {
                self.places[m.0 as usize].is_none()
                    && (self.order.is_root[m.0 as usize]
                        || self.order.readers[m.0 as usize].iter().any(|&r| !group.contains(r)))
            })
            .collect();
        for id in needed {
            self.store(id);
        }
        let Some(group) = self.group.take() else { return };
        if !group.outs.is_empty() {
            self.emit_group(&group);
        }
    }

    fn emit_group(&mut self, group: &Group) {
        let mut names = group.names.clone();
        names.dedup();
        let outs: Vec<Region> = group.outs.iter().map(|(_, r)| r.clone()).collect();
        let (kernel, ins, at) = group.kernel();
        // A fault of the kernel is one of its head.
        let name =
            if matches!(kernel, Kernel::Elementwise(_)) { names.join(" ") } else { names[0].to_owned() };
        self.emit_as(kernel, &ins, &outs, (&name, &names.join(" ")), at);
    }

    // Writes.

    pub(super) fn assign(&mut self, id: NodeId, state: NodeId, value: NodeId, view: &View) {
        let Some(Place::Memory(target)) = self.places[state.0 as usize].clone() else {
            unreachable!("the first operand of a write is a state")
        };
        if let Kind::Bound(Slot::State(n)) = self.bufs[target.buf].kind
            && !self.written.contains(&n)
        {
            self.written.push(n);
        }
        let region = Region { view: view.clone(), ..target.clone() };
        let fitted = self.group.as_ref().and_then(|g| {
            let reg = g.reg(value)?;
            let fitted = g.fit(view)?;
            (g.only_at(region.buf, &fitted) && !g.is_full()).then_some((reg, fitted))
        });
        if let Some((reg, fitted)) = fitted {
            let group = self.group.as_mut().expect("the register is one of its own");
            let out = Region { view: fitted, ..region };
            // A second write to the same place in one kernel replaces the first.
            group.outs.retain(|(_, r)| *r != out);
            group.outs.push((reg, out));
            if *view == target.view {
                group.name_reg(id, reg);
            } else {
                group.join(id);
            }
        } else if let Some(Place::Scalar(index)) = self.places[value.0 as usize] {
            self.flush();
            self.emit_fill(index, &region, id);
        } else {
            let mut source = self.read(value);
            self.flush();
            if source.buf == region.buf && source.view != region.view {
                let copy = self.temp(source.dtype, View::contiguous(&source.view.shape));
                self.emit(Kernel::Copy, &[source], std::slice::from_ref(&copy), "copy", id);
                source = copy;
            }
            if source != region {
                self.emit(Kernel::Copy, &[source], &[region], "assign", id);
            }
        }
        self.places[id.0 as usize] = Some(Place::Memory(target));
    }
}
