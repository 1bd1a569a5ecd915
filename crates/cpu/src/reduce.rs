//! Reductions of `[outer, len, inner]` to `[outer, 1, inner]`.
//!
//! `Cut::Lanes`: element `j` goes to lane `j % 64`, lanes are joined by a fixed tree. `Cut::Chain`:
//! one chain in index order per chunk of `SUM_CHUNK` elements, chunks added in order. Threads divide
//! outputs or, for one long row, lanes; neither touches the order of any addition.

mod fold;

use std::marker::PhantomData;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::op::ReduceOp;
use neuroxide_core::plan::{Cut, SUM_CHUNK};

use crate::element::Element;
use crate::executable::{Context, Lowest, Place, Site, Task, position};
use crate::isa::{Isa, shells};
use crate::pool::share;
use fold::{All, Any, Fold, IntProd, IntSum, Max, Min, Prod, Sum};

/// Virtual lanes of a sum.
pub(crate) const LANES: usize = 64;
/// Columns of a block of chains.
const COLS: usize = 64;
/// Elements that a thread is woken for.
const GRAIN: usize = 32 << 10;
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
    /// Writes one output; reports one that does not fit.
    fn put(&self, cx: &Context<'_>, at: usize, acc: F::Acc, unfit: &Lowest) {
        match F::finish(acc) {
            // SAFETY: `at` is below `outer * inner`, the elements of the out.
            Some(value) => unsafe { Element::write(self.out.ptr::<F::Out>(cx).add(at), value) },
            None => unfit.report(at),
        }
    }

    fn lanes(&self, cx: &Context<'_>, unfit: &Lowest) {
        let outputs = self.outer * self.inner;
        let x = Shared(self.x.ptr::<F::In>(cx).cast_const());
        if outputs == 1 && self.len >= LONG && cx.pool.width() > 1 {
            let run = quarter_shell::<F>(self.isa);
            let quarters = [const { std::sync::OnceLock::new() }; 4];
            cx.pool.run(4.min(cx.pool.width()), &|part| {
                for quarter in share(4, part, 4.min(cx.pool.width())) {
                    // SAFETY: the in has `len` elements.
                    let lanes = unsafe { run(x.get(), self.len, quarter) };
                    let _ = quarters[quarter].set(lanes);
                }
            });
            let mut lanes = [F::INIT; LANES];
            for (quarter, to) in quarters.iter().zip(lanes.chunks_exact_mut(LANES / 4)) {
                to.copy_from_slice(quarter.get().expect("every part has run"));
            }
            self.put(cx, 0, tree(&mut lanes, F::join), unfit);
            return;
        }
        let run = row_shell::<F>(self.isa);
        let parts = cx.parts(outputs * self.len, GRAIN).min(outputs);
        cx.pool.run(parts, &|part| {
            for at in share(outputs, part, parts) {
                let first = at / self.inner * self.len * self.inner + at % self.inner;
                // SAFETY: the in has `[outer, len, inner]` elements and `at` is one of `[outer, inner]`.
                let acc = unsafe { run(x.get().add(first), self.len, self.inner) };
                self.put(cx, at, acc, unfit);
            }
        });
    }

    fn chains(&self, cx: &Context<'_>, unfit: &Lowest) {
        let blocks = self.inner.div_ceil(COLS);
        let run = chains_shell::<F>(self.isa);
        let parts = cx.parts(self.outer * self.len * self.inner, GRAIN).min(self.outer * blocks);
        let x = Shared(self.x.ptr::<F::In>(cx).cast_const());
        cx.pool.run(parts, &|part| {
            for at in share(self.outer * blocks, part, parts) {
                let (row, col) = (at / blocks, at % blocks * COLS);
                let cols = COLS.min(self.inner - col);
                let mut total = [F::INIT; COLS];
                // SAFETY: columns `col..col + cols` of slice `row` of the in.
                unsafe {
                    run(
                        x.get().add(row * self.len * self.inner + col),
                        self.len,
                        self.inner,
                        cols,
                        &mut total,
                    );
                };
                for (c, &acc) in total[..cols].iter().enumerate() {
                    self.put(cx, row * self.inner + col + c, acc, unfit);
                }
            }
        });
    }
}

/// A pointer that the parts of a region read through.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(pub *const T);

// SAFETY: an address; what is read through it is not written during the region.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    #[inline(always)]
    pub fn get(&self) -> *const T {
        self.0
    }
}

impl<F: Fold> Task for Reduce<F> {
    fn run(&self, cx: &Context<'_>) -> Result<()> {
        let unfit = Lowest::new();
        match self.cut {
            Cut::Lanes => self.lanes(cx, &unfit),
            Cut::Chain => self.chains(cx, &unfit),
        }
        match unfit.get() {
            None => Ok(()),
            Some(at) => Err(Error::Value(format!(
                "the result at position {} does not fit in i32; expected -2147483648 to 2147483647. \
                 Hint: cast to f32 or f64 first",
                position(&[self.outer, 1, self.inner], at)
            ))),
        }
    }
}
