//! Brings what belongs to a product, a gather or a sum right behind it, so that it joins its kernel: the
//! update of a weight its gradient, the mask of a relu the gradient that it masks.
//!
//! Only the order of nodes changes. A node moves up where that leaves no more values to be stored
//! than before, so nothing is computed early only to be kept. A write moves past nodes that neither read what it
//! overwrites nor can fail: a run that fails leaves the state as it would have been left.

use std::collections::HashSet;

use super::order::Order;
use crate::dtype::DType;
use crate::graph::{Node, NodeId};
use crate::op::{Op, ReduceOp, ViewOp};
use crate::shape::numel;

/// Nodes moved together; more than any update rule has.
const MOST: usize = 64;

/// Reorders the nodes that run.
pub fn schedule(nodes: &[Node], order: &mut Order) {
    let mut position = vec![usize::MAX; nodes.len()];
    for (at, id) in order.nodes.iter().enumerate() {
        position[id.0 as usize] = at;
    }
    let mut guards: Vec<usize> = order.checks.iter().map(|&(index, _)| position[index.0 as usize]).collect();
    guards.extend((0..order.nodes.len()).filter(|&at| can_fail(nodes, order.nodes[at])));
    guards.sort_unstable();
    guards.dedup();
    let mut schedule = Schedule {
        nodes,
        order,
        position,
        guards,
        numbers: numbers(nodes),
        done: vec![false; nodes.len()],
        out: Vec::new(),
    };
    schedule.run();
    order.nodes = schedule.out;
}

/// Whether a kernel of this node can end the run.
fn can_fail(nodes: &[Node], id: NodeId) -> bool {
    let node = &nodes[id.0 as usize];
    match node.op {
        Op::CheckNonZero => true,
        Op::Reduce { op: ReduceOp::Sum | ReduceOp::Prod, .. } => node.ty.dtype == DType::I32,
        ref op => super::order::index_operand(op).is_some(),
    }
}

/// Nodes made of numbers alone, which take no memory.
fn numbers(nodes: &[Node]) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let from_numbers = || node.inputs.iter().all(|i| out[i.0 as usize]);
        out.push(match node.op {
            Op::Const(_) | Op::Slot(_) => true,
            Op::View(_) | Op::Unary(_) | Op::Binary(_) | Op::Cast(_) => from_numbers(),
            _ => false,
        });
    }
    out
}

struct Schedule<'a> {
    nodes: &'a [Node],
    order: &'a Order,
    /// Place of each node in the order given.
    position: Vec<usize>,
    /// Places of nodes that no write may pass.
    guards: Vec<usize>,
    numbers: Vec<bool>,
    done: Vec<bool>,
    out: Vec<NodeId>,
}

/// Nodes that will be next to each other.
type Set = HashSet<NodeId>;

impl Schedule<'_> {
    fn get(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn is_done(&self, id: NodeId) -> bool {
        self.done[id.0 as usize]
    }

    fn run(&mut self) {
        for at in 0..self.order.nodes.len() {
            let id = self.order.nodes[at];
            if self.is_done(id) {
                continue;
            }
            self.emit(id);
            if matches!(self.get(id).op, Op::MatMul | Op::IndexSelect { .. } | Op::Reduce { .. }) {
                let mut together: Vec<NodeId> = self.followers(id, at).into_iter().collect();
                together.sort_unstable_by_key(|id| self.position[id.0 as usize]);
                for next in together {
                    self.emit(next);
                }
            }
        }
    }

    fn emit(&mut self, id: NodeId) {
        if !self.is_done(id) {
            self.done[id.0 as usize] = true;
            self.out.push(id);
        }
    }

    /// What is to come right after a node that is done.
    fn followers(&self, head: NodeId, at: usize) -> Set {
        let size = numel(&self.get(head).ty.shape);
        let mut set = Set::from([head]);
        if let Some(turned) = super::head::turned(self.nodes, self.order, head) {
            set.insert(turned);
        }
        self.extend(&mut set, size, at);
        loop {
            let before = set.len();
            for candidate in self.reachable(&set, size) {
                if set.contains(&candidate) {
                    continue;
                }
                let mut more = set.clone();
                if self.include(&mut more, candidate, size)
                    && more.len() <= set.len() + MOST
                    && self.stored(&more) <= self.stored(&set)
                {
                    set = more;
                }
            }
            if set.len() == before {
                return set;
            }
        }
    }

    /// Adds what joins the kernel anyway, as it comes next.
    fn extend(&self, set: &mut Set, size: usize, at: usize) {
        for &next in &self.order.nodes[at + 1..] {
            if self.is_done(next) || set.contains(&next) {
                continue;
            }
            let node = self.get(next);
            let ready = node.inputs.iter().all(|i| self.is_done(*i) || set.contains(i));
            let joins = self.is_leaf(next) || (ready && self.takes(set, next, size));
            if joins {
                set.insert(next);
            } else if node.op.is_elementwise()
                || matches!(node.op, Op::MatMul | Op::IndexSelect { .. } | Op::Assign(_) | Op::View(_))
                || node.inputs.iter().any(|i| set.contains(i))
            {
                return;
            }
        }
    }

    fn is_leaf(&self, id: NodeId) -> bool {
        matches!(self.get(id).op, Op::Input(_) | Op::State(_)) || self.numbers[id.0 as usize]
    }

    /// Whether a node takes part in a kernel over `size` elements.
    fn takes(&self, set: &Set, id: NodeId, size: usize) -> bool {
        let node = self.get(id);
        let fits = numel(&node.ty.shape) == size;
        match &node.op {
            _ if self.is_leaf(id) => true,
            Op::View(view) if set.contains(&node.inputs[0]) && !self.is_leaf(node.inputs[0]) => {
                fits && self.keeps_order(id, view)
            }
            Op::View(_) => true,
            op => op.is_elementwise() && !matches!(op, Op::Iota) && fits,
        }
    }

    fn keeps_order(&self, id: NodeId, view: &ViewOp) -> bool {
        let node = self.get(id);
        match view {
            ViewOp::Reshape(_) => true,
            ViewOp::Alias | ViewOp::Detach | ViewOp::Expand(_) => {
                node.ty.shape == self.get(node.inputs[0]).ty.shape
            }
            _ => false,
        }
    }

    /// Elementwise nodes that depend on a set through such nodes alone, in order.
    fn reachable(&self, set: &Set, size: usize) -> Vec<NodeId> {
        let mut seen = Set::new();
        let mut open: Vec<NodeId> =
            set.iter().copied().filter(|&id| !self.is_leaf(id) && !self.is_view_of_other(set, id)).collect();
        while let Some(id) = open.pop() {
            for &reader in &self.order.readers[id.0 as usize] {
                let inside = set.contains(&reader);
                if !inside && !self.is_done(reader) && self.takes(set, reader, size) && seen.insert(reader) {
                    open.push(reader);
                }
            }
        }
        let mut out: Vec<NodeId> = seen.into_iter().collect();
        out.sort_unstable_by_key(|id| self.position[id.0 as usize]);
        out
    }

    /// A view of something that was there before.
    fn is_view_of_other(&self, set: &Set, id: NodeId) -> bool {
        let node = self.get(id);
        matches!(node.op, Op::View(_)) && !set.contains(&node.inputs[0])
    }

    /// Adds a node with all it needs, and the writes of what is added; false where that cannot be.
    fn include(&self, set: &mut Set, id: NodeId, size: usize) -> bool {
        let mut open = vec![id];
        let mut added = Vec::new();
        while let Some(id) = open.pop() {
            if self.is_done(id) || set.contains(&id) {
                continue;
            }
            set.insert(id);
            added.push(id);
            if added.len() > MOST {
                return false;
            }
            open.extend(self.get(id).inputs.iter().copied());
        }
        if !added.iter().all(|&id| self.takes(set, id, size)) {
            return false;
        }
        self.add_writes(set, size);
        true
    }

    fn add_writes(&self, set: &mut Set, size: usize) {
        loop {
            let found =
                set.iter().flat_map(|id| &self.order.readers[id.0 as usize]).copied().find(|&reader| {
                    let node = self.get(reader);
                    matches!(&node.op, Op::Assign(view) if numel(&view.shape) == size)
                        && !self.is_done(reader)
                        && !set.contains(&reader)
                        && set.contains(&node.inputs[1])
                        && self.may_write(set, reader)
                });
            let Some(write) = found else { return };
            set.insert(write);
        }
    }

    /// Whether a write may come now: all that reads the old content and all that may fail before it is done.
    fn may_write(&self, set: &Set, write: NodeId) -> bool {
        let here = |id: NodeId| self.is_done(id) || set.contains(&id);
        let place = self.position[write.0 as usize];
        let past = self.guards.iter().take_while(|&&guard| guard < place);
        let old = self.get(write).inputs[0];
        let mut open = vec![old];
        while let Some(id) = open.pop() {
            for &reader in &self.order.readers[id.0 as usize] {
                if reader == write {
                    continue;
                }
                if !here(reader) {
                    return false;
                }
                // These stand for the same memory.
                if matches!(self.get(reader).op, Op::View(_) | Op::CheckNonZero) {
                    open.push(reader);
                }
            }
        }
        here(old) && past.into_iter().all(|&guard| self.is_done(self.order.nodes[guard]))
    }

    /// Values of a set that are read outside of it.
    fn stored(&self, set: &Set) -> usize {
        let values = set.iter().filter(|&&id| {
            let view = matches!(self.get(id).op, Op::View(_));
            !view && !self.is_leaf(id) && !matches!(self.get(id).op, Op::Assign(_))
        });
        values.filter(|&&id| self.escapes(set, id)).count()
    }

    fn escapes(&self, set: &Set, id: NodeId) -> bool {
        let through = |&reader: &NodeId| {
            !set.contains(&reader)
                || (matches!(self.get(reader).op, Op::View(_)) && self.escapes(set, reader))
        };
        self.order.is_root[id.0 as usize] || self.order.readers[id.0 as usize].iter().any(through)
    }
}
