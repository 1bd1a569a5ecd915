//! The table of elementwise ops: the only place that says which ones exist.
//!
//! A row gives variant, name, result (`same` element type or `bool`), doc sentence, PyTorch's name, one
//! scalar function per class of element types (`float`: f32, f64; `int`: i32, u8; `bool`) and, where the op
//! is differentiable, the range of its gradient check and its backward rule. The functions are
//! `#[inline(always)]` so that a kernel that calls them under `#[target_feature]` vectorises them. An op
//! without a function for a class is computed in f32 where it only has `float`, else it is an error.

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::NodeId;
use crate::ops::calculus::{Calculus, Rule};
use crate::ops::math::{Int, Real};

/// A unary scalar function on elements of type `T`.
pub trait UnaryFn<T> {
    type Out;
    fn eval(x: T) -> Self::Out;
}

/// A binary scalar function on elements of type `T`.
pub trait BinaryFn<T> {
    type Out;
    fn eval(x: T, y: T) -> Self::Out;
}

/// Backward rule of a unary op: the gradient of its operand.
pub type UnaryRule = fn(&Rule<'_, '_, '_>) -> Result<NodeId>;

/// Backward rule of a binary op: the gradient of operand 0 or 1.
pub type BinaryRule = [fn(&Rule<'_, '_, '_>) -> Result<NodeId>; 2];

/// Where a gradient check takes its operands from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Domain {
    pub low: f64,
    pub high: f64,
    /// Kinks and jumps: samples closer than 0.05 to one of them are moved away.
    pub avoid: &'static [f64],
    /// Largest difference allowed, relative to 1 + |gradient|.
    pub tolerance: f64,
}

const fn range(low: f64, high: f64) -> Domain {
    Domain { low, high, avoid: &[], tolerance: 1e-7 }
}

const fn kinks(low: f64, high: f64, avoid: &'static [f64]) -> Domain {
    Domain { low, high, avoid, tolerance: 1e-7 }
}

const INTEGERS: &[f64] = &[-2.0, -1.0, 0.0, 1.0, 2.0];
const HALVES: &[f64] = &[-1.5, -0.5, 0.5, 1.5];

/// Classes of element types, as bits.
const FLOAT: u8 = 1;
const INT: u8 = 2;
const BOOL: u8 = 4;

const fn class(dtype: DType) -> u8 {
    match dtype {
        DType::F32 | DType::F64 => FLOAT,
        DType::I32 | DType::U8 => INT,
        DType::Bool => BOOL,
    }
}

/// Where the op computes when its operands promote to `dtype`; `None` where it cannot.
const fn computes_in(classes: u8, dtype: DType) -> Option<DType> {
    if classes & class(dtype) != 0 {
        Some(dtype)
    } else if classes == FLOAT {
        Some(DType::F32)
    } else {
        None
    }
}

/// The element type of a result: `same` as the operands, or `bool`.
macro_rules! out_type {
    (same $T:ty) => {
        $T
    };
    (bool $T:ty) => {
        bool
    };
}

macro_rules! unary_impl {
    ($U:ident $out:ident [$($T:ty)*] |$x:ident| $body:expr) => { $(
        impl UnaryFn<$T> for unary::$U {
            type Out = out_type!($out $T);
            #[inline(always)]
            fn eval($x: $T) -> Self::Out { $body }
        }
    )* };
}

macro_rules! binary_impl {
    ($B:ident $out:ident [$($T:ty)*] |$x:ident, $y:ident| $body:expr) => { $(
        impl BinaryFn<$T> for binary::$B {
            type Out = out_type!($out $T);
            #[inline(always)]
            fn eval($x: $T, $y: $T) -> Self::Out { $body }
        }
    )* };
}

macro_rules! is_bool {
    (same) => {
        false
    };
    (bool) => {
        true
    };
}

/// The bits of the classes that have a function.
macro_rules! classes {
    ($($f:ident)? ; $($i:ident)? ; $($b:ident)?) => {
        0 $(+ { let _ = stringify!($f); FLOAT })? $(+ { let _ = stringify!($i); INT })? $(+ { let _ = stringify!($b); BOOL })?
    };
}

/// The value of an optional part of a row.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

macro_rules! table {
    ($d:tt
     unary { $(
        $U:ident $uname:literal $uout:ident $udoc:literal $utorch:literal
        {
            $(float |$uf:ident| $ufloat:expr;)? $(int |$ui:ident| $uint:expr;)? $(bool |$ub:ident| $ubool:expr;)?
            $(check $udomain:expr; grad |$ug:ident| $ugrad:expr;)?
        }
     )* }
     binary { $(
        $B:ident $bname:literal $bout:ident $bdoc:literal $btorch:literal
        {
            $(float |$bfx:ident, $bfy:ident| $bfloat:expr;)?
            $(int |$bix:ident, $biy:ident| $bint:expr;)?
            $(bool |$bbx:ident, $bby:ident| $bbool:expr;)?
            $(check $bdomain:expr; grad |$bg:ident| $bgrad0:expr, $bgrad1:expr;)?
        }
     )* }) => {
        /// Elementwise ops of one operand.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum UnaryOp { $($U),* }

        /// Elementwise ops of two operands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum BinaryOp { $($B),* }

        impl UnaryOp {
            pub const ALL: &'static [Self] = &[$(Self::$U),*];
            /// The name in TypeScript and in messages.
            pub const fn name(self) -> &'static str { match self { $(Self::$U => $uname),* } }
            pub const fn returns_bool(self) -> bool { match self { $(Self::$U => is_bool!($uout)),* } }
            /// One sentence for the documentation.
            pub const fn doc(self) -> &'static str { match self { $(Self::$U => $udoc),* } }
            /// PyTorch's name.
            pub const fn torch(self) -> &'static str { match self { $(Self::$U => $utorch),* } }
            /// The element type it computes in for an operand of `dtype`, if any.
            pub const fn computes_in(self, dtype: DType) -> Option<DType> {
                computes_in(match self { $(Self::$U => classes!($($uf)?; $($ui)?; $($ub)?)),* }, dtype)
            }
            /// Where the gradient check samples the operand; `None` for ops without a gradient.
            pub const fn domain(self) -> Option<Domain> { match self { $(Self::$U => optional!($($udomain)?)),* } }
            /// The backward rule.
            pub fn rule(self) -> Option<UnaryRule> { match self { $(Self::$U => optional!($(|$ug| $ugrad)?)),* } }
        }

        impl BinaryOp {
            pub const ALL: &'static [Self] = &[$(Self::$B),*];
            /// The name in TypeScript and in messages.
            pub const fn name(self) -> &'static str { match self { $(Self::$B => $bname),* } }
            pub const fn returns_bool(self) -> bool { match self { $(Self::$B => is_bool!($bout)),* } }
            /// One sentence for the documentation.
            pub const fn doc(self) -> &'static str { match self { $(Self::$B => $bdoc),* } }
            /// PyTorch's name.
            pub const fn torch(self) -> &'static str { match self { $(Self::$B => $btorch),* } }
            /// The element type it computes in for operands that promote to `dtype`, if any.
            pub const fn computes_in(self, dtype: DType) -> Option<DType> {
                computes_in(match self { $(Self::$B => classes!($($bfx)?; $($bix)?; $($bbx)?)),* }, dtype)
            }
            /// Where the gradient check samples the operands; `None` for ops without a gradient.
            pub const fn domain(self) -> Option<[Domain; 2]> {
                match self { $(Self::$B => optional!($($bdomain)?)),* }
            }
            /// The backward rules of the two operands.
            pub fn rule(self) -> Option<BinaryRule> {
                match self { $(Self::$B => optional!($([|$bg| $bgrad0, |$bg| $bgrad1])?)),* }
            }
        }

        /// The scalar functions of unary ops, as types.
        pub mod unary { $(pub struct $U;)* }
        /// The scalar functions of binary ops, as types.
        pub mod binary { $(pub struct $B;)* }

        $(
            $(unary_impl!($U $uout [f32 f64] |$uf| $ufloat);)?
            $(unary_impl!($U $uout [i32 u8] |$ui| $uint);)?
            $(unary_impl!($U $uout [bool] |$ub| $ubool);)?
        )*
        $(
            $(binary_impl!($B $bout [f32 f64] |$bfx, $bfy| $bfloat);)?
            $(binary_impl!($B $bout [i32 u8] |$bix, $biy| $bint);)?
            $(binary_impl!($B $bout [bool] |$bbx, $bby| $bbool);)?
        )*

        /// Evaluates an expression with `F` and `T` bound to the function and element type of a
        /// unary op, or `fallback` where the table has no function for the element type.
        #[macro_export]
        macro_rules! dispatch_unary {
            ($d op:expr, $d dtype:expr, |$d F:ident, $d T:ident| $d body:expr, else $d fallback:expr) => {
                match ($d op, $d dtype) {
                    $(
                        $(
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::F32) =>
                                { const _: &str = stringify!($uf); type $d F = $crate::ops::table::unary::$U; type $d T = f32; $d body }
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::F64) =>
                                { const _: &str = stringify!($uf); type $d F = $crate::ops::table::unary::$U; type $d T = f64; $d body }
                        )?
                        $(
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::I32) =>
                                { const _: &str = stringify!($ui); type $d F = $crate::ops::table::unary::$U; type $d T = i32; $d body }
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::U8) =>
                                { const _: &str = stringify!($ui); type $d F = $crate::ops::table::unary::$U; type $d T = u8; $d body }
                        )?
                        $(
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::Bool) =>
                                { const _: &str = stringify!($ub); type $d F = $crate::ops::table::unary::$U; type $d T = bool; $d body }
                        )?
                    )*
                    _ => $d fallback,
                }
            };
        }

        /// The same for a binary op.
        #[macro_export]
        macro_rules! dispatch_binary {
            ($d op:expr, $d dtype:expr, |$d F:ident, $d T:ident| $d body:expr, else $d fallback:expr) => {
                match ($d op, $d dtype) {
                    $(
                        $(
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::F32) =>
                                { const _: &str = stringify!($bfx); type $d F = $crate::ops::table::binary::$B; type $d T = f32; $d body }
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::F64) =>
                                { const _: &str = stringify!($bfx); type $d F = $crate::ops::table::binary::$B; type $d T = f64; $d body }
                        )?
                        $(
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::I32) =>
                                { const _: &str = stringify!($bix); type $d F = $crate::ops::table::binary::$B; type $d T = i32; $d body }
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::U8) =>
                                { const _: &str = stringify!($bix); type $d F = $crate::ops::table::binary::$B; type $d T = u8; $d body }
                        )?
                        $(
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::Bool) =>
                                { const _: &str = stringify!($bbx); type $d F = $crate::ops::table::binary::$B; type $d T = bool; $d body }
                        )?
                    )*
                    _ => $d fallback,
                }
            };
        }
    };
}

table! { $
    unary {
        Neg "neg" same "Negates each element." "neg" {
            float |x| -x;
            int |x| x.wrapping_neg();
            check range(-2.0, 2.0);
            grad |g| g.neg(g.dy);
        }
        Abs "abs" same "Absolute value of each element; its gradient at 0 is 0." "abs" {
            float |x| x.abs();
            int |x| x.abs_();
            check kinks(-2.0, 2.0, &[0.0]);
            grad |g| g.mul(g.dy, g.sign(g.x()));
        }
        Sign "sign" same "-1, 0 or 1, the sign of each element; 0 for NaN." "sign" {
            float |x| ((x > 0.0) as u8 as i8 - (x < 0.0) as u8 as i8).into();
            int |x| x.sign_();
            bool |x| x;
            check kinks(-2.0, 2.0, &[0.0]);
            grad |g| g.zeros();
        }
        Exp "exp" same "e to the power of each element." "exp" {
            float |x| x.exp_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.y());
        }
        Expm1 "expm1" same "exp(x) - 1, accurate near 0." "expm1" {
            float |x| x.expm1_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.add(g.y(), 1.0));
        }
        Log "log" same "Natural logarithm of each element." "log" {
            float |x| x.log_();
            check range(0.3, 3.0);
            grad |g| g.div(g.dy, g.x());
        }
        Log1p "log1p" same "log(1 + x), accurate near 0." "log1p" {
            float |x| x.log1p_();
            check range(-0.6, 3.0);
            grad |g| g.div(g.dy, g.add(g.x(), 1.0));
        }
        Log2 "log2" same "Logarithm to base 2 of each element." "log2" {
            float |x| x.log2_();
            check range(0.3, 3.0);
            grad |g| g.div(g.dy, g.mul(g.x(), std::f64::consts::LN_2));
        }
        Sqrt "sqrt" same "Square root of each element; NaN for negative ones." "sqrt" {
            float |x| x.sqrt();
            check range(0.3, 3.0);
            grad |g| g.div(g.dy, g.mul(g.y(), 2.0));
        }
        Rsqrt "rsqrt" same "1 / sqrt(x) of each element." "rsqrt" {
            float |x| 1.0 / x.sqrt();
            check range(0.3, 3.0);
            grad |g| g.mul(g.mul(g.dy, -0.5), g.mul(g.y(), g.mul(g.y(), g.y())));
        }
        Square "square" same "Each element times itself." "square" {
            float |x| x * x;
            int |x| x.wrapping_mul(x);
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.mul(g.x(), 2.0));
        }
        Reciprocal "reciprocal" same "1 / x of each element." "reciprocal" {
            float |x| 1.0 / x;
            check range(0.3, 3.0);
            grad |g| g.mul(g.neg(g.dy), g.mul(g.y(), g.y()));
        }
        Sin "sin" same "Sine of each element, in radians." "sin" {
            float |x| x.sin_();
            check range(-3.0, 3.0);
            grad |g| g.mul(g.dy, g.cos(g.x()));
        }
        Cos "cos" same "Cosine of each element, in radians." "cos" {
            float |x| x.cos_();
            check range(-3.0, 3.0);
            grad |g| g.mul(g.dy, g.neg(g.sin(g.x())));
        }
        Tan "tan" same "Tangent of each element, in radians." "tan" {
            float |x| x.tan_();
            check range(-1.2, 1.2);
            grad |g| g.mul(g.dy, g.add(g.square(g.y()), 1.0));
        }
        Atan "atan" same "Arc tangent of each element, in radians." "atan" {
            float |x| x.atan_();
            check range(-2.0, 2.0);
            grad |g| g.div(g.dy, g.add(g.square(g.x()), 1.0));
        }
        Tanh "tanh" same "Hyperbolic tangent of each element." "tanh" {
            float |x| x.tanh_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.sub(1.0, g.square(g.y())));
        }
        Sigmoid "sigmoid" same "1 / (1 + exp(-x)) of each element." "sigmoid" {
            float |x| x.sigmoid_();
            check range(-3.0, 3.0);
            grad |g| g.mul(g.dy, g.mul(g.sub(1.0, g.y()), g.y()));
        }
        Relu "relu" same "max(x, 0) of each element; NaN stays NaN." "relu" {
            float |x| if x <= 0.0 { 0.0 } else { x };
            int |x| if x.is_negative_() { 0 } else { x };
            check kinks(-2.0, 2.0, &[0.0]);
            grad |g| g.where_(g.gt(g.y(), 0.0), g.dy, 0.0);
        }
        Erf "erf" same "Error function of each element." "erf" {
            float |x| x.erf_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.mul(g.exp(g.neg(g.square(g.x()))), std::f64::consts::FRAC_2_SQRT_PI));
        }
        Floor "floor" same "Largest integer not above each element." "floor" {
            float |x| x.floor();
            int |x| x;
            check kinks(-2.0, 2.0, INTEGERS);
            grad |g| g.zeros();
        }
        Ceil "ceil" same "Smallest integer not below each element." "ceil" {
            float |x| x.ceil();
            int |x| x;
            check kinks(-2.0, 2.0, INTEGERS);
            grad |g| g.zeros();
        }
        Round "round" same "Nearest integer of each element, halves to the even one." "round" {
            float |x| x.round_ties_even();
            int |x| x;
            check kinks(-2.0, 2.0, HALVES);
            grad |g| g.zeros();
        }
        Trunc "trunc" same "Each element without its fraction." "trunc" {
            float |x| x.trunc();
            int |x| x;
            check kinks(-2.0, 2.0, INTEGERS);
            grad |g| g.zeros();
        }
        Isnan "isnan" bool "Whether each element is NaN." "isnan" {
            float |x| x.is_nan();
            int |_x| false;
            bool |_x| false;
        }
        Isinf "isinf" bool "Whether each element is positive or negative infinity." "isinf" {
            float |x| x.is_infinite();
            int |_x| false;
            bool |_x| false;
        }
        Isfinite "isfinite" bool "Whether each element is neither infinite nor NaN." "isfinite" {
            float |x| x.is_finite();
            int |_x| true;
            bool |_x| true;
        }
        Not "not" bool "Whether each element is 0 (false)." "logical_not" {
            float |x| x == 0.0;
            int |x| x == 0;
            bool |x| !x;
        }
    }
    binary {
        Add "add" same "Sum of the operands; on bool it is `or`." "add" {
            float |x, y| x + y;
            int |x, y| x.wrapping_add(y);
            bool |x, y| x | y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| Ok(g.dy), Ok(g.dy);
        }
        Sub "sub" same "Difference of the operands." "sub" {
            float |x, y| x - y;
            int |x, y| x.wrapping_sub(y);
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| Ok(g.dy), g.neg(g.dy);
        }
        Mul "mul" same "Product of the operands; on bool it is `and`." "mul" {
            float |x, y| x * y;
            int |x, y| x.wrapping_mul(y);
            bool |x, y| x & y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| g.mul(g.dy, g.other()), g.mul(g.dy, g.x());
        }
        Div "div" same "Quotient of the operands; integers give f32." "div" {
            float |x, y| x / y;
            check [range(-2.0, 2.0), range(0.4, 2.0)];
            grad |g| g.div(g.dy, g.other()), g.neg(g.div(g.mul(g.dy, g.y()), g.other()));
        }
        FloorDiv "floorDiv" same "Quotient rounded towards minus infinity; an integer 0 as divisor is an error." "floor_divide" {
            float |x, y| x.floor_div_(y);
            int |x, y| x.floor_div_(y);
            check [range(2.2, 2.8), range(0.95, 1.0)];
            grad |g| g.zeros(), g.zeros();
        }
        Remainder "remainder" same "Remainder with the sign of the divisor; an integer 0 as divisor is an error." "remainder" {
            float |x, y| x.remainder_(y);
            int |x, y| x.remainder_(y);
            check [range(2.2, 2.8), range(0.95, 1.0)];
            grad |g| Ok(g.dy), g.neg(g.mul(g.dy, g.floor_div(g.x(), g.other())));
        }
        Fmod "fmod" same "Remainder with the sign of the dividend; an integer 0 as divisor is an error." "fmod" {
            float |x, y| x.fmod_(y);
            int |x, y| if y == 0 { 0 } else { x.wrapping_rem(y) };
            check [range(-2.8, -2.2), range(0.95, 1.0)];
            grad |g| Ok(g.dy), g.neg(g.mul(g.dy, g.trunc(g.div(g.x(), g.other()))));
        }
        Pow "pow" same "First operand to the power of the second." "pow" {
            float |x, y| x.pow_(y);
            int |x, y| x.pow_(y);
            check [range(0.3, 2.0), range(-2.0, 2.0)];
            grad |g| g.pow_base(), g.pow_exponent();
        }
        Maximum "maximum" same "Larger of the operands, NaN if one is NaN; equal operands share the gradient." "maximum" {
            float |x, y| if x > y || x.is_nan() { x } else { y };
            int |x, y| if x > y { x } else { y };
            bool |x, y| x | y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| g.extremum(g.lt(g.x(), g.other())), g.extremum(g.gt(g.x(), g.other()));
        }
        Minimum "minimum" same "Smaller of the operands, NaN if one is NaN; equal operands share the gradient." "minimum" {
            float |x, y| if x < y || x.is_nan() { x } else { y };
            int |x, y| if x < y { x } else { y };
            bool |x, y| x & y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| g.extremum(g.gt(g.x(), g.other())), g.extremum(g.lt(g.x(), g.other()));
        }
        Eq "eq" bool "Whether the operands are equal." "eq" {
            float |x, y| x == y;
            int |x, y| x == y;
            bool |x, y| x == y;
        }
        Ne "ne" bool "Whether the operands differ." "ne" {
            float |x, y| x != y;
            int |x, y| x != y;
            bool |x, y| x != y;
        }
        Lt "lt" bool "Whether the first operand is less than the second." "lt" {
            float |x, y| x < y;
            int |x, y| x < y;
            bool |x, y| !x & y;
        }
        Le "le" bool "Whether the first operand is at most the second." "le" {
            float |x, y| x <= y;
            int |x, y| x <= y;
            bool |x, y| !x | y;
        }
        Gt "gt" bool "Whether the first operand is greater than the second." "gt" {
            float |x, y| x > y;
            int |x, y| x > y;
            bool |x, y| x && !y;
        }
        Ge "ge" bool "Whether the first operand is at least the second." "ge" {
            float |x, y| x >= y;
            int |x, y| x >= y;
            bool |x, y| x || !y;
        }
        And "and" bool "Whether both operands are other than 0." "logical_and" {
            float |x, y| (x != 0.0) && (y != 0.0);
            int |x, y| (x != 0) && (y != 0);
            bool |x, y| x & y;
        }
        Or "or" bool "Whether one of the operands is other than 0." "logical_or" {
            float |x, y| (x != 0.0) || (y != 0.0);
            int |x, y| (x != 0) || (y != 0);
            bool |x, y| x | y;
        }
        Xor "xor" bool "Whether exactly one of the operands is other than 0." "logical_xor" {
            float |x, y| (x != 0.0) ^ (y != 0.0);
            int |x, y| (x != 0) ^ (y != 0);
            bool |x, y| x ^ y;
        }
    }
}

#[cfg(test)]
mod tests;
