//! Products whose vector operand is brought into panels first: k rows of one tile's width each.

use neuroxide_core::plan::SUM_CHUNK;

use super::{Chunk, MatMul, Real};
use crate::executable::Context;
use crate::isa::shells;

/// Bytes of panels packed at a time: they stay in second-level cache of the cores that use them.
const ROOM: usize = 2 << 20;
/// Rows transposed at a time.
const BAND: usize = 64;

/// Packs a panel: `cols` columns of `k` rows into rows of `width`, the rest zeros.
///
/// # Safety
/// The elements are readable from `b`; `k * width` elements are writable at `to`.
#[inline(always)]
unsafe fn pack_body<T: Real>(
    b: *const T,
    row: isize,
    col: isize,
    k: usize,
    cols: usize,
    width: usize,
    to: *mut T,
) {
    // SAFETY: the contract of this function.
    unsafe {
        for start in (0..k).step_by(BAND) {
            let end = (start + BAND).min(k);
            if col == 1 {
                for p in start..end {
                    std::ptr::copy_nonoverlapping(b.offset(p as isize * row), to.add(p * width), cols);
                }
            } else {
                for j in 0..cols {
                    let b = b.offset(j as isize * col);
                    for p in start..end {
                        *to.add(p * width + j) = *b.offset(p as isize * row);
                    }
                }
            }
            for p in start..end {
                (cols..width).for_each(|j| *to.add(p * width + j) = T::ZERO);
            }
        }
    }
}

shells! {
    fn pack_shell<T> = pack_body::<T>
        as fn(b: *const T, row: isize, col: isize, k: usize, cols: usize, width: usize, to: *mut T)
    where T: Real
}

impl<T: Real> MatMul<T> {
    /// Panels packed at a time.
    fn group(&self) -> usize {
        let (panels, _) = self.grid();
        (ROOM / (SUM_CHUNK.min(self.k) * self.tiles.width * size_of::<T>())).clamp(1, panels)
    }

    /// Bytes of the panels packed at a time.
    pub(super) fn room(&self) -> usize {
        self.group() * SUM_CHUNK.min(self.k) * self.tiles.width * size_of::<T>()
    }

    /// Packs groups of panels and runs their tiles, chunk of k by chunk of k.
    pub(super) fn run_packed(&self, cx: &Context<'_>) {
        let (width, (panels, blocks)) = (self.tiles.width, self.grid());
        let group = self.group();
        let to = cx.scratch.ptr.cast::<T>();
        let pack = pack_shell::<T>(self.isa);
        // Matrices that share b share its panels.
        let batches = if self.b.batch == 0 { 1 } else { self.batch };
        for outer in 0..batches {
            for start in (0..self.k).step_by(SUM_CHUNK) {
                let k = SUM_CHUNK.min(self.k - start);
                for first in (0..panels).step_by(group) {
                    let count = group.min(panels - first);
                    for panel in 0..count {
                        let col = (first + panel) * width;
                        let offset = outer as isize * self.b.batch
                            + start as isize * self.b.row
                            + col as isize * self.b.col;
                        let b = self.b.place.ptr::<T>(cx).wrapping_offset(offset);
                        let cols = width.min(self.n - col);
                        // SAFETY: rows `start..start + k` and columns `col..col + cols` of b; the room has
                        // `group` panels.
                        unsafe { pack(b, self.b.row, self.b.col, k, cols, width, to.add(panel * k * width)) };
                    }
                    let panels = Some(to.cast_const());
                    let chunk = Chunk { of: self, cx, start, k, first_panel: first, panels };
                    let inner = if self.b.batch == 0 { self.batch } else { 1 };
                    for at in 0..inner * count * blocks {
                        let (batch, panel) = (at / blocks / count, at / blocks % count);
                        // SAFETY: a tile of the grid.
                        unsafe { chunk.tile(outer + batch, first + panel, at % blocks) };
                    }
                }
            }
        }
    }
}
