//! Elements in memory.

use neuroxide_core::dtype::DType;

/// A type that tensors hold.
///
/// # Safety
/// `read` must be sound for any bytes, and `DTYPE.size()` must be the size of `Self`.
pub unsafe trait Element: Copy + PartialEq + Send + Sync + 'static {
    const DTYPE: DType;

    /// The number converted as run-time scalars are: truncated to integers, `x != 0` to bool.
    fn from_f64(x: f64) -> Self;

    /// # Safety
    /// `p` is aligned and readable.
    unsafe fn read(p: *const Self) -> Self;

    /// # Safety
    /// `p` is aligned and writable.
    #[inline(always)]
    unsafe fn write(p: *mut Self, x: Self) {
        // SAFETY: the contract of this function.
        unsafe { p.write(x) }
    }
}

macro_rules! number {
    ($T:ty, $D:ident, |$x:ident| $from:expr) => {
        // SAFETY: every bit pattern of a number is a number.
        unsafe impl Element for $T {
            const DTYPE: DType = DType::$D;

            #[inline(always)]
            fn from_f64($x: f64) -> Self {
                $from
            }

            #[inline(always)]
            unsafe fn read(p: *const Self) -> Self {
                // SAFETY: the contract of this function.
                unsafe { p.read() }
            }
        }
    };
}

// Integers wrap, as numbers do that are known when a graph is built.
number!(u8, U8, |x| x as i64 as u8);
number!(i32, I32, |x| x as i64 as i32);
number!(f32, F32, |x| x as f32);
number!(f64, F64, |x| x);

// SAFETY: `read` takes the byte as a number, so bytes other than 0 and 1 are true, not undefined.
unsafe impl Element for bool {
    const DTYPE: DType = DType::Bool;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x != 0.0
    }

    #[inline(always)]
    unsafe fn read(p: *const Self) -> Self {
        // SAFETY: the contract of this function; a byte has any value.
        unsafe { p.cast::<u8>().read() != 0 }
    }
}

/// Floating-point elements, for kernels that work on f32 and f64 alike.
pub trait Float: Element + PartialOrd + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> {
    const ZERO: Self;
}

impl Float for f32 {
    const ZERO: Self = 0.0;
}

impl Float for f64 {
    const ZERO: Self = 0.0;
}

/// Evaluates an expression with `T` bound to the element type of a dtype.
macro_rules! with_dtype {
    ($dtype:expr, |$T:ident| $body:expr) => {
        match $dtype {
            neuroxide_core::dtype::DType::Bool => {
                type $T = bool;
                $body
            }
            neuroxide_core::dtype::DType::U8 => {
                type $T = u8;
                $body
            }
            neuroxide_core::dtype::DType::I32 => {
                type $T = i32;
                $body
            }
            neuroxide_core::dtype::DType::F32 => {
                type $T = f32;
                $body
            }
            neuroxide_core::dtype::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;

/// Evaluates an expression with `T` bound to an unsigned type of the element's size, for kernels
/// that only move elements.
macro_rules! with_size {
    ($size:expr, |$T:ident| $body:expr) => {
        match $size {
            1 => {
                type $T = u8;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}
pub(crate) use with_size;
