//! Strided copies.
//!
//! The loops are ordered by the out's strides and merged; what remains innermost is a rectangle of
//! rows and columns, copied row by row where both sides run along the columns and block by block
//! where the in runs along the rows (a transpose).

use neuroxide_core::error::Result;
use neuroxide_core::shape::{Dims, Strides, View};
use smallvec::SmallVec;

use crate::element::with_size;
use crate::executable::{Context, Place, Site, Task};
use crate::schedule::{Axis, Part, Touch};

/// Rows and columns of a block of a transpose: both sides stay within first-level cache.
const BLOCK: usize = 32;

/// A loop: its size and the strides of both sides.
#[derive(Clone, Copy, Debug)]
struct Loop {
    size: usize,
    from: isize,
    to: isize,
}

struct Copy {
    from: Place,
    to: Place,
    size: usize,
    /// Loops around the rectangle.
    outer: SmallVec<[Loop; 6]>,
    rows: Loop,
    cols: Loop,
}

pub(crate) fn prepare(site: &Site<'_>) -> Result<Box<dyn Task>> {
    site.count(1, 1)?;
    let (from, to) = (&site.step.ins[0], &site.step.outs[0]);
    site.check(
        from.dtype == to.dtype && from.view.shape == to.view.shape,
        "in and out differ in type or shape",
    )?;
    let mut order: Vec<usize> = (0..to.view.rank()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(to.view.strides[axis].unsigned_abs()));
    let merged = View::collapse(&[to.view.permute(&order), from.view.permute(&order)]);
    let (mut outer, rows, cols) = arrange(&merged[0].shape, &merged[1].strides, &merged[0].strides);
    outer.reverse();
    Ok(Box::new(Copy { from: site.ins[0], to: site.outs[0], size: from.dtype.size(), outer, rows, cols }))
}

/// Chooses the rectangle: the out's innermost loop as columns, and as rows the loop along which the
/// in is contiguous if there is one, else the next one.
fn arrange(shape: &Dims, from: &Strides, to: &Strides) -> (SmallVec<[Loop; 6]>, Loop, Loop) {
    let mut loops: SmallVec<[Loop; 6]> =
        (0..shape.len()).map(|axis| Loop { size: shape[axis], from: from[axis], to: to[axis] }).collect();
    let unit = Loop { size: 1, from: 0, to: 0 };
    let cols = loops.pop().unwrap_or(unit);
    if loops.is_empty() {
        return (loops, unit, cols);
    }
    let along =
        loops.iter().position(|l| l.from.unsigned_abs() == 1).filter(|_| cols.from.unsigned_abs() != 1);
    let rows = loops.remove(along.unwrap_or(loops.len() - 1));
    (loops, rows, cols)
}

impl Copy {
    /// Copies a run of bands; a band is up to `BLOCK` rows of one rectangle.
    ///
    /// # Safety
    /// Both sides are valid for their views.
    unsafe fn bands<T: std::marker::Copy>(&self, cx: &Context<'_>, bands: std::ops::Range<usize>) {
        let (from, to) = (self.from.ptr::<T>(cx), self.to.ptr::<T>(cx));
        let per_rectangle = self.rows.size.div_ceil(BLOCK);
        for band in bands {
            let mut rest = band / per_rectangle;
            let (mut source, mut target) = (0isize, 0isize);
            for l in &self.outer {
                let index = (rest % l.size) as isize;
                rest /= l.size;
                source += index * l.from;
                target += index * l.to;
            }
            let first = band % per_rectangle * BLOCK;
            let count = BLOCK.min(self.rows.size - first);
            source += first as isize * self.rows.from;
            target += first as isize * self.rows.to;
            // SAFETY: the offsets are those of elements of both views.
            unsafe { self.rectangle(from.offset(source), to.offset(target), count) }
        }
    }

    /// # Safety
    /// `rows` rows of the rectangle are valid from `from` and `to`.
    unsafe fn rectangle<T: std::marker::Copy>(&self, from: *const T, to: *mut T, rows: usize) {
        let Loop { size: cols, from: step_in, to: step_out } = self.cols;
        // SAFETY: all offsets are those of elements of the rectangle.
        unsafe {
            if step_in == 1 && step_out == 1 {
                for row in 0..rows as isize {
                    std::ptr::copy(from.offset(row * self.rows.from), to.offset(row * self.rows.to), cols);
                }
                return;
            }
            for block in (0..cols).step_by(BLOCK) {
                let end = (block + BLOCK).min(cols);
                for row in 0..rows as isize {
                    let (from, to) = (from.offset(row * self.rows.from), to.offset(row * self.rows.to));
                    for col in block as isize..end as isize {
                        *to.offset(col * step_out) = *from.offset(col * step_in);
                    }
                }
            }
        }
    }
}

impl Copy {
    fn outer_count(&self) -> usize {
        self.outer.iter().map(|l| l.size).product()
    }

    /// One long row, dealt out by elements.
    fn is_row(&self) -> bool {
        self.outer.is_empty() && self.rows.size == 1 && self.cols.from == 1 && self.cols.to == 1
    }

    fn bands_count(&self) -> usize {
        self.outer_count() * self.rows.size.div_ceil(BLOCK)
    }
}

impl Task for Copy {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        let pieces = if self.is_row() { self.cols.size.div_ceil(BLOCK) } else { self.bands_count() };
        SmallVec::from_slice(&[pieces])
    }

    fn cost(&self, _: usize) -> f64 {
        let elements = (self.outer_count() * self.rows.size * self.cols.size) as f64;
        let straight = self.cols.from == 1 && self.cols.to == 1;
        20.0 + elements * if straight { 0.03 * self.size as f64 } else { 0.5 }
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        if !self.is_row() {
            return None;
        }
        let axes = [Axis { range: part.blocks(self.cols.size, BLOCK), size: self.cols.size, stride: 1 }];
        Some(vec![
            Touch::block(&self.from, self.size, false, &axes),
            Touch::block(&self.to, self.size, true, &axes),
        ])
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        if self.is_row() {
            let range = part.blocks(self.cols.size, BLOCK);
            let (from, to) = (self.from.ptr::<u8>(cx), self.to.ptr::<u8>(cx));
            let first = range.start * self.size;
            // SAFETY: both places were checked to hold `cols.size` elements of `size` bytes.
            unsafe { std::ptr::copy(from.add(first), to.add(first), range.len() * self.size) };
            return Ok(());
        }
        // SAFETY: places were checked against their bindings; bands are those of both views.
        unsafe { with_size!(self.size, |T| self.bands::<T>(cx, part.share(self.bands_count()))) }
        Ok(())
    }
}
