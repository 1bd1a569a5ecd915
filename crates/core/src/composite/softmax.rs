//! softmax, logSoftmax, softmin along any dim.

use crate::error::Result;
use crate::graph::{Builder, NodeId};
use crate::op::{Composite, Op, ReduceOp};
use crate::ops::calculus::{Calc, Calculus};

impl Builder<'_> {
    /// exp(x) over its sum along a dim, shifted by the maximum.
    pub fn softmax(&mut self, x: NodeId, dim: i64) -> Result<NodeId> {
        self.along("softmax", Composite::Softmax, x, dim)
    }

    /// log of softmax, computed without leaving the logarithm.
    pub fn log_softmax(&mut self, x: NodeId, dim: i64) -> Result<NodeId> {
        self.along("logSoftmax", Composite::LogSoftmax, x, dim)
    }

    /// softmax of -x.
    pub fn softmin(&mut self, x: NodeId, dim: i64) -> Result<NodeId> {
        self.expect_float("softmin", x)?;
        let turned = self.neg(x)?;
        self.along("softmin", Composite::Softmax, turned, dim)
    }

    /// Moves the dim to the end, where the kernels work, and back.
    fn along(&mut self, name: &str, composite: Composite, x: NodeId, dim: i64) -> Result<NodeId> {
        self.expect_float(name, x)?;
        let rank = self.rank(x);
        let axis = crate::shape::axis(name, dim, rank)?;
        if rank == 0 {
            let row = self.reshape_to(x, &[1])?;
            let out = self.last(composite, row)?;
            return self.reshape_to(out, &[]);
        }
        if self.ty(x).numel() == 0 {
            return Ok(x);
        }
        let turned = self.transpose(x, axis as i64, -1)?;
        let out = self.last(composite, turned)?;
        self.transpose(out, axis as i64, -1)
    }

    fn last(&mut self, composite: Composite, x: NodeId) -> Result<NodeId> {
        if self.driver.claims(composite) {
            return self.push(Op::Composite(composite), &[x]);
        }
        self.decompose(composite, &[x])
    }

    /// What a composite means, in primitives; along the last axis.
    pub fn decompose(&mut self, composite: Composite, inputs: &[NodeId]) -> Result<NodeId> {
        let x = inputs[0];
        if let [x, index] = *inputs {
            return self.decompose_entropy(composite, x, index);
        }
        let axis = [self.rank(x) - 1];
        let held = self.detach(x)?;
        let top = self.reduce(ReduceOp::Max, held, &axis)?;
        let c = Calc::new(self);
        let shifted = c.sub(x, top)?;
        let e = c.exp(shifted)?;
        let total = c.sum(e, &[-1]);
        if composite == Composite::LogSoftmax { c.sub(shifted, c.log(total)) } else { c.div(e, total) }
    }
}
