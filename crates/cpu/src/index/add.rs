//! Additions at indexed places, each place in the order of the index.

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::ops::table::{BinaryFn, binary};
use neuroxide_core::shape::{Dims, Strides, row_major};
use smallvec::SmallVec;

use super::{CHECK_BLOCK, Index, base_of, split};
use crate::element::Element;
use crate::executable::{Context, Place, Site, Task};
use crate::schedule::Part;

/// Evaluates an expression with `T` bound to an element type that can be summed.
macro_rules! with_summable {
    ($site:expr, $dtype:expr, |$T:ident| $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::I32 => {
                type $T = i32;
                $body
            }
            DType::U8 => {
                type $T = u8;
                $body
            }
            dtype => Err($site.fault(&format!("no sums of {dtype} at indices"))),
        }
    };
}

/// The sum as the table defines it: integers wrap.
#[inline(always)]
fn plus<T>(a: T, b: T) -> T
where
    binary::Add: BinaryFn<T, Out = T>,
{
    <binary::Add as BinaryFn<T>>::eval(a, b)
}

/// `out[.., index, ..] += source`, elementwise.
struct ScatterAdd<T> {
    index: Index,
    source: Place,
    out: Place,
    axis: usize,
    strides: Strides,
    kind: std::marker::PhantomData<fn(T)>,
}

pub(crate) fn scatter_add(site: &Site<'_>, axis: usize) -> Result<Box<dyn Task>> {
    site.count(2, 1)?;
    let (source, out) = (&site.step.ins[1], &site.step.outs[0]);
    let shape: Dims = site.rows(out, source.dtype)?.into();
    site.check(axis < shape.len(), "the axis is out of range")?;
    let index = Index::new(site, 0, shape[axis])?;
    site.check(*site.rows(source, out.dtype)? == *index.shape, "source and index have other shapes")?;
    let within = index.shape.len() == shape.len()
        && index.shape.iter().zip(&shape).enumerate().all(|(a, (&i, &x))| a == axis || i <= x);
    site.check(within, "the index is larger than x")?;
    let strides = row_major(&shape);
    with_summable!(site, out.dtype, |T| Ok(Box::new(ScatterAdd::<T> {
        index,
        source: site.ins[1],
        out: site.outs[0],
        axis,
        strides,
        kind: std::marker::PhantomData
    })))
}

impl<T: Element> Task for ScatterAdd<T>
where
    binary::Add: BinaryFn<T, Out = T>,
{
    /// All indices are checked before anything is written.
    fn phases(&self) -> usize {
        2
    }

    fn cuts(&self, phase: usize) -> SmallVec<[usize; 3]> {
        // Slices before the axis lie apart in the out, so they may be dealt out; within one the order counts.
        let outer = split(&self.index.shape, self.axis)[0];
        SmallVec::from_slice(&[if phase == 0 { self.index.numel.div_ceil(CHECK_BLOCK) } else { outer }])
    }

    fn cost(&self, phase: usize) -> f64 {
        10.0 + self.index.numel as f64 * if phase == 0 { 0.1 } else { 1.5 }
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, phase: usize, part: Part) -> Result<()> {
        if phase == 0 {
            return self.index.check(cx, part.blocks(self.index.numel, CHECK_BLOCK));
        }
        if self.index.numel == 0 {
            return Ok(());
        }
        let outer = split(&self.index.shape, self.axis)[0];
        let slice = self.index.numel / outer;
        let last = self.index.shape.len() - 1;
        let len = self.index.shape[last];
        let step = if last == self.axis { 0 } else { self.strides[last] as usize };
        let along = self.strides[self.axis] as usize;
        let index = self.index.ptr(cx);
        let (source, out) = (self.source.ptr::<T>(cx), self.out.ptr::<T>(cx));
        let range = part.share(outer);
        for row in range.start * slice / len..range.end * slice / len {
            let start = row * len;
            let base = base_of(&self.index.shape, &self.strides, self.axis, start);
            for j in 0..len {
                // SAFETY: the index was checked to be below the axis' size, the other coordinates lie in the out.
                unsafe {
                    let at = *index.add(start + j) as usize;
                    let place = out.add(base + at * along + j * step);
                    T::write(place, plus(T::read(place), T::read(source.add(start + j))));
                }
            }
        }
        Ok(())
    }
}

/// `out[:, index[i], :] += source[:, i, :]`, in the order of `i`.
struct IndexAdd<T> {
    index: Index,
    source: Place,
    out: Place,
    outer: usize,
    inner: usize,
    kind: std::marker::PhantomData<fn(T)>,
}

/// Columns of a block that one thread owns.
const COLS: usize = 64;

pub(crate) fn add(site: &Site<'_>) -> Result<Box<dyn Task>> {
    site.count(2, 1)?;
    let (source, out) = (&site.step.ins[1], &site.step.outs[0]);
    let [outer, size, inner] = site.triple(site.rows(out, source.dtype)?)?;
    let index = Index::new(site, 0, size)?;
    site.check(
        *site.rows(source, out.dtype)? == [outer, index.numel, inner],
        "the source has another shape",
    )?;
    with_summable!(site, out.dtype, |T| Ok(Box::new(IndexAdd::<T> {
        index,
        source: site.ins[1],
        out: site.outs[0],
        outer,
        inner,
        kind: std::marker::PhantomData
    })))
}

impl<T: Element> IndexAdd<T>
where
    binary::Add: BinaryFn<T, Out = T>,
{
    /// Adds columns `cols` of slice `row`.
    ///
    /// # Safety
    /// Indices have been checked; row and columns are those of the out.
    unsafe fn block(&self, cx: &Context<'_>, index: *const i32, row: usize, cols: std::ops::Range<usize>) {
        let (source, out) = (self.source.ptr::<T>(cx), self.out.ptr::<T>(cx));
        for i in 0..self.index.numel {
            // SAFETY: the contract of this function.
            unsafe {
                let at = *index.add(i) as usize;
                let from = source.add((row * self.index.numel + i) * self.inner);
                let to = out.add((row * self.index.size + at) * self.inner);
                for c in cols.clone() {
                    T::write(to.add(c), plus(T::read(to.add(c)), T::read(from.add(c))));
                }
            }
        }
    }
}

impl<T: Element> Task for IndexAdd<T>
where
    binary::Add: BinaryFn<T, Out = T>,
{
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::from_slice(&[self.outer * self.inner.div_ceil(COLS)])
    }

    fn cost(&self, _: usize) -> f64 {
        10.0 + 0.2 * (self.outer * self.index.numel * self.inner) as f64
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        // Every part looks at all indices, few beside the elements, so that none writes before a bad one is met.
        self.index.check(cx, 0..self.index.numel)?;
        let index = self.index.ptr(cx);
        let blocks = self.inner.div_ceil(COLS);
        for at in part.share(self.outer * blocks) {
            let col = at % blocks * COLS;
            // SAFETY: indices were checked above.
            unsafe { self.block(cx, index, at / blocks, col..(col + COLS).min(self.inner)) }
        }
        Ok(())
    }
}
