//! Reads and writes through index tensors, and the checks of what an index or a divisor holds.
//!
//! Every index is checked before anything is written, so a bad one leaves all outs as they were.

mod add;

use std::ops::Range;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::plan::Expr;
use neuroxide_core::shape::{Dims, row_major};
use smallvec::SmallVec;

pub(crate) use add::{add, scatter_add};

use crate::element::{with_dtype, with_size};
use crate::elementwise::{Area, Formula, Line, Shape};
use crate::executable::{Context, Place, Site, Task, position};
use crate::schedule::{Axis, Part, Touch};

/// Indices are checked in blocks of this many.
const CHECK_BLOCK: usize = 16 << 10;

/// An index operand and the axis it points into.
pub(crate) struct Index {
    place: Place,
    shape: Dims,
    numel: usize,
    size: usize,
    /// An index that need not be inside the axis.
    ignore: Option<i32>,
}

impl Index {
    pub fn new(site: &Site<'_>, input: usize, size: usize) -> Result<Self> {
        let shape: Dims = site.rows(&site.step.ins[input], DType::I32)?.into();
        Ok(Self { place: site.ins[input], numel: shape.iter().product(), shape, size, ignore: None })
    }

    pub fn ignoring(self, ignore: Option<i32>) -> Self {
        Self { ignore, ..self }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn ptr(&self, cx: &Context<'_>) -> *const i32 {
        self.place.ptr::<i32>(cx).cast_const()
    }

    /// An error that names the first index of a range that is outside the axis.
    pub fn check(&self, cx: &Context<'_>, range: Range<usize>) -> Result<()> {
        // SAFETY: the operand has `numel` elements, and no other type is read from it during the run.
        let index = unsafe { std::slice::from_raw_parts(self.ptr(cx), self.numel) };
        // The sign is extended, so that a negative index is larger than any axis.
        let outside = |i: i32| i as usize >= self.size && self.ignore != Some(i);
        // Without a branch a position: nearly always there is none to be found.
        if !index[range.clone()].iter().fold(false, |any, &i| any | outside(i)) {
            return Ok(());
        }
        let at = range.start + index[range].iter().position(|&i| outside(i)).unwrap_or(0);
        let expected = match self.size {
            0 => "none, as the axis has size 0".to_owned(),
            size => format!("0 to {}", size - 1),
        };
        Err(Error::Index(format!(
            "index {} at position {}; expected {expected}",
            index[at],
            position(&self.shape, at)
        )))
    }
}

/// The sizes before, at and behind an axis.
fn split(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

struct CheckIndex(Index);

pub(crate) fn check(site: &Site<'_>, size: usize, ignore: Option<i32>) -> Result<Box<dyn Task>> {
    site.count(1, 0)?;
    Ok(Box::new(CheckIndex(Index::new(site, 0, size)?.ignoring(ignore))))
}

impl Task for CheckIndex {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::from_slice(&[self.0.numel.div_ceil(CHECK_BLOCK)])
    }

    fn cost(&self, _: usize) -> f64 {
        10.0 + 0.1 * self.0.numel as f64
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        let axis = Axis { range: part.blocks(self.0.numel, CHECK_BLOCK), size: self.0.numel, stride: 1 };
        Some(vec![Touch::block(&self.0.place, size_of::<i32>(), false, &[axis])])
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        self.0.check(cx, part.blocks(self.0.numel, CHECK_BLOCK))
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
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::new()
    }

    fn cost(&self, _: usize) -> f64 {
        10.0 + 0.5 * self.numel as f64
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, _: usize, _: Part) -> Result<()> {
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
    unsafe fn rows<T: Copy>(&self, cx: &Context<'_>, rows: Range<usize>) {
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
                    let at = *index.add(start + j) as usize;
                    *out.add(start + j) = *x.add(base + at * along + j * step);
                }
            }
        }
    }
}

impl Gather {
    fn rows_count(&self) -> usize {
        self.index.numel / self.index.shape[self.index.shape.len() - 1]
    }
}

impl Task for Gather {
    /// All indices are checked before anything is written.
    fn phases(&self) -> usize {
        2
    }

    fn cuts(&self, phase: usize) -> SmallVec<[usize; 3]> {
        let pieces = if phase == 0 { self.index.numel.div_ceil(CHECK_BLOCK) } else { self.rows_count() };
        SmallVec::from_slice(&[pieces])
    }

    fn cost(&self, phase: usize) -> f64 {
        10.0 + self.index.numel as f64 * if phase == 0 { 0.1 } else { 1.0 }
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, phase: usize, part: Part) -> Result<()> {
        if phase == 0 {
            return self.index.check(cx, part.blocks(self.index.numel, CHECK_BLOCK));
        }
        let rows = part.share(self.rows_count());
        // SAFETY: indices were checked in the phase before.
        with_size!(self.element, |T| unsafe { self.rows::<T>(cx, rows) });
        Ok(())
    }
}

/// Whole slices along an axis, and an expression over their elements.
struct Select {
    x: Place,
    index: Index,
    outer: usize,
    inner: usize,
    /// Bytes of an element of x.
    size: usize,
    /// The out, where slices are stored as they are.
    plain: Option<Place>,
    formula: Formula,
    /// What the expression reads beside the slices, then its outs.
    ports: Vec<Port>,
    ins: usize,
}

/// An operand `[outer, n, inner]` of the expression: strides in bytes.
struct Port {
    place: Place,
    size: usize,
    strides: [isize; 3],
    write: bool,
}

pub(crate) fn select(site: &Site<'_>, expr: &Expr, scalars: usize) -> Result<Box<dyn Task>> {
    let step = site.step;
    site.check(step.ins.len() >= 2 && !step.outs.is_empty(), "2 ins and an out are needed")?;
    let x = &step.ins[0];
    let [outer, size, inner] = site.triple(site.rows(x, x.dtype)?)?;
    let index = Index::new(site, 1, size)?;
    let shape = [outer, index.numel, inner];
    let others = || step.ins[2..].iter().chain(&step.outs);
    site.check(others().all(|operand| *operand.view.shape == shape), "an operand has another shape")?;
    let mut ins: SmallVec<[DType; 4]> = SmallVec::from_slice(&[x.dtype]);
    ins.extend(step.ins[2..].iter().map(|operand| operand.dtype));
    let outs: SmallVec<[DType; 4]> = step.outs.iter().map(|operand| operand.dtype).collect();
    let types = Shape { ins: &ins, outs: &outs, dims: &shape, order: &[0, 1, 2], scalars };
    let plain = *expr == Expr::plain(x.dtype) && step.outs[0].view.is_contiguous();
    let ports = others()
        .zip(site.ins[2..].iter().chain(site.outs))
        .enumerate()
        .map(|(at, (operand, &place))| {
            let size = operand.dtype.size();
            let strides = std::array::from_fn(|axis| operand.view.strides[axis] * size as isize);
            Port { place, size, strides, write: at + 2 >= step.ins.len() }
        })
        .collect();
    Ok(Box::new(Select {
        x: site.ins[0],
        index,
        outer,
        inner,
        size: x.dtype.size(),
        plain: plain.then(|| site.outs[0]),
        formula: Formula::compile(site, expr, &types)?,
        ports,
        ins: step.ins.len() - 1,
    }))
}

impl Select {
    fn slices(&self) -> usize {
        self.outer * self.index.numel
    }

    /// The first byte of the slice of x that belongs to a slice of the result.
    ///
    /// # Safety
    /// The index has been checked.
    unsafe fn source(&self, cx: &Context<'_>, slice: usize) -> *mut u8 {
        let (outer, i) = (slice / self.index.numel, slice % self.index.numel);
        // SAFETY: `i` is the position of an index.
        let at = unsafe { *self.index.ptr(cx).add(i) } as usize;
        self.x.ptr::<u8>(cx).wrapping_add((outer * self.index.size + at) * self.inner * self.size)
    }
}

impl Task for Select {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::from_slice(&[self.slices()])
    }

    fn cost(&self, _: usize) -> f64 {
        let elements = (self.slices() * self.inner) as f64;
        let copy = 0.06 * self.size as f64 * elements;
        20.0 + copy + if self.plain.is_some() { 0.0 } else { elements * self.formula.cost() }
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        if self.outer > 1 {
            return None;
        }
        let axes = |port: &Port| {
            let stride = |axis: usize| port.strides[axis] / port.size as isize;
            let n = self.index.numel;
            [Axis { range: part.share(n), size: n, stride: stride(1) }, Axis::whole(self.inner, stride(2))]
        };
        let mut touches = vec![Touch::whole(&self.x, false), Touch::whole(&self.index.place, false)];
        let touch = |port: &Port| Touch::block(&port.place, port.size, port.write, &axes(port));
        touches.extend(self.ports.iter().map(touch));
        Some(touches)
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        // Every part looks at all indices, few beside the elements, so that none writes before a bad one is met.
        self.index.check(cx, 0..self.index.numel)?;
        for slice in part.share(self.slices()) {
            // SAFETY: the index was checked to be below the axis' size; slices of all operands are whole.
            unsafe {
                let from = self.source(cx, slice);
                if let Some(out) = self.plain {
                    let bytes = self.inner * self.size;
                    std::ptr::copy_nonoverlapping(from, out.ptr::<u8>(cx).add(slice * bytes), bytes);
                    continue;
                }
                let (outer, i) = ((slice / self.index.numel) as isize, (slice % self.index.numel) as isize);
                let mut lines: SmallVec<[Line; 32]> = SmallVec::new();
                lines.push(Line { ptr: from, row: 0, col: self.size as isize });
                lines.extend(self.ports.iter().map(|port| {
                    let [a, b, col] = port.strides;
                    let ptr = port.place.ptr::<u8>(cx).wrapping_offset(outer * a + i * b);
                    Line { ptr, row: 0, col }
                }));
                let (ins, outs) = lines.split_at(self.ins);
                self.formula.run(&Area {
                    rows: 1,
                    cols: self.inner,
                    ins,
                    outs,
                    scalars: cx.scalars,
                    start: slice * self.inner,
                    pitch: 0,
                });
            }
        }
        Ok(())
    }
}
