//! Cross-entropy of logits at class indices: the losses of rows and their slope, which one kernel computes together.

use smallvec::smallvec;

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Builder, Grads, NodeId, Vjp};
use crate::op::{Composite, Op, ReduceOp};
use crate::ops::calculus::{Calc, Calculus};
use crate::shape::Dims;

impl Builder<'_> {
    /// log Σ exp(x) - x[class] of each row of x [rows, classes] at an index i32 [rows, 1]; [rows]. A row whose index is
    /// `ignore` has a loss of 0.
    fn entropy_rows(&mut self, x: NodeId, index: NodeId, ignore: Option<i32>) -> Result<NodeId> {
        let composite = Composite::CrossEntropy { ignore };
        if self.driver.claims(composite) {
            return self.push(Op::Composite(composite), &[x, index]);
        }
        self.decompose(composite, &[x, index])
    }

    /// The slope of those losses: softmax(x) less 1 at the class; rows that are ignored have none.
    fn entropy_slope(&mut self, x: NodeId, index: NodeId, ignore: Option<i32>) -> Result<NodeId> {
        let composite = Composite::CrossEntropyGrad { ignore };
        if self.driver.claims(composite) {
            return self.push(Op::Composite(composite), &[x, index]);
        }
        self.decompose(composite, &[x, index])
    }

    /// Losses along a class axis, of the shape of the index.
    pub(super) fn entropy(
        &mut self,
        x: NodeId,
        axis: usize,
        index: NodeId,
        ignore: Option<i32>,
    ) -> Result<NodeId> {
        let (shape, given) = (self.shape(x), self.shape(index));
        let rows = crate::shape::numel(&given);
        let mut order: Vec<usize> = (0..shape.len()).filter(|&a| a != axis).collect();
        order.push(axis);
        let x = self.permute_to(x, &order)?;
        let x = self.reshape_to(x, &[rows, shape[axis]])?;
        let index = self.reshape_to(index, &[rows, 1])?;
        let losses = self.entropy_rows(x, index, ignore)?;
        self.reshape_to(losses, &given)
    }

    /// The losses or their slope in primitives.
    pub(super) fn decompose_entropy(
        &mut self,
        composite: Composite,
        x: NodeId,
        index: NodeId,
    ) -> Result<NodeId> {
        let (Composite::CrossEntropy { ignore } | Composite::CrossEntropyGrad { ignore }) = composite else {
            return self.decompose(composite, &[x]);
        };
        let shape = self.shape(x);
        let dtype = self.dtype(x);
        let mut place = index;
        if let Some(ignore) = ignore {
            let c = Calc::new(self);
            let first = c.with(|b| b.constant(0.0, DType::I32));
            place = c.where_(c.ne(index, f64::from(ignore)), index, first)?;
        }
        let out = if matches!(composite, Composite::CrossEntropy { .. }) {
            let held = self.detach(x)?;
            let top = self.reduce(ReduceOp::Max, held, &[1])?;
            let c = Calc::new(self);
            let shifted = c.sub(x, top)?;
            let norm = c.log(c.with(|b| {
                let e = b.unary(crate::ops::table::UnaryOp::Exp, shifted)?;
                b.reduce(ReduceOp::Sum, e, &[1])
            }))?;
            let picked = c.with(|b| b.gather(shifted, 1, place))?;
            c.sub(norm, picked)?
        } else {
            let soft = self.decompose(Composite::Softmax, &[x])?;
            let (zeros, ones) = (self.full(&shape, 0.0, dtype)?, self.full(&[shape[0], 1], 1.0, dtype)?);
            let hot = self.push(Op::ScatterAdd { axis: 1 }, &[zeros, place, ones])?;
            self.sub(soft, hot)?
        };
        let out = match ignore {
            Some(ignore) => self.counted(index, ignore, out)?,
            None => out,
        };
        if matches!(composite, Composite::CrossEntropy { .. }) {
            self.reshape_to(out, &shape[..1])
        } else {
            Ok(out)
        }
    }

    /// Rows of x [rows, *] whose index [rows, 1] counts, and 0 elsewhere.
    fn counted(&mut self, index: NodeId, ignore: i32, x: NodeId) -> Result<NodeId> {
        let shape: Dims = self.shape(x);
        let wide = self.stretch(index, &shape)?;
        let c = Calc::new(self);
        c.where_(c.ne(wide, f64::from(ignore)), x, 0.0)
    }
}

/// Backward of the losses: their slope, scaled row by row.
pub(crate) fn vjp_losses(cx: &mut Vjp<'_, '_>, ignore: Option<i32>) -> Result<Grads> {
    let (x, index) = (cx.input(0)?, cx.input(1)?);
    let rows = cx.b.shape(x)[0];
    let slope = cx.b.entropy_slope(x, index, ignore)?;
    let each = cx.b.reshape_to(cx.dy, &[rows, 1])?;
    let mut grad = cx.b.mul(slope, each)?;
    if let Some(ignore) = ignore {
        // A select, since 0 · ∞ would let an ignored row through.
        grad = cx.b.counted(index, ignore, grad)?;
    }
    Ok(smallvec![Some(grad), None])
}

/// Backward of the slope: that of a softmax.
pub(crate) fn vjp_slope(cx: &mut Vjp<'_, '_>, ignore: Option<i32>) -> Result<Grads> {
    let (x, index) = (cx.input(0)?, cx.input(1)?);
    let dy = cx.dy;
    let soft = cx.b.softmax(x, -1)?;
    let c = Calc::new(cx.b);
    let inner = c.sum(c.mul(dy, soft), &[-1]);
    let mut grad = c.mul(c.sub(dy, inner), soft)?;
    if let Some(ignore) = ignore {
        grad = cx.b.counted(index, ignore, grad)?;
    }
    Ok(smallvec![Some(grad), None])
}
