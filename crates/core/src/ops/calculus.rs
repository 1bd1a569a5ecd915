//! Formulas over nodes: what lets a backward rule or a loss read as the mathematics does.
//!
//! `c.mul(dy, c.sub(1.0, c.square(y)))` appends three nodes. Numbers, nodes and the results of
//! other formulas can stand in every place; the first error wins.

use std::cell::RefCell;

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Builder, NodeId, Vjp};
use crate::ops::elementwise::Operand;
use crate::ops::table::{BinaryOp, UnaryOp};

/// What can stand as operand in a formula.
pub trait Term {
    fn operand(self) -> Result<Operand>;
}

impl Term for NodeId {
    fn operand(self) -> Result<Operand> {
        Ok(Operand::Node(self))
    }
}

impl Term for f64 {
    fn operand(self) -> Result<Operand> {
        Ok(Operand::Number(self))
    }
}

impl Term for Result<NodeId> {
    fn operand(self) -> Result<Operand> {
        self.map(Operand::Node)
    }
}

macro_rules! unary_terms {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => { $(
        $(#[$doc])*
        fn $name(&self, x: impl Term) -> Result<NodeId> {
            self.unary(UnaryOp::$op, x)
        }
    )* };
}

macro_rules! binary_terms {
    ($($name:ident $op:ident)*) => { $(
        fn $name(&self, x: impl Term, y: impl Term) -> Result<NodeId> {
            self.binary(BinaryOp::$op, x, y)
        }
    )* };
}

/// Appends nodes through a shared reference, so that formulas nest.
pub trait Calculus {
    /// Runs `f` on the Builder behind the formula.
    fn with<R>(&self, f: impl FnOnce(&mut Builder<'_>) -> R) -> R;

    fn unary(&self, op: UnaryOp, x: impl Term) -> Result<NodeId> {
        let x = x.operand()?;
        self.with(|b| {
            let x = b.operand(x)?;
            b.unary(op, x)
        })
    }

    fn binary(&self, op: BinaryOp, x: impl Term, y: impl Term) -> Result<NodeId> {
        let (x, y) = (x.operand()?, y.operand()?);
        self.with(|b| b.binary(op, x, y))
    }

    unary_terms! {
        neg Neg
        abs Abs
        sign Sign
        exp Exp
        expm1 Expm1
        log Log
        log1p Log1p
        sqrt Sqrt
        square Square
        sin Sin
        cos Cos
        tanh Tanh
        sigmoid Sigmoid
        relu Relu
        erf Erf
        ndtr Ndtr
        trunc Trunc
        not Not
    }

    binary_terms! {
        add Add
        sub Sub
        mul Mul
        div Div
        floor_div FloorDiv
        pow Pow
        maximum Maximum
        minimum Minimum
        eq Eq
        ne Ne
        lt Lt
        le Le
        gt Gt
        ge Ge
        and And
        or Or
    }

    fn where_(&self, condition: impl Term, x: impl Term, y: impl Term) -> Result<NodeId> {
        let (condition, x, y) = (condition.operand()?, x.operand()?, y.operand()?);
        self.with(|b| {
            let condition = b.operand(condition)?;
            b.where_(condition, x, y)
        })
    }

    fn cast(&self, x: impl Term, dtype: DType) -> Result<NodeId> {
        let x = x.operand()?;
        self.with(|b| {
            let x = b.operand(x)?;
            b.cast(x, dtype)
        })
    }

    /// Sum over axes that stay with size 1.
    fn sum(&self, x: impl Term, dims: &[i64]) -> Result<NodeId> {
        let x = x.operand()?;
        self.with(|b| {
            let x = b.operand(x)?;
            b.sum(x, Some(dims), true)
        })
    }

    fn detach(&self, x: impl Term) -> Result<NodeId> {
        let x = x.operand()?;
        self.with(|b| {
            let x = b.operand(x)?;
            b.detach(x)
        })
    }
}

/// Formulas outside of backward rules.
pub struct Calc<'c, 'a>(RefCell<&'c mut Builder<'a>>);

impl<'c, 'a> Calc<'c, 'a> {
    pub fn new(b: &'c mut Builder<'a>) -> Self {
        Self(RefCell::new(b))
    }
}

impl Calculus for Calc<'_, '_> {
    fn with<R>(&self, f: impl FnOnce(&mut Builder<'_>) -> R) -> R {
        f(*self.0.borrow_mut())
    }
}

/// Formulas of a backward rule: [`Calculus`] plus the values that the rule may ask for.
pub struct Rule<'v, 'b, 'a> {
    cx: RefCell<&'v mut Vjp<'b, 'a>>,
    /// Gradient of the node.
    pub dy: NodeId,
}

impl<'v, 'b, 'a> Rule<'v, 'b, 'a> {
    pub fn new(cx: &'v mut Vjp<'b, 'a>) -> Self {
        let dy = cx.dy;
        Self { cx: RefCell::new(cx), dy }
    }

    /// The first operand's value.
    pub fn x(&self) -> Result<NodeId> {
        self.cx.borrow_mut().input(0)
    }

    /// The second operand's value.
    pub fn other(&self) -> Result<NodeId> {
        self.cx.borrow_mut().input(1)
    }

    /// The node's own value.
    pub fn y(&self) -> Result<NodeId> {
        self.cx.borrow_mut().output()
    }

    /// A gradient of zeros.
    pub fn zeros(&self) -> Result<NodeId> {
        self.with(|b| b.zeros_like(self.dy))
    }

    /// e^(-x² / 2) / √(2π).
    pub(crate) fn normal_density(&self) -> Result<NodeId> {
        const PEAK: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2 / 2.0;
        self.mul(self.exp(self.mul(self.square(self.x()), -0.5)), PEAK)
    }

    /// Gradient of one operand of maximum or minimum: none where it lost, half where it tied.
    pub(crate) fn extremum(&self, lost: Result<NodeId>) -> Result<NodeId> {
        let shared = self.where_(self.eq(self.x(), self.other()), self.mul(self.dy, 0.5), self.dy);
        self.where_(lost, 0.0, shared)
    }

    /// dy · e · b^(e-1), and 0 where e = 0.
    pub(crate) fn pow_base(&self) -> Result<NodeId> {
        let slope = self.mul(self.other(), self.pow(self.x(), self.sub(self.other(), 1.0)));
        self.where_(self.eq(self.other(), 0.0), 0.0, self.mul(self.dy, slope))
    }

    /// dy · b^e · log b, and 0 where b = 0 with e ≥ 0 (the limit).
    pub(crate) fn pow_exponent(&self) -> Result<NodeId> {
        let flat = self.and(self.eq(self.x(), 0.0), self.ge(self.other(), 0.0));
        self.where_(flat, 0.0, self.mul(self.dy, self.mul(self.y(), self.log(self.x()))))
    }
}

impl Calculus for Rule<'_, '_, '_> {
    fn with<R>(&self, f: impl FnOnce(&mut Builder<'_>) -> R) -> R {
        f(self.cx.borrow_mut().b)
    }
}
