//! Activations and dropout.

use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::op::Random;
use crate::ops::calculus::{Calc, Calculus};

impl Builder<'_> {
    /// log(1 + exp(beta · x)) / beta; x itself where beta · x exceeds the threshold.
    pub fn softplus(&mut self, x: NodeId, beta: f64, threshold: f64) -> Result<NodeId> {
        self.expect_float("softplus", x)?;
        if beta == 0.0 {
            return Err(Error::Value("softplus: beta 0; expected a number other than 0".into()));
        }
        let c = Calc::new(self);
        let scaled = c.mul(x, beta)?;
        let linear = c.gt(scaled, threshold)?;
        // The curve sees 0 where it is not used, so that its overflow reaches no gradient.
        let curve = c.div(c.log1p(c.exp(c.where_(linear, 0.0, scaled))), beta);
        c.where_(linear, x, curve)
    }

    /// gelu with Φ approximated by a tanh.
    pub fn gelu_tanh(&mut self, x: NodeId) -> Result<NodeId> {
        self.expect_float("gelu", x)?;
        let c = Calc::new(self);
        let cube = c.mul(c.mul(x, x), x);
        let inner = c.mul(c.add(x, c.mul(cube, 0.044715)), (2.0 / std::f64::consts::PI).sqrt());
        c.mul(c.mul(x, 0.5), c.add(c.tanh(inner), 1.0))
    }

    /// x · sigmoid(x).
    pub fn silu(&mut self, x: NodeId) -> Result<NodeId> {
        self.expect_float("silu", x)?;
        let c = Calc::new(self);
        c.mul(x, c.sigmoid(x))
    }

    /// x where positive, else alpha · (exp(x) - 1).
    pub fn elu(&mut self, x: NodeId, alpha: f64) -> Result<NodeId> {
        self.expect_float("elu", x)?;
        let c = Calc::new(self);
        let positive = c.gt(x, 0.0)?;
        let curve = c.mul(c.expm1(c.where_(positive, 0.0, x)), alpha);
        c.where_(positive, x, curve)
    }

    /// x where positive, else slope · x.
    pub fn leaky_relu(&mut self, x: NodeId, slope: f64) -> Result<NodeId> {
        self.expect_float("leakyRelu", x)?;
        let c = Calc::new(self);
        c.where_(c.gt(x, 0.0), x, c.mul(x, slope))
    }

    /// log(sigmoid(x)), accurate on both sides.
    pub fn log_sigmoid(&mut self, x: NodeId) -> Result<NodeId> {
        self.expect_float("logSigmoid", x)?;
        let c = Calc::new(self);
        // min(x, 0) - log(1 + exp(-|x|)), with selects that give the right slope at 0.
        let negative = c.lt(x, 0.0)?;
        let size = c.where_(negative, x, c.neg(x));
        c.sub(c.where_(negative, x, 0.0), c.log1p(c.exp(size)))
    }

    /// Zeros with probability p, the others scaled by 1 / (1 - p); x itself when not training.
    pub fn dropout(&mut self, x: NodeId, p: f64, training: bool) -> Result<NodeId> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::Value(format!("dropout: p {p}; expected a probability from 0 to 1")));
        }
        let dtype = self.expect_float("dropout", x)?;
        if !training || p == 0.0 {
            return Ok(x);
        }
        if p == 1.0 {
            return self.mul(x, 0.0);
        }
        let shape = self.shape(x);
        let drawn = self.random(Random::Uniform, &shape, dtype)?;
        let c = Calc::new(self);
        c.where_(c.lt(drawn, 1.0 - p), c.mul(x, 1.0 / (1.0 - p)), 0.0)
    }
}
