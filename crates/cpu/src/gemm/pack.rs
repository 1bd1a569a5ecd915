//! Operands brought into a form that the caches like.

use super::product::{Matrix, Product};
use super::tile::Tiled;

/// Rows packed before the next panel is begun: their pages stay in the first-level TLB, and where
/// they are turned over, each line that is read is used up.
const BAND: usize = 16;
/// Bytes of a cache line.
const LINE: usize = 64;

/// Where a block of a lies for its tiles.
#[derive(Clone, Copy)]
pub(super) struct Left<T> {
    pub at: *const T,
    pub row: isize,
    pub k: isize,
}

/// Where columns of b lie for their tiles.
#[derive(Clone, Copy)]
pub(super) struct Right<T> {
    pub at: *const T,
    pub k: isize,
    pub panel: isize,
}

impl<T: Tiled> Product<T> {
    /// Elements from a row to the next where rows of a are copied: an odd number of lines, so that the
    /// rows of a tile fall onto different sets of the first-level cache.
    fn row_stride(k: usize) -> usize {
        let lines = (k * size_of::<T>()).div_ceil(LINE) | 1;
        lines * LINE / size_of::<T>()
    }

    /// Elements from a column of a packed block to the next: the rows of a tile in whole vectors, one or two.
    fn column(&self) -> usize {
        self.tiles.height().next_multiple_of(self.tiles.lanes)
    }

    /// Elements that `rows` packed rows of a take.
    pub(super) fn left_room(&self, rows: usize, k: usize) -> usize {
        if self.a.col == 1 {
            rows * Self::row_stride(k)
        } else {
            rows.div_ceil(self.tiles.height()) * k * self.column()
        }
    }

    /// A packed block of rows, `down` rows below the first one.
    #[inline(always)]
    pub(super) fn packed_left(&self, left: *mut T, k: usize, block: usize, down: usize) -> Left<T> {
        if self.a.col == 1 {
            let row = Self::row_stride(k);
            Left { at: left.wrapping_add(down * row).cast_const(), row: row as isize, k: 1 }
        } else {
            let column = self.column();
            Left { at: left.wrapping_add(block * k * column).cast_const(), row: 1, k: column as isize }
        }
    }

    /// Elements that `cols` packed columns of b take.
    pub(super) fn right_room(&self, cols: usize, k: usize) -> usize {
        cols.next_multiple_of(self.tiles.width) * k
    }

    /// Copies blocks of rows of a, one of each range, behind each other.
    ///
    /// # Safety
    /// The rows are readable for `k` elements from `a`; `left_room` elements are writable at `to`.
    pub(super) unsafe fn pack_left(
        &self,
        a: *const T,
        k: usize,
        blocks: impl Iterator<Item = std::ops::Range<usize>>,
        to: *mut T,
    ) {
        let (Matrix { row, col, .. }, column) = (self.a, self.column());
        for (at, rows) in blocks.enumerate() {
            let from = a.wrapping_offset(rows.start as isize * row);
            // SAFETY: the contract of this function. A block's rows fit a column, which is whole vectors.
            unsafe {
                if col == 1 {
                    let stride = Self::row_stride(k);
                    for i in rows {
                        let from = a.offset(i as isize * row);
                        std::ptr::copy_nonoverlapping(from, to.add(i * stride), k);
                    }
                } else if row == 1 {
                    (self.tiles.pack)(from, col, k, rows.len(), to.add(at * k * column), column);
                } else {
                    let to = to.add(at * k * column);
                    for p in 0..k {
                        for i in 0..rows.len() {
                            *to.add(p * column + i) = *from.offset(i as isize * row + p as isize * col);
                        }
                    }
                }
            }
        }
    }

    /// Packs columns of b into panels: k rows of one tile's width each. Columns that
    /// the last one lacks stay as they are; tiles do not read them.
    ///
    /// # Safety
    /// `k` rows of `cols` elements are readable from `b`; `right_room` elements are writable at `to`.
    pub(super) unsafe fn pack_right(&self, b: *const T, k: usize, cols: usize, to: *mut T) {
        let (Matrix { row, col, .. }, width) = (self.b, self.tiles.width);
        for start in (0..k).step_by(BAND) {
            let rows = BAND.min(k - start);
            for panel in 0..cols.div_ceil(width) {
                let cols = width.min(cols - panel * width);
                // SAFETY: the contract of this function; a panel belongs to `k * width` elements.
                unsafe {
                    let from = b.offset(start as isize * row + (panel * width) as isize * col);
                    let to = to.add((panel * k + start) * width);
                    if col == 1 {
                        (self.tiles.pack)(from, row, rows, cols, to, width);
                        continue;
                    }
                    if row == 1 {
                        (self.tiles.turn)(from, col, to, width as isize, cols, rows);
                    } else {
                        for p in 0..rows {
                            for j in 0..cols {
                                *to.add(p * width + j) = *from.offset(p as isize * row + j as isize * col);
                            }
                        }
                    }
                }
            }
        }
    }
}
