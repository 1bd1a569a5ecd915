//! What a row of the table becomes: variants, names, scalar functions as types, and the two dispatching macros.

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

/// Whether a row says `divisor nonzero`.
macro_rules! refuses_zero {
    () => {
        false
    };
    (nonzero) => {
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
            example $ux:literal => $uprints:literal;
            $(float |$uf:ident| $ufloat:expr;)? $(int |$ui:ident| $uint:expr;)? $(bool |$ub:ident| $ubool:expr;)?
            $(check $udomain:expr; grad |$ug:ident| $ugrad:expr;)?
        }
     )* }
     binary { $(
        $B:ident $bname:literal $bout:ident $bdoc:literal $btorch:literal
        {
            example $bx:literal, $by:literal => $bprints:literal;
            $(divisor $bdivisor:ident;)?
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
            /// Values and what becomes of them, for the documentation.
            pub const fn example(self) -> Example {
                match self { $(Self::$U => Example { operands: &[$ux], prints: $uprints }),* }
            }
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
            /// Values and what becomes of them, for the documentation.
            pub const fn example(self) -> Example {
                match self { $(Self::$B => Example { operands: &[$bx, $by], prints: $bprints }),* }
            }
            /// Whether an integer 0 as second operand is an error.
            pub const fn refuses_zero(self) -> bool { match self { $(Self::$B => refuses_zero!($($bdivisor)?)),* } }
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
