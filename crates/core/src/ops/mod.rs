//! Shape rules, backward rules and builder functions, one file a family.

pub mod api;
pub mod calculus;
pub mod elementwise;
mod index;
mod join;
pub mod math;
mod matmul;
mod random;
mod reduce;
pub mod table;
mod view;

#[cfg(test)]
mod tests;

use smallvec::smallvec;

use crate::composite::entropy;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Grads, Type, Vjp};
use crate::op::{Composite, Op};
use crate::ops::calculus::{Calculus, Rule};
use crate::shape::show;

/// Shape and element type of a node, or why its operands do not fit. The operands of elementwise
/// ops have been cast and expanded by the Builder.
pub fn infer(op: &Op, inputs: &[&Type]) -> Result<Type> {
    match (op, inputs) {
        (Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Cast(_), _) => elementwise::infer(op, inputs),
        (Op::Reduce { .. } | Op::Arg { .. }, [x]) => reduce::infer(op, x),
        (Op::View(view), [x]) => view::infer(view, x),
        (Op::Concat { .. } | Op::Pad { .. }, _) => join::infer(op, inputs),
        (Op::MatMul, [a, b]) => matmul::infer(a, b),
        (Op::Gather { .. } | Op::IndexSelect { .. } | Op::ScatterAdd { .. } | Op::IndexAdd { .. }, _) => {
            index::infer(op, inputs)
        }
        (Op::Composite(Composite::Softmax | Composite::LogSoftmax), [x])
            if x.dtype.is_float() && !x.shape.is_empty() =>
        {
            Ok(Type::new(x.dtype, &x.shape))
        }
        (Op::Composite(composite), [x, index])
            if x.dtype.is_float()
                && x.shape.len() == 2
                && index.dtype == DType::I32
                && index.shape.as_slice() == [x.shape[0], 1] =>
        {
            let losses = matches!(composite, Composite::CrossEntropy { .. });
            Ok(Type::new(x.dtype, if losses { &x.shape[..1] } else { &x.shape }))
        }
        (Op::CheckNonZero, [x]) => Ok((*x).clone()),
        (Op::Assign(view), [state, value]) => {
            if view.shape != value.shape || state.dtype != value.dtype {
                return Err(Error::Internal(format!(
                    "assign: {} {} to {} {}",
                    value.dtype,
                    show(&value.shape),
                    state.dtype,
                    show(&view.shape)
                )));
            }
            Ok(Type::new(state.dtype, &state.shape))
        }
        _ => Err(Error::Internal(format!("{}: {} operands have no type rule", op.name(), inputs.len()))),
    }
}

/// The backward rule of a node: gradients of its inputs from that of the node.
pub fn vjp(cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    let op = cx.b.driver.op(cx.node).clone();
    let inputs = cx.b.driver.inputs(cx.node).len();
    match &op {
        Op::Unary(_) | Op::Binary(_) | Op::Where | Op::Cast(_) => elementwise::vjp(&op, cx),
        Op::Reduce { .. } => reduce::vjp(&op, cx),
        Op::View(view) => view::vjp(view, cx),
        Op::Concat { .. } | Op::Pad { .. } => join::vjp(&op, cx, inputs),
        Op::MatMul => matmul::vjp(cx),
        Op::Gather { .. } | Op::IndexSelect { .. } | Op::ScatterAdd { .. } | Op::IndexAdd { .. } => {
            index::vjp(&op, cx)
        }
        Op::Composite(Composite::Softmax) => {
            let rule = Rule::new(cx);
            let inner = rule.sum(rule.mul(rule.dy, rule.y()), &[-1]);
            Ok(smallvec![Some(rule.mul(rule.sub(rule.dy, inner), rule.y())?)])
        }
        Op::Composite(Composite::LogSoftmax) => {
            let rule = Rule::new(cx);
            let total = rule.sum(rule.dy, &[-1]);
            Ok(smallvec![Some(rule.sub(rule.dy, rule.mul(rule.exp(rule.y()), total))?)])
        }
        Op::Composite(Composite::CrossEntropy { ignore }) => entropy::vjp_losses(cx, *ignore),
        Op::Composite(Composite::CrossEntropyGrad { ignore }) => entropy::vjp_slope(cx, *ignore),
        Op::Leaf
        | Op::Input(_)
        | Op::State(_)
        | Op::Const(_)
        | Op::Slot(_)
        | Op::Iota
        | Op::Arg { .. }
        | Op::Random(_)
        | Op::CheckNonZero
        | Op::Assign(_) => Ok(smallvec![None; inputs]),
    }
}
