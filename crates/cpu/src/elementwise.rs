//! Straight-line programs over elements.
//!
//! The iteration is walked in the order of the first out's memory, with axes merged where all
//! operands allow; its last axis is the columns, the one before it the rows of an area.

mod area;
mod formula;
mod known;
mod program;
mod rows;

use std::ops::Range;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::plan::{Expr, Operand};
use neuroxide_core::shape::View;
use smallvec::SmallVec;

pub(crate) use area::{Area, Line};
pub(crate) use formula::{Formula, Shape};

use crate::executable::{Context, Place, Site, Task};
use crate::schedule::{Axis, Part, Touch};

/// Columns are dealt out in blocks of this many, which end where those of matrix tiles do.
const BLOCK: usize = 32;

/// An operand of the step: strides in elements along the merged axes.
struct Port {
    place: Place,
    size: usize,
    strides: SmallVec<[isize; 4]>,
    write: bool,
}

struct Elementwise {
    formula: Formula,
    /// Ins, then outs.
    ports: Vec<Port>,
    ins: usize,
    /// Sizes of the merged axes, at least one.
    dims: SmallVec<[usize; 4]>,
}

pub(crate) fn prepare(site: &Site<'_>, expr: &Expr, scalars: usize) -> Result<Box<dyn Task>> {
    let step = site.step;
    site.check(!step.outs.is_empty() && step.outs.len() <= 64, "1 to 64 outs are needed")?;
    let shape = &step.outs[0].view.shape;
    let operands = || step.ins.iter().chain(&step.outs);
    site.check(operands().all(|operand| operand.view.shape == *shape), "shapes differ")?;
    let order = order_of(&step.outs[0].view.strides);
    let dtypes = |operands: &[Operand]| operands.iter().map(|o| o.dtype).collect::<SmallVec<[DType; 8]>>();
    let (ins, outs) = (dtypes(&step.ins), dtypes(&step.outs));
    let types = Shape { ins: &ins, outs: &outs, dims: shape, order: &order, scalars };
    let formula = Formula::compile(site, expr, &types)?;
    let views: Vec<View> = operands().map(|operand| operand.view.permute(&order)).collect();
    let mut merged = View::collapse(&views);
    for view in &mut merged {
        if view.shape.is_empty() {
            view.shape.push(1);
            view.strides.push(0);
        }
    }
    let dims = merged[0].shape.iter().copied().collect();
    let ports = operands()
        .zip(site.ins.iter().chain(site.outs))
        .zip(merged)
        .enumerate()
        .map(|(at, ((operand, &place), view))| Port {
            place,
            size: operand.dtype.size(),
            strides: view.strides.iter().copied().collect(),
            write: at >= ins.len(),
        })
        .collect();
    Ok(Box::new(Elementwise { formula, ports, ins: ins.len(), dims }))
}

/// Axes from the largest stride to the smallest, so that a permuted but dense out is walked in the
/// order of memory. The values do not depend on the order of iteration.
fn order_of(strides: &[isize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..strides.len()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(strides[axis].unsigned_abs()));
    order
}

impl Elementwise {
    fn cols(&self) -> usize {
        self.dims[self.dims.len() - 1]
    }

    /// Everything in front of the columns.
    fn lines(&self) -> usize {
        self.dims[..self.dims.len() - 1].iter().product()
    }

    /// The lines and columns of a part.
    fn reach(&self, part: Part) -> (Range<usize>, Range<usize>) {
        if self.lines() > 1 && part.cut == 0 {
            (part.share(self.lines()), 0..self.cols())
        } else {
            (0..self.lines(), part.blocks(self.cols(), BLOCK))
        }
    }
}

impl Task for Elementwise {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        let blocks = self.cols().div_ceil(BLOCK);
        if self.lines() > 1 {
            SmallVec::from_slice(&[self.lines(), blocks])
        } else {
            SmallVec::from_slice(&[blocks])
        }
    }

    fn cost(&self, _: usize) -> f64 {
        (self.lines() * self.cols()) as f64 * self.formula.cost() + 20.0
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        let (lines, cols) = self.reach(part);
        let (last, rank) = (self.dims.len() - 1, self.dims.len());
        // Lines of several axes are not one range of any of them.
        if rank > 2 && lines.len() < self.lines() {
            return None;
        }
        let touch = |port: &Port| {
            let axes: SmallVec<[Axis; 4]> = (0..rank)
                .map(|axis| {
                    let range = match axis {
                        _ if axis == last => cols.clone(),
                        _ if rank == 2 => lines.clone(),
                        _ => 0..self.dims[axis],
                    };
                    Axis { range, size: self.dims[axis], stride: port.strides[axis] }
                })
                .collect();
            Touch::block(&port.place, port.size, port.write, &axes)
        };
        Some(self.ports.iter().map(touch).collect())
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        let (lines, cols) = self.reach(part);
        let rank = self.dims.len();
        // Rows of one area: the innermost axis of the lines.
        let rows = if rank > 1 { self.dims[rank - 2] } else { 1 };
        let mut line = lines.start;
        while line < lines.end {
            let row = line % rows;
            let count = (rows - row).min(lines.end - line);
            let places: SmallVec<[Line; 32]> =
                self.ports.iter().map(|port| self.place(port, cx, line, cols.start)).collect();
            let (ins, outs) = places.split_at(self.ins);
            let area = Area {
                rows: count,
                cols: cols.len(),
                ins,
                outs,
                scalars: cx.scalars,
                start: line * self.cols() + cols.start,
                pitch: self.cols(),
            };
            // SAFETY: the places were checked against their bindings and the area lies in the iteration; types
            // were checked by `Formula::compile`, the number of scalars by `Executable::run`.
            unsafe { self.formula.run(&area) };
            line += count;
        }
        Ok(())
    }
}

impl Elementwise {
    /// Where a port lies from a line and column on.
    fn place(&self, port: &Port, cx: &Context<'_>, line: usize, col: usize) -> Line {
        let (rank, size) = (self.dims.len(), port.size as isize);
        let mut offset = col as isize * port.strides[rank - 1];
        let mut rest = line;
        for axis in (0..rank - 1).rev() {
            offset += (rest % self.dims[axis]) as isize * port.strides[axis];
            rest /= self.dims[axis];
        }
        Line {
            ptr: port.place.ptr::<u8>(cx).wrapping_offset(offset * size),
            row: if rank > 1 { port.strides[rank - 2] * size } else { 0 },
            col: port.strides[rank - 1] * size,
        }
    }
}
