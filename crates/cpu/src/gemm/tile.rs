//! The tile, and the tables of its variants.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

use super::simd::{Array, Simd};
use crate::isa::Isa;

/// Operands of a tile: strides in elements, b and c unit-stride along n.
#[derive(Clone, Copy)]
pub(crate) struct Operands<T> {
    pub k: usize,
    pub a: *const T,
    pub a_row: isize,
    pub a_k: isize,
    pub b: *const T,
    pub b_k: isize,
    pub c: *mut T,
    pub c_row: isize,
    /// Columns that exist, 1 to the tile's width.
    pub cols: usize,
    /// Adds the finished elements to what c holds, instead of writing them.
    pub add: bool,
}

/// Computes a tile of a fixed number of rows.
pub(crate) type Tile<T> = unsafe fn(&Operands<T>);

/// The variants for one element type and instruction set.
pub(crate) struct Tiles<T: 'static> {
    /// Columns of a full tile: two vectors.
    pub width: usize,
    /// Variants for 1, 2, … rows: a full tile, one that ends in its second vector, one in its first.
    pub variants: &'static [[Tile<T>; 3]],
}

impl<T> Tiles<T> {
    /// Rows of the largest tile.
    pub fn height(&self) -> usize {
        self.variants.len()
    }

    /// The variant for a number of rows and columns.
    pub fn get(&self, rows: usize, cols: usize) -> Tile<T> {
        let kind = if cols == self.width { 0 } else { 1 + usize::from(cols <= self.width / 2) };
        self.variants[rows - 1][kind]
    }
}

/// Element types with tiles.
pub(crate) trait Tiled: Sized + 'static {
    /// The tiles for an instruction set.
    fn tiles(isa: Isa) -> &'static Tiles<Self>;
}

/// `MR` rows of `NV` vectors, of which the last is cut to fit where `PART`.
///
/// # Safety
/// The instruction set of `V` is there; a is readable for `MR` rows of k elements, b for k rows of
/// `cols`, c writable (readable with `add`) for `MR` rows of `cols`; `cols` reaches into vector `NV`.
#[inline(always)]
unsafe fn tile<V: Simd, const MR: usize, const NV: usize, const PART: bool>(
    x: &Operands<V::Element>,
    zero: V::Element,
) {
    let last = x.cols.wrapping_sub((NV - 1) * V::LANES);
    // SAFETY: the contract of this function.
    unsafe {
        let load = |p: *const V::Element, v: usize| {
            let p = p.add(v * V::LANES);
            if PART && v + 1 == NV { V::load_part(p, last) } else { V::load(p) }
        };
        let mut acc = [[V::splat(zero); NV]; MR];
        let (mut a, mut b) = (x.a, x.b);
        for _ in 0..x.k {
            let mut row = [V::splat(zero); NV];
            for (v, row) in row.iter_mut().enumerate() {
                *row = load(b, v);
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let x = V::splat(*a.offset(i as isize * x.a_row));
                for (acc, &row) in acc.iter_mut().zip(&row) {
                    *acc = x.mul_add(row, *acc);
                }
            }
            a = a.wrapping_offset(x.a_k);
            b = b.wrapping_offset(x.b_k);
        }
        for (i, acc) in acc.iter().enumerate() {
            let c = x.c.offset(i as isize * x.c_row);
            for (v, &acc) in acc.iter().enumerate() {
                let sum = if x.add { load(c, v).add(acc) } else { acc };
                let c = c.add(v * V::LANES);
                if PART && v + 1 == NV { sum.store_part(c, last) } else { sum.store(c) }
            }
        }
    }
}

/// A table of shells for `$rows` rows each.
macro_rules! table {
    ($name:ident, $T:ty, $V:ty, [$($rows:literal)*] $(, #[$feature:meta])?) => {
        static $name: Tiles<$T> = {
            $(#[$feature])?
            unsafe fn shell<const MR: usize, const NV: usize, const PART: bool>(x: &Operands<$T>) {
                // SAFETY: the contract of `Tile`: that of `tile`, with the table's instruction set.
                unsafe { tile::<$V, MR, NV, PART>(x, 0.0) }
            }
            Tiles {
                width: 2 * <$V as Simd>::LANES,
                variants: &[$([shell::<$rows, 2, false>, shell::<$rows, 2, true>, shell::<$rows, 1, true>]),*],
            }
        };
    };
}

macro_rules! tiled {
    ($T:ty, $v512:ty, $v256:ty) => {
        impl Tiled for $T {
            fn tiles(isa: Isa) -> &'static Tiles<Self> {
                #[cfg(target_arch = "x86_64")]
                table!(WIDE, $T, $v512, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], #[target_feature(enable = "avx512f")]);
                #[cfg(target_arch = "x86_64")]
                table!(NARROW, $T, $v256, [1 2 3 4 5 6], #[target_feature(enable = "avx2,fma")]);
                table!(PLAIN, $T, Array<$T>, [1 2 3 4]);
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => &WIDE,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => &NARROW,
                    _ => &PLAIN,
                }
            }
        }
    };
}

tiled!(f32, __m512, __m256);
tiled!(f64, __m512d, __m256d);
