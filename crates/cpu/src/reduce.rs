//! Reductions of `[outer, len, inner]` to `[outer, 1, inner]`.
//!
//! `Cut::Lanes`: element `j` goes to lane `j % 64`, lanes are joined by a fixed tree. `Cut::Chain`:
//! one chain in index order per chunk of `SUM_CHUNK` elements, chunks added in order. Threads divide
//! outputs or, for one long row, lanes; neither touches the order of any addition.

mod fold;

use std::marker::PhantomData;
use std::ops::Range;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::op::ReduceOp;
use neuroxide_core::plan::{Cut, SUM_CHUNK};
use smallvec::SmallVec;

use crate::element::Element;
use crate::executable::{Context, Place, Site, Task, position};
use crate::isa::{Isa, shells};
use crate::schedule::{Axis, Part, Touch};
use fold::{All, Any, Fold, IntProd, IntSum, Max, Min, Prod, Sum};

/// Virtual lanes of a sum.
pub(crate) const LANES: usize = 64;
/// Columns of a block of chains.
const COLS: usize = 64;
/// Columns are dealt out in blocks of this many, which end where those of matrix tiles do.
const BLOCK: usize = 32;
/// Elements from which the lanes of a single row are dealt out.
const LONG: usize = 256 << 10;

/// Joins lanes: 64 → 32 → … → 1, lane `i` with lane `i + half`.
#[inline(always)]
pub(crate) fn tree<A: Copy>(lanes: &mut [A; LANES], join: impl Fn(A, A) -> A) -> A {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Folds `len` elements, `step` apart, into lanes `first..first + W` of 64; `lanes[0]` is lane `first`.
///
/// # Safety
/// The elements are readable from `x`.
#[inline(always)]
unsafe fn lanes_body<F: Fold, const W: usize>(
    x: *const F::In,
    len: usize,
    step: usize,
    first: usize,
    lanes: &mut [F::Acc; W],
) {
    let whole = len / LANES;
    // SAFETY: rows of 64 elements within `len`, then the rest of the last row.
    unsafe {
        for row in 0..whole {
            let x = x.add((row * LANES + first) * step);
            if step == 1 {
                for (i, lane) in lanes.iter_mut().enumerate() {
                    *lane = F::step(*lane, Element::read(x.add(i)));
                }
            } else {
                for (i, lane) in lanes.iter_mut().enumerate() {
                    *lane = F::step(*lane, Element::read(x.add(i * step)));
                }
            }
        }
        for (i, lane) in lanes.iter_mut().enumerate() {
            let j = whole * LANES + first + i;
            if j < len {
                *lane = F::step(*lane, Element::read(x.add(j * step)));
            }
        }
    }
}

/// One output by lanes.
///
/// # Safety
/// `len` elements, `step` apart, are readable from `x`.
#[inline(always)]
unsafe fn row_body<F: Fold>(x: *const F::In, len: usize, step: usize) -> F::Acc {
    let mut lanes = [F::INIT; LANES];
    // SAFETY: the contract of this function.
    unsafe { lanes_body::<F, LANES>(x, len, step, 0, &mut lanes) };
    tree(&mut lanes, F::join)
}

shells! {
    fn row_shell<F> = row_body::<F> as fn(x: *const F::In, len: usize, step: usize) -> F::Acc
    where F: Fold
}

/// A quarter of the lanes of one row.
///
/// # Safety
/// As `row_body`, for contiguous elements.
#[inline(always)]
unsafe fn quarter_body<F: Fold>(x: *const F::In, len: usize, quarter: usize) -> [F::Acc; LANES / 4] {
    let mut lanes = [F::INIT; LANES / 4];
    // SAFETY: the contract of this function.
    unsafe { lanes_body::<F, { LANES / 4 }>(x, len, 1, quarter * (LANES / 4), &mut lanes) };
    lanes
}

shells! {
    fn quarter_shell<F> =
        quarter_body::<F> as fn(x: *const F::In, len: usize, quarter: usize) -> [F::Acc; LANES / 4]
    where F: Fold
}

/// Up to `COLS` neighbouring outputs by chains.
///
/// # Safety
/// `cols` elements are readable from each of `len` rows, `stride` apart, from `x`.
#[inline(always)]
unsafe fn chains_body<F: Fold>(
    x: *const F::In,
    len: usize,
    stride: usize,
    cols: usize,
    total: &mut [F::Acc; COLS],
) {
    *total = [F::INIT; COLS];
    for start in (0..len).step_by(SUM_CHUNK) {
        let end = (start + SUM_CHUNK).min(len);
        let mut chain = [F::INIT; COLS];
        for row in start..end {
            // SAFETY: row and columns are inside the contract.
            unsafe {
                let x = x.add(row * stride);
                if cols == COLS {
                    for (c, acc) in chain.iter_mut().enumerate() {
                        *acc = F::step(*acc, Element::read(x.add(c)));
                    }
                } else {
                    for (c, acc) in chain[..cols].iter_mut().enumerate() {
                        *acc = F::step(*acc, Element::read(x.add(c)));
                    }
                }
            }
        }
        for (sum, &chunk) in total.iter_mut().zip(&chain) {
            *sum = if start == 0 { chunk } else { F::join(*sum, chunk) };
        }
    }
}

shells! {
    fn chains_shell<F> = chains_body::<F>
        as fn(x: *const F::In, len: usize, stride: usize, cols: usize, total: &mut [F::Acc; COLS])
    where F: Fold
}

struct Reduce<F> {
    x: Place,
    out: Place,
    outer: usize,
    len: usize,
    inner: usize,
    cut: Cut,
    isa: Isa,
    kind: PhantomData<fn(F)>,
}

pub(crate) fn prepare(site: &Site<'_>, op: ReduceOp, cut: Cut) -> Result<Box<dyn Task>> {
    site.count(1, 1)?;
    match (op, site.step.ins[0].dtype) {
        (ReduceOp::Sum, DType::F32) => task::<Sum<f32>>(site, cut),
        (ReduceOp::Sum, DType::F64) => task::<Sum<f64>>(site, cut),
        (ReduceOp::Sum, DType::I32) => task::<IntSum<i32>>(site, cut),
        (ReduceOp::Sum, DType::U8) => task::<IntSum<u8>>(site, cut),
        (ReduceOp::Prod, DType::F32) => task::<Prod<f32>>(site, cut),
        (ReduceOp::Prod, DType::F64) => task::<Prod<f64>>(site, cut),
        (ReduceOp::Prod, DType::I32) => task::<IntProd<i32>>(site, cut),
        (ReduceOp::Prod, DType::U8) => task::<IntProd<u8>>(site, cut),
        (ReduceOp::Max, DType::F32) => task::<Max<f32>>(site, cut),
        (ReduceOp::Max, DType::F64) => task::<Max<f64>>(site, cut),
        (ReduceOp::Max, DType::I32) => task::<Max<i32>>(site, cut),
        (ReduceOp::Max, DType::U8) => task::<Max<u8>>(site, cut),
        (ReduceOp::Max | ReduceOp::Any, DType::Bool) => task::<Any>(site, cut),
        (ReduceOp::Min, DType::F32) => task::<Min<f32>>(site, cut),
        (ReduceOp::Min, DType::F64) => task::<Min<f64>>(site, cut),
        (ReduceOp::Min, DType::I32) => task::<Min<i32>>(site, cut),
        (ReduceOp::Min, DType::U8) => task::<Min<u8>>(site, cut),
        (ReduceOp::Min | ReduceOp::All, DType::Bool) => task::<All>(site, cut),
        (_, dtype) => Err(site.fault(&format!("no reduction of {dtype}"))),
    }
}

fn task<F: Fold>(site: &Site<'_>, cut: Cut) -> Result<Box<dyn Task>> {
    let (x, out) = (&site.step.ins[0], &site.step.outs[0]);
    let [outer, len, inner] = site.triple(site.rows(x, F::In::DTYPE)?)?;
    site.check(*site.rows(out, F::Out::DTYPE)? == [outer, 1, inner], "the out has another shape")?;
    site.check(len > 0 || F::EMPTY, "the extreme of no elements")?;
    Ok(Box::new(Reduce::<F> {
        x: site.ins[0],
        out: site.outs[0],
        outer,
        len,
        inner,
        cut,
        isa: site.isa,
        kind: PhantomData,
    }))
}

impl<F: Fold> Reduce<F> {
    fn outputs(&self) -> usize {
        self.outer * self.inner
    }

    /// Whether the lanes of a single long row are dealt out.
    fn is_long(&self) -> bool {
        self.cut == Cut::Lanes && self.outputs() == 1 && self.len >= LONG
    }

    /// Writes one output; an error where it does not fit.
    fn put(&self, cx: &Context<'_>, at: usize, acc: F::Acc) -> Result<()> {
        let Some(value) = F::finish(acc) else {
            return Err(Error::Value(format!(
                "the result at position {} does not fit in i32; expected -2147483648 to 2147483647. \
                 Hint: cast to f32 or f64 first",
                position(&[self.outer, 1, self.inner], at)
            )));
        };
        // SAFETY: `at` is below `outer * inner`, the elements of the out.
        unsafe { Element::write(self.out.ptr::<F::Out>(cx).add(at), value) };
        Ok(())
    }

    /// A share of the lanes of a long row, then the row.
    fn long(&self, cx: &Context<'_>, phase: usize, part: Part) -> Result<()> {
        let lanes = cx.scratch.ptr.cast::<[F::Acc; LANES / 4]>();
        if phase == 0 {
            let run = quarter_shell::<F>(self.isa);
            for quarter in part.share(4) {
                // SAFETY: the in has `len` elements; the scratch has room for four quarters of the lanes, and
                // each belongs to one part.
                unsafe { lanes.add(quarter).write(run(self.x.ptr(cx), self.len, quarter)) };
            }
            return Ok(());
        }
        // SAFETY: the phase before has written all lanes.
        let mut all = unsafe { lanes.cast::<[F::Acc; LANES]>().read() };
        self.put(cx, 0, tree(&mut all, F::join))
    }

    fn lanes(&self, cx: &Context<'_>, part: Part) -> Result<()> {
        let run = row_shell::<F>(self.isa);
        let x = self.x.ptr::<F::In>(cx).cast_const();
        for at in part.share(self.outputs()) {
            let first = at / self.inner * self.len * self.inner + at % self.inner;
            // SAFETY: the in has `[outer, len, inner]` elements and `at` is one of `[outer, inner]`.
            let acc = unsafe { run(x.add(first), self.len, self.inner) };
            self.put(cx, at, acc)?;
        }
        Ok(())
    }

    /// The slices and columns of a part.
    fn reach(&self, part: Part) -> (Range<usize>, Range<usize>) {
        if self.outer > 1 {
            (part.share(self.outer), 0..self.inner)
        } else {
            (0..self.outer, part.blocks(self.inner, BLOCK))
        }
    }

    fn chains(&self, cx: &Context<'_>, part: Part) -> Result<()> {
        let run = chains_shell::<F>(self.isa);
        let x = self.x.ptr::<F::In>(cx).cast_const();
        let (slices, columns) = self.reach(part);
        for slice in slices {
            for col in columns.clone().step_by(COLS) {
                let cols = COLS.min(columns.end - col);
                let mut total = [F::INIT; COLS];
                // SAFETY: columns `col..col + cols` of a slice of the in.
                unsafe {
                    let x = x.add(slice * self.len * self.inner + col);
                    run(x, self.len, self.inner, cols, &mut total);
                };
                for (c, &acc) in total[..cols].iter().enumerate() {
                    self.put(cx, slice * self.inner + col + c, acc)?;
                }
            }
        }
        Ok(())
    }
}

impl<F: Fold> Task for Reduce<F> {
    fn phases(&self) -> usize {
        if self.is_long() { 2 } else { 1 }
    }

    fn cuts(&self, phase: usize) -> SmallVec<[usize; 3]> {
        let pieces = match self.cut {
            Cut::Lanes if self.is_long() => [4, 1][phase],
            Cut::Lanes => self.outputs(),
            Cut::Chain if self.outer > 1 => self.outer,
            Cut::Chain => self.inner.div_ceil(BLOCK),
        };
        SmallVec::from_slice(&[pieces])
    }

    fn cost(&self, phase: usize) -> f64 {
        let elements = self.outputs() * self.len;
        if phase == 1 { 20.0 } else { 20.0 + 0.06 * elements as f64 }
    }

    fn scratch(&self) -> usize {
        if self.is_long() { LANES * size_of::<F::Acc>() } else { 0 }
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        if self.cut == Cut::Lanes && (self.is_long() || (self.inner > 1 && part.of > 1)) {
            return None;
        }
        let (slices, columns) =
            if self.cut == Cut::Lanes { (part.share(self.outer), 0..self.inner) } else { self.reach(part) };
        let slice = |stride: usize| Axis { range: slices.clone(), size: self.outer, stride: stride as isize };
        let column = || Axis { range: columns.clone(), size: self.inner, stride: 1 };
        let x = [slice(self.len * self.inner), Axis::whole(self.len, self.inner as isize), column()];
        let out = [slice(self.inner), column()];
        Some(vec![
            Touch::block(&self.x, size_of::<F::In>(), false, &x),
            Touch::block(&self.out, size_of::<F::Out>(), true, &out),
        ])
    }

    fn fallible(&self) -> bool {
        F::FALLIBLE
    }

    fn run(&self, cx: &Context<'_>, phase: usize, part: Part) -> Result<()> {
        match self.cut {
            Cut::Lanes if self.is_long() => self.long(cx, phase, part),
            Cut::Lanes => self.lanes(cx, part),
            Cut::Chain => self.chains(cx, part),
        }
    }
}
