//! Reductions and what is made of them: mean, variance, norms, logSumExp, argmax.

use smallvec::{SmallVec, smallvec};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, Grads, NodeId, Type, Vjp};
use crate::op::{ArgOp, Op, ReduceOp};
use crate::ops::calculus::{Calc, Calculus, Rule};
use crate::shape::{axis, show};

/// Sorted axes of a reduction.
pub(crate) type Axes = SmallVec<[usize; 6]>;

/// Types of reduce nodes; the reduced axes stay with size 1.
pub(super) fn infer(op: &Op, x: &Type) -> Result<Type> {
    let mut shape = x.shape.clone();
    match *op {
        Op::Reduce { op: reduce, first, count } => {
            if count == 0 || first + count > shape.len() {
                return Err(Error::Internal(format!(
                    "{}: axes {first}+{count} of {}",
                    reduce.name(),
                    show(&shape)
                )));
            }
            let fits = match reduce {
                ReduceOp::Sum | ReduceOp::Prod => x.dtype.is_float() || x.dtype == DType::I32,
                ReduceOp::Max | ReduceOp::Min => x.dtype != DType::Bool,
                ReduceOp::Any | ReduceOp::All => x.dtype == DType::Bool,
            };
            if !fits {
                return Err(Error::Internal(format!(
                    "{}: operand of {} was not cast",
                    reduce.name(),
                    x.dtype
                )));
            }
            let reduced: usize = shape[first..first + count].iter().product();
            if reduced == 0
                && matches!(reduce, ReduceOp::Max | ReduceOp::Min)
                && outer_numel(x, first, count) > 0
            {
                return Err(nothing(reduce.name(), x));
            }
            shape[first..first + count].fill(1);
            Ok(Type { dtype: x.dtype, shape, weak: None })
        }
        Op::Arg { axis, .. } => {
            if axis >= shape.len() || x.dtype == DType::Bool {
                return Err(Error::Internal(format!(
                    "{}: axis {axis} of {} {}",
                    op.name(),
                    x.dtype,
                    show(&shape)
                )));
            }
            if shape[axis] == 0 && outer_numel(x, axis, 1) > 0 {
                return Err(nothing(op.name(), x));
            }
            shape[axis] = 1;
            Ok(Type { dtype: DType::I32, shape, weak: None })
        }
        _ => Err(Error::Internal(format!("{}: no reduction", op.name()))),
    }
}

fn outer_numel(x: &Type, first: usize, count: usize) -> usize {
    x.shape[..first].iter().chain(&x.shape[first + count..]).product()
}

fn nothing(op: &str, x: &Type) -> Error {
    Error::Shape(format!("{op}: {}, an axis without elements; expected at least one element", show(&x.shape)))
}

/// Backward rules of reduce nodes.
pub(super) fn vjp(op: &Op, cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    let Op::Reduce { op: reduce, first, count } = *op else { return Ok(smallvec![None]) };
    let x = cx.input_type(0);
    let grad = match reduce {
        ReduceOp::Sum => cx.b.stretch(cx.dy, &x.shape)?,
        ReduceOp::Prod => prod_rule(cx, first, count)?,
        ReduceOp::Max | ReduceOp::Min => {
            let (value, y) = (cx.input(0)?, cx.output()?);
            let dims: Axes = (first..first + count).collect();
            let rule = Rule::new(cx);
            let hit = rule.eq(value, y)?;
            let ties = rule.with(|b| {
                let hits = b.cast(hit, x.dtype)?;
                b.reduce(ReduceOp::Sum, hits, &dims)
            });
            let share = rule.div(rule.dy, ties);
            rule.where_(hit, share, 0.0)?
        }
        ReduceOp::Any | ReduceOp::All => return Ok(smallvec![None]),
    };
    Ok(smallvec![Some(grad)])
}

/// The product of the other elements, without dividing by zeros.
fn prod_rule(cx: &mut Vjp<'_, '_>, first: usize, count: usize) -> Result<NodeId> {
    let x = cx.input(0)?;
    let dtype = cx.b.dtype(x);
    let dims: Axes = (first..first + count).collect();
    let rule = Rule::new(cx);
    let zero = rule.eq(x, 0.0)?;
    let filled = rule.where_(zero, 1.0, x)?;
    let zeros = rule.cast(zero, dtype)?;
    let (product, count) = rule.with(|b| -> Result<_> {
        Ok((b.reduce(ReduceOp::Prod, filled, &dims)?, b.reduce(ReduceOp::Sum, zeros, &dims)?))
    })?;
    // Of the other elements none is 0, or the product of the others is.
    let clear = rule.eq(rule.sub(count, zeros), 0.0);
    rule.mul(rule.dy, rule.where_(clear, rule.div(product, filled), 0.0))
}

impl Builder<'_> {
    /// The sorted axes that optional dims name; absent means all.
    pub(crate) fn axes(&self, op: &str, x: NodeId, dims: Option<&[i64]>) -> Result<Axes> {
        let rank = self.rank(x);
        let Some(dims) = dims else { return Ok((0..rank).collect()) };
        let mut axes = Axes::new();
        for &dim in dims {
            let found = axis(op, dim, rank)?;
            if axes.contains(&found) {
                return Err(Error::Shape(format!("{op}: dim {dim} twice; expected each dim once")));
            }
            axes.push(found);
        }
        if rank == 0 {
            axes.clear();
        }
        axes.sort_unstable();
        Ok(axes)
    }

    /// Reduces sorted axes run by run, the last run first; they stay with size 1.
    pub(crate) fn reduce(&mut self, op: ReduceOp, x: NodeId, axes: &[usize]) -> Result<NodeId> {
        let mut out = x;
        let mut end = axes.len();
        while end > 0 {
            let mut start = end - 1;
            while start > 0 && axes[start - 1] + 1 == axes[start] {
                start -= 1;
            }
            out = self.push(Op::Reduce { op, first: axes[start], count: end - start }, &[out])?;
            end = start;
        }
        Ok(out)
    }

    /// Drops axes of size 1 unless they are kept.
    fn finish(&mut self, x: NodeId, axes: &[usize], keep_dim: bool) -> Result<NodeId> {
        if keep_dim || axes.is_empty() {
            return Ok(x);
        }
        let shape: SmallVec<[usize; 6]> = self
            .shape(x)
            .iter()
            .enumerate()
            .filter(|(a, _)| !axes.contains(a))
            .map(|(_, &size)| size)
            .collect();
        self.reshape_to(x, &shape)
    }

    fn reduced(&mut self, op: ReduceOp, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let axes = self.axes(op.name(), x, dims)?;
        let out = self.reduce(op, x, &axes)?;
        self.finish(out, &axes, keep_dim)
    }

    /// Bool and u8 are summed as i32; so are weakly typed numbers left as they are.
    fn summable(&mut self, x: NodeId) -> Result<NodeId> {
        match self.dtype(x) {
            DType::Bool | DType::U8 => self.cast(x, DType::I32),
            _ => Ok(x),
        }
    }

    pub fn sum(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let x = self.summable(x)?;
        self.reduced(ReduceOp::Sum, x, dims, keep_dim)
    }

    pub fn prod(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let x = self.summable(x)?;
        self.reduced(ReduceOp::Prod, x, dims, keep_dim)
    }

    pub fn amax(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let op = if self.dtype(x) == DType::Bool { ReduceOp::Any } else { ReduceOp::Max };
        self.reduced(op, x, dims, keep_dim)
    }

    pub fn amin(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let op = if self.dtype(x) == DType::Bool { ReduceOp::All } else { ReduceOp::Min };
        self.reduced(op, x, dims, keep_dim)
    }

    pub fn any(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let x = self.cast(x, DType::Bool)?;
        self.reduced(ReduceOp::Any, x, dims, keep_dim)
    }

    pub fn all(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let x = self.cast(x, DType::Bool)?;
        self.reduced(ReduceOp::All, x, dims, keep_dim)
    }

    fn count(&self, x: NodeId, axes: &[usize]) -> f64 {
        let ty = self.ty(x);
        axes.iter().map(|&a| ty.shape[a]).product::<usize>() as f64
    }

    /// Sum over the count of elements; NaN where there is none.
    pub fn mean(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        self.expect_float("mean", x)?;
        let axes = self.axes("mean", x, dims)?;
        let count = self.count(x, &axes);
        let sum = self.reduce(ReduceOp::Sum, x, &axes)?;
        let mean = self.div(sum, count)?;
        self.finish(mean, &axes, keep_dim)
    }

    /// Mean squared distance from the mean, divided by max(count - correction, 0).
    pub fn var(
        &mut self,
        x: NodeId,
        dims: Option<&[i64]>,
        keep_dim: bool,
        correction: f64,
    ) -> Result<NodeId> {
        self.expect_float("var", x)?;
        let axes = self.axes("var", x, dims)?;
        let count = self.count(x, &axes);
        let sum = self.reduce(ReduceOp::Sum, x, &axes)?;
        let mean = self.div(sum, count)?;
        let distance = self.sub(x, mean)?;
        let square = self.mul(distance, distance)?;
        let total = self.reduce(ReduceOp::Sum, square, &axes)?;
        let var = self.div(total, (count - correction).max(0.0))?;
        self.finish(var, &axes, keep_dim)
    }

    pub fn std(
        &mut self,
        x: NodeId,
        dims: Option<&[i64]>,
        keep_dim: bool,
        correction: f64,
    ) -> Result<NodeId> {
        self.expect_float("std", x)?;
        let var = self.var(x, dims, keep_dim, correction)?;
        self.safe_sqrt(var)
    }

    /// Square root whose gradient at 0 is 0.
    pub(crate) fn safe_sqrt(&mut self, x: NodeId) -> Result<NodeId> {
        // The root of 0 is taken of a constant, so that its infinite slope never meets a zero.
        let c = Calc::new(self);
        let zero = c.eq(x, 0.0)?;
        c.where_(zero, 0.0, c.sqrt(c.where_(zero, 1.0, x)))
    }

    /// log Σ exp(x), shifted by the maximum.
    pub fn log_sum_exp(&mut self, x: NodeId, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let x = if self.dtype(x).is_float() { x } else { self.cast(x, DType::F32)? };
        let axes = self.axes("logSumExp", x, dims)?;
        let empty = self.count(x, &axes) == 0.0;
        let out = if empty {
            let e = self.unary(crate::ops::table::UnaryOp::Exp, x)?;
            let sum = self.reduce(ReduceOp::Sum, e, &axes)?;
            self.unary(crate::ops::table::UnaryOp::Log, sum)?
        } else {
            let held = self.detach(x)?;
            let top = self.reduce(ReduceOp::Max, held, &axes)?;
            let c = Calc::new(self);
            // An infinite maximum is no shift: ∞ - ∞ would be NaN.
            let finite = c.lt(c.abs(top), f64::INFINITY);
            let shift = c.where_(finite, top, 0.0)?;
            let e = c.exp(c.sub(x, shift))?;
            let sum = c.with(|b| b.reduce(ReduceOp::Sum, e, &axes));
            c.add(c.log(sum), shift)?
        };
        self.finish(out, &axes, keep_dim)
    }

    /// The p-norm over axes: (Σ |x|ᵖ)^(1/p); p = 0 counts what is not 0, ±∞ is the largest or smallest |x|.
    pub fn norm(&mut self, x: NodeId, p: f64, dims: Option<&[i64]>, keep_dim: bool) -> Result<NodeId> {
        let dtype = self.expect_float("norm", x)?;
        if p.is_nan() {
            return Err(Error::Value("norm: p is NaN; expected a number or ±Infinity".into()));
        }
        let axes = self.axes("norm", x, dims)?;
        let c = Calc::new(self);
        let reduce = |op, x: Result<NodeId>| {
            let x = x?;
            c.with(|b| b.reduce(op, x, &axes))
        };
        let out = if p == 0.0 {
            // A count has gradient 0, which the product carries.
            reduce(ReduceOp::Sum, c.where_(c.ne(x, 0.0), 1.0, c.mul(x, 0.0)))?
        } else if p == f64::INFINITY {
            reduce(ReduceOp::Max, c.abs(x))?
        } else if p == f64::NEG_INFINITY {
            reduce(ReduceOp::Min, c.abs(x))?
        } else if p == 1.0 {
            reduce(ReduceOp::Sum, c.abs(x))?
        } else if p == 2.0 {
            let sum = reduce(ReduceOp::Sum, c.mul(x, x))?;
            c.with(|b| b.safe_sqrt(sum))?
        } else {
            // Where |x| is 0 its power has slope ∞ (p < 1) or the whole norm is 0: both give gradient 0.
            let size = c.abs(x)?;
            let zero = c.eq(size, 0.0)?;
            let held =
                c.where_(zero, c.pow(c.cast(c.detach(size), dtype), p), c.pow(c.where_(zero, 1.0, size), p));
            let sum = reduce(ReduceOp::Sum, held)?;
            let none = c.eq(sum, 0.0)?;
            c.where_(none, c.pow(c.detach(sum), 1.0 / p), c.pow(c.where_(none, 1.0, sum), 1.0 / p))?
        };
        self.finish(out, &axes, keep_dim)
    }

    /// Index of the largest (smallest) element along a dim, or in the flattened tensor; i32.
    pub fn arg(&mut self, op: ArgOp, x: NodeId, dim: Option<i64>, keep_dim: bool) -> Result<NodeId> {
        let name = Op::Arg { op, axis: 0 }.name();
        let x = if self.dtype(x) == DType::Bool { self.cast(x, DType::U8)? } else { x };
        let rank = self.rank(x);
        if rank == 0 {
            if let Some(dim) = dim {
                axis(name, dim, 0)?;
            }
            return self.full(&[], 0.0, DType::I32);
        }
        let Some(dim) = dim else {
            let count = self.ty(x).numel();
            let flat = self.reshape_to(x, &[count])?;
            let index = self.push(Op::Arg { op, axis: 0 }, &[flat])?;
            let shape: Axes = if keep_dim { smallvec![1; rank] } else { Axes::new() };
            return self.reshape_to(index, &shape);
        };
        let at = axis(name, dim, rank)?;
        let index = self.push(Op::Arg { op, axis: at }, &[x])?;
        self.finish(index, &[at], keep_dim)
    }
}
