//! The index of the extreme element along the middle axis of `[outer, len, inner]`.

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::op::ArgOp;
use smallvec::SmallVec;

use crate::element::{Element, with_dtype};
use crate::executable::{Context, Place, Site, Task};
use crate::isa::{Isa, shells};
use crate::schedule::{Axis, Part, Touch};

/// Columns of a block.
const COLS: usize = 64;

/// Up to `COLS` neighbouring outputs: the first NaN, else the lowest index of the extreme.
///
/// # Safety
/// `cols` elements are readable from each of `len` rows, `stride` apart, from `x`; `len` is not 0.
#[inline(always)]
// Comparisons without branches, so that columns become lanes.
#[allow(clippy::eq_op, clippy::needless_bitwise_bool)]
unsafe fn block_body<T: Element + PartialOrd>(
    x: *const T,
    len: usize,
    stride: usize,
    cols: usize,
    max: bool,
    found: &mut [i32; COLS],
) {
    *found = [0; COLS];
    // SAFETY: rows and columns are inside the contract.
    unsafe {
        let mut best = [T::read(x); COLS];
        for (c, best) in best[..cols].iter_mut().enumerate() {
            *best = T::read(x.add(c));
        }
        for row in 1..len {
            let x = x.add(row * stride);
            for c in 0..cols {
                let value = T::read(x.add(c));
                let better = if max { value > best[c] } else { value < best[c] };
                // A NaN wins over numbers and over nothing else.
                if better | ((value != value) & (best[c] == best[c])) {
                    best[c] = value;
                    found[c] = row as i32;
                }
            }
        }
    }
}

shells! {
    fn block_shell<T> = block_body::<T>
        as fn(x: *const T, len: usize, stride: usize, cols: usize, max: bool, found: &mut [i32; COLS])
    where T: Element + PartialOrd
}

struct Arg {
    x: Place,
    out: Place,
    dtype: DType,
    outer: usize,
    len: usize,
    inner: usize,
    max: bool,
    isa: Isa,
}

pub(crate) fn prepare(site: &Site<'_>, op: ArgOp) -> Result<Box<dyn Task>> {
    site.count(1, 1)?;
    let (x, out) = (&site.step.ins[0], &site.step.outs[0]);
    let [outer, len, inner] = site.triple(site.rows(x, x.dtype)?)?;
    site.check(*site.rows(out, DType::I32)? == [outer, 1, inner], "the out has another shape")?;
    site.check(len > 0 && i32::try_from(len).is_ok(), "1 to 2147483647 elements are needed")?;
    let max = op == ArgOp::Max;
    Ok(Box::new(Arg {
        x: site.ins[0],
        out: site.outs[0],
        dtype: x.dtype,
        outer,
        len,
        inner,
        max,
        isa: site.isa,
    }))
}

impl Arg {
    fn blocks(&self) -> usize {
        self.inner.div_ceil(COLS)
    }

    fn typed<T: Element + PartialOrd>(&self, cx: &Context<'_>, part: Part) {
        let run = block_shell::<T>(self.isa);
        let blocks = self.blocks();
        for at in part.share(self.outer * blocks) {
            let (row, col) = (at / blocks, at % blocks * COLS);
            let cols = COLS.min(self.inner - col);
            let mut found = [0; COLS];
            // SAFETY: columns `col..col + cols` of slice `row` of the in, and the same ones of the out.
            unsafe {
                let x = self.x.ptr::<T>(cx).cast_const().add(row * self.len * self.inner + col);
                run(x, self.len, self.inner, cols, self.max, &mut found);
                let out = self.out.ptr::<i32>(cx).add(row * self.inner + col);
                std::ptr::copy_nonoverlapping(found.as_ptr(), out, cols);
            }
        }
    }
}

impl Task for Arg {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        SmallVec::from_slice(&[self.outer * self.blocks()])
    }

    fn cost(&self, _: usize) -> f64 {
        20.0 + 0.5 * (self.outer * self.len * self.inner) as f64
    }

    fn touches(&self, _: usize, part: Part) -> Option<Vec<Touch>> {
        if self.blocks() > 1 {
            return None;
        }
        let rows = |size: usize| {
            [
                Axis { range: part.share(self.outer), size: self.outer, stride: size as isize },
                Axis::whole(size, 1),
            ]
        };
        Some(vec![
            Touch::block(&self.x, self.dtype.size(), false, &rows(self.len * self.inner)),
            Touch::block(&self.out, size_of::<i32>(), true, &rows(self.inner)),
        ])
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        with_dtype!(self.dtype, |T| self.typed::<T>(cx, part));
        Ok(())
    }
}
