//! Scalar functions that the table and the initialisers share. No function of the platform's
//! math library is used: its results differ between C libraries.

/// Floating-point elements. Trailing underscores keep the names apart from the standard methods,
/// which must not be used.
pub trait Real: Copy + PartialOrd {
    fn exp_(self) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn exp_(self) -> Self {
        libm::expf(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn exp_(self) -> Self {
        libm::exp(self)
    }
}

/// Integer elements.
pub trait Int: Copy + Ord {
    fn is_negative_(self) -> bool;
}

impl Int for i32 {
    #[inline(always)]
    fn is_negative_(self) -> bool {
        self < 0
    }
}

impl Int for u8 {
    #[inline(always)]
    fn is_negative_(self) -> bool {
        false
    }
}
