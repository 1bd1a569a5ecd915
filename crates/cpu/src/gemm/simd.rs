//! Vectors of the instruction sets.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m256d, __m256i, __m512, __m512d, _mm256_add_pd, _mm256_add_ps, _mm256_fmadd_pd,
    _mm256_fmadd_ps, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_pd,
    _mm256_maskload_ps, _mm256_maskstore_pd, _mm256_maskstore_ps, _mm256_set1_pd, _mm256_set1_ps,
    _mm256_storeu_pd, _mm256_storeu_ps, _mm512_add_pd, _mm512_add_ps, _mm512_fmadd_pd, _mm512_fmadd_ps,
    _mm512_loadu_pd, _mm512_loadu_ps, _mm512_mask_storeu_pd, _mm512_mask_storeu_ps, _mm512_maskz_loadu_pd,
    _mm512_maskz_loadu_ps, _mm512_set1_pd, _mm512_set1_ps, _mm512_storeu_pd, _mm512_storeu_ps,
};

/// A vector of elements.
///
/// # Safety
/// The methods need the instruction set of the vector; pointers need be valid for the elements
/// named, without alignment.
pub(super) trait Simd: Copy {
    type Element: Copy;
    const LANES: usize;

    unsafe fn splat(x: Self::Element) -> Self;
    unsafe fn load(p: *const Self::Element) -> Self;
    unsafe fn store(self, p: *mut Self::Element);
    /// The first `count` elements, 1 to `LANES`; the rest are 0 and their memory is not touched.
    unsafe fn load_part(p: *const Self::Element, count: usize) -> Self;
    unsafe fn store_part(self, p: *mut Self::Element, count: usize);
    unsafe fn add(self, other: Self) -> Self;
    /// `self * b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
macro_rules! avx512 {
    ($V:ty, $T:ty, $lanes:literal, $M:ty, $set:ident, $load:ident, $store:ident, $maskload:ident, $maskstore:ident,
     $add:ident, $fma:ident) => {
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
    _mm512_fmadd_ps
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
    _mm512_fmadd_pd
);

/// A window over this gives a mask of the first lanes.
static MASK32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
static MASK64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

#[cfg(target_arch = "x86_64")]
macro_rules! avx2 {
    ($V:ty, $T:ty, $lanes:literal, $mask:ident, $set:ident, $load:ident, $store:ident, $maskload:ident,
     $maskstore:ident, $add:ident, $fma:ident) => {
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
    _mm256_fmadd_ps
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
    _mm256_fmadd_pd
);

/// What the compiler makes of an array.
#[derive(Clone, Copy)]
pub(super) struct Array<T>([T; 8]);

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
        }
    };
}

array!(f32);
array!(f64);
