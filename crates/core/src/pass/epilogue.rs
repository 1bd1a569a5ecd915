//! Matmuls, and what can be done to their elements before they are stored.

use smallvec::SmallVec;

use super::fuse::Region;
use super::lower::{Kind, Lowering, Place, Slot};
use crate::graph::NodeId;
use crate::op::Op;
use crate::ops::table::{BinaryOp, UnaryOp};
use crate::plan::{Expr, Instr, Kernel};
use crate::shape::View;

impl Lowering<'_> {
    pub(super) fn matmul(&mut self, id: NodeId, a: NodeId, b: NodeId) {
        let (a, b) = (self.read(a), self.read(b));
        let (a, b) = (self.batched(a, id), self.batched(b, id));
        let plain = Expr::plain(a.dtype);
        let (last, expr, bias) =
            if self.source.separate { (id, plain, None) } else { self.epilogue(id, plain) };
        let mut ins = vec![a, b];
        let out = self.out(last);
        if last != id {
            self.places[id.0 as usize] = None;
        }
        let mut flat = out.clone();
        let rank = flat.view.rank();
        let (m, n) = (flat.view.shape[rank - 2], flat.view.shape[rank - 1]);
        let batch = flat.view.shape[..rank - 2].iter().product();
        flat.view = View::contiguous(&[batch, m, n]);
        ins.extend(bias.map(|region| {
            let along = region.view.strides[0];
            let strides = SmallVec::from_slice(&[0, 0, along]);
            let view = View { shape: flat.view.shape.clone(), strides, offset: region.view.offset };
            Region { view, ..region }
        }));
        let mut name = String::from("matmul");
        for instr in &expr.instrs {
            match instr {
                Instr::Binary { op, .. } => name = name + " " + op.name(),
                Instr::Unary { op, .. } => name = name + " " + op.name(),
                _ => {}
            }
        }
        self.emit(Kernel::MatMul(expr), &ins, &[flat], &name, id);
    }

    /// An operand as `[batch, rows, cols]`.
    fn batched(&mut self, region: Region, at: NodeId) -> Region {
        let shape = &region.view.shape;
        let rank = shape.len();
        let batch: usize = shape[..rank - 2].iter().product();
        let target = [batch, shape[rank - 2], shape[rank - 1]];
        if rank == 2 {
            let mut view = region.view.clone();
            view.shape.insert(0, 1);
            view.strides.insert(0, 0);
            return Region { view, ..region };
        }
        // Only the batch axes are merged: the strides of rows and columns are free.
        let lead = View {
            shape: shape[..rank - 2].into(),
            strides: region.view.strides[..rank - 2].into(),
            offset: 0,
        };
        if let Some(merged) = lead.reshape(&target[..1]) {
            let mut view = region.view.clone();
            view.shape = target[..].into();
            view.strides =
                [merged.strides[0], region.view.strides[rank - 2], region.view.strides[rank - 1]][..].into();
            return Region { view, ..region };
        }
        let copy = self.contiguous(region, at);
        Region { view: View::contiguous(&target), ..copy }
    }

    /// What can be done to a matmul's elements before they are stored: a bias that is added to
    /// each row, then relu, where nothing else reads what lies between.
    fn epilogue(&mut self, id: NodeId, mut expr: Expr) -> (NodeId, Expr, Option<Region>) {
        let mut last = id;
        let dtype = self.get(id).ty.dtype;
        let mut bias = None;
        if let Some((add, region)) = self.bias_of(id) {
            self.absorbed[add.0 as usize] = true;
            expr.instrs.push(Instr::Load { input: 1, dtype });
            expr.instrs.push(Instr::Binary { op: BinaryOp::Add, dtype, a: 0, b: 1 });
            bias = Some(region);
            last = add;
        }
        if let Some(relu) = self.only_reader(last)
            && matches!(self.get(relu).op, Op::Unary(UnaryOp::Relu))
        {
            self.absorbed[relu.0 as usize] = true;
            let a = (expr.instrs.len() - 1) as u16;
            expr.instrs.push(Instr::Unary { op: UnaryOp::Relu, dtype, a });
            last = relu;
        }
        expr.outs[0] = (expr.instrs.len() - 1) as u16;
        (last, expr, bias)
    }

    fn only_reader(&self, id: NodeId) -> Option<NodeId> {
        match self.order.readers[id.0 as usize][..] {
            [reader] if !self.order.is_root[id.0 as usize] => Some(reader),
            _ => None,
        }
    }

    fn bias_of(&mut self, id: NodeId) -> Option<(NodeId, Region)> {
        let add = self.only_reader(id)?;
        let node = self.get(add);
        if !matches!(node.op, Op::Binary(BinaryOp::Add)) || node.ty.shape != self.get(id).ty.shape {
            return None;
        }
        let other = *node.inputs.iter().find(|&&i| i != id)?;
        if self.group.as_ref().is_some_and(|g| self.pending(g, other)) {
            return None;
        }
        // The bias may be named by views that come after the matmul; they cost nothing to resolve now.
        let region = self.early_view(other)?;
        let rank = region.view.rank();
        if rank == 0
            || region.view.strides[..rank - 1].iter().zip(&region.view.shape).any(|(&s, &n)| s != 0 && n != 1)
        {
            return None;
        }
        let view = View {
            shape: region.view.shape[rank - 1..].into(),
            strides: region.view.strides[rank - 1..].into(),
            offset: region.view.offset,
        };
        Some((add, Region { view, ..region }))
    }

    /// The memory of a node that is there already, or that is a chain of views of such a node.
    fn early_view(&self, id: NodeId) -> Option<Region> {
        match &self.places[id.0 as usize] {
            Some(Place::Memory(region)) if !self.group.as_ref().is_some_and(|g| g.writes(region.buf)) => {
                Some(region.clone())
            }
            None => {
                let node = self.get(id);
                let Op::View(op) = &node.op else { return self.early_leaf(id) };
                let inner = self.early_view(node.inputs[0])?;
                Some(Region { view: op.apply(&inner.view)?, ..inner })
            }
            _ => None,
        }
    }

    /// A state or input that the walk has not reached yet.
    fn early_leaf(&self, id: NodeId) -> Option<Region> {
        let (slot, view) = match self.get(id).op {
            Op::State(n) => (Slot::State(n), &self.source.states[n as usize].1),
            Op::Input(n) => (Slot::Input(n), &self.source.inputs[n as usize]),
            _ => return None,
        };
        let buf = self.bufs.iter().position(|b| b.kind == Kind::Bound(slot))?;
        if self.group.as_ref().is_some_and(|g| g.writes(buf)) {
            return None;
        }
        Some(Region { buf, dtype: self.get(id).ty.dtype, view: view.clone() })
    }
}
