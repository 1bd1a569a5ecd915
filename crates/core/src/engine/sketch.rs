//! A driver that records a small graph of its own, beside tape and trace: updates to be lowered, and rules to be asked
//! what they read.

use crate::error::Result;
use crate::graph::{Builder, Driver, Inputs, Node, NodeId, Type, Vjp};
use crate::op::{Composite, Op};
use crate::ops;

/// Nodes that nobody else sees; nothing runs.
pub struct Sketch<'a> {
    pub nodes: Vec<Node>,
    claims: &'a dyn Fn(Composite) -> bool,
    /// The operands whose values a rule has asked for.
    asked: Vec<usize>,
    asked_output: bool,
}

/// What a backward rule reads of the forward pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saves {
    pub inputs: Vec<usize>,
    pub output: bool,
}

impl<'a> Sketch<'a> {
    pub fn new(claims: &'a dyn Fn(Composite) -> bool) -> Self {
        Self { nodes: Vec::new(), claims, asked: Vec::new(), asked_output: false }
    }

    /// A node without rules of its own: an operand, a state, a number.
    pub fn leaf(&mut self, op: Op, ty: Type) -> NodeId {
        self.add(op, &[], ty, false)
    }

    fn add(&mut self, op: Op, inputs: &[NodeId], ty: Type, requires_grad: bool) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(blank(op, inputs, ty, requires_grad));
        id
    }

    /// Asks the backward rule of a node which values it reads, given the types of its operands and which of
    /// them want a gradient.
    pub fn saves(&mut self, op: &Op, inputs: &[(Type, bool)], ty: &Type) -> Result<Saves> {
        let operands: Inputs =
            inputs.iter().map(|(ty, wanted)| self.add(Op::Leaf, &[], ty.clone(), *wanted)).collect();
        let node = self.add(op.clone(), &operands, ty.clone(), true);
        let dy = self.add(Op::Leaf, &[], Type { weak: None, ..ty.clone() }, false);
        self.asked.clear();
        self.asked_output = false;
        ops::vjp(&mut Vjp { b: &mut Builder::new(self), node, dy })?;
        Ok(Saves { inputs: std::mem::take(&mut self.asked), output: self.asked_output })
    }
}

/// A node that belongs to no module and no line.
pub fn blank(op: Op, inputs: &[NodeId], ty: Type, requires_grad: bool) -> Node {
    Node {
        op,
        inputs: Inputs::from_slice(inputs),
        ty,
        requires_grad,
        path: 0,
        site: 0,
        called: None,
        gradient_of: None,
        sequence: 0,
        random: 0,
    }
}

impl Driver for Sketch<'_> {
    fn append(&mut self, op: Op, inputs: &[NodeId], ty: Type) -> Result<NodeId> {
        Ok(self.add(op, inputs, ty, false))
    }

    fn ty(&self, node: NodeId) -> &Type {
        &self.nodes[node.0 as usize].ty
    }

    fn op(&self, node: NodeId) -> &Op {
        &self.nodes[node.0 as usize].op
    }

    fn inputs(&self, node: NodeId) -> &[NodeId] {
        &self.nodes[node.0 as usize].inputs
    }

    fn requires_grad(&self, node: NodeId) -> bool {
        self.nodes[node.0 as usize].requires_grad
    }

    fn current(&mut self, node: NodeId) -> Result<NodeId> {
        Ok(node)
    }

    fn saved_input(&mut self, node: NodeId, index: usize) -> Result<NodeId> {
        self.asked.push(index);
        Ok(self.inputs(node)[index])
    }

    fn saved_output(&mut self, node: NodeId) -> Result<NodeId> {
        self.asked_output = true;
        Ok(node)
    }

    fn claims(&self, composite: Composite) -> bool {
        (self.claims)(composite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::ops::table::{BinaryOp, UnaryOp};

    #[test]
    fn rules_say_what_they_read() {
        let claims = |_| true;
        let ty = Type::new(DType::F32, &[2, 3]);
        let asked = |op: Op, wanted: &[bool]| {
            let inputs: Vec<_> = wanted.iter().map(|&wanted| (ty.clone(), wanted)).collect();
            Sketch::new(&claims).saves(&op, &inputs, &ty).unwrap()
        };
        assert_eq!(asked(Op::Binary(BinaryOp::Add), &[true, true]), Saves::default());
        assert_eq!(asked(Op::Binary(BinaryOp::Mul), &[true, false]).inputs, [1]);
        assert!(asked(Op::Unary(UnaryOp::Exp), &[true]).output);
        let square = Type::new(DType::F32, &[3, 3]);
        let product =
            Sketch::new(&claims).saves(&Op::MatMul, &[(ty.clone(), false), (square, true)], &ty).unwrap();
        assert_eq!((product.inputs.as_slice(), product.output), (&[0][..], false));
    }
}
