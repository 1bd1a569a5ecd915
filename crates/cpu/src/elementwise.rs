//! Straight-line programs over elements, run tile by tile.
//!
//! A tile is a run of the flat iteration. Each instruction is one loop over the tile; its operands
//! are tile registers in first-level cache or, where an operand of the step is contiguous, its
//! memory itself. The last instruction of a chain stores straight into a contiguous out, unless
//! that out shares memory with an in: then it is staged in a register and copied at the tile's end.

mod program;
mod rows;

use std::mem::MaybeUninit;

use neuroxide_core::error::Result;
use neuroxide_core::plan::Expr;

use crate::element::with_size;
use crate::executable::{Context, Place, Site, Task};
use crate::nest::Nest;
use crate::pool::share;
use program::{Code, Loc, Program};

/// Bytes of tile registers of a thread; half of a first-level cache.
const SCRATCH: usize = 32 << 10;
/// Elements of a tile where few registers are live.
const TILE: usize = 512;
/// Work that a thread is woken for, in elements times instructions.
const GRAIN: usize = 16 << 10;

/// An operand of the step.
struct Port {
    place: Place,
    size: usize,
    /// `None` where the operand is contiguous in the order of iteration.
    nest: Option<Nest>,
}

struct Elementwise {
    program: Program,
    ins: Vec<Port>,
    outs: Vec<Port>,
    numel: usize,
    /// Elements of a tile and bytes of a register.
    tile: usize,
    register: usize,
    /// No register is used unless an out is staged, so a whole share is one tile.
    flat: bool,
}

#[repr(align(64))]
struct Scratch([MaybeUninit<u8>; SCRATCH]);

pub(crate) fn prepare(site: &Site<'_>, expr: &Expr, scalars: usize) -> Result<Box<dyn Task>> {
    let step = site.step;
    site.check(!step.outs.is_empty() && step.outs.len() <= 64, "1 to 64 outs are needed")?;
    let shape = &step.outs[0].view.shape;
    let operands = || step.ins.iter().chain(&step.outs);
    site.check(operands().all(|operand| operand.view.shape == *shape), "shapes differ")?;
    let order = order_of(&step.outs[0].view.strides);
    let port = |operand: &neuroxide_core::plan::Operand, place: &Place| {
        let nest = Nest::of(&operand.view.permute(&order));
        Port { place: *place, size: operand.dtype.size(), nest: (!nest.is_unit()).then_some(nest) }
    };
    let ins: Vec<Port> = step.ins.iter().zip(site.ins).map(|(operand, place)| port(operand, place)).collect();
    let outs: Vec<Port> =
        step.outs.iter().zip(site.outs).map(|(operand, place)| port(operand, place)).collect();
    let program = Program::compile(site, expr, &ins, &outs, &order, scalars)?;
    let widest = program.widest.max(1);
    let tile = (SCRATCH / (program.registers.max(1) * widest)).min(TILE) & !15;
    site.check(tile > 0, "too many live values for one kernel")?;
    let flat = program.is_flat() && outs.iter().all(|out| out.nest.is_none());
    Ok(Box::new(Elementwise {
        program,
        ins,
        outs,
        numel: step.outs[0].view.numel(),
        tile,
        register: tile * widest,
        flat,
    }))
}

/// Axes from the largest stride to the smallest, so that a permuted but dense out is walked in the
/// order of memory. The values do not depend on the order of iteration.
fn order_of(strides: &[isize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..strides.len()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(strides[axis].unsigned_abs()));
    order
}

impl Task for Elementwise {
    fn run(&self, cx: &Context<'_>) -> Result<()> {
        let mut staged = 0u64;
        for (j, out) in self.outs.iter().enumerate() {
            if out.nest.is_some() || self.ins.iter().any(|input| input.place.overlaps(&out.place, cx)) {
                staged |= 1 << j;
            }
        }
        let tile = if self.flat && staged == 0 { self.numel } else { self.tile };
        let tiles = self.numel.div_ceil(self.tile);
        let parts = cx.parts(self.numel * self.program.cost, GRAIN).min(tiles);
        cx.pool.run(parts, &|part| {
            let range = share(tiles, part, parts);
            let range = range.start * self.tile..(range.end * self.tile).min(self.numel);
            self.walk(cx, range, tile, staged);
        });
        Ok(())
    }
}

/// A share of the iteration being walked.
struct Walk<'a> {
    task: &'a Elementwise,
    cx: &'a Context<'a>,
    scratch: *mut u8,
    staged: u64,
    start: usize,
}

impl Elementwise {
    // The registers stay on the stack: nothing to allocate, nothing to share between threads.
    #[allow(clippy::large_stack_arrays)]
    fn walk(&self, cx: &Context<'_>, range: std::ops::Range<usize>, tile: usize, staged: u64) {
        let mut scratch = Scratch([MaybeUninit::uninit(); SCRATCH]);
        let mut walk = Walk { task: self, cx, scratch: scratch.0.as_mut_ptr().cast(), staged, start: 0 };
        for code in &self.program.prologue {
            walk.execute(code, self.tile);
        }
        let mut start = range.start;
        while start < range.end {
            let count = tile.min(range.end - start);
            walk.start = start;
            for code in &self.program.codes {
                walk.execute(code, count);
            }
            for (j, &from) in self.program.outs.iter().enumerate() {
                walk.store(j, from, count);
            }
            start += count;
        }
    }
}

impl Walk<'_> {
    /// Where a value of this tile lies.
    #[inline(always)]
    fn at(&self, loc: Loc) -> *mut u8 {
        match loc {
            Loc::Register(register) => self.scratch.wrapping_add(register as usize * self.task.register),
            Loc::In(input) => self.port(&self.task.ins[input as usize]),
            Loc::Out { out, register } => {
                if self.staged >> out & 1 == 0 {
                    self.port(&self.task.outs[out as usize])
                } else {
                    self.scratch.wrapping_add(register as usize * self.task.register)
                }
            }
        }
    }

    fn port(&self, port: &Port) -> *mut u8 {
        port.place.ptr::<u8>(self.cx).wrapping_add(self.start * port.size)
    }

    #[inline(always)]
    fn execute(&self, code: &Code, count: usize) {
        // SAFETY: registers lie in the scratch, which has room for `registers` tiles of `count` elements
        // of the widest type; ports lie in their bindings (checked by `Executable::run`) and `start + count`
        // stays within `numel`. Types were checked by `Program::compile`, and a register that is written is
        // never one that the same code reads. Outs are staged where they share memory with an in.
        unsafe {
            match *code {
                Code::Splat { row, scalar, to } => row(count, self.cx.scalars[scalar as usize], self.at(to)),
                Code::Gather { input, to } => {
                    let port = &self.task.ins[input as usize];
                    if let Some(nest) = &port.nest {
                        let to = self.at(to);
                        with_size!(port.size, |T| nest.gather(
                            port.place.ptr::<T>(self.cx),
                            self.start,
                            count,
                            to.cast()
                        ));
                    }
                }
                Code::Repeat { input, to } => {
                    let port = &self.task.ins[input as usize];
                    let to = self.at(to);
                    with_size!(port.size, |T| {
                        let value = *port.place.ptr::<T>(self.cx);
                        (0..count).for_each(|i| *to.cast::<T>().add(i) = value);
                    });
                }
                Code::Iota { inner, size, to } => {
                    rows::iota(count, self.start, inner, size, self.at(to).cast());
                }
                Code::One { row, a, to } => row(count, self.at(a), self.at(to)),
                Code::Two { row, a, b, to } => row(count, self.at(a), self.at(b), self.at(to)),
                Code::Three { row, a, b, c, to } => {
                    row(count, self.at(a), self.at(b), self.at(c), self.at(to));
                }
            }
        }
    }

    /// Brings a value to an out unless its instruction has already put it there.
    fn store(&self, j: usize, from: Loc, count: usize) {
        let port = &self.task.outs[j];
        if matches!(from, Loc::Out { out, .. } if out as usize == j) && self.staged >> j & 1 == 0 {
            return;
        }
        let from = self.at(from);
        // SAFETY: as in `execute`; the value lies in a register, in an in, or in another out, none of
        // which is this out's memory, except an in of the very same view, for which `copy` is made.
        unsafe {
            with_size!(port.size, |T| match &port.nest {
                Some(nest) => nest.scatter(port.place.ptr::<T>(self.cx), self.start, count, from.cast()),
                None => std::ptr::copy(from.cast::<T>(), self.port(port).cast::<T>(), count),
            });
        }
    }
}
