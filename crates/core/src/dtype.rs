//! Element types and the promotion rules between them.

use std::fmt;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum DType {
    Bool = 0,
    U8 = 1,
    I32 = 2,
    F32 = 3,
    F64 = 4,
}

impl DType {
    /// Every element type, in promotion order.
    pub const ALL: [Self; 5] = [Self::Bool, Self::U8, Self::I32, Self::F32, Self::F64];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The name used in TypeScript and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// The inverse of `self as u8`.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Kind of a number that came from a literal: it adapts to the tensor it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weak {
    Bool,
    Int,
    Float,
}

impl Weak {
    /// The kind of a JavaScript number.
    pub fn of(value: f64) -> Self {
        if value.is_finite() && value.fract() == 0.0 { Self::Int } else { Self::Float }
    }
}

/// What promotion looks at: an element type and whether it only came from a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub dtype: DType,
    pub weak: Option<Weak>,
}

/// The element type in which a binary operation of `a` and `b` computes (`PyTorch`'s rule).
///
/// Two tensors give the wider type. A literal keeps the tensor's type unless its own category
/// is higher: an integral literal makes i32 of bool, a fractional one f32 of what is no float.
pub fn promote(a: Kind, b: Kind) -> DType {
    match (a.weak, b.weak) {
        (None, None) => a.dtype.max(b.dtype),
        (None, Some(weak)) => with_literal(a.dtype, weak),
        (Some(weak), None) => with_literal(b.dtype, weak),
        (Some(x), Some(y)) => match x.max(y) {
            Weak::Bool => DType::Bool,
            Weak::Int | Weak::Float => DType::F32,
        },
    }
}

fn with_literal(dtype: DType, weak: Weak) -> DType {
    match weak {
        Weak::Float if !dtype.is_float() => DType::F32,
        Weak::Int if dtype == DType::Bool => DType::I32,
        _ => dtype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strong(dtype: DType) -> Kind {
        Kind { dtype, weak: None }
    }

    fn literal(weak: Weak) -> Kind {
        Kind { dtype: DType::F32, weak: Some(weak) }
    }

    #[test]
    fn tensors_promote_to_the_wider_type() {
        assert_eq!(promote(strong(DType::U8), strong(DType::I32)), DType::I32);
        assert_eq!(promote(strong(DType::I32), strong(DType::F32)), DType::F32);
        assert_eq!(promote(strong(DType::Bool), strong(DType::Bool)), DType::Bool);
    }

    #[test]
    fn literals_adapt_to_the_tensor() {
        assert_eq!(promote(strong(DType::U8), literal(Weak::Int)), DType::U8);
        assert_eq!(promote(strong(DType::Bool), literal(Weak::Int)), DType::I32);
        assert_eq!(promote(strong(DType::I32), literal(Weak::Float)), DType::F32);
        assert_eq!(promote(strong(DType::F64), literal(Weak::Float)), DType::F64);
        assert_eq!(promote(literal(Weak::Int), literal(Weak::Int)), DType::F32);
    }

    #[test]
    fn integral_numbers_are_recognised() {
        assert_eq!(Weak::of(3.0), Weak::Int);
        assert_eq!(Weak::of(3.5), Weak::Float);
        assert_eq!(Weak::of(f64::INFINITY), Weak::Float);
    }
}
