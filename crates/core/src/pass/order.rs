//! Which nodes run, and when.

use std::collections::HashSet;

use crate::graph::{Node, NodeId};
use crate::op::{Composite, Op};

/// The nodes to run and who reads each of them.
pub struct Order {
    pub nodes: Vec<NodeId>,
    /// Live readers of each node, once per operand; roots count as one reader more.
    pub readers: Vec<Vec<NodeId>>,
    pub is_root: Vec<bool>,
    /// (indices, reader): checks to make as soon as the indices are there. Empty where nothing is
    /// written: the kernels check for themselves. Readers whose result nobody wants come first.
    pub checks: Vec<(NodeId, NodeId)>,
}

/// The operand of `node` that holds indices.
pub(super) fn index_operand(op: &Op) -> Option<usize> {
    match op {
        Op::Gather { .. }
        | Op::IndexSelect { .. }
        | Op::ScatterAdd { .. }
        | Op::IndexAdd { .. }
        | Op::Composite(Composite::CrossEntropy { .. } | Composite::CrossEntropyGrad { .. }) => Some(1),
        _ => None,
    }
}

/// Keeps what the roots, the writes and the checks need, in the order of appending, except that
/// indices are computed before every write that they do not depend on: a bad index then leaves
/// the state as it was.
pub fn order(nodes: &[Node], roots: &[NodeId]) -> Order {
    let mut live = vec![false; nodes.len()];
    let mut is_root = vec![false; nodes.len()];
    for &root in roots {
        live[root.0 as usize] = true;
        is_root[root.0 as usize] = true;
    }
    let mut unread = Vec::new();
    let mut readers = vec![Vec::new(); nodes.len()];
    for at in (0..nodes.len()).rev() {
        let node = &nodes[at];
        live[at] |= is_effect(&node.op) || matches!(node.op, Op::CheckNonZero);
        if let Some(operand) = index_operand(&node.op)
            && !live[at]
        {
            // Nobody reads the result, but a bad index is an error all the same.
            live[node.inputs[operand].0 as usize] = true;
            unread.push((node.inputs[operand], NodeId(at as u32)));
        }
        if live[at] {
            for input in &node.inputs {
                live[input.0 as usize] = true;
                readers[input.0 as usize].push(NodeId(at as u32));
            }
        }
    }
    let urgent = index_ancestors(nodes, &live);
    let mut done = vec![false; nodes.len()];
    let mut out = Vec::with_capacity(nodes.len());
    for at in 0..nodes.len() {
        if !live[at] || done[at] {
            continue;
        }
        if matches!(nodes[at].op, Op::Assign(_)) {
            for early in at + 1..nodes.len() {
                if urgent[early]
                    && !done[early]
                    && !is_effect(&nodes[early].op)
                    && nodes[early].inputs.iter().all(|i| done[i.0 as usize])
                {
                    done[early] = true;
                    out.push(NodeId(early as u32));
                }
            }
        }
        done[at] = true;
        out.push(NodeId(at as u32));
    }
    let mut checks = unread;
    if out.iter().any(|n| matches!(nodes[n.0 as usize].op, Op::Assign(_))) {
        for &reader in &out {
            let node = &nodes[reader.0 as usize];
            checks.extend(index_operand(&node.op).map(|operand| (node.inputs[operand], reader)));
        }
    }
    Order { nodes: out, readers, is_root, checks }
}

impl Order {
    /// Drops the checks whose reader runs before anything is written: it makes them itself.
    pub fn drop_checks(&mut self, nodes: &[Node]) {
        let is_write = |id: &&NodeId| matches!(nodes[id.0 as usize].op, Op::Assign(_));
        let early: HashSet<NodeId> = self.nodes.iter().take_while(|id| !is_write(id)).copied().collect();
        self.checks.retain(|(_, reader)| !early.contains(reader));
    }
}

fn is_effect(op: &Op) -> bool {
    matches!(op, Op::Assign(_))
}

fn index_ancestors(nodes: &[Node], live: &[bool]) -> Vec<bool> {
    let mut urgent = vec![false; nodes.len()];
    for at in (0..nodes.len()).rev() {
        if !live[at] {
            continue;
        }
        if let Some(operand) = index_operand(&nodes[at].op) {
            urgent[nodes[at].inputs[operand].0 as usize] = true;
        }
        urgent[at] |= matches!(nodes[at].op, Op::CheckNonZero);
        if urgent[at] {
            for input in &nodes[at].inputs {
                urgent[input.0 as usize] = true;
            }
        }
    }
    urgent
}
