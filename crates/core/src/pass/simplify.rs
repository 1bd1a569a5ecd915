//! Leaves out what is computed twice.

use std::collections::HashMap;

use crate::graph::{Inputs, Node, NodeId, Type};
use crate::op::{Op, ViewOp};

/// The node that stands for each node: the first one that computes the same from the same inputs,
/// or the input of a view that changes nothing.
///
/// Exact to the bit, since equal ops on equal values give equal bits. Values of states are safe:
/// after a write they are read through another node.
pub fn simplify(nodes: &[Node]) -> (Vec<Node>, Vec<NodeId>) {
    let mut stands_for: Vec<NodeId> = Vec::with_capacity(nodes.len());
    let mut seen: HashMap<(Op, Inputs, Type), NodeId> = HashMap::new();
    let mut out = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let id = NodeId(at as u32);
        let inputs: Inputs = node.inputs.iter().map(|i| stands_for[i.0 as usize]).collect();
        let same = match &node.op {
            Op::View(ViewOp::Alias | ViewOp::Detach) => inputs[0],
            op if is_pure(op) => *seen.entry((op.clone(), inputs.clone(), node.ty.clone())).or_insert(id),
            _ => id,
        };
        stands_for.push(same);
        out.push(Node { inputs, ..node.clone() });
    }
    (out, stands_for)
}

/// Whether a node's value is a function of its inputs alone.
fn is_pure(op: &Op) -> bool {
    !matches!(op, Op::Random(_) | Op::Assign(_) | Op::Leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::op::Random;
    use crate::ops::table::UnaryOp;

    fn node(op: Op, inputs: &[u32]) -> Node {
        Node {
            op,
            inputs: inputs.iter().map(|&i| NodeId(i)).collect(),
            ty: Type::new(DType::F32, &[2]),
            requires_grad: false,
            path: 0,
            site: 0,
            called: None,
            gradient_of: None,
            sequence: 0,
            random: 0,
        }
    }

    #[test]
    fn equal_nodes_become_one_and_random_ones_do_not() {
        let exp = || Op::Unary(UnaryOp::Exp);
        let nodes = [
            node(Op::Input(0), &[]),
            node(exp(), &[0]),
            node(Op::View(ViewOp::Detach), &[0]),
            node(exp(), &[2]),
            node(Op::Random(Random::Uniform), &[]),
            node(Op::Random(Random::Uniform), &[]),
        ];
        let (simple, stands_for) = simplify(&nodes);
        assert_eq!(stands_for.iter().map(|n| n.0).collect::<Vec<_>>(), [0, 1, 0, 1, 4, 5]);
        assert_eq!(simple[3].inputs[0], NodeId(0));
    }
}
