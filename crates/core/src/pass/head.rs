//! Products and gathers: kernels whose elements others work on before they are stored.

use smallvec::SmallVec;

use super::fuse::{Group, Head, Region};
use super::lower::Lowering;
use super::order::Order;
use crate::graph::{Node, NodeId};
use crate::op::{Op, ViewOp};
use crate::shape::View;

/// The transpose of a product, where nothing else reads the product: the gradient of a weight [out, in],
/// whose update is of that shape.
pub(super) fn turned(nodes: &[Node], order: &Order, product: NodeId) -> Option<NodeId> {
    let [reader] = order.readers[product.0 as usize][..] else { return None };
    if order.is_root[product.0 as usize] || !matches!(nodes[product.0 as usize].op, Op::MatMul) {
        return None;
    }
    let Op::View(ViewOp::Permute(axes)) = &nodes[reader.0 as usize].op else { return None };
    let rank = axes.len();
    let swapped = axes[..rank - 2].iter().copied().eq(0..rank - 2) && axes[rank - 2] == rank - 1;
    swapped.then_some(reader)
}

impl Lowering<'_> {
    pub(super) fn matmul(&mut self, id: NodeId, a: NodeId, b: NodeId) {
        let (a, b) = (self.read(a), self.read(b));
        let (a, b) = (self.batched(a, id), self.batched(b, id));
        let (batch, m, n) = (a.view.shape[0], a.view.shape[1], b.view.shape[2]);
        let layout = View::contiguous(&[batch, m, n]);
        self.flush();
        let turned = if self.source.separate { None } else { turned(self.source.nodes, &self.order, id) };
        let group = if let Some(turned) = turned {
            // The product is computed the other way round: bᵀaᵀ has the same bits.
            let swap = |r: Region| Region { view: r.view.permute(&[0, 2, 1]), ..r };
            self.absorbed[turned.0 as usize] = true;
            let head = Head { op: Op::MatMul, node: id, ins: [swap(b), swap(a)] };
            Group::behind(head, &layout.permute(&[0, 2, 1]), turned, &self.get(turned).ty.shape)
        } else {
            let head = Head { op: Op::MatMul, node: id, ins: [a, b] };
            Group::behind(head, &layout, id, &self.get(id).ty.shape)
        };
        self.group = Some(group);
    }

    /// Whole slices along an axis; what changes only their elements joins.
    pub(super) fn index_select(&mut self, id: NodeId, x: &Region, index: Region, axis: usize) {
        self.flush();
        let shape = self.get(id).ty.shape.clone();
        let layout = View::contiguous(&[
            shape[..axis].iter().product(),
            shape[axis],
            shape[axis + 1..].iter().product(),
        ]);
        let x = super::kernels::folded(x, axis, 1);
        let head = Head { op: Op::IndexSelect { axis }, node: id, ins: [x, index] };
        self.group = Some(Group::behind(head, &layout, id, &shape));
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
            let strides = [merged.strides[0], region.view.strides[rank - 2], region.view.strides[rank - 1]];
            let view =
                View { shape: target[..].into(), strides: SmallVec::from_slice(&strides), ..region.view };
            return Region { view, ..region };
        }
        let copy = self.contiguous(region, at);
        Region { view: View::contiguous(&target), ..copy }
    }
}
