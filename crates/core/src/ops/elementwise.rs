//! Unary and binary ops, `where`, `clamp` and `cast`: promotion, broadcasting, backward rules.

use smallvec::smallvec;

use crate::dtype::{DType, Kind, Weak, promote};
use crate::error::{Error, Result};
use crate::graph::{Builder, Grads, NodeId, Type, Vjp};
use crate::op::{Op, ViewOp};
use crate::ops::calculus::Rule;
use crate::ops::table::{BinaryOp, UnaryOp};
use crate::shape::{Dims, broadcast, show};

/// An operand: a node, or a number that has not become one yet.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    Node(NodeId),
    Number(f64),
}

impl From<NodeId> for Operand {
    fn from(node: NodeId) -> Self {
        Self::Node(node)
    }
}

impl From<f64> for Operand {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

/// A number as an element of `dtype`: integers wrap, fractions are cut off.
fn wrap(value: f64, dtype: DType) -> f64 {
    match dtype {
        DType::Bool => f64::from(u8::from(value != 0.0)),
        DType::U8 => f64::from(value as i64 as u8),
        DType::I32 => f64::from(value as i64 as i32),
        DType::F32 => f64::from(value as f32),
        DType::F64 => value,
    }
}

fn unsupported(op: &str, dtype: DType) -> Error {
    Error::DType(format!("{op}: {dtype}; expected a number. Hint: cast('i32') first"))
}

/// The weakness of a result: weak only where all operands are.
fn weak_of(inputs: &[&Type], fractional: bool) -> Option<Weak> {
    let mut all = Weak::Bool;
    for ty in inputs {
        all = all.max(ty.weak?);
    }
    Some(if fractional { Weak::Float } else { all })
}

fn same_shape(op: &Op, inputs: &[&Type]) -> Result<()> {
    let [first, rest @ ..] = inputs else {
        return Err(Error::Internal(format!("{}: no operands", op.name())));
    };
    match rest.iter().find(|ty| ty.shape != first.shape) {
        Some(ty) => Err(Error::Internal(format!(
            "{}: {} and {}; elementwise operands are expanded before",
            op.name(),
            show(&first.shape),
            show(&ty.shape)
        ))),
        None => Ok(()),
    }
}

/// Types of elementwise nodes.
pub(super) fn infer(op: &Op, inputs: &[&Type]) -> Result<Type> {
    same_shape(op, inputs)?;
    let shape = inputs[0].shape.clone();
    let dtype_error =
        |ty: &Type| Error::Internal(format!("{}: operand of {} was not cast", op.name(), ty.dtype));
    match (op, inputs) {
        (Op::Unary(unary), [x]) => {
            if unary.computes_in(x.dtype) != Some(x.dtype) {
                return Err(dtype_error(x));
            }
            let dtype = if unary.returns_bool() { DType::Bool } else { x.dtype };
            let fractional = unary.computes_in(DType::I32) == Some(DType::F32);
            let weak = if unary.returns_bool() { None } else { weak_of(inputs, fractional) };
            Ok(Type { dtype, shape, weak })
        }
        (Op::Binary(binary), [a, b]) => {
            if a.dtype != b.dtype || binary.computes_in(a.dtype) != Some(a.dtype) {
                return Err(dtype_error(b));
            }
            let dtype = if binary.returns_bool() { DType::Bool } else { a.dtype };
            let fractional = *binary == BinaryOp::Div;
            let weak = if binary.returns_bool() { None } else { weak_of(inputs, fractional) };
            Ok(Type { dtype, shape, weak })
        }
        (Op::Where, [condition, a, b]) => {
            if condition.dtype != DType::Bool || a.dtype != b.dtype {
                return Err(dtype_error(condition));
            }
            Ok(Type { dtype: a.dtype, shape, weak: weak_of(&[a, b], false) })
        }
        (Op::Cast(dtype), [_]) => Ok(Type { dtype: *dtype, shape, weak: None }),
        _ => Err(Error::Internal(format!("{}: {} operands", op.name(), inputs.len()))),
    }
}

/// Backward rules of elementwise nodes.
pub(super) fn vjp(op: &Op, cx: &mut Vjp<'_, '_>) -> Result<Grads> {
    match op {
        Op::Unary(unary) => {
            let Some(rule) = unary.rule() else { return Ok(smallvec![None]) };
            Ok(smallvec![Some(rule(&Rule::new(cx))?)])
        }
        Op::Binary(binary) => {
            let mut grads: Grads = smallvec![None, None];
            if let Some(rules) = binary.rule() {
                for (index, rule) in rules.iter().enumerate() {
                    if cx.needs(index) {
                        grads[index] = Some(rule(&Rule::new(cx))?);
                    }
                }
            }
            Ok(grads)
        }
        Op::Where => {
            let condition = cx.input(0)?;
            let mut grads: Grads = smallvec![None, None, None];
            if cx.needs(1) {
                grads[1] = Some(cx.b.where_(condition, cx.dy, 0.0)?);
            }
            if cx.needs(2) {
                grads[2] = Some(cx.b.where_(condition, 0.0, cx.dy)?);
            }
            Ok(grads)
        }
        Op::Cast(_) => {
            let dtype = cx.input_type(0).dtype;
            if !dtype.is_float() {
                return Ok(smallvec![None]);
            }
            Ok(smallvec![Some(cx.b.cast(cx.dy, dtype)?)])
        }
        _ => Err(Error::Internal(format!("{}: no elementwise op", op.name()))),
    }
}

impl Builder<'_> {
    /// The operand as a node.
    pub fn operand(&mut self, operand: impl Into<Operand>) -> Result<NodeId> {
        match operand.into() {
            Operand::Node(node) => Ok(node),
            Operand::Number(value) => self.number(value),
        }
    }

    fn kind_of(&self, operand: Operand) -> Kind {
        match operand {
            Operand::Node(node) => self.ty(node).kind(),
            Operand::Number(value) => Kind { dtype: DType::F32, weak: Some(Weak::of(value)) },
        }
    }

    fn shape_of(&self, operand: Operand) -> Dims {
        match operand {
            Operand::Node(node) => self.shape(node),
            Operand::Number(_) => Dims::new(),
        }
    }

    /// The value of an operand that is a number known when the graph is built.
    fn known(&self, operand: Operand) -> Option<f64> {
        match operand {
            Operand::Number(value) => Some(value),
            Operand::Node(node) => match self.driver.op(node) {
                Op::Const(number) => Some(number.0),
                _ => None,
            },
        }
    }

    /// An operand in an element type; numbers take it at once instead of being cast.
    fn typed(&mut self, operand: Operand, dtype: DType) -> Result<NodeId> {
        if let Some(value) = self.known(operand) {
            return match operand {
                Operand::Node(node) if self.dtype(node) == dtype => Ok(node),
                _ => self.constant(wrap(value, dtype), dtype),
            };
        }
        let node = self.operand(operand)?;
        if self.dtype(node) == dtype { Ok(node) } else { self.push(Op::Cast(dtype), &[node]) }
    }

    /// Stretches a node to a shape it broadcasts to.
    pub(crate) fn stretch(&mut self, node: NodeId, shape: &[usize]) -> Result<NodeId> {
        if self.ty(node).shape.as_slice() == shape {
            return Ok(node);
        }
        self.push(Op::View(ViewOp::Expand(shape.into())), &[node])
    }

    /// A unary op; an operand of a type the op cannot compute in is cast to f32, or is an error.
    pub fn unary(&mut self, op: UnaryOp, x: NodeId) -> Result<NodeId> {
        let given = self.dtype(x);
        let dtype = op.computes_in(given).ok_or_else(|| unsupported(op.name(), given))?;
        let x = self.typed(x.into(), dtype)?;
        self.push(Op::Unary(op), &[x])
    }

    /// The type that a binary op of two operands computes in.
    fn promoted(&self, op: BinaryOp, a: Operand, b: Operand) -> DType {
        let dtype = promote(self.kind_of(a), self.kind_of(b));
        let literal = [a, b].into_iter().find(|x| self.kind_of(*x).weak.is_some());
        match literal {
            // A number that the integers do not hold would wrap, and u8 below 256 be false. What an argument
            // will be is not known, and must not decide what is built: both are exact in f64.
            Some(number) if op.returns_bool() && matches!(dtype, DType::U8 | DType::I32) => match number {
                Operand::Number(value) if wrap(value, dtype) == value => dtype,
                Operand::Number(_) | Operand::Node(_) => DType::F64,
            },
            _ => dtype,
        }
    }

    /// A binary op after promotion and broadcasting.
    pub fn binary(&mut self, op: BinaryOp, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<NodeId> {
        let (a, b) = (a.into(), b.into());
        let promoted = self.promoted(op, a, b);
        let dtype = op.computes_in(promoted).ok_or_else(|| unsupported(op.name(), promoted))?;
        let shape = broadcast(op.name(), &self.shape_of(a), &self.shape_of(b))?;
        if op == BinaryOp::Pow {
            match self.known(b) {
                Some(e) if e < 0.0 && !dtype.is_float() => {
                    return Err(Error::Value(format!(
                        "pow: {dtype} to the power of {e}; expected an exponent of at least 0. Hint: cast('f32') first"
                    )));
                }
                Some(2.0) => {
                    let x = self.typed(a, dtype)?;
                    let x = self.stretch(x, &shape)?;
                    return self.unary(UnaryOp::Square, x);
                }
                _ => {}
            }
        }
        let x = self.typed(a, dtype)?;
        let y = if op.refuses_zero() && !dtype.is_float() {
            self.divisor(op, b, dtype)?
        } else {
            self.typed(b, dtype)?
        };
        let x = self.stretch(x, &shape)?;
        let y = self.stretch(y, &shape)?;
        self.push(Op::Binary(op), &[x, y])
    }

    /// An integer divisor that is known, or will be seen, not to be 0.
    fn divisor(&mut self, op: BinaryOp, divisor: Operand, dtype: DType) -> Result<NodeId> {
        let node = self.typed(divisor, dtype)?;
        match self.known(node.into()) {
            Some(0.0) => Err(Error::Value(format!(
                "{}: integer division by zero; expected a divisor other than 0. Hint: cast to f32 for infinities",
                op.name()
            ))),
            Some(_) => Ok(node),
            None => self.push(Op::CheckNonZero, &[node]),
        }
    }

    pub fn neg(&mut self, x: NodeId) -> Result<NodeId> {
        self.unary(UnaryOp::Neg, x)
    }

    pub fn add(&mut self, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<NodeId> {
        self.binary(BinaryOp::Add, a, b)
    }

    pub fn sub(&mut self, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<NodeId> {
        self.binary(BinaryOp::Sub, a, b)
    }

    pub fn mul(&mut self, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<NodeId> {
        self.binary(BinaryOp::Mul, a, b)
    }

    pub fn div(&mut self, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<NodeId> {
        self.binary(BinaryOp::Div, a, b)
    }

    /// `a` where the condition holds, else `b`; a condition of another type means `!= 0`.
    pub fn where_(
        &mut self,
        condition: NodeId,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
    ) -> Result<NodeId> {
        let (a, b) = (a.into(), b.into());
        let dtype = promote(self.kind_of(a), self.kind_of(b));
        let values = broadcast("where", &self.shape_of(a), &self.shape_of(b))?;
        let shape = broadcast("where", &self.shape(condition), &values)?;
        let condition = self.typed(condition.into(), DType::Bool)?;
        let condition = self.stretch(condition, &shape)?;
        let a = self.typed(a, dtype)?;
        let a = self.stretch(a, &shape)?;
        let b = self.typed(b, dtype)?;
        let b = self.stretch(b, &shape)?;
        self.push(Op::Where, &[condition, a, b])
    }

    /// Limits elements to [min, max]; NaN stays NaN, and the gradient passes where the element is within
    /// the limits or on them.
    pub fn clamp(&mut self, x: NodeId, min: Option<Operand>, max: Option<Operand>) -> Result<NodeId> {
        if min.is_none() && max.is_none() {
            return Err(Error::Value("clamp: neither min nor max; expected at least one of them".into()));
        }
        let mut dtype = self.ty(x).kind();
        let mut shape = self.shape(x);
        for limit in [min, max].into_iter().flatten() {
            dtype = Kind { dtype: promote(dtype, self.kind_of(limit)), weak: None };
            shape = broadcast("clamp", &shape, &self.shape_of(limit))?;
        }
        let x = self.typed(x.into(), dtype.dtype)?;
        let x = self.stretch(x, &shape)?;
        let mut out = x;
        // Compare-selects: a NaN element fails both comparisons and stays.
        if let Some(min) = min {
            let below = self.binary(BinaryOp::Lt, out, min)?;
            out = self.where_(below, min, out)?;
        }
        if let Some(max) = max {
            let above = self.binary(BinaryOp::Gt, out, max)?;
            out = self.where_(above, max, out)?;
        }
        Ok(out)
    }

    /// The same values in another element type; floats to integers lose their fraction.
    pub fn cast(&mut self, x: NodeId, dtype: DType) -> Result<NodeId> {
        if self.ty(x).weak.is_some() && self.known(x.into()).is_none() {
            return self.push(Op::Cast(dtype), &[x]);
        }
        if self.ty(x).weak.is_some() {
            let value = self.known(x.into()).unwrap_or_default();
            return self.constant(wrap(value, dtype), dtype);
        }
        self.typed(x.into(), dtype)
    }

    /// An error unless `x` is of a floating-point type.
    pub(crate) fn expect_float(&self, op: &str, x: NodeId) -> Result<DType> {
        let dtype = self.dtype(x);
        if dtype.is_float() {
            return Ok(dtype);
        }
        Err(Error::DType(format!("{op}: {dtype}; expected f32 or f64. Hint: cast('f32') first")))
    }
}
