//! Matrices turned over in memory.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _mm_loadu_pd, _mm_loadu_ps, _mm256_castpd128_pd256, _mm256_castps128_ps256, _mm256_insertf128_pd,
    _mm256_insertf128_ps, _mm256_shuffle_ps, _mm256_storeu_pd, _mm256_storeu_ps, _mm256_unpackhi_pd,
    _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
};

/// A way to turn over square blocks.
pub(super) trait Turn {
    type Element: Copy;
    /// Rows and columns of a block.
    const SIDE: usize;

    /// Writes `to[j * to_row + i] = from[i * from_row + j]` for a block.
    ///
    /// # Safety
    /// The elements are readable and writable and the two sides do not overlap; the instruction set is there.
    unsafe fn block(from: *const Self::Element, from_row: isize, to: *mut Self::Element, to_row: isize);
}

/// Blocks in vectors of AVX: a fifth of a cycle per element, where one element at a time, which is also
/// what the compiler makes of the plain loop, takes a whole one.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx<T>(T);

// Halves of two rows that lie half a block apart are joined when they are loaded, so that shuffles
// within 128 bits are enough.
#[cfg(target_arch = "x86_64")]
impl Turn for Avx<f32> {
    type Element = f32;
    const SIDE: usize = 8;

    #[inline(always)]
    unsafe fn block(from: *const f32, from_row: isize, to: *mut f32, to_row: isize) {
        // SAFETY: the contract of the trait.
        unsafe {
            for half in [0, 4] {
                let rows = |i: isize| {
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(from.offset(i * from_row + half)));
                    _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.offset((i + 4) * from_row + half)))
                };
                let (a, b, c, d) = (rows(0), rows(1), rows(2), rows(3));
                let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                let to = to.offset(half * to_row);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(ab, cd));
                _mm256_storeu_ps(to.offset(to_row), _mm256_shuffle_ps::<0xee>(ab, cd));
                let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                _mm256_storeu_ps(to.offset(2 * to_row), _mm256_shuffle_ps::<0x44>(ab, cd));
                _mm256_storeu_ps(to.offset(3 * to_row), _mm256_shuffle_ps::<0xee>(ab, cd));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Turn for Avx<f64> {
    type Element = f64;
    const SIDE: usize = 4;

    #[inline(always)]
    unsafe fn block(from: *const f64, from_row: isize, to: *mut f64, to_row: isize) {
        // SAFETY: the contract of the trait.
        unsafe {
            for half in [0, 2] {
                let rows = |i: isize| {
                    let low = _mm256_castpd128_pd256(_mm_loadu_pd(from.offset(i * from_row + half)));
                    _mm256_insertf128_pd::<1>(low, _mm_loadu_pd(from.offset((i + 2) * from_row + half)))
                };
                let (a, b) = (rows(0), rows(1));
                let to = to.offset(half * to_row);
                _mm256_storeu_pd(to, _mm256_unpacklo_pd(a, b));
                _mm256_storeu_pd(to.offset(to_row), _mm256_unpackhi_pd(a, b));
            }
        }
    }
}

/// One element at a time.
pub(super) struct Each<T>(T);

impl<T: Copy> Turn for Each<T> {
    type Element = T;
    const SIDE: usize = 1;

    #[inline(always)]
    unsafe fn block(from: *const T, _: isize, to: *mut T, _: isize) {
        // SAFETY: the contract of the trait.
        unsafe { *to = *from }
    }
}

/// Writes `to[j * to_row + i] = from[i * from_row + j]` for `rows` rows and `cols` columns.
///
/// # Safety
/// The elements named are readable and writable and the two sides do not overlap; the instruction set
/// is there.
#[inline(always)]
pub(super) unsafe fn transpose<V: Turn>(
    from: *const V::Element,
    from_row: isize,
    to: *mut V::Element,
    to_row: isize,
    rows: usize,
    cols: usize,
) {
    let side = V::SIDE;
    // SAFETY: the contract of this function.
    unsafe {
        if rows < side || cols < side {
            for i in 0..rows {
                let (from, to) = (from.offset(i as isize * from_row), to.add(i));
                (0..cols).for_each(|j| *to.offset(j as isize * to_row) = *from.add(j));
            }
            return;
        }
        // The last block of a row or column is moved back to fit: some elements are written twice.
        for j in (0..cols).step_by(side) {
            let j = j.min(cols - side);
            for i in (0..rows).step_by(side) {
                let i = i.min(rows - side);
                let from = from.offset(i as isize * from_row).add(j);
                V::block(from, from_row, to.offset(j as isize * to_row).add(i), to_row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tiled;
    use crate::isa::Isa;

    fn every_element_lands_in_its_place<T: Tiled + PartialEq + std::fmt::Debug>(of: impl Fn(usize) -> T) {
        for isa in Isa::available() {
            for (rows, cols) in [(1, 1), (3, 9), (4, 4), (8, 8), (13, 7), (13, 11), (16, 33), (64, 32)] {
                let from: Vec<T> = (0..rows * (cols + 2)).map(&of).collect();
                let gap = of(usize::MAX);
                let mut to = vec![gap; cols * (rows + 1)];
                // SAFETY: both sides have room for the matrix and their gaps; the instruction set is available.
                unsafe {
                    let (from_row, to_row) = (cols as isize + 2, rows as isize + 1);
                    (T::tiles(isa).turn)(from.as_ptr(), from_row, to.as_mut_ptr(), to_row, rows, cols);
                }
                for j in 0..cols {
                    assert!((0..rows).all(|i| to[j * (rows + 1) + i] == from[i * (cols + 2) + j]), "{isa}");
                    assert_eq!(to[j * (rows + 1) + rows], gap, "the gap is not touched");
                }
            }
        }
    }

    #[test]
    fn every_element_is_turned() {
        every_element_lands_in_its_place(|i| i as f32);
        every_element_lands_in_its_place(|i| i as f64);
    }
}
