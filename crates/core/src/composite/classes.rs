//! Losses of predicted classes: negative log-likelihood and cross-entropy.

use super::loss::Reduction;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::calculus::{Calc, Calculus};
use crate::shape::show;

/// Class indices of a classification loss, made ready for the gather.
struct Classes {
    /// i32, without the class axis; ignored ones point to class 0.
    index: NodeId,
    /// Whether each one counts, where some may be ignored.
    counts: Option<NodeId>,
}

impl Builder<'_> {
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

    /// Class indices as i32, checked against the prediction's shape, and the one that does not count, if any
    /// index can be it.
    fn targets(
        &mut self,
        op: &str,
        x: NodeId,
        target: NodeId,
        ignore: Option<f64>,
    ) -> Result<(NodeId, Option<i32>)> {
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
        // u8 cannot hold a negative index, nor i32 a fraction: nothing is spent on looking for one.
        let range =
            if self.dtype(target) == DType::U8 { 0.0..=255.0 } else { -2_147_483_648.0..=2_147_483_647.0 };
        let ignore = ignore.filter(|i| range.contains(i) && i.fract() == 0.0).map(|i| i as i32);
        Ok((self.index_operand(op, target)?, ignore))
    }

    fn classes(&mut self, op: &str, x: NodeId, target: NodeId, ignore: Option<f64>) -> Result<Classes> {
        let (index, ignore) = self.targets(op, x, target, ignore)?;
        self.counting(index, ignore)
    }

    fn counting(&mut self, index: NodeId, ignore: Option<i32>) -> Result<Classes> {
        let Some(ignore) = ignore else { return Ok(Classes { index, counts: None }) };
        let c = Calc::new(self);
        let counts = c.ne(index, f64::from(ignore))?;
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
        let shape = self.shape(classes.index);
        let place = self.unsqueeze(classes.index, axis as i64)?;
        let values = self.gather(x, axis as i64, place)?;
        let values = self.reshape_to(values, &shape)?;
        let factor = self.factor(op, x, classes, weight)?;
        Ok((values, factor))
    }

    /// What each example counts for in a mean, where it is not 1.
    fn factor(
        &mut self,
        op: &str,
        x: NodeId,
        classes: &Classes,
        weight: Option<NodeId>,
    ) -> Result<Option<NodeId>> {
        let dtype = self.dtype(x);
        let shape = self.shape(classes.index);
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
        Ok(factor)
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
        self.weighted_mean(op, loss, factor, reduction)
    }

    /// Losses that have been scaled, reduced; the mean is over the sum of the factors.
    fn weighted_mean(
        &mut self,
        op: &str,
        loss: NodeId,
        factor: NodeId,
        reduction: Reduction,
    ) -> Result<NodeId> {
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
        if smoothing == 0.0 {
            return self.hard_cross_entropy(x, target, weight, ignore, reduction);
        }
        let classes = self.classes(name, x, target, ignore)?;
        let log = self.log_softmax(x, axis as i64)?;
        let picked = self.picked(name, log, &classes, weight)?;
        let hard = self.weighted_nll(name, picked, classes.counts, reduction)?;
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

    /// Against class indices alone: losses and slopes of rows.
    fn hard_cross_entropy(
        &mut self,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        ignore: Option<f64>,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let name = "crossEntropy";
        let axis = self.class_axis(name, x)?;
        let (index, ignore) = self.targets(name, x, target, ignore)?;
        let mut loss = self.entropy(x, axis, index, ignore)?;
        if weight.is_none() && (ignore.is_none() || reduction != Reduction::Mean) {
            return self.collapse(name, loss, reduction);
        }
        let classes = self.counting(index, ignore)?;
        let Some(factor) = self.factor(name, x, &classes, weight)? else {
            return self.collapse(name, loss, reduction);
        };
        if weight.is_some() {
            loss = self.mul(loss, factor)?;
        }
        self.weighted_mean(name, loss, factor, reduction)
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
}
