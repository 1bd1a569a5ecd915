//! Softmax and its logarithm over the rows of `[rows, len]`.
//!
//! One pass finds the maximum (a NaN wins), one makes the exponentials and their sum (64 lanes,
//! fixed tree), one scales. A row of minus infinities gives NaN, as in PyTorch.

use std::marker::PhantomData;
use std::ops::{Div, Sub};

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::op::Composite;
use neuroxide_core::ops::table::{UnaryFn, unary};
use smallvec::SmallVec;

use crate::element::Float;
use crate::executable::{Context, Place, Site, Task};
use crate::isa::{Isa, shells};
use crate::reduce::{LANES, tree};
use crate::schedule::{Axis, Part, Touch};

/// Element types of a softmax.
pub(crate) trait Real: Float + Sub<Output = Self> + Div<Output = Self> {
    const LEAST: Self;
    fn exp(self) -> Self;
    fn log(self) -> Self;
}

macro_rules! real {
    ($T:ty) => {
        impl Real for $T {
            const LEAST: Self = Self::NEG_INFINITY;
            #[inline(always)]
            fn exp(self) -> Self {
                <unary::Exp as UnaryFn<$T>>::eval(self)
            }
            #[inline(always)]
            fn log(self) -> Self {
                <unary::Log as UnaryFn<$T>>::eval(self)
            }
        }
    };
}

real!(f32);
real!(f64);

#[inline(always)]
// Without branches, so that lanes stay lanes.
#[allow(clippy::eq_op, clippy::needless_bitwise_bool)]
pub(crate) fn larger<T: Real>(a: T, b: T) -> T {
    if (b > a) | (b != b) { b } else { a }
}

/// # Safety
/// `len` elements are readable from `x` and writable at `out`; the two do not overlap.
#[inline(always)]
unsafe fn row_body<T: Real>(x: *const T, out: *mut T, len: usize, log: bool) {
    let mut lanes = [T::LEAST; LANES];
    let whole = len / LANES * LANES;
    // SAFETY: all indices are below `len`.
    unsafe {
        for row in (0..whole).step_by(LANES) {
            for (i, lane) in lanes.iter_mut().enumerate() {
                *lane = larger(*lane, T::read(x.add(row + i)));
            }
        }
        for (i, lane) in lanes[..len - whole].iter_mut().enumerate() {
            *lane = larger(*lane, T::read(x.add(whole + i)));
        }
        let max = tree(&mut lanes, larger);
        let mut sums = [T::ZERO; LANES];
        for row in (0..whole).step_by(LANES) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let shifted = T::read(x.add(row + i)) - max;
                let power = shifted.exp();
                *out.add(row + i) = if log { shifted } else { power };
                *sum = *sum + power;
            }
        }
        for (i, sum) in sums[..len - whole].iter_mut().enumerate() {
            let shifted = T::read(x.add(whole + i)) - max;
            let power = shifted.exp();
            *out.add(whole + i) = if log { shifted } else { power };
            *sum = *sum + power;
        }
        let sum = tree(&mut sums, |a, b| a + b);
        if log {
            let norm = sum.log();
            (0..len).for_each(|i| *out.add(i) = *out.add(i) - norm);
        } else {
            (0..len).for_each(|i| *out.add(i) = *out.add(i) / sum);
        }
    }
}

shells! {
    fn row_shell<T> = row_body::<T> as fn(x: *const T, out: *mut T, len: usize, log: bool)
    where T: Real
}

struct Softmax<T> {
    x: Place,
    out: Place,
    rows: usize,
    len: usize,
    log: bool,
    isa: Isa,
    kind: PhantomData<fn(T)>,
}

pub(crate) fn prepare(site: &Site<'_>, composite: Composite) -> Result<Box<dyn Task>> {
    site.count(1, 1)?;
    let log = composite == Composite::LogSoftmax;
    match site.step.ins[0].dtype {
        DType::F32 => task::<f32>(site, log),
        DType::F64 => task::<f64>(site, log),
        dtype => Err(site.fault(&format!("no softmax of {dtype}"))),
    }
}

fn task<T: Real>(site: &Site<'_>, log: bool) -> Result<Box<dyn Task>> {
    let shape = site.rows(&site.step.ins[0], T::DTYPE)?;
    site.check(*site.rows(&site.step.outs[0], T::DTYPE)? == *shape && shape.len() == 2, "rows are needed")?;
    Ok(Box::new(Softmax::<T> {
        x: site.ins[0],
        out: site.outs[0],
        rows: shape[0],
        len: shape[1],
        log,
        isa: site.isa,
        kind: PhantomData,
    }))
}

impl<T: Real> Task for Softmax<T> {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::from_slice(&[self.rows])
    }

    fn cost(&self, _: usize) -> f64 {
        (self.rows * (self.len + 64)) as f64 * 0.9
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        let axes = [
            Axis { range: part.share(self.rows), size: self.rows, stride: self.len as isize },
            Axis::whole(self.len, 1),
        ];
        let size = size_of::<T>();
        Some(vec![Touch::block(&self.x, size, false, &axes), Touch::block(&self.out, size, true, &axes)])
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        let run = row_shell::<T>(self.isa);
        let (x, out) = (self.x.ptr::<T>(cx), self.out.ptr::<T>(cx));
        for row in part.share(self.rows) {
            // SAFETY: row `row` of both operands, which the plan keeps apart.
            unsafe { run(x.add(row * self.len), out.add(row * self.len), self.len, self.log) };
        }
        Ok(())
    }
}
