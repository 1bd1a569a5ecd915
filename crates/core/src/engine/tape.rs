//! The eager graph: a slab of counted nodes, held by handles and by their consumers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use smallvec::SmallVec;

use super::spare::Spare;
use crate::graph::{Node, NodeId};
use crate::op::ViewOp;
use crate::storage::Value;

/// Which op a prediction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProducerKind {
    Softmax = 1,
    Sigmoid = 2,
    Linear = 3,
    LogSoftmax = 4,
}

/// The edge that a softmax or sigmoid keeps to its input, through views, for the losses.
#[derive(Clone, Debug)]
pub struct Producer {
    pub kind: ProducerKind,
    /// Input of the op; `None` where no loss asks for it, so that a linear layer does not keep its input alive.
    pub source: Option<NodeId>,
    /// Views taken of the output since.
    pub views: SmallVec<[ViewOp; 2]>,
    /// The axis of the classes in the viewed output; `None` where a view cut through it.
    pub axis: Option<usize>,
    pub path: u32,
}

impl Producer {
    /// The producer of a view of this one's output.
    pub fn through(&self, op: &ViewOp, from: &[usize], to: &[usize]) -> Self {
        let mut next = self.clone();
        next.views.push(op.clone());
        next.axis = self.axis.and_then(|axis| follow(axis, op, from, to));
        next
    }
}

/// Where an axis goes under a view, if it stays whole.
fn follow(axis: usize, op: &ViewOp, from: &[usize], to: &[usize]) -> Option<usize> {
    match op {
        ViewOp::Alias | ViewOp::Detach | ViewOp::Place(_) => Some(axis),
        ViewOp::Permute(order) => order.iter().position(|&a| a == axis),
        ViewOp::Expand(_) => Some(axis + to.len() - from.len()),
        ViewOp::Slice { axis: cut, .. } | ViewOp::Flip { axis: cut } => (*cut != axis).then_some(axis),
        ViewOp::Diagonal { .. } => None,
        ViewOp::Reshape(_) => {
            // The axis survives if some new axis has its size and the same count of elements behind it.
            let behind: usize = from[axis + 1..].iter().product();
            (0..to.len()).find(|&a| to[a] == from[axis] && to[a + 1..].iter().product::<usize>() == behind)
        }
    }
}

/// Stands for no place in a batch.
pub const NOWHERE: u32 = u32::MAX;

/// A node with its value and the references to it.
pub struct Entry {
    pub node: Node,
    pub value: Value,
    /// Handles, consumers that may need it in backward, and internal owners.
    pub refs: u32,
    /// The place in the batch that is being put together, among its nodes or its operands.
    pub mark: u32,
    /// Storage versions of the inputs and, last, of the node itself at the time of the forward pass.
    pub versions: SmallVec<[u64; 4]>,
    pub leaf: bool,
    /// Whether `backward()` has dropped what the node had saved.
    pub spent: bool,
    /// Boxed: few tensors have one, and a million small tensors should stay small.
    pub producer: Option<Box<Producer>>,
    /// Set where the value lies in an output buffer of a program: whether a later run has taken
    /// the buffer back.
    pub lent: Option<Arc<AtomicBool>>,
}

impl Entry {
    /// A leaf that the running call holds.
    pub fn leaf(node: Node, value: Value) -> Self {
        Self {
            node,
            value,
            refs: 1,
            mark: NOWHERE,
            versions: SmallVec::new(),
            leaf: true,
            spent: false,
            producer: None,
            lent: None,
        }
    }
}

/// The slab.
#[derive(Default)]
pub struct Tape {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    sequence: u64,
    live: usize,
    pub spare: Spare,
}

impl Tape {
    pub fn get(&self, id: NodeId) -> &Entry {
        self.entries[id.0 as usize].as_ref().expect("a referenced node is alive")
    }

    pub fn get_mut(&mut self, id: NodeId) -> &mut Entry {
        self.entries[id.0 as usize].as_mut().expect("a referenced node is alive")
    }

    pub fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub fn insert(&mut self, entry: Entry) -> NodeId {
        for &input in &entry.node.inputs {
            self.retain(input);
        }
        if let Some(source) = entry.producer.as_ref().and_then(|p| p.source) {
            self.retain(source);
        }
        self.live += 1;
        if let Some(at) = self.free.pop() {
            self.entries[at as usize] = Some(entry);
            return NodeId(at);
        }
        self.entries.push(Some(entry));
        NodeId((self.entries.len() - 1) as u32)
    }

    pub fn retain(&mut self, id: NodeId) {
        self.get_mut(id).refs += 1;
    }

    /// Drops one reference; nodes that nobody refers to any more are freed, and so on downwards.
    /// The freed nodes are appended to `gone`.
    pub fn release(&mut self, id: NodeId, gone: &mut Vec<NodeId>) {
        let mut pending: SmallVec<[NodeId; 8]> = SmallVec::from_slice(&[id]);
        while let Some(id) = pending.pop() {
            let entry = self.get_mut(id);
            entry.refs -= 1;
            if entry.refs > 0 {
                continue;
            }
            let entry = self.entries[id.0 as usize].take().expect("it was just read");
            pending.extend_from_slice(&entry.node.inputs);
            pending.extend(entry.producer.and_then(|p| p.source));
            self.spare.park(entry.value);
            self.free.push(id.0);
            self.live -= 1;
            gone.push(id);
        }
    }

    /// Drops what a node saved for backward.
    pub fn spend(&mut self, id: NodeId, gone: &mut Vec<NodeId>) {
        let entry = self.get_mut(id);
        if entry.spent || entry.leaf {
            return;
        }
        entry.spent = true;
        for input in std::mem::take(&mut entry.node.inputs) {
            self.release(input, gone);
        }
    }

    /// Nodes alive.
    pub fn live(&self) -> usize {
        self.live
    }
}
