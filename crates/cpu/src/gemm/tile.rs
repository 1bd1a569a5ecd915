//! The tile, strips of tiles, and the tables of their variants.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

#[cfg(target_arch = "x86_64")]
use super::transpose::Avx;
use super::transpose::{Each, transpose};
use crate::isa::Isa;
use crate::simd::{Array, Simd};

/// A strip: a block of rows over panels of columns. Strides in elements; rows of b, c and `from` are
/// unit-stride.
#[derive(Clone, Copy)]
pub(crate) struct Strip<T> {
    pub k: usize,
    pub a: *const T,
    pub a_row: isize,
    pub a_k: isize,
    pub b: *const T,
    pub b_k: isize,
    /// From a panel of b to the next one.
    pub b_panel: isize,
    pub c: *mut T,
    pub c_row: isize,
    /// What finished chains are added to, or null.
    pub from: *const T,
    pub from_row: isize,
    /// Columns of the strip, at least 1; the last panel may be cut short.
    pub cols: usize,
}

/// The variants for one element type and instruction set.
pub(crate) struct Tiles<T: 'static> {
    /// Elements of a vector.
    pub lanes: usize,
    /// Columns of a full tile: two vectors.
    pub width: usize,
    /// Strips of 1, 2, … rows.
    pub strips: &'static [unsafe fn(&Strip<T>)],
    /// `(from, from_row, rows, cols, to, to_row)`: copies rows of at most `width` elements to rows of as
    /// many whole vectors as they take.
    pub pack: unsafe fn(*const T, isize, usize, usize, *mut T, usize),
    /// `(from, from_row, to, to_row, rows, cols)`: writes the matrix turned over.
    pub turn: unsafe fn(*const T, isize, *mut T, isize, usize, usize),
}

impl<T> Tiles<T> {
    /// Rows of the largest tile.
    pub fn height(&self) -> usize {
        self.strips.len()
    }
}

/// Element types with tiles.
pub(crate) trait Tiled: Copy + Sized + 'static {
    /// The tiles for an instruction set.
    fn tiles(isa: Isa) -> &'static Tiles<Self>;
}

/// `MR` rows of `NV` vectors, of which the last is cut to `last` elements where `PART`.
///
/// # Safety
/// The instruction set of `V` is there; a is readable for `MR` rows of k elements, b for k rows of
/// the tile's columns, c writable and `from`, unless null, readable for `MR` rows of them.
#[inline(always)]
unsafe fn tile<V: Simd, const MR: usize, const NV: usize, const PART: bool>(
    x: &Strip<V::Element>,
    zero: V::Element,
    mut b: *const V::Element,
    col: usize,
    last: usize,
) {
    // SAFETY: the contract of this function.
    unsafe {
        let load = |p: *const V::Element, v: usize| {
            let p = p.add(v * V::LANES);
            if PART && v + 1 == NV { V::load_part(p, last) } else { V::load(p) }
        };
        let mut acc = [[V::splat(zero); NV]; MR];
        let mut a = x.a;
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
        for (i, acc) in acc.iter_mut().enumerate() {
            let c = x.c.offset(i as isize * x.c_row).add(col);
            if !x.from.is_null() {
                let from = x.from.offset(i as isize * x.from_row).add(col);
                for (v, acc) in acc.iter_mut().enumerate() {
                    *acc = load(from, v).add(*acc);
                }
            }
            for (v, &acc) in acc.iter().enumerate() {
                let c = c.add(v * V::LANES);
                if PART && v + 1 == NV { acc.store_part(c, last) } else { acc.store(c) }
            }
        }
    }
}

/// The tiles of a strip, one after the other: the block of a stays in the first-level cache.
///
/// # Safety
/// The instruction set of `V` is there; the operands are valid for `MR` rows and the strip's columns.
#[inline(always)]
unsafe fn strip<V: Simd, const MR: usize>(x: &Strip<V::Element>, zero: V::Element) {
    let width = 2 * V::LANES;
    let (mut b, mut col) = (x.b, 0);
    // SAFETY: the contract of this function, for the columns of each tile.
    unsafe {
        while col + width <= x.cols {
            tile::<V, MR, 2, false>(x, zero, b, col, V::LANES);
            b = b.wrapping_offset(x.b_panel);
            col += width;
        }
        match x.cols - col {
            0 => {}
            rest if rest > V::LANES => tile::<V, MR, 2, true>(x, zero, b, col, rest - V::LANES),
            rest => tile::<V, MR, 1, true>(x, zero, b, col, rest),
        }
    }
}

/// # Safety
/// The instruction set of `V` is there; `rows` of `cols` elements are readable from `from`, `rows` of
/// the vectors that these take are writable at `to`.
#[inline(always)]
unsafe fn pack<V: Simd>(
    mut from: *const V::Element,
    from_row: isize,
    rows: usize,
    cols: usize,
    mut to: *mut V::Element,
    to_row: usize,
) {
    for _ in 0..rows {
        // SAFETY: the contract of this function.
        unsafe {
            if cols == 2 * V::LANES {
                V::load(from).store(to);
                V::load(from.add(V::LANES)).store(to.add(V::LANES));
            } else if cols > V::LANES {
                V::load(from).store(to);
                V::load_part(from.add(V::LANES), cols - V::LANES).store(to.add(V::LANES));
            } else {
                V::load_part(from, cols).store(to);
            }
        }
        from = from.wrapping_offset(from_row);
        to = to.wrapping_add(to_row);
    }
}

/// A table of shells, with `$rows` rows each.
macro_rules! table {
    ($name:ident, $T:ty, $V:ty, $Turn:ty, [$($rows:literal)*] $(, #[$feature:meta])?) => {
        static $name: Tiles<$T> = {
            $(#[$feature])?
            unsafe fn strip_shell<const MR: usize>(x: &Strip<$T>) {
                // SAFETY: the contract of the body, with the table's instruction set.
                unsafe { strip::<$V, MR>(x, 0.0) }
            }
            $(#[$feature])?
            unsafe fn pack_shell(from: *const $T, from_row: isize, rows: usize, cols: usize, to: *mut $T, to_row: usize) {
                // SAFETY: the contract of the body, with the table's instruction set.
                unsafe { pack::<$V>(from, from_row, rows, cols, to, to_row) }
            }
            $(#[$feature])?
            unsafe fn turn_shell(from: *const $T, from_row: isize, to: *mut $T, to_row: isize, rows: usize, cols: usize) {
                // SAFETY: the contract of the body, with the table's instruction set.
                unsafe { transpose::<$Turn>(from, from_row, to, to_row, rows, cols) }
            }
            Tiles {
                lanes: <$V as Simd>::LANES,
                width: 2 * <$V as Simd>::LANES,
                strips: &[$(strip_shell::<$rows>),*],
                pack: pack_shell,
                turn: turn_shell,
            }
        };
    };
}

macro_rules! tiled {
    ($T:ty, $v512:ty, $v256:ty) => {
        impl Tiled for $T {
            fn tiles(isa: Isa) -> &'static Tiles<Self> {
                #[cfg(target_arch = "x86_64")]
                table!(WIDE, $T, $v512, Avx<$T>, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]);
                #[cfg(target_arch = "x86_64")]
                table!(NARROW, $T, $v256, Avx<$T>, [1 2 3 4 5 6], #[target_feature(enable = "avx2,fma")]);
                table!(PLAIN, $T, Array<$T>, Each<$T>, [1 2 3 4]);
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
