//! PyTorch's losses: predictions and targets never broadcast.

use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::calculus::{Calc, Calculus};
use crate::shape::{broadcast, show};

/// How the losses of the elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    None,
    Mean,
    Sum,
    /// Sum over the first size; only for the Kullback–Leibler divergence.
    BatchMean,
}

impl Reduction {
    /// From the number that stands for it at the boundary: 0 none, 1 mean, 2 sum, 3 batchMean.
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::None, Self::Mean, Self::Sum, Self::BatchMean].get(code as usize).copied()
    }
}

impl Builder<'_> {
    /// Prediction and target in one type, or why they do not fit.
    pub(super) fn pair(&mut self, op: &str, prediction: NodeId, target: NodeId) -> Result<(NodeId, NodeId)> {
        self.expect_float(op, prediction)?;
        let (p, t) = (self.shape(prediction), self.shape(target));
        if p != t {
            return Err(Error::Shape(format!(
                "{op}: prediction {} against target {}; expected equal shapes. Hint: squeeze or unsqueeze one of them",
                show(&p),
                show(&t)
            )));
        }
        let dtype = self.common_dtype(&[prediction, target]);
        Ok((self.cast(prediction, dtype)?, self.cast(target, dtype)?))
    }

    /// Applies a reduction to the losses of the elements.
    pub(super) fn collapse(&mut self, op: &str, loss: NodeId, reduction: Reduction) -> Result<NodeId> {
        match reduction {
            Reduction::None => Ok(loss),
            Reduction::Mean => self.mean(loss, None, false),
            Reduction::Sum => self.sum(loss, None, false),
            Reduction::BatchMean => Err(Error::Value(format!(
                "{op}: reduction batchMean; expected none, mean or sum. Hint: klDiv has it"
            ))),
        }
    }

    /// Squared differences.
    pub fn mse_loss(&mut self, x: NodeId, target: NodeId, reduction: Reduction) -> Result<NodeId> {
        let (x, target) = self.pair("mse", x, target)?;
        let distance = self.sub(x, target)?;
        let loss = self.unary(crate::ops::table::UnaryOp::Square, distance)?;
        self.collapse("mse", loss, reduction)
    }

    /// Absolute differences.
    pub fn l1_loss(&mut self, x: NodeId, target: NodeId, reduction: Reduction) -> Result<NodeId> {
        let (x, target) = self.pair("l1", x, target)?;
        let c = Calc::new(self);
        let loss = c.abs(c.sub(x, target))?;
        self.collapse("l1", loss, reduction)
    }

    /// d² / (2 · beta) for differences below beta, else |d| - beta / 2.
    pub fn smooth_l1_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        beta: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        if beta.is_nan() || beta < 0.0 {
            return Err(Error::Value(format!("smoothL1: beta {beta}; expected at least 0")));
        }
        if beta == 0.0 {
            return self.l1_loss(x, target, reduction);
        }
        let (x, target) = self.pair("smoothL1", x, target)?;
        let c = Calc::new(self);
        let distance = c.sub(x, target)?;
        let size = c.abs(distance)?;
        let near = c.div(c.mul(c.square(distance), 0.5), beta);
        let loss = c.where_(c.lt(size, beta), near, c.sub(size, 0.5 * beta))?;
        self.collapse("smoothL1", loss, reduction)
    }

    /// d² / 2 for differences up to delta, else delta · (|d| - delta / 2).
    pub fn huber_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        delta: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let (x, target) = self.pair("huber", x, target)?;
        let loss = self.huber_elements(x, target, delta)?;
        self.collapse("huber", loss, reduction)
    }

    pub(super) fn huber_elements(&mut self, x: NodeId, target: NodeId, delta: f64) -> Result<NodeId> {
        if delta.is_nan() || delta <= 0.0 {
            return Err(Error::Value(format!("huber: delta {delta}; expected more than 0")));
        }
        let c = Calc::new(self);
        let distance = c.sub(x, target)?;
        let size = c.abs(distance)?;
        let near = c.mul(c.square(distance), 0.5);
        let far = c.mul(c.sub(size, 0.5 * delta), delta);
        c.where_(c.lt(size, delta), near, far)
    }

    fn weighted(&mut self, op: &str, loss: NodeId, weight: Option<NodeId>) -> Result<NodeId> {
        let Some(weight) = weight else { return Ok(loss) };
        let shape = self.shape(loss);
        if broadcast(op, &self.shape(weight), &shape)? != shape {
            return Err(Error::Shape(format!(
                "{op}: weight {} for losses {}; expected a weight that broadcasts to them",
                show(&self.shape(weight)),
                show(&shape)
            )));
        }
        self.mul(loss, weight)
    }

    /// -(t · log x + (1 - t) · log(1 - x)) of probabilities, logarithms limited to -100.
    pub fn bce_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let (x, target) = self.pair("binaryCrossEntropy", x, target)?;
        let c = Calc::new(self);
        // The gradient is PyTorch's (x - t) / max((1 - x) · x, 1e-12), which the limited logarithms do
        // not have: the value is taken of a constant, and a term that is 0 carries the slope.
        let held = c.detach(x)?;
        let log = c.with(|b| -> Result<_> {
            let inner = b.unary(crate::ops::table::UnaryOp::Log, held)?;
            b.clamp(inner, Some((-100.0).into()), None)
        })?;
        let rest = c.with(|b| -> Result<_> {
            let negated = b.neg(held)?;
            let inner = b.unary(crate::ops::table::UnaryOp::Log1p, negated)?;
            b.clamp(inner, Some((-100.0).into()), None)
        })?;
        let value = c.sub(c.mul(c.sub(target, 1.0), rest), c.mul(target, log));
        let spread = c.mul(c.sub(1.0, held), held)?;
        let floor = c.with(|b| b.clamp(spread, Some(1e-12.into()), None));
        let slope = c.detach(c.div(c.sub(held, target), floor));
        let loss = c.add(value, c.mul(slope, c.sub(x, held)))?;
        let loss = self.weighted("binaryCrossEntropy", loss, weight)?;
        self.collapse("binaryCrossEntropy", loss, reduction)
    }

    /// Binary cross-entropy of logits in its stable form; `pos_weight` scales the positive targets.
    pub fn bce_with_logits_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        pos_weight: Option<NodeId>,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "binaryCrossEntropyWithLogits";
        let (x, target) = self.pair(name, x, target)?;
        let mut log = self.log_sigmoid(x)?;
        if let Some(pos_weight) = pos_weight {
            let c = Calc::new(self);
            let scale = c.add(c.mul(c.sub(pos_weight, 1.0), target), 1.0);
            log = c.mul(scale, log)?;
            if self.shape(log) != self.shape(x) {
                return Err(Error::Shape(format!(
                    "{name}: posWeight {} for predictions {}; expected one that broadcasts to them",
                    show(&self.shape(pos_weight)),
                    show(&self.shape(x))
                )));
            }
        }
        let c = Calc::new(self);
        let loss = c.sub(c.mul(c.sub(1.0, target), x), log)?;
        let loss = self.weighted(name, loss, weight)?;
        self.collapse(name, loss, reduction)
    }

    /// target · (log target - x) of log-probabilities x; with `log_target` the target is one too.
    pub fn kl_div_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        log_target: bool,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let (x, target) = self.pair("klDiv", x, target)?;
        let c = Calc::new(self);
        let loss = if log_target {
            c.mul(c.exp(target), c.sub(target, x))?
        } else {
            // t · log t is 0 at t = 0.
            let zero = c.eq(target, 0.0)?;
            let own = c.where_(zero, 0.0, c.mul(target, c.log(c.where_(zero, 1.0, target))));
            c.sub(own, c.mul(target, x))?
        };
        if reduction != Reduction::BatchMean {
            return self.collapse("klDiv", loss, reduction);
        }
        let rows = self.ty(loss).shape.first().copied().unwrap_or(1);
        let total = self.sum(loss, None, false)?;
        self.div(total, rows as f64)
    }

    /// Poisson negative log-likelihood of a rate, or of its logarithm; `full` adds Stirling's term.
    pub fn poisson_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        log_input: bool,
        full: bool,
        eps: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let (x, target) = self.pair("poisson", x, target)?;
        let c = Calc::new(self);
        let mut loss = if log_input {
            c.sub(c.exp(x), c.mul(target, x))?
        } else {
            c.sub(x, c.mul(target, c.log(c.add(x, eps))))?
        };
        if full {
            let small = c.le(target, 1.0)?;
            let safe = c.where_(small, 2.0, target)?;
            let half_log = c.mul(c.log(c.mul(safe, std::f64::consts::TAU)), 0.5);
            let stirling = c.add(c.sub(c.mul(safe, c.log(safe)), safe), half_log);
            loss = c.add(loss, c.where_(small, 0.0, stirling))?;
        }
        self.collapse("poisson", loss, reduction)
    }
}
