//! Matrix products of free strides.
//!
//! The register tile wants one operand unit-stride along the columns of the result; the other one
//! is broadcast and may lie as it likes. A product may as well be computed transposed
//! (cᵀ = bᵀ aᵀ), which changes no bit, so `prepare` picks the way that moves the fewest elements:
//! packing a vector operand that is not unit-stride, writing a result across its strides.

mod pack;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::ops::table::{BinaryFn, BinaryOp, UnaryFn, UnaryOp, binary, unary};
use neuroxide_core::plan::{Expr, Instr, Operand, SUM_CHUNK};
use neuroxide_core::shape::View;
use smallvec::SmallVec;

use crate::element::Float;
use crate::executable::{Context, Place, Site, Task};
use crate::gemm::{Operands, Tiled, Tiles};
use crate::isa::{Isa, shells};
use crate::pool::share;
use crate::schedule::Part;

/// Rows of the tallest tile and columns of the widest one.
const MAX_ROWS: usize = 14;
const MAX_COLS: usize = 32;
/// Rows from which a vector operand is packed although its stride along n is 1, where its rows lie
/// so far apart that a panel of it falls onto few sets of the caches.
const TALL: usize = 128;
const FAR: usize = 2048;

/// A matrix of a batch: byte-free strides.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    place: Place,
    batch: isize,
    row: isize,
    col: isize,
}

impl Matrix {
    fn new(place: Place, view: &View) -> Self {
        let s = &view.strides;
        // A stride along an axis of size 1 says nothing; 1 fits every test.
        let stride = |axis: usize| if view.shape[axis] <= 1 { 1 } else { s[axis] };
        Self { place, batch: if view.shape[0] <= 1 { 0 } else { s[0] }, row: stride(1), col: stride(2) }
    }

    fn transposed(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }
}

/// A vector added to the result: along its columns, or along its rows where the product is transposed.
#[derive(Clone, Copy)]
struct Bias {
    place: Place,
    stride: isize,
    along_cols: bool,
}

struct MatMul<T: 'static> {
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Matrix,
    b: Matrix,
    c: Matrix,
    bias: Option<Bias>,
    relu: bool,
    /// b is brought into panels before each chunk of k.
    packed: bool,
    tiles: &'static Tiles<T>,
    finish: Finish<T>,
    isa: Isa,
}

/// Element types of products.
pub(crate) trait Real: Float + Tiled {
    fn relu(self) -> Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! real {
    ($T:ty) => {
        impl Real for $T {
            #[inline(always)]
            fn relu(self) -> Self {
                <unary::Relu as UnaryFn<$T>>::eval(self)
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                <binary::Add as BinaryFn<$T>>::eval(self, other)
            }
        }
    };
}

real!(f32);
real!(f64);

/// The epilogue on a row of finished elements.
type Finish<T> = unsafe fn(count: usize, row: *mut T, bias: *const T, bias_step: usize, relu: bool);

/// # Safety
/// `count` elements are valid at `row`; `bias` is null or has an element every `bias_step` (0 or 1).
#[inline(always)]
unsafe fn finish_body<T: Real>(count: usize, row: *mut T, bias: *const T, bias_step: usize, relu: bool) {
    // SAFETY: the contract of this function.
    unsafe {
        if !bias.is_null() {
            if bias_step == 0 {
                let bias = *bias;
                (0..count).for_each(|i| *row.add(i) = (*row.add(i)).plus(bias));
            } else {
                (0..count).for_each(|i| *row.add(i) = (*row.add(i)).plus(*bias.add(i)));
            }
        }
        if relu {
            (0..count).for_each(|i| *row.add(i) = (*row.add(i)).relu());
        }
    }
}

shells! {
    fn finish_shell<T> = finish_body::<T>
        as fn(count: usize, row: *mut T, bias: *const T, bias_step: usize, relu: bool)
    where T: Real
}

/// What is done to a finished element, in this order.
#[derive(Clone, Copy)]
struct Epilogue {
    bias: bool,
    relu: bool,
}

/// A sum with one more operand, then relu; either may be missing.
fn recognise(expr: &Expr) -> Option<Epilogue> {
    let (first, mut rest) = expr.instrs.split_first()?;
    let &Instr::Load { input: 0, dtype } = first else { return None };
    let bias = matches!(rest, [
        Instr::Load { input: 1, dtype: other },
        Instr::Binary { op: BinaryOp::Add, a: 0, b: 1, .. } | Instr::Binary { op: BinaryOp::Add, a: 1, b: 0, .. },
        ..
    ] if *other == dtype);
    if bias {
        rest = &rest[2..];
    }
    let last = if bias { 2 } else { 0 };
    let relu = matches!(rest, [Instr::Unary { op: UnaryOp::Relu, a, .. }, ..] if *a == last);
    if relu {
        rest = &rest[1..];
    }
    let out = last + u16::from(relu);
    (rest.is_empty() && expr.outs[..] == [out]).then_some(Epilogue { bias, relu })
}

/// Whether the tiles compute an expression themselves: a bias lies along the columns, and not where the out does,
/// which the tiles write before they read it.
pub(crate) fn knows(site: &Site<'_>, expr: &Expr) -> bool {
    let along = |view: &View| (0..2).all(|axis| view.strides[axis] == 0 || view.shape[axis] <= 1);
    let apart =
        |bias: &Operand| site.step.outs.iter().all(|out| (out.slot, out.base) != (bias.slot, bias.base));
    let fits = |bias: &Operand| along(&bias.view) && apart(bias);
    recognise(expr).is_some_and(|it| !it.bias || site.step.ins.get(2).is_some_and(fits))
}

pub(crate) fn prepare(site: &Site<'_>, expr: &Expr) -> Result<Box<dyn Task>> {
    let Some(epilogue) = recognise(expr) else { return Err(site.fault("no such epilogue")) };
    site.count(if epilogue.bias { 3 } else { 2 }, 1)?;
    match site.step.outs[0].dtype {
        DType::F32 => task::<f32>(site, epilogue),
        DType::F64 => task::<f64>(site, epilogue),
        dtype => Err(site.fault(&format!("no products of {dtype}"))),
    }
}

fn task<T: Real>(site: &Site<'_>, epilogue: Epilogue) -> Result<Box<dyn Task>> {
    let (ins, out) = (&site.step.ins, &site.step.outs[0]);
    site.check(ins.iter().all(|operand| operand.dtype == T::DTYPE), "element types differ")?;
    let [batch, m, k] = site.triple(&ins[0].view.shape)?;
    let [_, _, n] = site.triple(&ins[1].view.shape)?;
    site.check(*ins[1].view.shape == [batch, k, n] && *out.view.shape == [batch, m, n], "shapes do not fit")?;
    let bias = if epilogue.bias {
        let view = &ins[2].view;
        site.check(*view.shape == [batch, m, n], "the bias has another shape")?;
        let fixed = (0..2).all(|axis| view.strides[axis] == 0 || view.shape[axis] <= 1);
        site.check(fixed, "the bias differs from row to row")?;
        Some(Bias { place: site.ins[2], stride: view.strides[2], along_cols: true })
    } else {
        None
    };
    let mut it = MatMul::<T> {
        batch,
        m,
        n,
        k,
        a: Matrix::new(site.ins[0], &ins[0].view),
        b: Matrix::new(site.ins[1], &ins[1].view),
        c: Matrix::new(site.outs[0], &out.view),
        bias,
        relu: epilogue.relu,
        packed: false,
        tiles: T::tiles(site.isa),
        finish: finish_shell::<T>(site.isa),
        isa: site.isa,
    };
    it.fold_batch();
    it.orient();
    Ok(Box::new(it))
}

impl<T: Real> MatMul<T> {
    /// Makes one tall product of a batch that shares b.
    fn fold_batch(&mut self) {
        let rows = self.m as isize;
        let joins = |x: &Matrix| self.m == 1 || x.batch == x.row * rows;
        if self.batch > 1 && self.b.batch == 0 && joins(&self.a) && joins(&self.c) {
            if self.m == 1 {
                (self.a.row, self.c.row) = (self.a.batch, self.c.batch);
            }
            self.m *= self.batch;
            self.batch = 1;
        }
    }

    /// Turns the product over where that is cheaper.
    fn orient(&mut self) {
        let width = self.tiles.width / 2;
        // Elements moved or computed on in vain, in units of a vector operation.
        let cost = |m: usize, n: usize, vector_col: isize, out_col: isize| {
            let pack = if vector_col == 1 { 0 } else { self.k * n };
            let spread = if out_col == 1 { 0 } else { m * n };
            m * n.next_multiple_of(width) * self.k / (2 * width) + pack + spread
        };
        let straight = cost(self.m, self.n, self.b.col, self.c.col);
        let turned = cost(self.n, self.m, self.a.row, self.c.row);
        if turned < straight {
            (self.m, self.n) = (self.n, self.m);
            (self.a, self.b) = (self.b.transposed(), self.a.transposed());
            self.c = self.c.transposed();
            self.bias = self.bias.map(|bias| Bias { along_cols: false, ..bias });
        }
        let far = self.m >= TALL && self.b.row.unsigned_abs() * size_of::<T>() >= FAR && self.k >= TALL;
        self.packed = self.k > 0 && (self.b.col != 1 || far);
    }

    /// Tiles of one matrix: panels of columns times balanced blocks of rows.
    fn grid(&self) -> (usize, usize) {
        (self.n.div_ceil(self.tiles.width), self.m.div_ceil(self.tiles.height()))
    }
}

/// One chunk of k of one product, ready for its tiles.
struct Chunk<'a, T: Real> {
    of: &'a MatMul<T>,
    cx: &'a Context<'a>,
    start: usize,
    k: usize,
    /// Panels of b from this one on lie packed at `panels`.
    first_panel: usize,
    panels: Option<*const T>,
}

impl<T: Real> Chunk<'_, T> {
    /// Computes a tile and, with the last chunk, finishes it.
    ///
    /// # Safety
    /// The tile is one of the grid and belongs to the caller.
    unsafe fn tile(&self, batch: usize, panel: usize, block: usize) {
        let of = self.of;
        let (width, (_, blocks)) = (of.tiles.width, of.grid());
        let rows = share(of.m, block, blocks);
        let (col, count) = (panel * width, width.min(of.n - panel * width));
        let at = |x: &Matrix, row: usize, col: usize| {
            let offset = batch as isize * x.batch + row as isize * x.row + col as isize * x.col;
            x.place.ptr::<T>(self.cx).wrapping_offset(offset)
        };
        let (b, b_k) = match self.panels {
            Some(panels) => {
                (panels.wrapping_add((panel - self.first_panel) * self.k * width), width as isize)
            }
            None => (at(&of.b, self.start, col).cast_const(), of.b.row),
        };
        let direct = of.c.col == 1;
        let mut room = [T::ZERO; MAX_ROWS * MAX_COLS];
        let out = at(&of.c, rows.start, col);
        let (c, c_row) = if direct { (out, of.c.row) } else { (room.as_mut_ptr(), MAX_COLS as isize) };
        // SAFETY: rows and columns are inside the operands, whose places were checked; a tile is at most
        // `MAX_ROWS` by `MAX_COLS`, the size of the room.
        unsafe {
            of.tiles.get(rows.len(), count)(&Operands {
                k: self.k,
                a: at(&of.a, rows.start, self.start).cast_const(),
                a_row: of.a.row,
                a_k: of.a.col,
                b,
                b_k,
                c,
                c_row,
                cols: count,
                add: direct && self.start > 0,
            });
            if !direct && self.start > 0 {
                self.spread(c, out, rows.len(), count, |new, old| old.plus(new), true);
            }
            if self.start + self.k == of.k {
                self.finish(c, c_row, rows.clone(), col, count);
            }
            if !direct {
                self.spread(c, out, rows.len(), count, |new, _| new, false);
            }
        }
    }

    /// Brings a room and its place in c together: the room is updated (`inward`) or c is.
    ///
    /// # Safety
    /// `rows` by `count` elements are valid on both sides.
    unsafe fn spread(
        &self,
        room: *mut T,
        out: *mut T,
        rows: usize,
        count: usize,
        join: impl Fn(T, T) -> T,
        inward: bool,
    ) {
        for i in 0..rows {
            for j in 0..count {
                // SAFETY: the contract of this function.
                unsafe {
                    let room = room.add(i * MAX_COLS + j);
                    let out = out.offset(i as isize * self.of.c.row + j as isize * self.of.c.col);
                    if inward {
                        *room = join(*room, *out);
                    } else {
                        *out = join(*room, *room);
                    }
                }
            }
        }
    }

    /// The epilogue on a tile.
    ///
    /// # Safety
    /// `rows` of `count` elements are valid from `c`.
    unsafe fn finish(&self, c: *mut T, c_row: isize, rows: std::ops::Range<usize>, col: usize, count: usize) {
        let of = self.of;
        if of.bias.is_none() && !of.relu {
            return;
        }
        let mut along = [T::ZERO; MAX_COLS];
        if let Some(bias) = of.bias.filter(|bias| bias.along_cols) {
            let from = bias.place.ptr::<T>(self.cx);
            for (j, to) in along[..count].iter_mut().enumerate() {
                // SAFETY: the bias has n elements.
                *to = unsafe { *from.offset((col + j) as isize * bias.stride) };
            }
        }
        for (i, row) in rows.enumerate() {
            let (bias, step) = match of.bias {
                None => (std::ptr::null(), 0),
                Some(Bias { along_cols: true, .. }) => (along.as_ptr(), 1),
                Some(bias) => {
                    (bias.place.ptr::<T>(self.cx).wrapping_offset(row as isize * bias.stride).cast_const(), 0)
                }
            };
            // SAFETY: a row of the tile; the bias has an element for each column or one for this row.
            unsafe { (of.finish)(count, c.offset(i as isize * c_row), bias, step, of.relu) };
        }
    }
}

impl<T: Real> Task for MatMul<T> {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        let (panels, blocks) = self.grid();
        SmallVec::from_slice(&[if self.packed { 1 } else { self.batch * panels * blocks }])
    }

    fn cost(&self, _: usize) -> f64 {
        20.0 + (2 * self.batch * self.m * self.n * self.k) as f64 / 80.0
    }

    fn scratch(&self) -> usize {
        if self.packed { self.room() } else { 0 }
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        if self.packed {
            self.run_packed(cx);
            return Ok(());
        }
        let (panels, blocks) = self.grid();
        let tiles = part.share(self.batch * panels * blocks);
        // k = 0 has one empty chunk, which writes zeros.
        for start in (0..self.k.max(1)).step_by(SUM_CHUNK) {
            let k = SUM_CHUNK.min(self.k - start);
            let chunk = Chunk { of: self, cx, start, k, first_panel: 0, panels: None };
            for at in tiles.clone() {
                // SAFETY: `at` names a tile of the grid, and each belongs to one part.
                unsafe { chunk.tile(at / blocks / panels, at / blocks % panels, at % blocks) };
            }
        }
        Ok(())
    }
}
