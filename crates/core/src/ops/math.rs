//! Scalar functions that the table and the initialisers share. No function of the platform's
//! math library is used: its results differ between C libraries.

mod single;

/// Floating-point elements. Trailing underscores keep the names apart from the standard methods,
/// which must not be used.
pub trait Real: Copy + PartialOrd {
    fn exp_(self) -> Self;
    fn expm1_(self) -> Self;
    fn log_(self) -> Self;
    fn log1p_(self) -> Self;
    fn log2_(self) -> Self;
    fn sin_(self) -> Self;
    fn cos_(self) -> Self;
    fn tan_(self) -> Self;
    fn atan_(self) -> Self;
    fn tanh_(self) -> Self;
    fn sigmoid_(self) -> Self;
    fn erf_(self) -> Self;
    /// Φ, the normal distribution's integral.
    fn ndtr_(self) -> Self;
    /// x · Φ(x); NaN for ±∞, as PyTorch has it.
    fn gelu_(self) -> Self;
    fn pow_(self, exponent: Self) -> Self;
    /// Quotient rounded towards minus infinity, consistent with [`Real::remainder_`].
    fn floor_div_(self, divisor: Self) -> Self;
    /// Remainder with the sign of the divisor.
    fn remainder_(self, divisor: Self) -> Self;
    /// Remainder with the sign of the dividend; NaN where the quotient overflows, as PyTorch has it.
    fn fmod_(self, divisor: Self) -> Self;
}

macro_rules! division {
    () => {
        #[inline(always)]
        fn floor_div_(self, divisor: Self) -> Self {
            if divisor == 0.0 {
                return self / divisor;
            }
            let rest = self % divisor;
            let mut quotient = (self - rest) / divisor;
            if rest != 0.0 && (divisor < 0.0) != (rest < 0.0) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                return (0.0 as Self).copysign(self / divisor);
            }
            // The division above may have rounded to just below an integer.
            let floor = quotient.floor();
            if quotient - floor > 0.5 { floor + 1.0 } else { floor }
        }

        #[inline(always)]
        fn remainder_(self, divisor: Self) -> Self {
            let rest = self % divisor;
            if rest != 0.0 && (divisor < 0.0) != (rest < 0.0) { rest + divisor } else { rest }
        }

        #[inline(always)]
        fn fmod_(self, divisor: Self) -> Self {
            if (self / divisor).is_infinite() { Self::NAN } else { self % divisor }
        }
    };
}

impl Real for f32 {
    #[inline(always)]
    fn exp_(self) -> Self {
        single::exp(self)
    }
    #[inline(always)]
    fn expm1_(self) -> Self {
        single::expm1(self)
    }
    #[inline(always)]
    fn log_(self) -> Self {
        single::log(self)
    }
    #[inline(always)]
    fn log1p_(self) -> Self {
        single::log1p(self)
    }
    #[inline(always)]
    fn log2_(self) -> Self {
        single::log2(self)
    }
    #[inline(always)]
    fn sin_(self) -> Self {
        libm::sinf(self)
    }
    #[inline(always)]
    fn cos_(self) -> Self {
        libm::cosf(self)
    }
    #[inline(always)]
    fn tan_(self) -> Self {
        libm::tanf(self)
    }
    #[inline(always)]
    fn atan_(self) -> Self {
        libm::atanf(self)
    }
    #[inline(always)]
    fn tanh_(self) -> Self {
        single::tanh(self)
    }
    #[inline(always)]
    fn sigmoid_(self) -> Self {
        single::sigmoid(self)
    }
    #[inline(always)]
    fn erf_(self) -> Self {
        single::erf(self)
    }
    #[inline(always)]
    fn ndtr_(self) -> Self {
        single::ndtr(self)
    }
    #[inline(always)]
    fn gelu_(self) -> Self {
        single::gelu(self)
    }
    #[inline(always)]
    fn pow_(self, exponent: Self) -> Self {
        // The Builder makes a square of a known 2: one that is only known at run time has the same bits.
        if exponent == 2.0 { self * self } else { libm::powf(self, exponent) }
    }
    division!();
}

impl Real for f64 {
    #[inline(always)]
    fn exp_(self) -> Self {
        libm::exp(self)
    }
    #[inline(always)]
    fn expm1_(self) -> Self {
        libm::expm1(self)
    }
    #[inline(always)]
    fn log_(self) -> Self {
        libm::log(self)
    }
    #[inline(always)]
    fn log1p_(self) -> Self {
        libm::log1p(self)
    }
    #[inline(always)]
    fn log2_(self) -> Self {
        libm::log2(self)
    }
    #[inline(always)]
    fn sin_(self) -> Self {
        libm::sin(self)
    }
    #[inline(always)]
    fn cos_(self) -> Self {
        libm::cos(self)
    }
    #[inline(always)]
    fn tan_(self) -> Self {
        libm::tan(self)
    }
    #[inline(always)]
    fn atan_(self) -> Self {
        libm::atan(self)
    }
    #[inline(always)]
    fn tanh_(self) -> Self {
        libm::tanh(self)
    }
    #[inline(always)]
    fn sigmoid_(self) -> Self {
        let e = (-self.abs()).exp_();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }
    #[inline(always)]
    fn erf_(self) -> Self {
        libm::erf(self)
    }
    #[inline(always)]
    fn ndtr_(self) -> Self {
        0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2)
    }
    #[inline(always)]
    fn gelu_(self) -> Self {
        // Infinities times 0 give NaN, and doubling overflows where it does in PyTorch.
        0.5 * ((2.0 * self) * self.ndtr_()) + self * 0.0
    }
    #[inline(always)]
    fn pow_(self, exponent: Self) -> Self {
        // The Builder makes a square of a known 2: one that is only known at run time has the same bits.
        if exponent == 2.0 { self * self } else { libm::pow(self, exponent) }
    }
    division!();
}

/// Integer elements. Nothing here traps: arithmetic wraps and division by zero gives 0, which the
/// Builder's check turns into an error before anybody sees it.
pub trait Int: Copy + Ord {
    fn is_negative_(self) -> bool;
    fn abs_(self) -> Self;
    fn sign_(self) -> Self;
    fn floor_div_(self, divisor: Self) -> Self;
    fn remainder_(self, divisor: Self) -> Self;
    fn pow_(self, exponent: Self) -> Self;
}

impl Int for i32 {
    #[inline(always)]
    fn is_negative_(self) -> bool {
        self < 0
    }
    #[inline(always)]
    fn abs_(self) -> Self {
        self.wrapping_abs()
    }
    #[inline(always)]
    fn sign_(self) -> Self {
        self.signum()
    }
    #[inline(always)]
    fn floor_div_(self, divisor: Self) -> Self {
        if divisor == 0 {
            return 0;
        }
        let quotient = self.wrapping_div(divisor);
        let rest = self.wrapping_rem(divisor);
        if rest != 0 && (rest < 0) != (divisor < 0) { quotient - 1 } else { quotient }
    }
    #[inline(always)]
    fn remainder_(self, divisor: Self) -> Self {
        if divisor == 0 {
            return 0;
        }
        let rest = self.wrapping_rem(divisor);
        if rest != 0 && (rest < 0) != (divisor < 0) { rest + divisor } else { rest }
    }
    #[inline(always)]
    fn pow_(self, exponent: Self) -> Self {
        if exponent < 0 {
            return match self {
                1 => 1,
                -1 => 1 - 2 * (exponent & 1),
                _ => 0,
            };
        }
        self.wrapping_pow(exponent as u32)
    }
}

impl Int for u8 {
    #[inline(always)]
    fn is_negative_(self) -> bool {
        false
    }
    #[inline(always)]
    fn abs_(self) -> Self {
        self
    }
    #[inline(always)]
    fn sign_(self) -> Self {
        (self != 0).into()
    }
    #[inline(always)]
    fn floor_div_(self, divisor: Self) -> Self {
        self.checked_div(divisor).unwrap_or(0)
    }
    #[inline(always)]
    fn remainder_(self, divisor: Self) -> Self {
        self.checked_rem(divisor).unwrap_or(0)
    }
    #[inline(always)]
    fn pow_(self, exponent: Self) -> Self {
        self.wrapping_pow(exponent.into())
    }
}
