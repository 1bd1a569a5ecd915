//! Reading and adding at computed places.

use smallvec::smallvec;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, Grads, NodeId, Type, Vjp};
use crate::op::Op;
use crate::ops::calculus::{Calc, Calculus};
use crate::shape::{Dims, axis, broadcast, show};

/// Types of gather, indexSelect, scatterAdd and indexAdd nodes.
pub(super) fn infer(op: &Op, inputs: &[&Type]) -> Result<Type> {
    let fail = |why: String| Err(Error::Shape(format!("{}: {why}", op.name())));
    let [x, index, rest @ ..] = inputs else {
        return Err(Error::Internal(format!("{}: {} operands", op.name(), inputs.len())));
    };
    if index.dtype != DType::I32 {
        return Err(Error::Internal(format!("{}: index of {}", op.name(), index.dtype)));
    }
    if !rest.is_empty() && x.dtype == DType::Bool {
        return Err(Error::DType(format!(
            "{}: a tensor of bool; expected numbers, which can be added. Hint: cast('i32')",
            op.name()
        )));
    }
    match (op, rest) {
        (Op::Gather { axis }, []) | (Op::ScatterAdd { axis }, [_]) => {
            let fits = index.shape.len() == x.shape.len()
                && (0..x.shape.len()).all(|a| a == *axis || index.shape[a] <= x.shape[a]);
            if !fits {
                return fail(format!(
                    "index {} into {}; expected as many dims, none larger except dim {axis}. \
                     Hint: takeAlongDim broadcasts",
                    show(&index.shape),
                    show(&x.shape)
                ));
            }
            let Some(source) = rest.first() else { return Ok(Type::new(x.dtype, &index.shape)) };
            if source.shape != index.shape {
                return fail(format!(
                    "source {}; expected the index's shape {}",
                    show(&source.shape),
                    show(&index.shape)
                ));
            }
            Ok(Type::new(x.dtype, &x.shape))
        }
        (Op::IndexSelect { axis }, []) | (Op::IndexAdd { axis }, [_]) => {
            if index.shape.len() != 1 {
                return fail(format!("index {}; expected one dim", show(&index.shape)));
            }
            let mut shape = x.shape.clone();
            shape[*axis] = index.shape[0];
            let Some(source) = rest.first() else { return Ok(Type::new(x.dtype, &shape)) };
            if source.shape != shape {
                return fail(format!(
                    "source {} added to {} at {} places of dim {axis}; expected {}",
                    show(&source.shape),
                    show(&x.shape),
                    index.shape[0],
                    show(&shape)
                ));
            }
            Ok(Type::new(x.dtype, &x.shape))
        }
        _ => Err(Error::Internal(format!("{}: {} operands", op.name(), inputs.len()))),
    }
}

/// Backward rules: reading and adding are each other's transpose.
pub(super) fn vjp(op: &Op, cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    let index = cx.input(1)?;
    let dy = cx.dy;
    let x = cx.input_type(0);
    match *op {
        Op::Gather { axis } => {
            let zeros = cx.b.full(&x.shape, 0.0, x.dtype)?;
            Ok(smallvec![Some(cx.b.push(Op::ScatterAdd { axis }, &[zeros, index, dy])?), None])
        }
        Op::IndexSelect { axis } => {
            let zeros = cx.b.full(&x.shape, 0.0, x.dtype)?;
            Ok(smallvec![Some(cx.b.push(Op::IndexAdd { axis }, &[zeros, index, dy])?), None])
        }
        Op::ScatterAdd { axis } => {
            let source = if cx.needs(2) { Some(cx.b.push(Op::Gather { axis }, &[dy, index])?) } else { None };
            Ok(smallvec![Some(dy), None, source])
        }
        Op::IndexAdd { axis } => {
            let source =
                if cx.needs(2) { Some(cx.b.push(Op::IndexSelect { axis }, &[dy, index])?) } else { None };
            Ok(smallvec![Some(dy), None, source])
        }
        _ => Err(Error::Internal(format!("{}: no indexing", op.name()))),
    }
}

impl Builder<'_> {
    /// An index operand as i32.
    pub(crate) fn index_operand(&mut self, op: &str, index: NodeId) -> Result<NodeId> {
        match self.dtype(index) {
            DType::I32 => Ok(index),
            DType::U8 => self.cast(index, DType::I32),
            other => {
                Err(Error::DType(format!("{op}: index of {other}; expected i32 or u8. Hint: cast('i32')")))
            }
        }
    }

    /// A 0-d tensor as one of size 1, so that it has a dim to index.
    fn at_least_1d(&mut self, x: NodeId) -> Result<NodeId> {
        if self.rank(x) == 0 { self.reshape_to(x, &[1]) } else { Ok(x) }
    }

    /// Elements of x at the places that index names along a dim.
    pub fn gather(&mut self, x: NodeId, dim: i64, index: NodeId) -> Result<NodeId> {
        let axis = axis("gather", dim, self.rank(x))?;
        let index = self.index_operand("gather", index)?;
        if self.ty(index).numel() == 0 {
            // Nothing is read, so the shapes need not fit.
            let flat = self.reshape(x, &[-1])?;
            let none = self.cut(flat, 0, 0, 0)?;
            return self.reshape_to(none, &self.shape(index));
        }
        if self.rank(x) == 0 {
            let shape = self.shape(index);
            let (row, place) = (self.at_least_1d(x)?, self.at_least_1d(index)?);
            let out = self.push(Op::Gather { axis }, &[row, place])?;
            return self.reshape_to(out, &shape);
        }
        self.push(Op::Gather { axis }, &[x, index])
    }

    /// Slices of x at the indices of a 1-d tensor.
    pub fn index_select(&mut self, x: NodeId, dim: i64, index: NodeId) -> Result<NodeId> {
        let axis = axis("indexSelect", dim, self.rank(x))?;
        let index = self.index_operand("indexSelect", index)?;
        let index = self.at_least_1d(index)?;
        if self.rank(x) > 0 {
            return self.push(Op::IndexSelect { axis }, &[x, index]);
        }
        let row = self.at_least_1d(x)?;
        let out = self.push(Op::IndexSelect { axis }, &[row, index])?;
        self.reshape(out, &[])
    }

    fn same_type(&self, op: &str, x: NodeId, source: NodeId) -> Result<()> {
        let (a, b) = (self.dtype(x), self.dtype(source));
        if a == b {
            return Ok(());
        }
        Err(Error::DType(format!("{op}: {b} added to {a}; expected the same type. Hint: cast('{a}')")))
    }

    /// x with source added at the places that index names along a dim; source may be larger than index.
    pub fn scatter_add(&mut self, x: NodeId, dim: i64, index: NodeId, source: NodeId) -> Result<NodeId> {
        let axis = axis("scatterAdd", dim, self.rank(x))?;
        self.same_type("scatterAdd", x, source)?;
        let index = self.index_operand("scatterAdd", index)?;
        if self.rank(x) == 0 {
            let (row, index, source) =
                (self.at_least_1d(x)?, self.at_least_1d(index)?, self.at_least_1d(source)?);
            let out = self.scatter_add(row, 0, index, source)?;
            return self.reshape_to(out, &[]);
        }
        let shape = self.shape(index);
        let given = self.shape(source);
        let fits = given.len() == shape.len() && given.iter().zip(&shape).all(|(s, i)| s >= i);
        if !fits {
            return Err(Error::Shape(format!(
                "scatterAdd: source {}; expected at least the index's shape {}",
                show(&given),
                show(&shape)
            )));
        }
        let mut part = source;
        for (a, &size) in shape.iter().enumerate() {
            part = self.cut(part, a, 0, size)?;
        }
        self.push(Op::ScatterAdd { axis }, &[x, index, part])
    }

    /// x with alpha · source's slices added at the indices of a 1-d tensor.
    pub fn index_add(
        &mut self,
        x: NodeId,
        dim: i64,
        index: NodeId,
        source: NodeId,
        alpha: f64,
    ) -> Result<NodeId> {
        let axis = axis("indexAdd", dim, self.rank(x))?;
        self.same_type("indexAdd", x, source)?;
        let index = self.index_operand("indexAdd", index)?;
        let index = self.at_least_1d(index)?;
        if self.rank(x) == 0 {
            let (row, source) = (self.at_least_1d(x)?, self.at_least_1d(source)?);
            let out = self.index_add(row, 0, index, source, alpha)?;
            return self.reshape_to(out, &[]);
        }
        let scaled = if alpha == 1.0 { source } else { self.mul(source, alpha)? };
        self.same_type("indexAdd", x, scaled)?;
        self.push(Op::IndexAdd { axis }, &[x, index, scaled])
    }

    /// An index whose negative values count from the end.
    fn count_from_end(&mut self, op: &str, index: NodeId, size: usize) -> Result<NodeId> {
        if self.dtype(index) == DType::U8 {
            return self.index_operand(op, index);
        }
        let index = self.index_operand(op, index)?;
        let c = Calc::new(self);
        c.where_(c.lt(index, 0.0), c.add(index, size as f64), index)
    }

    /// As gather, after broadcasting x and index against each other outside of the dim; without a dim both are
    /// flattened. Negative indices count from the end.
    pub fn take_along_dim(&mut self, x: NodeId, index: NodeId, dim: Option<i64>) -> Result<NodeId> {
        let Some(dim) = dim else {
            let (n, m) = (self.ty(x).numel(), self.ty(index).numel());
            let flat = self.reshape_to(x, &[n])?;
            let index = self.reshape_to(index, &[m])?;
            let index = self.count_from_end("takeAlongDim", index, n)?;
            return self.gather(flat, 0, index);
        };
        let axis = axis("takeAlongDim", dim, self.rank(x))?;
        let (a, b) = (self.shape(x), self.shape(index));
        if a.len() != b.len() {
            return Err(Error::Shape(format!(
                "takeAlongDim: index {} into {}; expected as many dims",
                show(&b),
                show(&a)
            )));
        }
        if a.is_empty() {
            return self.gather(x, 0, index);
        }
        let without = |shape: &Dims| {
            let mut rest = shape.clone();
            rest[axis] = 1;
            rest
        };
        let index = self.count_from_end("takeAlongDim", index, a[axis])?;
        let mut whole = broadcast("takeAlongDim", &without(&a), &without(&b))?;
        whole[axis] = a[axis];
        let x = self.stretch(x, &whole)?;
        whole[axis] = b[axis];
        let index = self.stretch(index, &whole)?;
        self.gather(x, axis as i64, index)
    }

    /// One new last dim of `classes` in which the element that index names is 1; i32.
    pub fn one_hot(&mut self, index: NodeId, classes: i64) -> Result<NodeId> {
        if classes < 1 {
            return Err(Error::Value(format!("oneHot: {classes} classes; expected at least 1")));
        }
        let index = self.index_operand("oneHot", index)?;
        let mut shape = self.shape(index);
        let place = self.unsqueeze(index, -1)?;
        // Added at the places, so that an index outside of the classes is an error and not a row of zeros.
        let one = self.full(&self.shape(place), 1.0, DType::I32)?;
        shape.push(classes as usize);
        let zeros = self.full(&shape, 0.0, DType::I32)?;
        let axis = shape.len() - 1;
        self.push(Op::ScatterAdd { axis }, &[zeros, place, one])
    }
}
