//! Ops that put tensors together or cut their borders: concat, stack, pad, triangles.

use smallvec::{SmallVec, smallvec};

use crate::dtype::{DType, Kind, promote};
use crate::error::{Error, Result};
use crate::graph::{Builder, Grads, NodeId, Type, Vjp};
use crate::op::Op;
use crate::shape::{Dims, axis, show};

/// Types of concat and pad nodes.
pub(super) fn infer(op: &Op, inputs: &[&Type]) -> Result<Type> {
    match (op, inputs) {
        (Op::Concat { axis }, [first, rest @ ..]) => {
            let mut shape = first.shape.clone();
            for ty in rest {
                let fits = ty.shape.len() == shape.len()
                    && (0..shape.len()).all(|a| a == *axis || ty.shape[a] == shape[a]);
                if !fits {
                    return Err(Error::Shape(format!(
                        "concat: {} and {}; expected equal sizes except in dim {axis}",
                        show(&first.shape),
                        show(&ty.shape)
                    )));
                }
                if ty.dtype != first.dtype {
                    return Err(Error::Internal("concat: operands were not cast".into()));
                }
                shape[*axis] += ty.shape[*axis];
            }
            Ok(Type { dtype: first.dtype, shape, weak: None })
        }
        (Op::Pad { before, after }, [x, value]) => {
            if before.len() != x.shape.len() || after.len() != x.shape.len() || value.dtype != x.dtype {
                return Err(Error::Internal(format!("pad: {} around {}", show(before), show(&x.shape))));
            }
            let shape = x.shape.iter().zip(before).zip(after).map(|((n, b), a)| n + b + a).collect();
            Ok(Type { dtype: x.dtype, shape, weak: None })
        }
        _ => Err(Error::Internal(format!("{}: {} operands", op.name(), inputs.len()))),
    }
}

/// Backward rules of concat and pad.
pub(super) fn vjp(op: &Op, cx: &mut Vjp<'_, '_>, inputs: usize) -> Result<Grads> {
    let dy = cx.dy;
    match op {
        Op::Concat { axis } => {
            let mut grads = Grads::new();
            let mut start = 0;
            for index in 0..inputs {
                let len = cx.input_type(index).shape[*axis];
                grads.push(if cx.needs(index) { Some(cx.b.cut(dy, *axis, start, len)?) } else { None });
                start += len;
            }
            Ok(grads)
        }
        Op::Pad { before, .. } => {
            let shape = cx.input_type(0).shape;
            let mut inner = dy;
            for (axis, &size) in shape.iter().enumerate() {
                inner = cx.b.cut(inner, axis, before[axis], size)?;
            }
            let value = if cx.needs(1) {
                let whole = cx.b.sum(dy, None, false)?;
                let part = cx.b.sum(inner, None, false)?;
                Some(cx.b.sub(whole, part)?)
            } else {
                None
            };
            Ok(smallvec![Some(inner), value])
        }
        _ => Err(Error::Internal(format!("{}: no join", op.name()))),
    }
}

impl Builder<'_> {
    /// The element type that several tensors promote to.
    pub(crate) fn common_dtype(&self, nodes: &[NodeId]) -> DType {
        let mut kind: Option<Kind> = None;
        for &node in nodes {
            let next = self.ty(node).kind();
            kind = Some(match kind {
                None => next,
                Some(have) => Kind { dtype: promote(have, next), weak: have.weak.and(next.weak) },
            });
        }
        kind.map_or(DType::F32, |k| k.dtype)
    }

    /// Tensors one after the other along a dim; mixed element types promote.
    pub fn concat(&mut self, xs: &[NodeId], dim: i64) -> Result<NodeId> {
        let Some(&first) = xs.first() else {
            return Err(Error::Value("concat: no tensors; expected at least one".into()));
        };
        let axis = self.existing("concat", first, dim)?;
        let dtype = self.common_dtype(xs);
        let xs: SmallVec<[NodeId; 4]> = xs.iter().map(|&x| self.cast(x, dtype)).collect::<Result<_>>()?;
        if let [only] = xs.as_slice() {
            return Ok(*only);
        }
        self.push(Op::Concat { axis }, &xs)
    }

    /// Tensors of one shape side by side along a new dim.
    pub fn stack(&mut self, xs: &[NodeId], dim: i64) -> Result<NodeId> {
        let Some(&first) = xs.first() else {
            return Err(Error::Value("stack: no tensors; expected at least one".into()));
        };
        let shape = self.shape(first);
        let at = axis("stack", dim, shape.len() + 1)?;
        let mut rows: SmallVec<[NodeId; 4]> = SmallVec::new();
        for &x in xs {
            if self.ty(x).shape != shape {
                return Err(Error::Shape(format!(
                    "stack: {} and {}; expected equal shapes. Hint: concat joins along a dim that exists",
                    show(&shape),
                    show(&self.shape(x))
                )));
            }
            rows.push(self.unsqueeze(x, at as i64)?);
        }
        self.concat(&rows, at as i64)
    }

    /// Zeros before and after one axis.
    pub(crate) fn pad_axis(&mut self, x: NodeId, axis: usize, before: usize, after: usize) -> Result<NodeId> {
        if before == 0 && after == 0 {
            return Ok(x);
        }
        let rank = self.rank(x);
        let (mut front, mut back): (Dims, Dims) = (smallvec![0; rank], smallvec![0; rank]);
        front[axis] = before;
        back[axis] = after;
        let zero = self.constant(0.0, self.dtype(x))?;
        self.push(Op::Pad { before: front, after: back }, &[x, zero])
    }

    /// A border of `value`: `pads` are (before, after) pairs from the last dim on, negative ones cut off.
    pub fn pad(&mut self, x: NodeId, pads: &[i64], value: f64) -> Result<NodeId> {
        let shape = self.shape(x);
        let rank = shape.len();
        if !pads.len().is_multiple_of(2) || pads.len() / 2 > rank {
            return Err(Error::Shape(format!(
                "pad: {} numbers around {}; expected a pair for each of at most {rank} dims",
                pads.len(),
                show(&shape)
            )));
        }
        let (mut before, mut after): (Dims, Dims) = (smallvec![0; rank], smallvec![0; rank]);
        let mut out = x;
        for (back, pair) in pads.chunks_exact(2).enumerate() {
            let axis = rank - 1 - back;
            let size = shape[axis] as i64;
            let (cut_front, cut_back) = ((-pair[0]).max(0), (-pair[1]).max(0));
            if cut_front + cut_back > size {
                return Err(Error::Shape(format!(
                    "pad: {pair:?} around size {size}; expected not to cut off more than there is"
                )));
            }
            out = self.cut(out, axis, cut_front as usize, (size - cut_front - cut_back) as usize)?;
            before[axis] = pair[0].max(0) as usize;
            after[axis] = pair[1].max(0) as usize;
        }
        if before.iter().chain(&after).all(|&n| n == 0) {
            return Ok(out);
        }
        let dtype = self.dtype(x);
        let number = self.number(value)?;
        let value = self.cast(number, dtype)?;
        self.push(Op::Pad { before, after }, &[out, value])
    }

    /// column - row of a matrix as i32 [rows, cols].
    fn band(&mut self, rows: usize, cols: usize) -> Result<NodeId> {
        let row = self.iota(rows)?;
        let row = self.unsqueeze(row, 1)?;
        let col = self.iota(cols)?;
        self.sub(col, row)
    }

    /// Where column - row equals `offset`; bool [rows, cols].
    pub(crate) fn diagonal_mask(&mut self, rows: usize, cols: usize, offset: i64) -> Result<NodeId> {
        let band = self.band(rows, cols)?;
        self.binary(crate::ops::table::BinaryOp::Eq, band, offset as f64)
    }

    fn triangle(
        &mut self,
        op: &str,
        x: NodeId,
        keep: crate::ops::table::BinaryOp,
        diagonal: i64,
    ) -> Result<NodeId> {
        let shape = self.shape(x);
        let [.., rows, cols] = shape.as_slice() else {
            return Err(Error::Shape(format!("{op}: {}; expected at least two dims", show(&shape))));
        };
        let band = self.band(*rows, *cols)?;
        let mask = self.binary(keep, band, diagonal as f64)?;
        self.where_(mask, x, 0.0)
    }

    /// Zeros above a diagonal of the last two dims.
    pub fn tril(&mut self, x: NodeId, diagonal: i64) -> Result<NodeId> {
        self.triangle("tril", x, crate::ops::table::BinaryOp::Le, diagonal)
    }

    /// Zeros below a diagonal of the last two dims.
    pub fn triu(&mut self, x: NodeId, diagonal: i64) -> Result<NodeId> {
        self.triangle("triu", x, crate::ops::table::BinaryOp::Ge, diagonal)
    }
}
