//! Losses over distances and margins, and the distances themselves.

use super::Reduction;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::ops::calculus::{Calc, Calculus};
use crate::shape::show;

impl Builder<'_> {
    /// max(x, 0), with the gradient passing at 0.
    fn positive_part(&mut self, x: Result<NodeId>) -> Result<NodeId> {
        self.clamp(x?, Some(0.0.into()), None)
    }

    /// x over its p-norm along a dim, which counts as at least eps.
    pub fn normalize(&mut self, x: NodeId, p: f64, dim: i64, eps: f64) -> Result<NodeId> {
        let norm = self.norm(x, p, Some(&[dim]), true)?;
        let floor = self.clamp(norm, Some(eps.into()), None)?;
        self.div(x, floor)
    }

    /// Cosine of the angle between x and y along a dim; norms count as at least eps.
    pub fn cosine_similarity(&mut self, x: NodeId, y: NodeId, dim: i64, eps: f64) -> Result<NodeId> {
        self.expect_float("cosineSimilarity", x)?;
        let shape = crate::shape::broadcast("cosineSimilarity", &self.shape(x), &self.shape(y))?;
        let x = self.stretch(x, &shape)?;
        let y = self.stretch(y, &shape)?;
        let a = self.normalize(x, 2.0, dim, eps)?;
        let b = self.normalize(y, 2.0, dim, eps)?;
        let product = self.mul(a, b)?;
        self.sum(product, Some(&[dim]), false)
    }

    /// p-norm of x - y + eps along the last dim.
    pub fn pairwise_distance(
        &mut self,
        x: NodeId,
        y: NodeId,
        p: f64,
        eps: f64,
        keep_dim: bool,
    ) -> Result<NodeId> {
        let c = Calc::new(self);
        let distance = c.add(c.sub(x, y), eps)?;
        self.norm(distance, p, Some(&[-1]), keep_dim)
    }

    /// 1 - cos of pairs with target 1, max(cos - margin, 0) of pairs with target -1.
    pub fn cosine_embedding_loss(
        &mut self,
        x: NodeId,
        y: NodeId,
        target: NodeId,
        margin: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let (x, y) = self.pair("cosineEmbedding", x, y)?;
        let dims = [-1];
        let c = Calc::new(self);
        let along = |a, b| {
            let product = c.mul(a, b)?;
            c.with(|builder| builder.sum(product, Some(&dims), false))
        };
        let (inner, xx, yy) = (along(x, y)?, c.add(along(x, x), 1e-12)?, c.add(along(y, y), 1e-12)?);
        let cos = c.div(inner, c.sqrt(c.mul(xx, yy)))?;
        let apart = c.sub(cos, margin);
        let apart = c.with(|b| b.positive_part(apart));
        let near = c.where_(c.eq(target, 1.0), c.sub(1.0, cos), 0.0);
        let far = c.where_(c.eq(target, -1.0), apart, 0.0);
        let loss = c.add(near, far)?;
        self.collapse("cosineEmbedding", loss, reduction)
    }

    /// max(margin + |anchor - positive| - |anchor - negative|, 0) over p-norms; `swap` also looks from the positive.
    pub fn triplet_margin_loss(
        &mut self,
        [anchor, positive, negative]: [NodeId; 3],
        margin: f64,
        p: f64,
        eps: f64,
        swap: bool,
        reduction: Reduction,
    ) -> Result<NodeId> {
        let near = self.pairwise_distance(anchor, positive, p, eps, false)?;
        let mut far = self.pairwise_distance(anchor, negative, p, eps, false)?;
        if swap {
            let other = self.pairwise_distance(positive, negative, p, eps, false)?;
            far = self.binary(crate::ops::table::BinaryOp::Minimum, far, other)?;
        }
        let c = Calc::new(self);
        let gap = c.sub(c.add(near, margin), far);
        let loss = self.positive_part(gap)?;
        self.collapse("tripletMargin", loss, reduction)
    }

    /// max(-target · (x - y) + margin, 0).
    pub fn margin_ranking_loss(
        &mut self,
        x: NodeId,
        y: NodeId,
        target: NodeId,
        margin: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        if self.rank(x) != self.rank(y) || self.rank(x) != self.rank(target) {
            return Err(Error::Shape(format!(
                "marginRanking: {}, {} and target {}; expected equal numbers of dims",
                show(&self.shape(x)),
                show(&self.shape(y)),
                show(&self.shape(target))
            )));
        }
        let c = Calc::new(self);
        let gap = c.add(c.mul(c.neg(target), c.sub(x, y)), margin);
        let loss = self.positive_part(gap)?;
        self.collapse("marginRanking", loss, reduction)
    }

    /// x where the target is 1, max(margin - x, 0) where it is -1.
    pub fn hinge_embedding_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        margin: f64,
        reduction: Reduction,
    ) -> Result<NodeId> {
        self.expect_float("hingeEmbedding", x)?;
        let c = Calc::new(self);
        let apart = c.sub(margin, x);
        let apart = c.with(|b| b.positive_part(apart));
        // As in PyTorch: each part counts wherever the target is not the other one's.
        let far = c.where_(c.ne(target, 1.0), apart, 0.0);
        let near = c.where_(c.ne(target, -1.0), x, 0.0);
        let loss = c.add(far, near)?;
        self.collapse("hingeEmbedding", loss, reduction)
    }

    /// log(1 + exp(-target · x)).
    pub fn soft_margin_loss(&mut self, x: NodeId, target: NodeId, reduction: Reduction) -> Result<NodeId> {
        let (x, target) = self.pair("softMargin", x, target)?;
        let c = Calc::new(self);
        let product = c.mul(target, x)?;
        let log = self.log_sigmoid(product)?;
        let loss = self.neg(log)?;
        self.collapse("softMargin", loss, reduction)
    }
}
