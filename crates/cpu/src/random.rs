//! Random numbers: block `i` of the step's range of Philox makes the elements of block `i`.

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::op::Random as Dist;
use neuroxide_core::rng;
use smallvec::SmallVec;

use crate::executable::{Context, Place, Site, Task};
use crate::schedule::Part;

struct Random {
    out: Place,
    dtype: DType,
    dist: Dist,
    numel: usize,
    offset: u64,
}

pub(crate) fn prepare(site: &Site<'_>, dist: Dist, offset: u64) -> Result<Box<dyn Task>> {
    site.count(0, 1)?;
    let out = &site.step.outs[0];
    let numel = site.rows(out, out.dtype)?.iter().product();
    let fits = match dist {
        Dist::Uniform | Dist::Normal => out.dtype.is_float(),
        Dist::Integer { low, high } => out.dtype == DType::I32 && low < high,
        Dist::Permutation => out.dtype == DType::I32 && i32::try_from(numel).is_ok(),
    };
    site.check(fits, "no such numbers of this type")?;
    Ok(Box::new(Random { out: site.outs[0], dtype: out.dtype, dist, numel, offset }))
}

impl Random {
    /// Fills blocks of `N` elements of the out.
    fn fill<T: Copy, const N: usize>(
        &self,
        cx: &Context<'_>,
        part: Part,
        block: impl Fn([u32; 4]) -> [T; N],
    ) {
        let first = cx.rng_offset.wrapping_add(self.offset);
        for at in part.share(self.numel.div_ceil(N)) {
            let values = block(rng::philox(cx.seed, first.wrapping_add(at as u64)));
            let count = N.min(self.numel - at * N);
            // SAFETY: elements `at * N..at * N + count` of the out's `numel`.
            unsafe {
                std::ptr::copy_nonoverlapping(values.as_ptr(), self.out.ptr::<T>(cx).add(at * N), count);
            }
        }
    }
}

impl Task for Random {
    fn cuts(&self, _: usize) -> SmallVec<[usize; 3]> {
        let pieces = if self.dist == Dist::Permutation { 1 } else { self.numel.div_ceil(4) };
        SmallVec::from_slice(&[pieces])
    }

    fn cost(&self, _: usize) -> f64 {
        20.0 + self.numel as f64 * if self.dist == Dist::Normal { 20.0 } else { 2.0 }
    }

    fn run(&self, cx: &Context<'_>, _: usize, part: Part) -> Result<()> {
        match (self.dist, self.dtype) {
            (Dist::Uniform, DType::F32) => self.fill(cx, part, |words| words.map(rng::uniform_f32)),
            (Dist::Uniform, _) => {
                self.fill(cx, part, |w| [rng::uniform_f64(w[0], w[1]), rng::uniform_f64(w[2], w[3])]);
            }
            (Dist::Normal, DType::F32) => self.fill(cx, part, |w| {
                let ([a, b], [c, d]) = (rng::normal_f32(w[0], w[1]), rng::normal_f32(w[2], w[3]));
                [a, b, c, d]
            }),
            (Dist::Normal, _) => self.fill(cx, part, rng::normal_f64),
            (Dist::Integer { low, high }, _) => {
                self.fill(cx, part, |words| words.map(|word| rng::integer(word, low, high)));
            }
            (Dist::Permutation, _) => {
                // SAFETY: the out has `numel` elements of i32 (checked in `prepare`), aligned and inside its
                // binding (checked by `Executable::run`); the step has no ins that could share them. They are
                // written before they are read.
                let out = unsafe { std::slice::from_raw_parts_mut(self.out.ptr::<i32>(cx), self.numel) };
                rng::permutation(cx.seed, cx.rng_offset.wrapping_add(self.offset), out);
            }
        }
        Ok(())
    }
}
