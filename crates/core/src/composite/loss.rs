//! PyTorch's losses: predictions and targets never broadcast.

use crate::dtype::DType;
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

/// Class indices of a classification loss, made ready for the gather.
struct Classes {
    /// i32, without the class axis; ignored ones point to class 0.
    index: NodeId,
    /// Whether each one counts, where some may be ignored.
    counts: Option<NodeId>,
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

    /// The class axis of a classification loss: 0 of a single example, else 1.
    fn class_axis(&self, op: &str, x: NodeId) -> Result<usize> {
        self.expect_float(op, x)?;
        match self.rank(x) {
            0 => Err(Error::Shape(format!(
                "{op}: a 0-d prediction; expected [classes] or [batch, classes, *]"
            ))),
            1 => Ok(0),
            _ => Ok(1),
        }
    }

    fn classes(&mut self, op: &str, x: NodeId, target: NodeId, ignore: Option<f64>) -> Result<Classes> {
        let axis = self.class_axis(op, x)?;
        let mut expected = self.shape(x);
        expected.remove(axis);
        let given = self.shape(target);
        if given != expected {
            return Err(Error::Shape(format!(
                "{op}: prediction {} against target {}; expected class indices of {}, or probabilities of the \
                 prediction's shape as floats",
                show(&self.shape(x)),
                show(&given),
                show(&expected)
            )));
        }
        // u8 cannot hold a negative index, so nothing is spent on looking for one.
        let unreachable =
            self.dtype(target) == DType::U8 && ignore.is_some_and(|i| !(0.0..256.0).contains(&i));
        let index = self.index_operand(op, target)?;
        let Some(ignore) = ignore.filter(|_| !unreachable) else {
            return Ok(Classes { index, counts: None });
        };
        let c = Calc::new(self);
        let counts = c.ne(index, ignore)?;
        let index = c.where_(counts, index, c.with(|b| b.constant(0.0, DType::I32)))?;
        Ok(Classes { index, counts: Some(counts) })
    }

    /// Weight of each class as a factor that broadcasts along the class axis of x.
    fn class_weight(&mut self, op: &str, x: NodeId, weight: NodeId) -> Result<NodeId> {
        let axis = self.class_axis(op, x)?;
        let shape = self.shape(x);
        if self.shape(weight).as_slice() != [shape[axis]] {
            return Err(Error::Shape(format!(
                "{op}: weight {} for {} classes; expected [{}]",
                show(&self.shape(weight)),
                shape[axis],
                shape[axis]
            )));
        }
        let mut wide = crate::shape::Dims::from_elem(1, shape.len());
        wide[axis] = shape[axis];
        self.reshape_to(weight, &wide)
    }

    /// The elements of x at the class of each example, and the example's weight where there is one.
    fn picked(
        &mut self,
        op: &str,
        x: NodeId,
        classes: &Classes,
        weight: Option<NodeId>,
    ) -> Result<(NodeId, Option<NodeId>)> {
        let axis = self.class_axis(op, x)?;
        let dtype = self.dtype(x);
        let shape = self.shape(classes.index);
        let place = self.unsqueeze(classes.index, axis as i64)?;
        let values = self.gather(x, axis as i64, place)?;
        let values = self.reshape_to(values, &shape)?;
        let mut factor = None;
        if let Some(weight) = weight {
            self.class_weight(op, x, weight)?;
            let flat = self.reshape_to(classes.index, &[crate::shape::numel(&shape)])?;
            let each = self.index_select(weight, 0, flat)?;
            let each = self.reshape_to(each, &shape)?;
            factor = Some(self.cast(each, dtype)?);
        }
        if let Some(counts) = classes.counts {
            factor = Some(match factor {
                Some(each) => self.where_(counts, each, 0.0)?,
                None => self.cast(counts, dtype)?,
            });
        }
        Ok((values, factor))
    }

    /// -factor · value, reduced; the mean is over the sum of the factors.
    fn weighted_nll(
        &mut self,
        op: &str,
        (values, factor): (NodeId, Option<NodeId>),
        counts: Option<NodeId>,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let c = Calc::new(self);
        let mut loss = c.neg(values)?;
        if let Some(counts) = counts {
            // A select, since 0 · ∞ would let an ignored example through.
            loss = c.where_(counts, loss, 0.0)?;
        }
        let Some(factor) = factor else { return self.collapse(op, loss, reduction) };
        loss = c.mul(loss, factor)?;
        if reduction != Reduction::Mean {
            return self.collapse(op, loss, reduction);
        }
        let total = self.sum(loss, None, false)?;
        let weight = self.sum(factor, None, false)?;
        self.div(total, weight)
    }

    /// Negative log-likelihood of log-probabilities at class indices.
    pub fn nll_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        ignore: Option<f64>,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let classes = self.classes("nll", x, target, ignore)?;
        let picked = self.picked("nll", x, &classes, weight)?;
        self.weighted_nll("nll", picked, classes.counts, reduction)
    }

    /// Cross-entropy of logits against class indices, or against probabilities of the same shape.
    pub fn cross_entropy_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        ignore: Option<f64>,
        smoothing: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "crossEntropy";
        if !(0.0..=1.0).contains(&smoothing) {
            return Err(Error::Value(format!(
                "{name}: labelSmoothing {smoothing}; expected a number from 0 to 1"
            )));
        }
        let axis = self.class_axis(name, x)?;
        let count = self.ty(x).shape[axis] as f64;
        if self.dtype(target).is_float() {
            let (shape, given) = (self.shape(x), self.shape(target));
            if given.len() + 1 == shape.len() {
                return Err(Error::Shape(format!(
                    "{name}: prediction {} against a target {} of {}; expected class indices as i32 or u8. \
                     Hint: to('i32')",
                    show(&shape),
                    show(&given),
                    self.dtype(target)
                )));
            }
            let (x, target) = self.pair(name, x, target)?;
            return self.soft_cross_entropy(x, target, weight, smoothing, reduction);
        }
        let classes = self.classes(name, x, target, ignore)?;
        let log = self.log_softmax(x, axis as i64)?;
        let picked = self.picked(name, log, &classes, weight)?;
        let hard = self.weighted_nll(name, picked, classes.counts, reduction)?;
        if smoothing == 0.0 {
            return Ok(hard);
        }
        let scaled = match weight {
            Some(weight) => {
                let wide = self.class_weight(name, x, weight)?;
                self.mul(log, wide)?
            }
            None => log,
        };
        let spread = self.sum(scaled, Some(&[axis as i64]), false)?;
        let c = Calc::new(self);
        let mut smooth = c.neg(spread)?;
        if let Some(counts) = classes.counts {
            smooth = c.where_(counts, smooth, 0.0)?;
        }
        let smooth = match (reduction, picked.1) {
            (Reduction::Mean, Some(factor)) => {
                let total = self.sum(smooth, None, false)?;
                let weight = self.sum(factor, None, false)?;
                self.div(total, weight)?
            }
            _ => self.collapse(name, smooth, reduction)?,
        };
        let c = Calc::new(self);
        c.add(c.mul(hard, 1.0 - smoothing), c.mul(smooth, smoothing / count))
    }

    fn soft_cross_entropy(
        &mut self,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        smoothing: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "crossEntropy";
        let axis = self.class_axis(name, x)?;
        let count = self.ty(x).shape[axis];
        let examples = self.ty(x).numel() as f64 / count as f64;
        let log = self.log_softmax(x, axis as i64)?;
        let wide = weight.map(|w| self.class_weight(name, x, w)).transpose()?;
        let c = Calc::new(self);
        let mut target = target;
        if smoothing > 0.0 {
            target = c.add(c.mul(target, 1.0 - smoothing), smoothing / count as f64)?;
        }
        let mut terms = c.mul(log, target)?;
        if let Some(wide) = wide {
            terms = c.mul(terms, wide)?;
        }
        let sum = self.sum(terms, Some(&[axis as i64]), false)?;
        let loss = self.neg(sum)?;
        if reduction != Reduction::Mean {
            return self.collapse(name, loss, reduction);
        }
        let total = self.sum(loss, None, false)?;
        self.div(total, examples)
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
