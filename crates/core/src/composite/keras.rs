//! Keras's losses: probabilities by default, a trailing 1 is aligned, the mean is over the last axis first.

use super::Reduction;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::calculus::{Calc, Calculus};
use crate::ops::elementwise::Operand;
use crate::shape::show;

/// Keras's epsilon: what keeps logarithms finite.
const EPSILON: f64 = 1e-7;

/// Losses of the form "a function of each element, averaged over the last axis".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elementwise {
    SquaredError,
    AbsoluteError,
    Huber { delta: f64 },
    LogCosh,
    Hinge,
    SquaredHinge,
    Poisson,
}

impl Builder<'_> {
    /// Prediction and target with a missing or additional trailing 1 aligned.
    fn aligned(&mut self, op: &str, x: NodeId, target: NodeId) -> Result<(NodeId, NodeId)> {
        let (a, b) = (self.shape(x), self.shape(target));
        let (mut x, mut target) = (x, target);
        if a.len() == b.len() + 1 && a.last() == Some(&1) {
            target = self.unsqueeze(target, -1)?;
        } else if b.len() == a.len() + 1 && b.last() == Some(&1) {
            x = self.unsqueeze(x, -1)?;
        }
        self.pair(op, x, target)
    }

    /// Mean over the last axis, then the reduction over the examples.
    fn averaged(&mut self, op: &str, loss: NodeId, reduction: Reduction) -> Result<NodeId> {
        let each = if self.rank(loss) == 0 { loss } else { self.mean(loss, Some(&[-1]), false)? };
        self.collapse(op, each, reduction)
    }

    fn limited(&mut self, x: NodeId) -> Result<NodeId> {
        self.clamp(x, Some(Operand::Number(EPSILON)), Some(Operand::Number(1.0 - EPSILON)))
    }

    /// One of the losses that are a mean over the last axis.
    pub fn keras_loss(
        &mut self,
        kind: Elementwise,
        x: NodeId,
        target: NodeId,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = match kind {
            Elementwise::SquaredError => "meanSquaredError",
            Elementwise::AbsoluteError => "meanAbsoluteError",
            Elementwise::Huber { .. } => "meanHuber",
            Elementwise::LogCosh => "logCosh",
            Elementwise::Hinge => "hinge",
            Elementwise::SquaredHinge => "squaredHinge",
            Elementwise::Poisson => "meanPoisson",
        };
        let (x, target) = self.aligned(name, x, target)?;
        let loss = match kind {
            Elementwise::SquaredError => {
                let c = Calc::new(self);
                c.square(c.sub(x, target))?
            }
            Elementwise::AbsoluteError => {
                let c = Calc::new(self);
                c.abs(c.sub(x, target))?
            }
            Elementwise::Huber { delta } => self.huber_elements(x, target, delta)?,
            Elementwise::LogCosh => {
                // log cosh d = d + softplus(-2 d) - log 2
                let c = Calc::new(self);
                let distance = c.sub(x, target)?;
                let twice = c.mul(distance, -2.0)?;
                let curve = c.with(|b| b.softplus(twice, 1.0, 20.0));
                c.sub(c.add(distance, curve), std::f64::consts::LN_2)?
            }
            Elementwise::Hinge => self.hinge_elements(x, target)?,
            Elementwise::SquaredHinge => {
                let hinge = self.hinge_elements(x, target)?;
                let c = Calc::new(self);
                c.square(hinge)?
            }
            Elementwise::Poisson => {
                let c = Calc::new(self);
                c.sub(x, c.mul(target, c.log(c.add(x, EPSILON))))?
            }
        };
        self.averaged(name, loss, reduction)
    }

    /// max(1 - target · x, 0) with targets -1 and 1; where all targets are 0 or 1, 0 stands for -1.
    fn hinge_elements(&mut self, x: NodeId, target: NodeId) -> Result<NodeId> {
        let c = Calc::new(self);
        let binary = c.or(c.eq(target, 0.0), c.eq(target, 1.0))?;
        let all = c.with(|b| b.all(binary, None, false));
        let sides = c.where_(all, c.sub(c.mul(target, 2.0), 1.0), target);
        let gap = c.sub(1.0, c.mul(sides, x))?;
        self.clamp(gap, Some(0.0.into()), None)
    }

    /// Cross-entropy of class probabilities (or logits) against class probabilities along the last axis.
    pub fn categorical_crossentropy(
        &mut self,
        x: NodeId,
        target: NodeId,
        from_logits: bool,
        smoothing: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "categoricalCrossentropy";
        let (shape, given) = (self.shape(x), self.shape(target));
        if given.len() + 1 == shape.len()
            || (given.len() == shape.len() && given.last() == Some(&1) && given != shape)
        {
            return Err(Error::Shape(format!(
                "{name}: prediction {} against target {}; expected a probability for each class. \
                 Hint: sparseCategoricalCrossentropy takes class indices, and oneHot makes probabilities of them",
                show(&shape),
                show(&given)
            )));
        }
        let (x, mut target) = self.pair(name, x, target)?;
        let classes = self.shape(x).last().copied().unwrap_or(1) as f64;
        if smoothing > 0.0 {
            let c = Calc::new(self);
            target = c.add(c.mul(target, 1.0 - smoothing), smoothing / classes)?;
        }
        let log = self.log_probabilities(x, from_logits)?;
        let terms = self.mul(target, log)?;
        let sum = self.sum(terms, Some(&[-1]), false)?;
        let loss = self.neg(sum)?;
        self.collapse(name, loss, reduction)
    }

    fn log_probabilities(&mut self, x: NodeId, from_logits: bool) -> Result<NodeId> {
        if from_logits {
            return self.log_softmax(x, -1);
        }
        let sum = self.sum(x, Some(&[-1]), true)?;
        let shares = self.div(x, sum)?;
        let safe = self.limited(shares)?;
        self.unary(crate::ops::table::UnaryOp::Log, safe)
    }

    /// Cross-entropy of class probabilities (or logits) along the last axis against class indices.
    pub fn sparse_categorical_crossentropy(
        &mut self,
        x: NodeId,
        target: NodeId,
        from_logits: bool,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "sparseCategoricalCrossentropy";
        self.expect_float(name, x)?;
        let shape = self.shape(x);
        let mut index = self.index_operand(name, target)?;
        if self.rank(index) == shape.len() && self.shape(index).last() == Some(&1) {
            index = self.squeeze(index, Some(&[-1]))?;
        }
        let given = self.shape(index);
        if shape.is_empty() || given.as_slice() != &shape[..shape.len() - 1] {
            return Err(Error::Shape(format!(
                "{name}: prediction {} against target {}; expected a class index for each row of the prediction",
                show(&shape),
                show(&given)
            )));
        }
        let log = self.log_probabilities(x, from_logits)?;
        let place = self.unsqueeze(index, -1)?;
        let picked = self.gather(log, -1, place)?;
        let picked = self.reshape_to(picked, &given)?;
        let loss = self.neg(picked)?;
        self.collapse(name, loss, reduction)
    }

    /// Binary cross-entropy of probabilities limited to [1e-7, 1 - 1e-7], or of logits.
    pub fn binary_crossentropy(
        &mut self,
        x: NodeId,
        target: NodeId,
        from_logits: bool,
        smoothing: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "binaryCrossentropy";
        let (x, mut target) = self.aligned(name, x, target)?;
        if smoothing > 0.0 {
            let c = Calc::new(self);
            target = c.add(c.mul(target, 1.0 - smoothing), 0.5 * smoothing)?;
        }
        let loss = if from_logits {
            self.bce_with_logits_loss(x, target, None, None, Reduction::None)?
        } else {
            let safe = self.limited(x)?;
            let c = Calc::new(self);
            let hit = c.mul(target, c.log(safe));
            let miss = c.mul(c.sub(1.0, target), c.log(c.sub(1.0, safe)));
            c.neg(c.add(hit, miss))?
        };
        self.averaged(name, loss, reduction)
    }

    /// target · log(target / x) along the last axis, both limited to [1e-7, 1].
    pub fn kl_divergence(&mut self, x: NodeId, target: NodeId, reduction: Reduction) -> Result<NodeId> {
        let (x, target) = self.aligned("klDivergence", x, target)?;
        let (low, high) = (Some(Operand::Number(EPSILON)), Some(Operand::Number(1.0)));
        let x = self.clamp(x, low, high)?;
        let target = self.clamp(target, low, high)?;
        let c = Calc::new(self);
        let terms = c.mul(target, c.log(c.div(target, x)))?;
        let loss = self.sum(terms, Some(&[-1]), false)?;
        self.collapse("klDivergence", loss, reduction)
    }

    /// Minus the cosine of the angle between prediction and target along a dim.
    pub fn cosine_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        dim: i64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let (x, target) = self.aligned("cosine", x, target)?;
        // Keras limits the squared norm to 1e-12, which is a norm of 1e-6.
        let a = self.normalize(x, 2.0, dim, 1e-6)?;
        let b = self.normalize(target, 2.0, dim, 1e-6)?;
        let product = self.mul(a, b)?;
        let cos = self.sum(product, Some(&[dim]), false)?;
        let loss = self.neg(cos)?;
        self.collapse("cosine", loss, reduction)
    }
}
