//! Cross-entropy of rows of logits at class indices: losses, slopes, or both in one sweep.
//!
//! Few classes are worked on in blocks of rows, a row in each lane: every loop is one over lanes, and the
//! exponentials of a row are summed in the order of the classes. With many classes a row is walked
//! in lanes, as softmax does. The length alone decides, so bits depend on neither threads nor what is wanted.

use std::marker::PhantomData;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use smallvec::SmallVec;

use crate::executable::{Context, Place, Site, Task};
use crate::index::Index;
use crate::isa::{Isa, shells};
use crate::reduce::{LANES, tree};
use crate::schedule::{Axis, Part, Touch};
use crate::softmax::{Real, larger};

/// Rows of a block.
const ROWS: usize = 16;
/// Classes up to which rows are worked on in blocks.
const SHORT: usize = 64;

/// Rows next to each other; losses and slopes are null where nobody wants them.
#[derive(Clone, Copy)]
struct Rows<T> {
    x: *const T,
    index: *const i32,
    losses: *mut T,
    slope: *mut T,
    count: usize,
    len: usize,
    ignore: Option<i32>,
}

impl<T: Real> Rows<T> {
    /// Stores the loss of a row and takes the 1 off its slope at the class.
    ///
    /// # Safety
    /// The row is one of `count`, its index is `ignore` or below `len`, all pointers are null or valid.
    #[inline(always)]
    unsafe fn finish(&self, row: usize, max: T, norm: T) {
        // SAFETY: the contract of this function.
        unsafe {
            let class = *self.index.add(row);
            let ignored = self.ignore == Some(class);
            let at = row * self.len + if ignored { 0 } else { class as usize };
            if !self.losses.is_null() {
                let loss = if ignored { T::ZERO } else { norm - (T::read(self.x.add(at)) - max) };
                *self.losses.add(row) = loss;
            }
            if self.slope.is_null() {
                return;
            }
            if ignored {
                (0..self.len).for_each(|c| *self.slope.add(row * self.len + c) = T::ZERO);
            } else {
                *self.slope.add(at) = *self.slope.add(at) - T::from_f64(1.0);
            }
        }
    }
}

/// # Safety
/// `rows` has at most `ROWS` rows of at most `SHORT` classes, its pointers are null or valid for them, and its
/// indices are `ignore` or below `len`.
#[inline(always)]
unsafe fn block_body<T: Real>(rows: Rows<T>) {
    let Rows { x, slope, count, len, .. } = rows;
    let mut room = [[T::ZERO; ROWS]; SHORT];
    let mut max = [T::LEAST; ROWS];
    let mut sum = [T::ZERO; ROWS];
    // SAFETY: the contract of this function.
    unsafe {
        for row in 0..count {
            for (c, lanes) in room[..len].iter_mut().enumerate() {
                lanes[row] = T::read(x.add(row * len + c));
            }
        }
        for lanes in &room[..len] {
            for (max, &value) in max.iter_mut().zip(lanes) {
                *max = larger(*max, value);
            }
        }
        for lanes in &mut room[..len] {
            for i in 0..ROWS {
                let power = (lanes[i] - max[i]).exp();
                lanes[i] = power;
                sum[i] = sum[i] + power;
            }
        }
        if !slope.is_null() {
            for lanes in &mut room[..len] {
                for (value, &sum) in lanes.iter_mut().zip(&sum) {
                    *value = *value / sum;
                }
            }
            for row in 0..count {
                for (c, lanes) in room[..len].iter().enumerate() {
                    *slope.add(row * len + c) = lanes[row];
                }
            }
        }
        let norm = sum.map(Real::log);
        for row in 0..count {
            rows.finish(row, max[row], norm[row]);
        }
    }
}

/// # Safety
/// As for `block_body`, for one row of any length.
#[inline(always)]
unsafe fn long_body<T: Real>(rows: Rows<T>) {
    let Rows { x, slope, len, .. } = rows;
    let whole = len / LANES * LANES;
    let mut lanes = [T::LEAST; LANES];
    let mut sums = [T::ZERO; LANES];
    // SAFETY: all positions are below `len`.
    unsafe {
        for start in (0..whole).step_by(LANES) {
            for (i, lane) in lanes.iter_mut().enumerate() {
                *lane = larger(*lane, T::read(x.add(start + i)));
            }
        }
        for (i, lane) in lanes[..len - whole].iter_mut().enumerate() {
            *lane = larger(*lane, T::read(x.add(whole + i)));
        }
        let max = tree(&mut lanes, larger);
        for start in (0..len).step_by(LANES) {
            let count = LANES.min(len - start);
            let mut powers = [T::ZERO; LANES];
            if count == LANES {
                for (i, power) in powers.iter_mut().enumerate() {
                    *power = (T::read(x.add(start + i)) - max).exp();
                }
            } else {
                for (i, power) in powers[..count].iter_mut().enumerate() {
                    *power = (T::read(x.add(start + i)) - max).exp();
                }
            }
            for (sum, &power) in sums.iter_mut().zip(&powers) {
                *sum = *sum + power;
            }
            if !slope.is_null() {
                std::ptr::copy_nonoverlapping(powers.as_ptr(), slope.add(start), count);
            }
        }
        let sum = tree(&mut sums, |a, b| a + b);
        if !slope.is_null() {
            (0..len).for_each(|c| *slope.add(c) = *slope.add(c) / sum);
        }
        rows.finish(0, max, sum.log());
    }
}

shells! {
    fn block_shell<T> = block_body::<T> as fn(rows: Rows<T>)
    where T: Real
}
shells! {
    fn long_shell<T> = long_body::<T> as fn(rows: Rows<T>)
    where T: Real
}

struct Entropy<T> {
    x: Place,
    index: Index,
    losses: Option<Place>,
    slope: Option<Place>,
    rows: usize,
    len: usize,
    ignore: Option<i32>,
    isa: Isa,
    kind: PhantomData<fn(T)>,
}

pub(crate) fn prepare(site: &Site<'_>, ignore: Option<i32>) -> Result<Box<dyn Task>> {
    site.check(site.step.ins.len() == 2, "x and an index are needed")?;
    match site.step.ins[0].dtype {
        DType::F32 => task::<f32>(site, ignore),
        DType::F64 => task::<f64>(site, ignore),
        dtype => Err(site.fault(&format!("no cross-entropy of {dtype}"))),
    }
}

fn task<T: Real>(site: &Site<'_>, ignore: Option<i32>) -> Result<Box<dyn Task>> {
    let shape = site.rows(&site.step.ins[0], T::DTYPE)?;
    site.check(shape.len() == 2, "rows are needed")?;
    let (rows, len) = (shape[0], shape[1]);
    site.check(site.step.ins[1].view.numel() == rows, "an index for each row is needed")?;
    let (mut losses, mut slope) = (None, None);
    for (out, place) in site.step.outs.iter().zip(site.outs) {
        match *site.rows(out, T::DTYPE)? {
            [r] if r == rows && losses.is_none() => losses = Some(*place),
            [r, l] if (r, l) == (rows, len) && slope.is_none() => slope = Some(*place),
            _ => return Err(site.fault("an out has another shape")),
        }
    }
    let index = Index::new(site, 1, len)?.ignoring(ignore);
    let (x, isa) = (site.ins[0], site.isa);
    Ok(Box::new(Entropy::<T> { x, index, losses, slope, rows, len, ignore, isa, kind: PhantomData }))
}

impl<T: Real> Task for Entropy<T> {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::from_slice(&[self.rows.div_ceil(ROWS)])
    }

    fn cost(&self, _: usize) -> f64 {
        (self.rows * (self.len + 16)) as f64 * 0.9
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        let range = part.blocks(self.rows, ROWS);
        let rows = |stride: usize| Axis { range: range.clone(), size: self.rows, stride: stride as isize };
        let wide = [rows(self.len), Axis::whole(self.len, 1)];
        let size = size_of::<T>();
        let mut touches = vec![
            Touch::block(&self.x, size, false, &wide),
            Touch::block(self.index.place(), size_of::<i32>(), false, &[rows(1)]),
        ];
        touches.extend(self.losses.map(|place| Touch::block(&place, size, true, &[rows(1)])));
        touches.extend(self.slope.map(|place| Touch::block(&place, size, true, &wide)));
        Some(touches)
    }

    fn fallible(&self) -> bool {
        true
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        let range = part.blocks(self.rows, ROWS);
        self.index.check(cx, range.clone())?;
        let step = if self.len <= SHORT { ROWS } else { 1 };
        let run = if self.len <= SHORT { block_shell::<T>(self.isa) } else { long_shell::<T>(self.isa) };
        let at = |place: &Option<Place>, offset: usize| match place {
            Some(place) => place.ptr::<T>(cx).wrapping_add(offset),
            None => std::ptr::null_mut(),
        };
        for row in range.clone().step_by(step) {
            // SAFETY: the rows of this part of operands whose shapes were checked; their indices have just
            // been, and the plan keeps what is written apart from what is read.
            unsafe {
                run(Rows {
                    x: self.x.ptr::<T>(cx).wrapping_add(row * self.len),
                    index: self.index.ptr(cx).wrapping_add(row),
                    losses: at(&self.losses, row),
                    slope: at(&self.slope, row * self.len),
                    count: step.min(range.end - row),
                    len: self.len,
                    ignore: self.ignore,
                });
            }
        }
        Ok(())
    }
}
