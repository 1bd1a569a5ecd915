//! Vectors of the instruction sets.

#[cfg(target_arch = "x86_64")]
#[allow(clippy::wildcard_imports, reason = "fifty names, told apart by their prefix")]
use std::arch::x86_64::*;

use neuroxide_core::ops::table::{UnaryFn, unary};

/// A vector of elements.
///
/// # Safety
/// The methods need the instruction set of the vector; pointers need be valid for the elements
/// named, without alignment.
pub(crate) trait Simd: Copy {
    type Element: Copy;
    const LANES: usize;

    unsafe fn splat(x: Self::Element) -> Self;
    unsafe fn load(p: *const Self::Element) -> Self;
    unsafe fn store(self, p: *mut Self::Element);
    /// The first `count` elements, 1 to `LANES`; the rest are 0 and their memory is not touched.
    unsafe fn load_part(p: *const Self::Element, count: usize) -> Self;
    unsafe fn store_part(self, p: *mut Self::Element, count: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `self * b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// 0 where an element is at most 0; NaN stays, as the table has it.
    unsafe fn relu(self) -> Self;
    /// `then` where an element is larger than that of `other`, else `or`.
    unsafe fn if_above(self, other: Self, then: Self, or: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
macro_rules! avx512 {
    ($V:ty, $T:ty, $lanes:literal, $M:ty, $set:ident, $load:ident, $store:ident, $maskload:ident, $maskstore:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $fma:ident, $compare:ident, $keep:ident, $blend:ident) => {
        // SAFETY (all blocks): the intrinsics need what the trait's contract grants.
        impl Simd for $V {
            type Element = $T;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(x: $T) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $set(x) }
            }
            #[inline(always)]
            unsafe fn load(p: *const $T) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $T) {
                // SAFETY: the contract of the trait.
                unsafe { $store(p, self) }
            }
            #[inline(always)]
            unsafe fn load_part(p: *const $T, count: usize) -> Self {
                // SAFETY: the contract of the trait; masked lanes are not accessed.
                unsafe { $maskload(((1u32 << count) - 1) as $M, p) }
            }
            #[inline(always)]
            unsafe fn store_part(self, p: *mut $T, count: usize) {
                // SAFETY: the contract of the trait; masked lanes are not accessed.
                unsafe { $maskstore(p, ((1u32 << count) - 1) as $M, self) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $fma(self, b, c) }
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $sub(self, other) }
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $mul(self, other) }
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $div(self, other) }
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $sqrt(self) }
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $keep($compare::<_CMP_NLE_UQ>(self, $set(0.0)), self) }
            }
            #[inline(always)]
            unsafe fn if_above(self, other: Self, then: Self, or: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $blend($compare::<_CMP_GT_OQ>(self, other), or, then) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
avx512!(
    __m512,
    f32,
    16,
    u16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_fmadd_ps,
    _mm512_cmp_ps_mask,
    _mm512_maskz_mov_ps,
    _mm512_mask_blend_ps
);
#[cfg(target_arch = "x86_64")]
avx512!(
    __m512d,
    f64,
    8,
    u8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    _mm512_fmadd_pd,
    _mm512_cmp_pd_mask,
    _mm512_maskz_mov_pd,
    _mm512_mask_blend_pd
);

/// A window over this gives a mask of the first lanes.
static MASK32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static MASK64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

#[cfg(target_arch = "x86_64")]
macro_rules! avx2 {
    ($V:ty, $T:ty, $lanes:literal, $mask:ident, $set:ident, $load:ident, $store:ident, $maskload:ident,
     $maskstore:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $fma:ident, $compare:ident,
     $and:ident, $blend:ident) => {
        impl Simd for $V {
            type Element = $T;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(x: $T) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $set(x) }
            }
            #[inline(always)]
            unsafe fn load(p: *const $T) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $load(p) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $T) {
                // SAFETY: the contract of the trait.
                unsafe { $store(p, self) }
            }
            #[inline(always)]
            unsafe fn load_part(p: *const $T, count: usize) -> Self {
                // SAFETY: `count` is 1 to LANES, so the window lies in the table; masked lanes are not accessed.
                unsafe {
                    let mask = _mm256_loadu_si256($mask.as_ptr().add($lanes - count).cast::<__m256i>());
                    $maskload(p, mask)
                }
            }
            #[inline(always)]
            unsafe fn store_part(self, p: *mut $T, count: usize) {
                // SAFETY: `count` is 1 to LANES, so the window lies in the table; masked lanes are not accessed.
                unsafe {
                    let mask = _mm256_loadu_si256($mask.as_ptr().add($lanes - count).cast::<__m256i>());
                    $maskstore(p, mask, self);
                }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $fma(self, b, c) }
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $sub(self, other) }
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $mul(self, other) }
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $div(self, other) }
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $sqrt(self) }
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $and($compare::<_CMP_NLE_UQ>(self, $set(0.0)), self) }
            }
            #[inline(always)]
            unsafe fn if_above(self, other: Self, then: Self, or: Self) -> Self {
                // SAFETY: the contract of the trait.
                unsafe { $blend(or, then, $compare::<_CMP_GT_OQ>(self, other)) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
avx2!(
    __m256,
    f32,
    8,
    MASK32,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_maskload_ps,
    _mm256_maskstore_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_fmadd_ps,
    _mm256_cmp_ps,
    _mm256_and_ps,
    _mm256_blendv_ps
);
#[cfg(target_arch = "x86_64")]
avx2!(
    __m256d,
    f64,
    4,
    MASK64,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_maskload_pd,
    _mm256_maskstore_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_sqrt_pd,
    _mm256_fmadd_pd,
    _mm256_cmp_pd,
    _mm256_and_pd,
    _mm256_blendv_pd
);

/// What the compiler makes of an array.
#[derive(Clone, Copy)]
pub(crate) struct Array<T>([T; 8]);

macro_rules! array {
    ($T:ty) => {
        impl Simd for Array<$T> {
            type Element = $T;
            const LANES: usize = 8;

            #[inline(always)]
            unsafe fn splat(x: $T) -> Self {
                Self([x; 8])
            }
            #[inline(always)]
            unsafe fn load(p: *const $T) -> Self {
                // SAFETY: the contract of the trait; arrays of elements are aligned as elements are.
                Self(unsafe { p.cast::<[$T; 8]>().read() })
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut $T) {
                // SAFETY: as in `load`.
                unsafe { p.cast::<[$T; 8]>().write(self.0) }
            }
            #[inline(always)]
            unsafe fn load_part(p: *const $T, count: usize) -> Self {
                // SAFETY: the contract of the trait: `count` elements are readable.
                Self(std::array::from_fn(|i| if i < count { unsafe { *p.add(i) } } else { 0.0 }))
            }
            #[inline(always)]
            unsafe fn store_part(self, p: *mut $T, count: usize) {
                // SAFETY: the contract of the trait: `count` elements are writable.
                (0..count).for_each(|i| unsafe { *p.add(i) = self.0[i] });
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i].mul_add(b.0[i], c.0[i])))
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i] / other.0[i]))
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                Self(self.0.map(<$T>::sqrt))
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                Self(self.0.map(<unary::Relu as UnaryFn<$T>>::eval))
            }
            #[inline(always)]
            unsafe fn if_above(self, other: Self, then: Self, or: Self) -> Self {
                Self(std::array::from_fn(|i| if self.0[i] > other.0[i] { then.0[i] } else { or.0[i] }))
            }
        }
    };
}

array!(f32);
array!(f64);
