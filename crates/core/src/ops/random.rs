//! Random tensors and those made of a rule: what needs no operand.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::op::Random;
use crate::ops::table::BinaryOp;

fn expect_float(op: &str, dtype: DType) -> Result<()> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(Error::DType(format!("{op}: {dtype}; expected f32 or f64. Hint: randint makes integers")))
}

impl Builder<'_> {
    /// Uniform in [0, 1).
    pub fn rand(&mut self, shape: &[usize], dtype: DType) -> Result<NodeId> {
        expect_float("rand", dtype)?;
        self.random(Random::Uniform, shape, dtype)
    }

    /// Normal with mean 0 and standard deviation 1.
    pub fn randn(&mut self, shape: &[usize], dtype: DType) -> Result<NodeId> {
        expect_float("randn", dtype)?;
        self.random(Random::Normal, shape, dtype)
    }

    /// Integers in [low, high).
    pub fn randint(&mut self, low: f64, high: f64, shape: &[usize], dtype: DType) -> Result<NodeId> {
        let fits = |v: f64| v.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&v);
        if !fits(low) || !fits(high) || low >= high {
            return Err(Error::Value(format!(
                "randint: from {low} to {high}; expected i32 numbers, low below high"
            )));
        }
        let drawn = self.random(Random::Integer { low: low as i32, high: high as i32 }, shape, DType::I32)?;
        self.cast(drawn, dtype)
    }

    /// The numbers 0 to n-1 in random order; i32.
    pub fn permutation(&mut self, n: usize) -> Result<NodeId> {
        if i32::try_from(n).is_err() {
            return Err(Error::Value(format!("randperm: {n} elements; expected at most {}", i32::MAX)));
        }
        self.random(Random::Permutation, &[n], DType::I32)
    }

    /// 1 with the probability that p gives for each element, else 0; p's shape and type, no gradient.
    pub fn bernoulli(&mut self, p: NodeId) -> Result<NodeId> {
        let dtype = self.expect_float("bernoulli", p)?;
        let shape = self.shape(p);
        let p = self.detach(p)?;
        let drawn = self.random(Random::Uniform, &shape, dtype)?;
        let hit = self.binary(BinaryOp::Lt, drawn, p)?;
        self.cast(hit, dtype)
    }

    /// start + i · step.
    pub fn arange(&mut self, start: f64, step: f64, count: usize, dtype: DType) -> Result<NodeId> {
        if dtype == DType::Bool {
            return Err(Error::DType("arange: bool; expected a number type".into()));
        }
        let index = self.iota(count)?;
        // f32 could not hold every index, so a sequence of floats is computed in f64 and rounded once.
        let wide = if dtype.is_float() { DType::F64 } else { DType::I32 };
        let index = self.cast(index, wide)?;
        let scaled = if step == 1.0 { index } else { self.mul(index, step)? };
        let moved = if start == 0.0 { scaled } else { self.add(scaled, start)? };
        self.cast(moved, dtype)
    }

    /// `count` numbers from `start` to `end`, both included.
    pub fn linspace(&mut self, start: f64, end: f64, count: usize, dtype: DType) -> Result<NodeId> {
        if count < 2 {
            return self.arange(start, 0.0, count, dtype);
        }
        let step = (end - start) / (count - 1) as f64;
        let index = self.iota(count)?;
        let wide = self.cast(index, DType::F64)?;
        // Counted from the nearer end, so that both ends are exact.
        let rise = self.mul(wide, step)?;
        let up = self.add(rise, start)?;
        let left = self.sub((count - 1) as f64, wide)?;
        let fall = self.mul(left, step)?;
        let down = self.sub(end, fall)?;
        let early = self.binary(BinaryOp::Lt, wide, (count / 2) as f64)?;
        let values = self.where_(early, up, down)?;
        self.cast(values, dtype)
    }

    /// Ones on the diagonal of a matrix of zeros.
    pub fn eye(&mut self, rows: usize, cols: usize, dtype: DType) -> Result<NodeId> {
        let mask = self.diagonal_mask(rows, cols, 0)?;
        self.cast(mask, dtype)
    }
}
