//! Shape rules, backward rules and builder functions, one file a family.

pub mod math;
pub mod table;

use crate::error::Result;
use crate::graph::{Grads, Type, Vjp};
use crate::op::Op;

/// Shape and element type of a node, or why its operands do not fit. The operands of elementwise
/// ops have been cast and expanded by the Builder.
pub fn infer(_op: &Op, _inputs: &[&Type]) -> Result<Type> {
    unreachable!()
}

/// The backward rule of a node: gradients of its inputs from that of the node.
pub fn vjp(_cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    unreachable!()
}
