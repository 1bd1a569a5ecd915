//! Views: the same elements under other axes.

use smallvec::smallvec;

use crate::error::{Error, Result};
use crate::graph::{Builder, Grads, NodeId, Type, Vjp};
use crate::op::{Op, ViewOp};
use crate::ops::reduce::Axes;
use crate::shape::{Dims, View, axis, broadcast, numel, show};

/// Types of view nodes.
pub(super) fn infer(view: &ViewOp, x: &Type) -> Result<Type> {
    let shape = match view {
        ViewOp::Alias | ViewOp::Detach => x.shape.clone(),
        ViewOp::Reshape(shape) => {
            if numel(shape) != numel(&x.shape) {
                return Err(Error::Shape(format!(
                    "reshape: {} ({} elements) to {} ({} elements); expected the same number. \
                     Hint: -1 stands for the size that fits",
                    show(&x.shape),
                    numel(&x.shape),
                    show(shape),
                    numel(shape)
                )));
            }
            shape.clone()
        }
        ViewOp::Permute(order) => {
            let mut seen: Axes = order.as_slice().into();
            seen.sort_unstable();
            if !seen.iter().copied().eq(0..x.shape.len()) {
                return Err(Error::Shape(format!(
                    "permute: {} by {}; expected each of its {} dims once",
                    show(&x.shape),
                    show(order),
                    x.shape.len()
                )));
            }
            order.iter().map(|&a| x.shape[a]).collect()
        }
        ViewOp::Expand(shape) => {
            if shape.len() < x.shape.len() || broadcast("expand", &x.shape, shape)? != *shape {
                return Err(Error::Shape(format!(
                    "expand: {} to {}; expected sizes that are equal or 1 before. Hint: unsqueeze where a dim is missing",
                    show(&x.shape),
                    show(shape)
                )));
            }
            shape.clone()
        }
        ViewOp::Slice { axis, start, len, step } => {
            let size = *x.shape.get(*axis).ok_or_else(|| outside("slice", *axis, x))?;
            if *step == 0 || (*len > 0 && start + (len - 1) * step >= size) || start > &size {
                return Err(Error::Index(format!(
                    "slice: {len} elements from {start} by {step}; expected them within the size {size} of dim {axis}"
                )));
            }
            let mut shape = x.shape.clone();
            shape[*axis] = *len;
            shape
        }
        ViewOp::Flip { axis } => {
            if *axis >= x.shape.len() {
                return Err(outside("flip", *axis, x));
            }
            x.shape.clone()
        }
        ViewOp::Diagonal { offset, first, second } => {
            if first == second || *first.max(second) >= x.shape.len() {
                return Err(outside("diagonal", *first.max(second), x));
            }
            View::contiguous(&x.shape).diagonal(*offset, *first, *second).shape
        }
        ViewOp::Place(view) => view.shape.clone(),
    };
    let weak = if matches!(view, ViewOp::Place(_)) { None } else { x.weak };
    Ok(Type { dtype: x.dtype, shape, weak })
}

fn outside(op: &str, axis: usize, x: &Type) -> Error {
    Error::Internal(format!("{op}: axis {axis} of {}", show(&x.shape)))
}

/// Backward rules of view nodes.
pub(super) fn vjp(view: &ViewOp, cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    let x = cx.input_type(0);
    let dy = cx.dy;
    let grad = match view {
        ViewOp::Detach | ViewOp::Place(_) => return Ok(smallvec![None]),
        ViewOp::Alias => dy,
        ViewOp::Reshape(_) => cx.b.reshape_to(dy, &x.shape)?,
        ViewOp::Permute(order) => {
            let mut back: Dims = smallvec![0; order.len()];
            for (to, &from) in order.iter().enumerate() {
                back[from] = to;
            }
            cx.b.permute_to(dy, &back)?
        }
        ViewOp::Expand(shape) => {
            let lead = shape.len() - x.shape.len();
            let axes: Axes =
                (0..shape.len()).filter(|&a| a < lead || x.shape[a - lead] != shape[a]).collect();
            let sum = cx.b.reduce(crate::op::ReduceOp::Sum, dy, &axes)?;
            cx.b.reshape_to(sum, &x.shape)?
        }
        ViewOp::Slice { axis, start, len, step } => slice_rule(cx.b, dy, &x, *axis, *start, *len, *step)?,
        ViewOp::Flip { axis } => cx.b.push(Op::View(ViewOp::Flip { axis: *axis }), &[dy])?,
        ViewOp::Diagonal { offset, first, second } => diagonal_rule(cx.b, dy, &x, *offset, *first, *second)?,
    };
    Ok(smallvec![Some(grad)])
}

/// Puts the gradient of a slice back between zeros; with a step, `step - 1` zeros follow each element.
fn slice_rule(
    b: &mut Builder<'_>,
    dy: NodeId,
    x: &Type,
    axis: usize,
    start: usize,
    len: usize,
    step: usize,
) -> Result<NodeId> {
    let mut spread = dy;
    // One element has no neighbour to be apart from, however large the step.
    if step > 1 && len > 1 {
        let mut shape = b.shape(dy);
        shape.insert(axis + 1, 1);
        spread = b.reshape_to(spread, &shape)?;
        spread = b.pad_axis(spread, axis + 1, 0, step - 1)?;
        shape.remove(axis + 1);
        shape[axis] = len * step;
        spread = b.reshape_to(spread, &shape)?;
        let used = (len * step).min(x.shape[axis] - start);
        spread = b.cut(spread, axis, 0, used)?;
    }
    let covered = b.ty(spread).shape[axis];
    b.pad_axis(spread, axis, start, x.shape[axis] - start - covered)
}

/// Puts the gradient of a diagonal back between zeros.
fn diagonal_rule(
    b: &mut Builder<'_>,
    dy: NodeId,
    x: &Type,
    offset: i64,
    first: usize,
    second: usize,
) -> Result<NodeId> {
    let rank = x.shape.len();
    let (rows, cols) = (x.shape[first], x.shape[second]);
    let last = rank - 2;
    let len = b.ty(dy).shape[last];
    // Element t lies in row t (offset ≥ 0) or in column t (offset < 0): spread it over that line, keep the diagonal.
    let (at, lines) = if offset >= 0 { (last + 1, rows) } else { (last, cols) };
    let line = b.pad_axis(dy, last, 0, lines - len)?;
    let line = b.unsqueeze(line, at as i64)?;
    let mask = b.diagonal_mask(rows, cols, offset)?;
    let full = b.where_(mask, line, 0.0)?;
    let mut order: Dims = smallvec![0; rank];
    let mut others = 0..last;
    for (a, slot) in order.iter_mut().enumerate() {
        *slot = if a == first {
            last
        } else if a == second {
            last + 1
        } else {
            others.next().unwrap_or(0)
        };
    }
    b.permute_to(full, &order)
}

impl Builder<'_> {
    /// The same elements under a shape of the same number of elements.
    pub(crate) fn reshape_to(&mut self, x: NodeId, shape: &[usize]) -> Result<NodeId> {
        if self.ty(x).shape.as_slice() == shape {
            return Ok(x);
        }
        self.push(Op::View(ViewOp::Reshape(shape.into())), &[x])
    }

    pub(crate) fn permute_to(&mut self, x: NodeId, order: &[usize]) -> Result<NodeId> {
        if order.iter().copied().eq(0..order.len()) && order.len() == self.rank(x) {
            return Ok(x);
        }
        self.push(Op::View(ViewOp::Permute(order.into())), &[x])
    }

    /// `len` elements from `start` along an axis.
    pub(crate) fn cut(&mut self, x: NodeId, axis: usize, start: usize, len: usize) -> Result<NodeId> {
        if start == 0 && len == self.ty(x).shape[axis] {
            return Ok(x);
        }
        self.push(Op::View(ViewOp::Slice { axis, start, len, step: 1 }), &[x])
    }

    /// The same value without a history.
    pub fn detach(&mut self, x: NodeId) -> Result<NodeId> {
        self.push(Op::View(ViewOp::Detach), &[x])
    }

    /// A copy of the values in memory of its own; the gradient passes.
    pub fn copy(&mut self, x: NodeId) -> Result<NodeId> {
        let dtype = self.dtype(x);
        self.push(Op::Cast(dtype), &[x])
    }

    /// Another shape for the same elements; one size may be -1.
    pub fn reshape(&mut self, x: NodeId, sizes: &[i64]) -> Result<NodeId> {
        let given = self.shape(x);
        let bad = |why: &str| {
            Err(Error::Shape(format!(
                "reshape: {} to {sizes:?}; {why}. Hint: one size may be -1",
                show(&given)
            )))
        };
        if sizes.iter().any(|&s| s < -1) || sizes.iter().filter(|&&s| s == -1).count() > 1 {
            return bad("expected sizes of at least 0");
        }
        let known = sizes.iter().filter(|&&s| s >= 0).fold(1, |n: usize, &s| n.saturating_mul(s as usize));
        let total = numel(&given);
        let mut shape = Dims::new();
        for &size in sizes {
            if size >= 0 {
                shape.push(size as usize);
            } else if known == 0 || !total.is_multiple_of(known) {
                return bad(&format!("{total} elements do not divide by {known}"));
            } else {
                shape.push(total / known);
            }
        }
        self.reshape_to(x, &shape)
    }

    /// Axes in another order.
    pub fn permute(&mut self, x: NodeId, dims: &[i64]) -> Result<NodeId> {
        let rank = self.rank(x);
        if dims.len() != rank {
            return Err(Error::Shape(format!(
                "permute: {} by {dims:?}; expected each of its {rank} dims once",
                show(&self.shape(x))
            )));
        }
        let order = dims.iter().map(|&d| axis("permute", d, rank)).collect::<Result<Dims>>()?;
        self.permute_to(x, &order)
    }

    /// Two axes swapped.
    pub fn transpose(&mut self, x: NodeId, first: i64, second: i64) -> Result<NodeId> {
        let rank = self.rank(x);
        let (first, second) = (axis("transpose", first, rank)?, axis("transpose", second, rank)?);
        let mut order: Dims = (0..rank).collect();
        if rank > 0 {
            order.swap(first, second);
        }
        self.permute_to(x, &order)
    }

    /// Axes of size 1 stretched, new ones in front; -1 keeps a size.
    pub fn expand(&mut self, x: NodeId, sizes: &[i64]) -> Result<NodeId> {
        let given = self.shape(x);
        let lead = sizes.len().checked_sub(given.len()).ok_or_else(|| {
            Error::Shape(format!(
                "expand: {} to {sizes:?}; expected at least {} sizes",
                show(&given),
                given.len()
            ))
        })?;
        let mut shape = Dims::new();
        for (a, &size) in sizes.iter().enumerate() {
            match usize::try_from(size) {
                Ok(size) => shape.push(size),
                Err(_) if size == -1 && a >= lead => shape.push(given[a - lead]),
                Err(_) => {
                    return Err(Error::Shape(format!(
                        "expand: {} to {sizes:?}; expected sizes of at least 0, or -1 where the size stays",
                        show(&given)
                    )));
                }
            }
        }
        self.stretch(x, &shape)
    }

    /// Drops axes of size 1: all of them, or those named that have it.
    pub fn squeeze(&mut self, x: NodeId, dims: Option<&[i64]>) -> Result<NodeId> {
        let given = self.shape(x);
        let axes = self.axes("squeeze", x, dims)?;
        let shape: Dims =
            (0..given.len()).filter(|a| !(axes.contains(a) && given[*a] == 1)).map(|a| given[a]).collect();
        self.reshape_to(x, &shape)
    }

    /// A new axis of size 1.
    pub fn unsqueeze(&mut self, x: NodeId, dim: i64) -> Result<NodeId> {
        let mut shape = self.shape(x);
        let at = axis("unsqueeze", dim, shape.len() + 1)?;
        shape.insert(at, 1);
        self.reshape_to(x, &shape)
    }

    /// Elements `start..end` by `step` along a dim, with Python's rules; a negative step walks backwards.
    pub fn slice(
        &mut self,
        x: NodeId,
        dim: i64,
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    ) -> Result<NodeId> {
        let axis = self.existing("slice", x, dim)?;
        if step == 0 {
            return Err(Error::Value("slice: step 0; expected a step other than 0".into()));
        }
        let size = self.ty(x).shape[axis] as i64;
        let wrap = |i: i64| if i < 0 { i + size } else { i };
        if step > 0 {
            let start = wrap(start.unwrap_or(0)).clamp(0, size);
            let end = wrap(end.unwrap_or(size)).clamp(start, size);
            return self.stride(x, axis, start, end - start, step);
        }
        // The reversed axis counts from the end: index i becomes size - 1 - i.
        let start = start.map_or(size - 1, wrap).clamp(-1, size - 1);
        let end = end.map_or(-1, |e| wrap(e).clamp(-1, size - 1)).min(start);
        let flipped = self.push(Op::View(ViewOp::Flip { axis }), &[x])?;
        self.stride(flipped, axis, size - 1 - start, start - end, -step)
    }

    fn stride(&mut self, x: NodeId, axis: usize, start: i64, span: i64, step: i64) -> Result<NodeId> {
        let len = (span as usize).div_ceil(step as usize);
        if step == 1 {
            return self.cut(x, axis, start as usize, len);
        }
        self.push(Op::View(ViewOp::Slice { axis, start: start as usize, len, step: step as usize }), &[x])
    }

    /// An axis of a tensor that has at least one.
    pub(crate) fn existing(&self, op: &str, x: NodeId, dim: i64) -> Result<usize> {
        let rank = self.rank(x);
        if rank == 0 {
            return Err(Error::Shape(format!(
                "{op}: a 0-d tensor; expected at least one dim. Hint: unsqueeze(0)"
            )));
        }
        axis(op, dim, rank)
    }

    /// `len` elements from `start`; start may count from the end.
    pub fn narrow(&mut self, x: NodeId, dim: i64, start: i64, len: i64) -> Result<NodeId> {
        let axis = self.existing("narrow", x, dim)?;
        let size = self.ty(x).shape[axis] as i64;
        let first = if start < 0 { start + size } else { start };
        if first < 0 || len < 0 || first + len > size {
            return Err(Error::Index(format!(
                "narrow: {len} elements from {start}; expected them within the size {size} of dim {dim}"
            )));
        }
        self.cut(x, axis, first as usize, len as usize)
    }

    /// One index of a dim, which vanishes.
    pub fn select(&mut self, x: NodeId, dim: i64, index: i64) -> Result<NodeId> {
        let axis = self.existing("select", x, dim)?;
        let size = self.ty(x).shape[axis] as i64;
        let at = if index < 0 { index + size } else { index };
        if !(0..size).contains(&at) {
            return Err(Error::Index(format!(
                "select: index {index} of dim {dim} with size {size}; expected {} to {}",
                -size,
                size - 1
            )));
        }
        let part = self.cut(x, axis, at as usize, 1)?;
        let mut shape = self.shape(part);
        shape.remove(axis);
        self.reshape_to(part, &shape)
    }

    /// Dims walked backwards.
    pub fn flip(&mut self, x: NodeId, dims: &[i64]) -> Result<NodeId> {
        let axes = self.axes("flip", x, Some(dims))?;
        let mut out = x;
        for axis in axes {
            out = self.push(Op::View(ViewOp::Flip { axis }), &[out])?;
        }
        Ok(out)
    }

    /// Dims from `start` to `end` merged into one.
    pub fn flatten(&mut self, x: NodeId, start: i64, end: i64) -> Result<NodeId> {
        let given = self.shape(x);
        let (start, end) = (axis("flatten", start, given.len())?, axis("flatten", end, given.len())?);
        if given.is_empty() {
            return self.reshape_to(x, &[1]);
        }
        if start > end {
            return Err(Error::Shape(format!(
                "flatten: dims {start} to {end} of {}; expected the first not to come after the last",
                show(&given)
            )));
        }
        let mut shape: Dims = given[..start].into();
        shape.push(given[start..=end].iter().product());
        shape.extend_from_slice(&given[end + 1..]);
        self.reshape_to(x, &shape)
    }

    /// The diagonal of two dims as the last dim.
    pub fn diagonal(&mut self, x: NodeId, offset: i64, first: i64, second: i64) -> Result<NodeId> {
        let rank = self.rank(x);
        if rank < 2 {
            return Err(Error::Shape(format!(
                "diagonal: {}; expected at least two dims",
                show(&self.shape(x))
            )));
        }
        let (a, b) = (axis("diagonal", first, rank)?, axis("diagonal", second, rank)?);
        if a == b {
            return Err(Error::Shape(format!("diagonal: dim {first} twice; expected two different dims")));
        }
        self.push(Op::View(ViewOp::Diagonal { offset, first: a, second: b }), &[x])
    }
}
