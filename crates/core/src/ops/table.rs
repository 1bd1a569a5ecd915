//! The table of elementwise ops: the only place that says which ones exist.
//!
//! A row gives variant, name, result (`same` element type or `bool`), doc sentence, PyTorch's name, an
//! example, one scalar function per class of element types (`float`: f32, f64; `int`: i32, u8; `bool`) and,
//! where the op is differentiable, the range of its gradient check and its backward rule. `divisor nonzero`
//! refuses an integer 0 as second operand. The functions are `#[inline(always)]` so that a kernel that calls
//! them under `#[target_feature]` vectorises them. An op without a function for a class is computed in f32
//! where it only has `float`, else it is an error. Methods, functions and documents in TypeScript follow from
//! the row as well: `cargo xtask gen`.

#[macro_use]
mod expand;

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

/// One call of an op, as TypeScript: `[1, 2]` stands for a tensor, anything else for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    pub operands: &'static [&'static str],
    /// What printing the elements of the result shows.
    pub prints: &'static str,
}

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

table! { $
    unary {
        Neg "neg" same "Negates each element." "neg" {
            example "[1, -2]" => "[ -1, 2 ]";
            float |x| -x;
            int |x| x.wrapping_neg();
            check range(-2.0, 2.0);
            grad |g| g.neg(g.dy);
        }
        Abs "abs" same "Absolute value of each element; its gradient at 0 is 0." "abs" {
            example "[-1, 2]" => "[ 1, 2 ]";
            float |x| x.abs();
            int |x| x.abs_();
            check kinks(-2.0, 2.0, &[0.0]);
            grad |g| g.mul(g.dy, g.sign(g.x()));
        }
        Sign "sign" same "-1, 0 or 1, the sign of each element; 0 for NaN." "sign" {
            example "[-3, 0, 5]" => "[ -1, 0, 1 ]";
            float |x| ((x > 0.0) as u8 as i8 - (x < 0.0) as u8 as i8).into();
            int |x| x.sign_();
            bool |x| x;
            check kinks(-2.0, 2.0, &[0.0]);
            grad |g| g.zeros();
        }
        Exp "exp" same "e to the power of each element." "exp" {
            example "[0, 1]" => "[ 1, 2.7182817459106445 ]";
            float |x| x.exp_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.y());
        }
        Expm1 "expm1" same "exp(x) - 1, accurate near 0." "expm1" {
            example "[0, 1]" => "[ 0, 1.7182817459106445 ]";
            float |x| x.expm1_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.add(g.y(), 1.0));
        }
        Log "log" same "Natural logarithm of each element." "log" {
            example "[1, 2]" => "[ 0, 0.6931471824645996 ]";
            float |x| x.log_();
            check range(0.3, 3.0);
            grad |g| g.div(g.dy, g.x());
        }
        Log1p "log1p" same "log(1 + x), accurate near 0." "log1p" {
            example "[0, 1]" => "[ 0, 0.6931471824645996 ]";
            float |x| x.log1p_();
            check range(-0.6, 3.0);
            grad |g| g.div(g.dy, g.add(g.x(), 1.0));
        }
        Log2 "log2" same "Logarithm to base 2 of each element." "log2" {
            example "[8, 0.5]" => "[ 3, -1 ]";
            float |x| x.log2_();
            check range(0.3, 3.0);
            grad |g| g.div(g.dy, g.mul(g.x(), std::f64::consts::LN_2));
        }
        Sqrt "sqrt" same "Square root of each element; NaN for negative ones." "sqrt" {
            example "[4, 9]" => "[ 2, 3 ]";
            float |x| x.sqrt();
            check range(0.3, 3.0);
            grad |g| g.div(g.dy, g.mul(g.y(), 2.0));
        }
        Rsqrt "rsqrt" same "1 / sqrt(x) of each element." "rsqrt" {
            example "[4, 0.25]" => "[ 0.5, 2 ]";
            float |x| 1.0 / x.sqrt();
            check range(0.3, 3.0);
            grad |g| g.mul(g.mul(g.dy, -0.5), g.mul(g.y(), g.mul(g.y(), g.y())));
        }
        Square "square" same "Each element times itself." "square" {
            example "[2, -3]" => "[ 4, 9 ]";
            float |x| x * x;
            int |x| x.wrapping_mul(x);
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.mul(g.x(), 2.0));
        }
        Reciprocal "reciprocal" same "1 / x of each element." "reciprocal" {
            example "[2, 4]" => "[ 0.5, 0.25 ]";
            float |x| 1.0 / x;
            check range(0.3, 3.0);
            grad |g| g.mul(g.neg(g.dy), g.mul(g.y(), g.y()));
        }
        Sin "sin" same "Sine of each element, in radians." "sin" {
            example "[0, 1]" => "[ 0, 0.8414709568023682 ]";
            float |x| x.sin_();
            check range(-3.0, 3.0);
            grad |g| g.mul(g.dy, g.cos(g.x()));
        }
        Cos "cos" same "Cosine of each element, in radians." "cos" {
            example "[0, 1]" => "[ 1, 0.5403022766113281 ]";
            float |x| x.cos_();
            check range(-3.0, 3.0);
            grad |g| g.mul(g.dy, g.neg(g.sin(g.x())));
        }
        Tan "tan" same "Tangent of each element, in radians." "tan" {
            example "[0, 1]" => "[ 0, 1.5574077367782593 ]";
            float |x| x.tan_();
            check range(-1.2, 1.2);
            grad |g| g.mul(g.dy, g.add(g.square(g.y()), 1.0));
        }
        Atan "atan" same "Arc tangent of each element, in radians." "atan" {
            example "[0, 1]" => "[ 0, 0.7853981852531433 ]";
            float |x| x.atan_();
            check range(-2.0, 2.0);
            grad |g| g.div(g.dy, g.add(g.square(g.x()), 1.0));
        }
        Tanh "tanh" same "Hyperbolic tangent of each element." "tanh" {
            example "[0, 1]" => "[ 0, 0.7615941762924194 ]";
            float |x| x.tanh_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.sub(1.0, g.square(g.y())));
        }
        Sigmoid "sigmoid" same "1 / (1 + exp(-x)) of each element." "sigmoid" {
            example "[0, 1]" => "[ 0.5, 0.7310585975646973 ]";
            float |x| x.sigmoid_();
            check range(-3.0, 3.0);
            grad |g| g.mul(g.dy, g.mul(g.sub(1.0, g.y()), g.y()));
        }
        Relu "relu" same "max(x, 0) of each element; NaN stays NaN." "relu" {
            example "[-1, 2]" => "[ 0, 2 ]";
            float |x| if x <= 0.0 { 0.0 } else { x };
            int |x| if x.is_negative_() { 0 } else { x };
            check kinks(-2.0, 2.0, &[0.0]);
            grad |g| g.where_(g.gt(g.y(), 0.0), g.dy, 0.0);
        }
        Erf "erf" same "Error function of each element." "erf" {
            example "[0, 1]" => "[ 0, 0.8427007794380188 ]";
            float |x| x.erf_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.mul(g.exp(g.neg(g.square(g.x()))), std::f64::consts::FRAC_2_SQRT_PI));
        }
        Ndtr "ndtr" same "Integral of the normal distribution up to each element." "special.ndtr" {
            example "[0, 1]" => "[ 0.5, 0.8413447141647339 ]";
            float |x| x.ndtr_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.normal_density());
        }
        Gelu "gelu" same "x · Φ(x), the Gaussian error linear unit; NaN for ±∞ as in PyTorch." "nn.functional.gelu" {
            example "[-1, 1]" => "[ -0.15865525603294373, 0.8413447141647339 ]";
            float |x| x.gelu_();
            check range(-2.0, 2.0);
            grad |g| g.mul(g.dy, g.add(g.ndtr(g.x()), g.mul(g.x(), g.normal_density())));
        }
        Floor "floor" same "Largest integer not above each element." "floor" {
            example "[1.5, -1.5]" => "[ 1, -2 ]";
            float |x| x.floor();
            int |x| x;
            check kinks(-2.0, 2.0, INTEGERS);
            grad |g| g.zeros();
        }
        Ceil "ceil" same "Smallest integer not below each element." "ceil" {
            example "[1.5, -1.5]" => "[ 2, -1 ]";
            float |x| x.ceil();
            int |x| x;
            check kinks(-2.0, 2.0, INTEGERS);
            grad |g| g.zeros();
        }
        Round "round" same "Nearest integer of each element, halves to the even one." "round" {
            example "[0.5, 1.5, 2.6]" => "[ 0, 2, 3 ]";
            float |x| x.round_ties_even();
            int |x| x;
            check kinks(-2.0, 2.0, HALVES);
            grad |g| g.zeros();
        }
        Trunc "trunc" same "Each element without its fraction." "trunc" {
            example "[1.5, -1.5]" => "[ 1, -1 ]";
            float |x| x.trunc();
            int |x| x;
            check kinks(-2.0, 2.0, INTEGERS);
            grad |g| g.zeros();
        }
        Isnan "isnan" bool "Whether each element is NaN." "isnan" {
            example "[1, NaN]" => "[ false, true ]";
            float |x| x.is_nan();
            int |_x| false;
            bool |_x| false;
        }
        Isinf "isinf" bool "Whether each element is positive or negative infinity." "isinf" {
            example "[1, -Infinity]" => "[ false, true ]";
            float |x| x.is_infinite();
            int |_x| false;
            bool |_x| false;
        }
        Isfinite "isfinite" bool "Whether each element is neither infinite nor NaN." "isfinite" {
            example "[1, Infinity]" => "[ true, false ]";
            float |x| x.is_finite();
            int |_x| true;
            bool |_x| true;
        }
        Not "not" bool "Whether each element is 0 (false)." "logical_not" {
            example "[true, false]" => "[ false, true ]";
            float |x| x == 0.0;
            int |x| x == 0;
            bool |x| !x;
        }
    }
    binary {
        Add "add" same "Sum of the operands; on bool it is `or`." "add" {
            example "[1, 2]", "10" => "[ 11, 12 ]";
            float |x, y| x + y;
            int |x, y| x.wrapping_add(y);
            bool |x, y| x | y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| Ok(g.dy), Ok(g.dy);
        }
        Sub "sub" same "Difference of the operands." "sub" {
            example "[1, 2]", "1" => "[ 0, 1 ]";
            float |x, y| x - y;
            int |x, y| x.wrapping_sub(y);
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| Ok(g.dy), g.neg(g.dy);
        }
        Mul "mul" same "Product of the operands; on bool it is `and`." "mul" {
            example "[1, 2]", "3" => "[ 3, 6 ]";
            float |x, y| x * y;
            int |x, y| x.wrapping_mul(y);
            bool |x, y| x & y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| g.mul(g.dy, g.other()), g.mul(g.dy, g.x());
        }
        Div "div" same "Quotient of the operands; integers give f32." "div" {
            example "[1, 2]", "2" => "[ 0.5, 1 ]";
            float |x, y| x / y;
            check [range(-2.0, 2.0), range(0.4, 2.0)];
            grad |g| g.div(g.dy, g.other()), g.neg(g.div(g.mul(g.dy, g.y()), g.other()));
        }
        FloorDiv "floorDiv" same "Quotient rounded towards minus infinity; an integer 0 as divisor is an error." "floor_divide" {
            example "[7, -7]", "2" => "[ 3, -4 ]";
            divisor nonzero;
            float |x, y| x.floor_div_(y);
            int |x, y| x.floor_div_(y);
            check [range(2.2, 2.8), range(0.95, 1.0)];
            grad |g| g.zeros(), g.zeros();
        }
        Remainder "remainder" same "Remainder with the sign of the divisor; an integer 0 as divisor is an error." "remainder" {
            example "[7, -7]", "3" => "[ 1, 2 ]";
            divisor nonzero;
            float |x, y| x.remainder_(y);
            int |x, y| x.remainder_(y);
            check [range(2.2, 2.8), range(0.95, 1.0)];
            grad |g| Ok(g.dy), g.neg(g.mul(g.dy, g.floor_div(g.x(), g.other())));
        }
        Fmod "fmod" same "Remainder with the sign of the dividend; an integer 0 as divisor is an error." "fmod" {
            example "[7, -7]", "3" => "[ 1, -1 ]";
            divisor nonzero;
            float |x, y| x.fmod_(y);
            int |x, y| if y == 0 { 0 } else { x.wrapping_rem(y) };
            check [range(-2.8, -2.2), range(0.95, 1.0)];
            grad |g| Ok(g.dy), g.neg(g.mul(g.dy, g.trunc(g.div(g.x(), g.other()))));
        }
        Pow "pow" same "First operand to the power of the second." "pow" {
            example "[2, 3]", "2" => "[ 4, 9 ]";
            float |x, y| x.pow_(y);
            int |x, y| x.pow_(y);
            check [range(0.3, 2.0), range(-2.0, 2.0)];
            grad |g| g.pow_base(), g.pow_exponent();
        }
        Maximum "maximum" same "Larger of the operands, NaN if one is NaN; equal operands share the gradient." "maximum" {
            example "[1, 5]", "3" => "[ 3, 5 ]";
            float |x, y| if x > y || x.is_nan() { x } else { y };
            int |x, y| if x > y { x } else { y };
            bool |x, y| x | y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| g.extremum(g.lt(g.x(), g.other())), g.extremum(g.gt(g.x(), g.other()));
        }
        Minimum "minimum" same "Smaller of the operands, NaN if one is NaN; equal operands share the gradient." "minimum" {
            example "[1, 5]", "3" => "[ 1, 3 ]";
            float |x, y| if x < y || x.is_nan() { x } else { y };
            int |x, y| if x < y { x } else { y };
            bool |x, y| x & y;
            check [range(-2.0, 2.0), range(-2.0, 2.0)];
            grad |g| g.extremum(g.gt(g.x(), g.other())), g.extremum(g.lt(g.x(), g.other()));
        }
        Eq "eq" bool "Whether the operands are equal." "eq" {
            example "[1, 2]", "2" => "[ false, true ]";
            float |x, y| x == y;
            int |x, y| x == y;
            bool |x, y| x == y;
        }
        Ne "ne" bool "Whether the operands differ." "ne" {
            example "[1, 2]", "2" => "[ true, false ]";
            float |x, y| x != y;
            int |x, y| x != y;
            bool |x, y| x != y;
        }
        Lt "lt" bool "Whether the first operand is less than the second." "lt" {
            example "[1, 2]", "2" => "[ true, false ]";
            float |x, y| x < y;
            int |x, y| x < y;
            bool |x, y| !x & y;
        }
        Le "le" bool "Whether the first operand is at most the second." "le" {
            example "[1, 3]", "2" => "[ true, false ]";
            float |x, y| x <= y;
            int |x, y| x <= y;
            bool |x, y| !x | y;
        }
        Gt "gt" bool "Whether the first operand is greater than the second." "gt" {
            example "[1, 3]", "2" => "[ false, true ]";
            float |x, y| x > y;
            int |x, y| x > y;
            bool |x, y| x && !y;
        }
        Ge "ge" bool "Whether the first operand is at least the second." "ge" {
            example "[1, 2]", "2" => "[ false, true ]";
            float |x, y| x >= y;
            int |x, y| x >= y;
            bool |x, y| x || !y;
        }
        And "and" bool "Whether both operands are other than 0." "logical_and" {
            example "[true, false]", "[true, true]" => "[ true, false ]";
            float |x, y| (x != 0.0) && (y != 0.0);
            int |x, y| (x != 0) && (y != 0);
            bool |x, y| x & y;
        }
        Or "or" bool "Whether one of the operands is other than 0." "logical_or" {
            example "[true, false]", "[false, false]" => "[ true, false ]";
            float |x, y| (x != 0.0) || (y != 0.0);
            int |x, y| (x != 0) || (y != 0);
            bool |x, y| x | y;
        }
        Xor "xor" bool "Whether exactly one of the operands is other than 0." "logical_xor" {
            example "[true, false]", "[true, true]" => "[ false, true ]";
            float |x, y| (x != 0.0) ^ (y != 0.0);
            int |x, y| (x != 0) ^ (y != 0);
            bool |x, y| x ^ y;
        }
    }
}

#[cfg(test)]
mod tests;
