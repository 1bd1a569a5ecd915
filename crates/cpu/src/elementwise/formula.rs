//! An expression made ready to run over areas.

use std::mem::MaybeUninit;

use neuroxide_core::error::Result;
use neuroxide_core::plan::Expr;

use super::area::{Area, Line};
use super::known::Known;
use super::program::{Code, Loc, Program};
use super::rows;
use crate::element::with_size;
use crate::executable::Site;

/// Bytes of tile registers of a thread; half of a first-level cache.
const SCRATCH: usize = 32 << 10;
/// Elements of a tile where few registers are live.
const TILE: usize = 512;

/// What an expression reads beside scalars: the element sizes of its ins and outs, and the sizes of
/// the iteration in its order, for index vectors.
pub(crate) struct Shape<'a> {
    pub ins: &'a [neuroxide_core::dtype::DType],
    pub outs: &'a [neuroxide_core::dtype::DType],
    /// Sizes of the iteration's axes and the order in which they are walked.
    pub dims: &'a [usize],
    pub order: &'a [usize],
    /// Scalars that a run is given.
    pub scalars: usize,
}

/// A compiled expression: a loop of its own where it is a frequent one, and instructions that are
/// run one by one over tiles.
///
/// A tile is a few rows of the area. Each instruction is one loop over the tile; its operands are
/// tile registers in first-level cache or, where an operand lies densely, its memory itself. The
/// last instruction of a chain stores straight into a dense out, unless that out is an in, too.
pub(crate) struct Formula {
    known: Option<Known>,
    program: Program,
    in_sizes: Vec<usize>,
    out_sizes: Vec<usize>,
    /// Elements of a tile and bytes of a register.
    tile: usize,
    register: usize,
    /// No register is used where all operands are dense, so an area is one tile.
    flat: bool,
}

#[repr(align(64))]
struct Scratch([MaybeUninit<u8>; SCRATCH]);

impl Formula {
    pub fn compile(site: &Site<'_>, expr: &Expr, shape: &Shape<'_>) -> Result<Self> {
        let program = Program::compile(site, expr, shape)?;
        let widest = program.widest.max(1);
        let tile = (SCRATCH / (program.registers.max(1) * widest)).min(TILE) & !15;
        site.check(tile > 0, "too many live values for one kernel")?;
        site.check(
            !shape.outs.is_empty() && shape.outs.len() <= 64 && shape.ins.len() <= 64,
            "1 to 64 outs are needed",
        )?;
        let sizes =
            |dtypes: &[neuroxide_core::dtype::DType]| dtypes.iter().map(|dtype| dtype.size()).collect();
        let flat = program.is_flat();
        Ok(Self {
            known: Known::recognise(expr, shape.ins, shape.outs, site.isa),
            program,
            in_sizes: sizes(shape.ins),
            out_sizes: sizes(shape.outs),
            tile,
            register: tile * widest,
            flat,
        })
    }

    /// Nanoseconds an element, roughly.
    pub fn cost(&self) -> f64 {
        let operands = (self.in_sizes.len() + self.out_sizes.len()) as f64;
        let codes = if self.known.is_some() { 0.3 } else { 1.0 } * self.program.cost as f64;
        0.03 * operands + 0.08 * codes
    }

    /// Runs over an area.
    ///
    /// # Safety
    /// All ins are readable and all outs writable over the area, each with the element size it was
    /// compiled for and aligned to it; an out is the very same place as an in or meets none; the
    /// scalars are as many as compiled for.
    #[inline]
    pub unsafe fn run(&self, area: &Area<'_>) {
        if area.rows == 0 || area.cols == 0 {
            return;
        }
        // SAFETY: the contract is passed on.
        unsafe {
            match &self.known {
                Some(known) if known.takes(area) => known.run(area),
                _ => self.interpret(area),
            }
        }
    }

    // The registers stay on the stack: nothing to allocate, nothing to share between threads.
    /// # Safety
    /// As [`Formula::run`].
    #[allow(clippy::large_stack_arrays)]
    unsafe fn interpret(&self, area: &Area<'_>) {
        let mut scratch = Scratch([MaybeUninit::uninit(); SCRATCH]);
        let mut walk = Walk {
            formula: self,
            area,
            scratch: scratch.0.as_mut_ptr().cast(),
            direct_ins: 0,
            direct_outs: 0,
            filled: 0,
            row: 0,
            col: 0,
        };
        // SAFETY: the contract is passed on.
        unsafe {
            walk.prologue();
            walk.choose(1, area.cols);
            let whole = self.flat && walk.is_direct();
            if whole || area.cols >= self.tile {
                let columns = if whole { area.cols } else { self.tile };
                for row in 0..area.rows {
                    for col in (0..area.cols).step_by(columns) {
                        (walk.row, walk.col) = (row, col);
                        walk.tile(1, columns.min(area.cols - col));
                    }
                }
            } else {
                let rows = self.tile / area.cols;
                for row in (0..area.rows).step_by(rows) {
                    (walk.row, walk.col) = (row, 0);
                    let rows = rows.min(area.rows - row);
                    walk.choose(rows, area.cols);
                    walk.tile(rows, area.cols);
                }
            }
        }
    }
}

/// An area being walked.
struct Walk<'a> {
    formula: &'a Formula,
    area: &'a Area<'a>,
    scratch: *mut u8,
    /// Ins and outs whose memory serves as a register of this tile.
    direct_ins: u64,
    direct_outs: u64,
    /// Ins of one element, whose registers hold it from the beginning.
    filled: u64,
    row: usize,
    col: usize,
}

impl Walk<'_> {
    /// Values that are the same in every tile.
    ///
    /// # Safety
    /// As [`Formula::run`].
    unsafe fn prologue(&mut self) {
        // No tile has more elements than the area.
        let tile = self.formula.tile.min(self.area.rows * self.area.cols);
        for &(row, scalar, to) in &self.formula.program.splats {
            // SAFETY: the register has room for a tile.
            unsafe { row(tile, self.area.scalars[scalar as usize], self.register(to)) };
        }
        for (input, line) in self.area.ins.iter().enumerate() {
            let Some(to) = self.formula.program.loads[input] else { continue };
            if line.row == 0 && line.col == 0 {
                self.filled |= 1 << input;
                let to = self.register(to);
                // SAFETY: one element is readable, the register has room for a tile.
                unsafe {
                    with_size!(self.formula.in_sizes[input], |T| {
                        let value = *line.ptr.cast::<T>();
                        (0..tile).for_each(|i| *to.cast::<T>().add(i) = value);
                    });
                }
            }
        }
    }

    /// Finds the operands whose memory can be used as it lies for tiles of this size.
    fn choose(&mut self, rows: usize, cols: usize) {
        let dense = |line: &Line, size: usize| {
            (line.col == size as isize || cols == 1) && (rows == 1 || line.row == (cols * size) as isize)
        };
        (self.direct_ins, self.direct_outs) = (0, 0);
        for (input, (line, &size)) in self.area.ins.iter().zip(&self.formula.in_sizes).enumerate() {
            if dense(line, size) && self.filled >> input & 1 == 0 {
                self.direct_ins |= 1 << input;
            }
        }
        for (out, (line, &size)) in self.area.outs.iter().zip(&self.formula.out_sizes).enumerate() {
            // What is read by a later instruction must not be written over by an earlier one.
            let in_place = self.area.ins.iter().any(|input| input.ptr == line.ptr);
            if dense(line, size) && !in_place {
                self.direct_outs |= 1 << out;
            }
        }
    }

    /// Whether no operand needs a register.
    fn is_direct(&self) -> bool {
        let all = |count: usize| if count == 64 { u64::MAX } else { (1 << count) - 1 };
        self.direct_ins == all(self.area.ins.len()) && self.direct_outs == all(self.area.outs.len())
    }

    #[inline(always)]
    fn register(&self, register: u16) -> *mut u8 {
        self.scratch.wrapping_add(register as usize * self.formula.register)
    }

    /// Where a value of this tile lies.
    #[inline(always)]
    fn at(&self, loc: Loc) -> *mut u8 {
        match loc {
            Loc::Register(register) => self.register(register),
            Loc::In { input, register } => {
                if self.direct_ins >> input & 1 == 1 {
                    self.area.ins[input as usize].at(self.row, self.col).ptr
                } else {
                    self.register(register)
                }
            }
            Loc::Out { out, register } => {
                if self.direct_outs >> out & 1 == 1 {
                    self.area.outs[out as usize].at(self.row, self.col).ptr
                } else {
                    self.register(register)
                }
            }
        }
    }

    /// # Safety
    /// As [`Formula::run`]; the tile lies in the area and fits a register where one is used.
    unsafe fn tile(&self, rows: usize, cols: usize) {
        // SAFETY: registers have room for a tile of the widest type; operands are valid over the area. Types
        // were checked by `Program::compile`, and a register that is written is never one that the same
        // code reads.
        unsafe {
            for (input, line) in self.area.ins.iter().enumerate() {
                if (self.direct_ins | self.filled) >> input & 1 == 0
                    && let Some(to) = self.formula.program.loads[input]
                {
                    gather(
                        line.at(self.row, self.col),
                        rows,
                        cols,
                        self.formula.in_sizes[input],
                        self.register(to),
                    );
                }
            }
            let count = rows * cols;
            for code in &self.formula.program.codes {
                match *code {
                    Code::Iota { inner, size, to } => {
                        for row in 0..rows {
                            let start = self.area.start + (self.row + row) * self.area.pitch + self.col;
                            let to = self.at(to).cast::<i32>().add(row * cols);
                            rows::iota(cols, start, inner, size, to);
                        }
                    }
                    Code::One { row, a, to } => row(count, self.at(a), self.at(to)),
                    Code::Two { row, a, b, to } => row(count, self.at(a), self.at(b), self.at(to)),
                    Code::Three { row, a, b, c, to } => {
                        row(count, self.at(a), self.at(b), self.at(c), self.at(to));
                    }
                }
            }
            for (j, &from) in self.formula.program.outs.iter().enumerate() {
                // Nothing to do where the value's instruction has put it there.
                if matches!(from, Loc::Out { out, .. } if out as usize == j) && self.direct_outs >> j & 1 == 1
                {
                    continue;
                }
                let line = self.area.outs[j].at(self.row, self.col);
                scatter(self.at(from), rows, cols, self.formula.out_sizes[j], line);
            }
        }
    }
}

/// Copies a block of an operand into a register, row behind row.
///
/// # Safety
/// The block is readable, the register has room for it.
unsafe fn gather(line: Line, rows: usize, cols: usize, size: usize, to: *mut u8) {
    // SAFETY: the contract of this function.
    unsafe {
        with_size!(size, |T| {
            for row in 0..rows {
                let (from, to) = (line.at(row, 0).ptr, to.cast::<T>().add(row * cols));
                if line.col == size as isize {
                    std::ptr::copy_nonoverlapping(from.cast::<T>(), to, cols);
                } else {
                    for col in 0..cols {
                        *to.add(col) = *from.offset(col as isize * line.col).cast::<T>();
                    }
                }
            }
        });
    }
}

/// Copies a register to a block of an operand.
///
/// # Safety
/// The block is writable; the register holds it. They may be the same memory.
unsafe fn scatter(from: *const u8, rows: usize, cols: usize, size: usize, line: Line) {
    // SAFETY: the contract of this function.
    unsafe {
        with_size!(size, |T| {
            for row in 0..rows {
                let (from, to) = (from.cast::<T>().add(row * cols), line.at(row, 0).ptr);
                if line.col == size as isize {
                    std::ptr::copy(from, to.cast::<T>(), cols);
                } else {
                    for col in 0..cols {
                        *to.offset(col as isize * line.col).cast::<T>() = *from.add(col);
                    }
                }
            }
        });
    }
}
