//! Loop nests over strided operands.

use neuroxide_core::shape::{Dims, Strides, View};
use smallvec::SmallVec;

/// The loops over one operand in a given order of its elements, merged where strides allow.
#[derive(Clone, Debug)]
pub(crate) struct Nest {
    dims: Dims,
    strides: Strides,
}

impl Nest {
    /// The loops in row-major order of the view.
    pub fn of(view: &View) -> Self {
        let merged = View::collapse(std::slice::from_ref(view)).remove(0);
        let (mut dims, mut strides) = (merged.shape, merged.strides);
        if dims.is_empty() {
            dims.push(1);
            strides.push(0);
        }
        Self { dims, strides }
    }

    /// Whether element `i` lies at `i`.
    pub fn is_unit(&self) -> bool {
        self.dims.len() == 1 && (self.strides[0] == 1 || self.dims[0] <= 1)
    }

    /// Whether all elements are the same one.
    pub fn is_single(&self) -> bool {
        self.strides.iter().all(|&stride| stride == 0)
    }

    /// Calls `run(offset, stride, len)` for the runs along the innermost loop that make up
    /// elements `start..start + count`.
    #[inline(always)]
    pub fn runs(&self, start: usize, count: usize, mut run: impl FnMut(isize, isize, usize)) {
        let last = self.dims.len() - 1;
        let (inner, stride) = (self.dims[last], self.strides[last]);
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, last);
        let mut rest = start / inner;
        let mut first = start % inner;
        let mut offset = 0;
        for axis in (0..last).rev() {
            index[axis] = rest % self.dims[axis];
            rest /= self.dims[axis];
            offset += index[axis] as isize * self.strides[axis];
        }
        let mut left = count;
        while left > 0 {
            let len = left.min(inner - first);
            run(offset + first as isize * stride, stride, len);
            left -= len;
            first = 0;
            for axis in (0..last).rev() {
                index[axis] += 1;
                offset += self.strides[axis];
                if index[axis] < self.dims[axis] {
                    break;
                }
                offset -= self.dims[axis] as isize * self.strides[axis];
                index[axis] = 0;
            }
        }
    }

    /// Copies elements `start..start + count` of the operand at `from` into a row at `to`.
    ///
    /// # Safety
    /// The nest's elements are readable from `from`, `count` elements writable at `to`; no overlap.
    pub unsafe fn gather<T: Copy>(&self, from: *const T, start: usize, count: usize, to: *mut T) {
        let mut to = to;
        self.runs(start, count, |offset, stride, len| {
            // SAFETY: the contract of this function; runs stay inside the nest and add up to `count`.
            unsafe {
                let from = from.offset(offset);
                match stride {
                    1 => std::ptr::copy_nonoverlapping(from, to, len),
                    0 => (0..len).for_each(|i| *to.add(i) = *from),
                    _ => (0..len as isize).for_each(|i| *to.offset(i) = *from.offset(i * stride)),
                }
                to = to.add(len);
            }
        });
    }

    /// Copies a row at `from` into elements `start..start + count` of the operand at `to`.
    ///
    /// # Safety
    /// The nest's elements are writable from `to`, `count` elements readable at `from`; no overlap.
    pub unsafe fn scatter<T: Copy>(&self, to: *mut T, start: usize, count: usize, from: *const T) {
        let mut from = from;
        self.runs(start, count, |offset, stride, len| {
            // SAFETY: the contract of this function; runs stay inside the nest and add up to `count`.
            unsafe {
                let to = to.offset(offset);
                if stride == 1 {
                    std::ptr::copy_nonoverlapping(from, to, len);
                } else {
                    (0..len as isize).for_each(|i| *to.offset(i * stride) = *from.offset(i));
                }
                from = from.add(len);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gather_from_any_start_follows_the_view() {
        let data: Vec<i32> = (0..60).collect();
        let view = View::contiguous(&[3, 4, 5]).permute(&[2, 0, 1]).flip(1);
        let nest = Nest::of(&view);
        let whole: Vec<i32> = (0..60)
            .map(|i| {
                let (a, b, c) = (i / 12, i / 4 % 3, i % 4);
                data[(view.offset as isize
                    + a as isize * view.strides[0]
                    + b as isize * view.strides[1]
                    + c as isize * view.strides[2]) as usize]
            })
            .collect();
        for start in [0, 1, 7, 30] {
            for count in [0, 1, 5, 30] {
                let mut out = vec![0; count];
                // SAFETY: the view lies inside `data`.
                unsafe { nest.gather(data.as_ptr().add(view.offset), start, count, out.as_mut_ptr()) };
                assert_eq!(out, whole[start..start + count]);
            }
        }
    }
}
