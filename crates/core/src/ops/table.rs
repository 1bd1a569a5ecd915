//! The table of elementwise ops: the only place that says which ones exist.
//!
//! A row gives variant, name, result (`same` element type or `bool`) and one scalar function per
//! class of element types: `float` (f32, f64), `int` (i32, u8), `bool`. The functions are
//! `#[inline(always)]` so that a kernel that calls them under `#[target_feature]` vectorises them.

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

/// The element type of a result: `same` as the operands, or `bool`.
macro_rules! out_type {
    (same $T:ty) => { $T };
    (bool $T:ty) => { bool };
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
    (same) => { false };
    (bool) => { true };
}

macro_rules! table {
    ($d:tt
     unary { $(
        $U:ident $uname:literal $uout:ident
        {
            $(float |$uf:ident| $ufloat:expr;)? $(int |$ui:ident| $uint:expr;)? $(bool |$ub:ident| $ubool:expr;)?
        }
     )* }
     binary { $(
        $B:ident $bname:literal $bout:ident
        {
            $(float |$bfx:ident, $bfy:ident| $bfloat:expr;)?
            $(int |$bix:ident, $biy:ident| $bint:expr;)?
            $(bool |$bbx:ident, $bby:ident| $bbool:expr;)?
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
            pub const fn name(self) -> &'static str { match self { $(Self::$U => $uname),* } }
            pub const fn returns_bool(self) -> bool { match self { $(Self::$U => is_bool!($uout)),* } }
        }

        impl BinaryOp {
            pub const ALL: &'static [Self] = &[$(Self::$B),*];
            pub const fn name(self) -> &'static str { match self { $(Self::$B => $bname),* } }
            pub const fn returns_bool(self) -> bool { match self { $(Self::$B => is_bool!($bout)),* } }
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
                                { let _ = stringify!($uf); type $d F = $crate::ops::table::unary::$U; type $d T = f32; $d body }
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::F64) =>
                                { let _ = stringify!($uf); type $d F = $crate::ops::table::unary::$U; type $d T = f64; $d body }
                        )?
                        $(
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::I32) =>
                                { let _ = stringify!($ui); type $d F = $crate::ops::table::unary::$U; type $d T = i32; $d body }
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::U8) =>
                                { let _ = stringify!($ui); type $d F = $crate::ops::table::unary::$U; type $d T = u8; $d body }
                        )?
                        $(
                            ($crate::ops::table::UnaryOp::$U, $crate::dtype::DType::Bool) =>
                                { let _ = stringify!($ub); type $d F = $crate::ops::table::unary::$U; type $d T = bool; $d body }
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
                                { let _ = stringify!($bfx); type $d F = $crate::ops::table::binary::$B; type $d T = f32; $d body }
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::F64) =>
                                { let _ = stringify!($bfx); type $d F = $crate::ops::table::binary::$B; type $d T = f64; $d body }
                        )?
                        $(
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::I32) =>
                                { let _ = stringify!($bix); type $d F = $crate::ops::table::binary::$B; type $d T = i32; $d body }
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::U8) =>
                                { let _ = stringify!($bix); type $d F = $crate::ops::table::binary::$B; type $d T = u8; $d body }
                        )?
                        $(
                            ($crate::ops::table::BinaryOp::$B, $crate::dtype::DType::Bool) =>
                                { let _ = stringify!($bbx); type $d F = $crate::ops::table::binary::$B; type $d T = bool; $d body }
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
        Neg "neg" same {
            float |x| -x;
            int |x| x.wrapping_neg();
        }
        Exp "exp" same {
            float |x| x.exp_();
        }
        Relu "relu" same {
            float |x| if x <= 0.0 { 0.0 } else { x };
            int |x| if x.is_negative_() { 0 } else { x };
        }
        Isnan "isnan" bool {
            float |x| x.is_nan();
            int |_x| false;
            bool |_x| false;
        }
    }
    binary {
        Add "add" same {
            float |x, y| x + y;
            int |x, y| x.wrapping_add(y);
            bool |x, y| x | y;
        }
        Mul "mul" same {
            float |x, y| x * y;
            int |x, y| x.wrapping_mul(y);
            bool |x, y| x & y;
        }
        Lt "lt" bool {
            float |x, y| x < y;
            int |x, y| x < y;
            bool |x, y| !x & y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    fn name_of<F, T>() -> String {
        format!("{}/{}", std::any::type_name::<F>(), std::any::type_name::<T>())
    }

    #[test]
    fn dispatch_binds_the_function_and_the_type() {
        let found = dispatch_unary!(UnaryOp::Exp, DType::F64, |F, T| name_of::<F, T>(), else String::new());
        assert!(found.ends_with("unary::Exp/f64"), "{found}");
        let none = dispatch_unary!(UnaryOp::Exp, DType::I32, |F, T| name_of::<F, T>(), else String::new());
        assert!(none.is_empty());
    }
}
