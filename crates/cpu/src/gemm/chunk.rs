//! The loops of a product: chunks of k, columns that are packed together, blocks of rows, panels.

use std::mem::MaybeUninit;
use std::ops::Range;

use neuroxide_core::plan::SUM_CHUNK;

use super::pack::{Left, Right};
use super::product::{Matrix, Portion, Product};
use super::tile::{Strip, Tiled};
use crate::pool::share;

/// Elements of the room where finished tiles wait: it stays in the first-level cache.
const PATCH: usize = TURN * 32;
/// Rows gathered before they are turned over, so that lines of the result are written whole.
const TURN: usize = 64;
/// What is done with finished elements.
pub(crate) trait Sink<T> {
    /// Whether elements are taken at all; otherwise they are stored in c.
    const TAKES: bool;

    /// Takes an area of a batch's matrix from a room whose rows are `stride` elements apart. Rows of the room
    /// are columns of the area where the product [flips](Product::flips).
    ///
    /// # Safety
    /// The elements are readable, and what lies at the same rows and columns of other operands belongs
    /// to the caller.
    unsafe fn take(&self, batch: usize, rows: Range<usize>, cols: Range<usize>, room: *mut T, stride: usize);
}

/// Elements are stored as they are.
pub(crate) struct Plain;

impl<T> Sink<T> for Plain {
    const TAKES: bool = false;

    unsafe fn take(&self, _: usize, _: Range<usize>, _: Range<usize>, _: *mut T, _: usize) {}
}

/// First elements of the operands.
#[derive(Clone, Copy)]
pub(crate) struct Firsts<T> {
    pub a: *const T,
    pub b: *const T,
    /// Not used where a sink takes the elements.
    pub c: *mut T,
}

impl<T: Tiled> Product<T> {
    /// Computes a part.
    ///
    /// # Safety
    /// The operands are valid for the product's sizes and strides, c belongs to the caller within the
    /// part; `room` elements are writable at `room`; the instruction set is there.
    pub unsafe fn run<S: Sink<T>>(&self, part: &Portion, firsts: Firsts<T>, room: *mut T, sink: &S) {
        let k = self.sizes.k;
        let (panels, sums) = (room.wrapping_add(part.panels), room.wrapping_add(part.sums));
        let mut patch = MaybeUninit::<[Patch<T>; 2]>::uninit();
        let patch = patch.as_mut_ptr().cast::<T>();
        // k = 0 has one empty chunk, which gives zeros.
        for batch in part.batch.clone() {
            let by = |x: &Matrix| batch as isize * x.batch;
            let firsts = Firsts {
                a: firsts.a.wrapping_offset(by(&self.a)),
                b: firsts.b.wrapping_offset(by(&self.b)),
                c: firsts.c.wrapping_offset(by(&self.c)),
            };
            for start in (0..k.max(1)).step_by(SUM_CHUNK) {
                let depth = SUM_CHUNK.min(k - start);
                let chunk = Chunk { of: self, part, firsts, batch, start, depth, sums, patch, sink };
                for cols in cut(&part.cols, if self.packs_b { self.group } else { usize::MAX }) {
                    // SAFETY: the contract of this function; the room's second piece is for panels.
                    unsafe { chunk.group(cols, room, panels) };
                }
            }
        }
    }
}

/// Room for the elements of a few tiles.
#[repr(align(64))]
struct Patch<T>(#[allow(dead_code, reason = "written and read through pointers")] [T; PATCH]);

/// A range cut into pieces of at most `most`.
fn cut(range: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let Range { start, end } = *range;
    (start..end)
        .step_by(most.min(end.saturating_sub(start)).max(1))
        .map(move |at| at..(at.saturating_add(most)).min(end))
}

/// A range cut into as few pieces of at most `most` as there can be, all of about one length: a tile of
/// two rows at the end would be half as fast as the others.
fn balanced(range: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
    let Range { start, end } = *range;
    let (len, pieces) = (end - start, (end - start).div_ceil(most));
    (0..pieces).map(move |piece| {
        let piece = share(len, piece, pieces);
        start + piece.start..start + piece.end
    })
}

/// One chunk of k of one matrix of the batch.
struct Chunk<'a, T: Tiled, S> {
    of: &'a Product<T>,
    part: &'a Portion,
    firsts: Firsts<T>,
    batch: usize,
    start: usize,
    depth: usize,
    sums: *mut T,
    patch: *mut T,
    sink: &'a S,
}

impl<T: Tiled, S: Sink<T>> Chunk<'_, T, S> {
    /// Columns that are packed together.
    ///
    /// # Safety
    /// The contract of `Product::run`.
    unsafe fn group(&self, cols: Range<usize>, left: *mut T, panels: *mut T) {
        let (of, depth) = (self.of, self.depth);
        let width = of.tiles.width;
        let b = of.b.at(self.firsts.b.cast_mut(), self.start, cols.start).cast_const();
        let right = if of.packs_b {
            // SAFETY: rows and columns of b; the room is for a group.
            unsafe { of.pack_right(b, depth, cols.len(), panels) };
            Right { at: panels.cast_const(), k: width as isize, panel: (width * depth) as isize }
        } else {
            Right { at: b, k: of.b.row, panel: width as isize }
        };
        let most = if of.packs_a { of.block } else { usize::MAX };
        for rows in cut(&self.part.rows, most) {
            let a = of.a.at(self.firsts.a.cast_mut(), rows.start, self.start).cast_const();
            let blocks = balanced(&(0..rows.len()), of.tiles.height());
            if of.packs_a {
                // SAFETY: rows of a; the room is for a block of rows.
                unsafe { of.pack_left(a, depth, blocks.clone(), left) };
            }
            for near in cut(&cols, of.near) {
                let panel = ((near.start - cols.start) / width) as isize;
                let right = Right { at: right.at.wrapping_offset(panel * right.panel), ..right };
                let area = Area { rows: rows.clone(), a, left, right, cols: near };
                // SAFETY: rows and columns of the part, packed above where they are packed.
                unsafe { self.area(&area) };
            }
        }
    }

    /// Rows times columns: block of rows by block of rows, so that a block stays in first-level cache.
    ///
    /// # Safety
    /// The contract of `Product::run`; the area has its operands.
    unsafe fn area(&self, area: &Area<T>) {
        let of = self.of;
        let (first, width) = (self.start == 0, self.part.cols.len() as isize);
        let blocks = area.rows.len().div_ceil(of.tiles.height());
        let sums = || {
            let row = (area.rows.start - self.part.rows.start) as isize;
            let col = area.cols.start - self.part.cols.start;
            self.sums.wrapping_offset(row * width).wrapping_add(col)
        };
        let (to, row) = if of.direct(S::TAKES) {
            (of.c.at(self.firsts.c, area.rows.start, area.cols.start), of.c.row)
        } else if self.start + self.depth < of.sizes.k {
            (sums(), width)
        } else {
            let from = if first { Stored::none() } else { Stored { at: sums(), row: width } };
            // SAFETY: the contract of this function.
            return unsafe { self.gather(area, from) };
        };
        let to = Stored { at: to, row };
        for block in 0..blocks {
            // SAFETY: the contract of this function.
            unsafe {
                let to = to.moved(area.block(block, blocks).start as isize, 0);
                self.strip(area, block, &area.cols, to, if first { Stored::none() } else { to });
            }
        }
    }

    /// Computes patches of the area and delivers them.
    ///
    /// # Safety
    /// That of `area`; `from` is where the chunks before have their sums.
    unsafe fn gather(&self, area: &Area<T>, from: Stored<T>) {
        let of = self.of;
        let (width, height) = (of.tiles.width, of.tiles.height());
        let flips = of.flips();
        let (tall, wide) =
            if flips { ((TURN / height).max(1), width) } else { (1, PATCH / height / width * width) };
        let blocks = area.rows.len().div_ceil(height);
        for first in (0..blocks).step_by(tall) {
            let upto = (first + tall).min(blocks);
            let rows = area.block(first, blocks).start..area.block(upto - 1, blocks).end;
            for cols in cut(&area.cols, wide) {
                let room = Stored { at: self.patch, row: wide as isize };
                let col = cols.start - area.cols.start;
                for block in first..upto {
                    let down = area.block(block, blocks).start;
                    // SAFETY: the contract of this function; a patch has room for `tall` blocks of `wide` columns.
                    unsafe {
                        let to = room.moved(down as isize - rows.start as isize, 0);
                        self.strip(area, block, &cols, to, from.moved(down as isize, col));
                    }
                }
                let rows = area.rows.start + rows.start..area.rows.start + rows.end;
                // SAFETY: the contract of this function; the patch has these rows and columns.
                unsafe { self.deliver(rows, cols, wide, flips) };
            }
        }
    }

    /// # Safety
    /// That of `area`; block and columns are of the area; `to` and, unless none, `from` have room for them.
    #[inline(always)]
    unsafe fn strip(
        &self,
        area: &Area<T>,
        block: usize,
        cols: &Range<usize>,
        to: Stored<T>,
        from: Stored<T>,
    ) {
        let of = self.of;
        let rows = area.block(block, area.rows.len().div_ceil(of.tiles.height()));
        let a = if of.packs_a {
            of.packed_left(area.left, self.depth, block, rows.start)
        } else {
            let at = area.a.wrapping_offset(rows.start as isize * of.a.row);
            Left { at, row: of.a.row, k: of.a.col }
        };
        let panel = ((cols.start - area.cols.start) / of.tiles.width) as isize;
        let strip = Strip {
            k: self.depth,
            a: a.at,
            a_row: a.row,
            a_k: a.k,
            b: area.right.at.wrapping_offset(panel * area.right.panel),
            b_k: area.right.k,
            b_panel: area.right.panel,
            c: to.at,
            c_row: to.row,
            from: from.at,
            from_row: from.row,
            cols: cols.len(),
        };
        // SAFETY: the contract of this function; a block has at most a tile's rows.
        unsafe { (of.tiles.strips[rows.len() - 1])(&strip) };
    }

    /// Hands a finished patch over: to the sink, or to c.
    ///
    /// # Safety
    /// That of `area`; the patch has these rows and columns, `stride` elements from row to row.
    unsafe fn deliver(&self, rows: Range<usize>, cols: Range<usize>, stride: usize, flips: bool) {
        let (c, patch, turn) = (self.of.c, self.patch, self.of.tiles.turn);
        let to = c.at(self.firsts.c, rows.start, cols.start);
        // SAFETY: the contract of this function; the second half of the room is for the patch turned over.
        unsafe {
            match (S::TAKES, flips) {
                (true, false) => self.sink.take(self.batch, rows, cols, patch, stride),
                (true, true) => {
                    let turned = patch.add(PATCH);
                    turn(patch, stride as isize, turned, TURN as isize, rows.len(), cols.len());
                    self.sink.take(self.batch, rows, cols, turned, TURN);
                }
                (false, true) => turn(patch, stride as isize, to, c.col, rows.len(), cols.len()),
                (false, false) => {
                    for i in 0..rows.len() {
                        for j in 0..cols.len() {
                            *c.at(to, i, j) = *patch.add(i * stride + j);
                        }
                    }
                }
            }
        }
    }
}

/// Rows times columns with what their tiles read.
struct Area<T> {
    rows: Range<usize>,
    /// The first row of a, and where the rows lie packed if they are.
    a: *const T,
    left: *mut T,
    right: Right<T>,
    cols: Range<usize>,
}

impl<T> Area<T> {
    /// Rows of a tile, counted from the first one of the area.
    fn block(&self, block: usize, blocks: usize) -> Range<usize> {
        share(self.rows.len(), block, blocks)
    }
}

/// Where rows of results lie.
#[derive(Clone, Copy)]
struct Stored<T> {
    at: *mut T,
    row: isize,
}

impl<T> Stored<T> {
    fn none() -> Self {
        Self { at: std::ptr::null_mut(), row: 0 }
    }

    fn moved(self, down: isize, right: usize) -> Self {
        if self.at.is_null() {
            self
        } else {
            Self { at: self.at.wrapping_offset(down * self.row).wrapping_add(right), ..self }
        }
    }
}
