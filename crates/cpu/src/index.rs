//! Reads and writes through index tensors, and the checks of what an index or a divisor holds.
//!
//! Every index is checked before anything is written, so a bad one leaves all outs as they were.

mod add;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::plan::Expr;
use neuroxide_core::shape::{Dims, row_major};

pub(crate) use add::{add, scatter_add};

use crate::element::{with_dtype, with_size};
use crate::executable::{Context, Lowest, Place, Site, Task, position};
use crate::pool::share;
use crate::reduce::Shared;

/// Elements that a thread is woken for.
const GRAIN: usize = 16 << 10;
/// Indices checked by a thread.
const CHECK_GRAIN: usize = 64 << 10;

/// An index operand and the axis it points into.
struct Index {
    place: Place,
    shape: Dims,
    numel: usize,
    size: usize,
}

impl Index {
    fn new(site: &Site<'_>, input: usize, size: usize) -> Result<Self> {
        let shape: Dims = site.rows(&site.step.ins[input], DType::I32)?.into();
        Ok(Self { place: site.ins[input], numel: shape.iter().product(), shape, size })
    }

    fn ptr(&self, cx: &Context<'_>) -> Shared<i32> {
        Shared(self.place.ptr::<i32>(cx).cast_const())
    }

    /// An error that names the first index outside the axis.
    fn check(&self, cx: &Context<'_>) -> Result<()> {
        let bad = Lowest::new();
        let index = self.ptr(cx);
        let parts = cx.parts(self.numel, CHECK_GRAIN);
        cx.pool.run(parts, &|part| {
            let range = share(self.numel, part, parts);
            // SAFETY: the operand has `numel` elements. The sign is extended, so that a negative index is
            // larger than any axis.
            let outside = |&i: &usize| unsafe { *index.get().add(i) as usize >= self.size };
            if let Some(i) = range.into_iter().find(outside) {
                bad.report(i);
            }
        });
        match bad.get() {
            None => Ok(()),
            Some(at) => {
                // SAFETY: `at` is the position of an element.
                let value = unsafe { *index.get().add(at) };
                let expected = match self.size {
                    0 => "none, as the axis has size 0".to_owned(),
                    size => format!("0 to {}", size - 1),
                };
                Err(Error::Index(format!(
                    "index {value} at position {}; expected {expected}",
                    position(&self.shape, at)
                )))
            }
        }
    }
}

/// The sizes before, at and behind an axis.
fn split(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

struct CheckIndex(Index);

pub(crate) fn check(site: &Site<'_>, size: usize) -> Result<Box<dyn Task>> {
    site.count(1, 0)?;
    Ok(Box::new(CheckIndex(Index::new(site, 0, size)?)))
}

impl Task for CheckIndex {
    fn run(&self, cx: &Context<'_>) -> Result<()> {
        self.0.check(cx)
    }
}

struct CheckNonZero {
    place: Place,
    dtype: DType,
    numel: usize,
}

pub(crate) fn check_non_zero(site: &Site<'_>) -> Result<Box<dyn Task>> {
    site.count(1, 0)?;
    let operand = &site.step.ins[0];
    let numel = site.rows(operand, operand.dtype)?.iter().product();
    Ok(Box::new(CheckNonZero { place: site.ins[0], dtype: operand.dtype, numel }))
}

impl Task for CheckNonZero {
    fn run(&self, cx: &Context<'_>) -> Result<()> {
        let zero = with_dtype!(self.dtype, |T| {
            let x = self.place.ptr::<T>(cx).cast_const();
            // SAFETY: the operand has `numel` elements.
            (0..self.numel).any(|i| unsafe {
                <T as crate::element::Element>::read(x.add(i))
                    == <T as crate::element::Element>::from_f64(0.0)
            })
        });
        if zero {
            return Err(Error::Value("integer division by zero; expected a divisor other than 0".into()));
        }
        Ok(())
    }
}

/// Rows along the last axis of the index, with what is needed to find their place in x.
struct Gather {
    x: Place,
    out: Place,
    index: Index,
    element: usize,
    axis: usize,
    strides: SmallStrides,
}

type SmallStrides = neuroxide_core::shape::Strides;

pub(crate) fn gather(site: &Site<'_>, axis: usize) -> Result<Box<dyn Task>> {
    site.count(2, 1)?;
    let (x, out) = (&site.step.ins[0], &site.step.outs[0]);
    let shape = site.rows(x, out.dtype)?;
    site.check(axis < shape.len(), "the axis is out of range")?;
    let index = Index::new(site, 1, shape[axis])?;
    site.check(*site.rows(out, x.dtype)? == *index.shape, "the out has another shape than the index")?;
    let within = index.shape.len() == shape.len()
        && index.shape.iter().zip(shape).enumerate().all(|(a, (&i, &x))| a == axis || i <= x);
    site.check(within, "the index is larger than x")?;
    let (element, strides) = (x.dtype.size(), row_major(shape));
    Ok(Box::new(Gather { x: site.ins[0], out: site.outs[0], index, element, axis, strides }))
}

/// Offset in x (without the indexed axis) of the row of an index tensor that begins at flat `start`.
fn base_of(shape: &[usize], strides: &[isize], axis: usize, start: usize) -> usize {
    let mut rest = start;
    let mut base = 0;
    for a in (0..shape.len()).rev() {
        if a != axis {
            base += rest % shape[a] * strides[a] as usize;
        }
        rest /= shape[a];
    }
    base
}

impl Gather {
    /// # Safety
    /// Indices have been checked; `rows` are rows of the index.
    unsafe fn rows<T: Copy>(&self, cx: &Context<'_>, rows: std::ops::Range<usize>) {
        let (x, out, index) = (self.x.ptr::<T>(cx), self.out.ptr::<T>(cx), self.index.ptr(cx));
        let last = self.index.shape.len() - 1;
        let len = self.index.shape[last];
        let step = if last == self.axis { 0 } else { self.strides[last] as usize };
        let along = self.strides[self.axis] as usize;
        for row in rows {
            let start = row * len;
            let base = base_of(&self.index.shape, &self.strides, self.axis, start);
            for j in 0..len {
                // SAFETY: the index is below the axis' size and the other coordinates are within x.
                unsafe {
                    let at = *index.get().add(start + j) as usize;
                    *out.add(start + j) = *x.add(base + at * along + j * step);
                }
            }
        }
    }
}

impl Task for Gather {
    fn run(&self, cx: &Context<'_>) -> Result<()> {
        self.index.check(cx)?;
        let rows = self.index.numel / self.index.shape[self.index.shape.len() - 1];
        let parts = cx.parts(self.index.numel, GRAIN).min(rows);
        cx.pool.run(parts, &|part| {
            // SAFETY: indices were checked above.
            with_size!(self.element, |T| unsafe { self.rows::<T>(cx, share(rows, part, parts)) });
        });
        Ok(())
    }
}

/// Whole slices along an axis.
struct Select {
    x: Place,
    out: Place,
    index: Index,
    outer: usize,
    /// Bytes of a slice.
    bytes: usize,
}

pub(crate) fn select(site: &Site<'_>, expr: &Expr) -> Result<Box<dyn Task>> {
    site.count(2, 1)?;
    site.check(*expr == Expr::plain(site.step.ins[0].dtype), "no such epilogue")?;
    let (x, out) = (&site.step.ins[0], &site.step.outs[0]);
    let [outer, size, inner] = site.triple(site.rows(x, out.dtype)?)?;
    let index = Index::new(site, 1, size)?;
    site.check(*site.rows(out, x.dtype)? == [outer, index.numel, inner], "the out has another shape")?;
    Ok(Box::new(Select { x: site.ins[0], out: site.outs[0], index, outer, bytes: inner * x.dtype.size() }))
}

impl Task for Select {
    fn run(&self, cx: &Context<'_>) -> Result<()> {
        self.index.check(cx)?;
        let slices = self.outer * self.index.numel;
        let index = self.index.ptr(cx);
        let parts = cx.parts(slices * self.bytes / 4, GRAIN).min(slices);
        cx.pool.run(parts, &|part| {
            let (x, out) = (self.x.ptr::<u8>(cx), self.out.ptr::<u8>(cx));
            for slice in share(slices, part, parts) {
                // SAFETY: the index was checked to be below the axis' size; slices of both are whole.
                unsafe {
                    let at = *index.get().add(slice % self.index.numel) as usize;
                    let from = (slice / self.index.numel * self.index.size + at) * self.bytes;
                    std::ptr::copy_nonoverlapping(x.add(from), out.add(slice * self.bytes), self.bytes);
                }
            }
        });
        Ok(())
    }
}
