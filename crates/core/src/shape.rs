//! Sizes, strides, views and broadcasting.

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::error::{Error, Result};

/// Sizes of the axes of a tensor.
pub type Dims = SmallVec<[usize; 6]>;
/// Distance in elements between neighbours along each axis; 0 where broadcast, negative where flipped.
pub type Strides = SmallVec<[isize; 6]>;

/// Number of elements of a shape; `usize::MAX` where it is larger than that.
pub fn numel(shape: &[usize]) -> usize {
    shape.iter().fold(1, |count: usize, &size| count.saturating_mul(size))
}

/// Bytes that a tensor may have: JavaScript counts exactly up to here, and no sum of a few sizes,
/// strides or offsets of such tensors overflows.
pub const MAX_BYTES: usize = 1 << 53;

/// The bytes of a dense tensor; `Error::Shape` where they are more than [`MAX_BYTES`]. A size of 0
/// counts as 1, since strides are made of the others all the same.
pub fn checked_bytes(op: &str, dtype: DType, shape: &[usize]) -> Result<usize> {
    let most = shape.iter().fold(dtype.size(), |bytes: usize, &size| bytes.saturating_mul(size.max(1)));
    if most > MAX_BYTES {
        return Err(Error::Shape(format!(
            "{op}: {dtype} {} is larger than any memory; expected at most 2^53 bytes",
            show(shape)
        )));
    }
    Ok(if shape.contains(&0) { 0 } else { most })
}

/// A shape as it stands in messages: `[32, 784]`.
pub fn show(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

/// Row-major strides of a shape.
pub fn row_major(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(1, shape.len());
    let mut step = 1isize;
    for axis in (0..shape.len()).rev() {
        strides[axis] = step;
        step *= shape[axis].max(1) as isize;
    }
    strides
}

/// The shape two operands broadcast to: axes are aligned from the last one, a 1 stretches.
pub fn broadcast(op: &str, a: &[usize], b: &[usize]) -> Result<Dims> {
    let rank = a.len().max(b.len());
    let mut out = Dims::from_elem(1, rank);
    for i in 0..rank {
        let x = if i < rank - a.len() { 1 } else { a[i - (rank - a.len())] };
        let y = if i < rank - b.len() { 1 } else { b[i - (rank - b.len())] };
        out[i] = match (x, y) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => {
                return Err(Error::Shape(format!(
                    "{op}: {} and {} do not broadcast; sizes {x} and {y} differ on axis {} from the end. \
                     Hint: reshape or unsqueeze one of them",
                    show(a),
                    show(b),
                    rank - i
                )));
            }
        };
    }
    Ok(out)
}

/// An axis given as in `PyTorch`: negative numbers count from the end.
pub fn axis(op: &str, given: i64, rank: usize) -> Result<usize> {
    let bound = rank.max(1) as i64;
    let axis = if given < 0 { given + bound } else { given };
    if (0..bound).contains(&axis) {
        Ok(axis as usize)
    } else {
        Err(Error::Index(format!(
            "{op}: dim {given} of a tensor with {rank} dims; expected {} to {}",
            -bound,
            bound - 1
        )))
    }
}

/// How a tensor lies in its storage: element `i` is at `offset + Σ i[axis] · strides[axis]`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub shape: Dims,
    pub strides: Strides,
    /// First element, counted from the start of the storage.
    pub offset: usize,
}

impl Clone for View {
    // Derived, it would copy sizes and strides one by one.
    #[inline]
    fn clone(&self) -> Self {
        Self {
            shape: Dims::from_slice(&self.shape),
            strides: Strides::from_slice(&self.strides),
            offset: self.offset,
        }
    }
}

impl View {
    /// A row-major view from the start of a storage.
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: shape.into(), strides: row_major(shape), offset: 0 }
    }

    pub fn numel(&self) -> usize {
        numel(&self.shape)
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Whether the elements lie one after the other in row-major order (axes of size 1 do not matter).
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for axis in (0..self.rank()).rev() {
            if self.shape[axis] == 0 {
                return true;
            }
            if self.shape[axis] != 1 {
                if self.strides[axis] != step {
                    return false;
                }
                step *= self.shape[axis] as isize;
            }
        }
        true
    }

    /// Whether the view covers its elements without gaps or repeats, in whatever axis order.
    pub fn is_dense(&self) -> bool {
        let mut axes: SmallVec<[(isize, usize); 6]> = (0..self.rank())
            .filter(|&a| self.shape[a] != 1)
            .map(|a| (self.strides[a], self.shape[a]))
            .collect();
        axes.sort_unstable();
        let mut step = 1isize;
        for (stride, size) in axes {
            if size == 0 {
                return true;
            }
            if stride != step {
                return false;
            }
            step *= size as isize;
        }
        true
    }

    /// The axes reordered: axis `i` of the result is axis `order[i]`.
    #[must_use]
    pub fn permute(&self, order: &[usize]) -> Self {
        Self {
            shape: order.iter().map(|&a| self.shape[a]).collect(),
            strides: order.iter().map(|&a| self.strides[a]).collect(),
            offset: self.offset,
        }
    }

    /// Broadcast to a larger shape (checked by the caller with [`broadcast`]).
    #[must_use]
    pub fn expand(&self, shape: &[usize]) -> Self {
        let lead = shape.len() - self.rank();
        let strides = (0..shape.len())
            .map(|a| if a < lead || self.shape[a - lead] != shape[a] { 0 } else { self.strides[a - lead] })
            .collect();
        Self { shape: shape.into(), strides, offset: self.offset }
    }

    /// `len` elements from `start` with a positive `step` along an axis.
    #[must_use]
    pub fn slice(&self, axis: usize, start: usize, len: usize, step: usize) -> Self {
        let mut out = self.clone();
        out.shape[axis] = len;
        if len > 0 {
            out.offset = out.offset.wrapping_add_signed(start as isize * self.strides[axis]);
        }
        // With one element or none the stride leads nowhere, and any step is allowed.
        out.strides[axis] = self.strides[axis].wrapping_mul(step as isize);
        out.placed()
    }

    /// An axis walked backwards.
    #[must_use]
    pub fn flip(&self, axis: usize) -> Self {
        let mut out = self.clone();
        if self.shape[axis] > 0 {
            out.offset = out.offset.wrapping_add_signed((self.shape[axis] as isize - 1) * self.strides[axis]);
        }
        out.strides[axis] = -self.strides[axis];
        out.placed()
    }

    /// A view without elements begins nowhere: steps along its other axes would lead out of the storage.
    fn placed(mut self) -> Self {
        if self.numel() == 0 {
            self.offset = 0;
        }
        self
    }

    /// The diagonal of two axes, appended as the last axis.
    #[must_use]
    pub fn diagonal(&self, offset: i64, first: usize, second: usize) -> Self {
        let (rows, cols) = (self.shape[first] as i64, self.shape[second] as i64);
        let len =
            (if offset >= 0 { rows.min(cols - offset) } else { (rows + offset).min(cols) }).max(0) as usize;
        let mut out = Self { shape: Dims::new(), strides: Strides::new(), offset: self.offset };
        for a in 0..self.rank() {
            if a != first && a != second {
                out.shape.push(self.shape[a]);
                out.strides.push(self.strides[a]);
            }
        }
        out.shape.push(len);
        out.strides.push(self.strides[first] + self.strides[second]);
        if len > 0 {
            let start = if offset >= 0 {
                offset as isize * self.strides[second]
            } else {
                -offset as isize * self.strides[first]
            };
            out.offset = out.offset.wrapping_add_signed(start);
        }
        out.placed()
    }

    /// The same elements under another shape, or `None` where that needs a copy.
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if self.numel() == 0 {
            return Some(Self { shape: shape.into(), strides: row_major(shape), offset: self.offset });
        }
        // Runs of old axes that lie behind each other form blocks; new axes must divide the blocks.
        let mut strides: Strides = SmallVec::from_elem(0, shape.len());
        let old: SmallVec<[(usize, isize); 6]> =
            self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|&(n, _)| n != 1).collect();
        let (mut o, mut n) = (0, 0);
        while o < old.len() {
            let mut end = o + 1;
            let mut size = old[o].0;
            while end < old.len() && old[end - 1].1 == old[end].1 * old[end].0 as isize {
                size *= old[end].0;
                end += 1;
            }
            let first = n;
            let mut covered = 1;
            while n < shape.len() && (covered < size || shape[n] == 1) {
                covered *= shape[n];
                n += 1;
            }
            if covered != size {
                return None;
            }
            let mut step = old[end - 1].1;
            for axis in (first..n).rev() {
                strides[axis] = step;
                step *= shape[axis] as isize;
            }
            o = end;
        }
        while n < shape.len() {
            strides[n] = 1;
            n += 1;
        }
        Some(Self { shape: shape.into(), strides, offset: self.offset })
    }

    /// Positions of the elements in their storage, in row-major order.
    pub fn elements(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.numel()).map(move |mut at| {
            let mut position = self.offset as isize;
            for axis in (0..self.rank()).rev() {
                position += (at % self.shape[axis]) as isize * self.strides[axis];
                at /= self.shape[axis];
            }
            position as usize
        })
    }

    /// The lowest and the highest position of an element; there must be one.
    pub fn span(&self) -> (usize, usize) {
        let reach = |sign: isize| -> isize {
            let steps = self.shape.iter().zip(&self.strides).map(|(&n, &s)| (n as isize - 1) * s);
            steps.filter(|&s| s * sign > 0).sum()
        };
        (self.offset.wrapping_add_signed(reach(-1)), self.offset.wrapping_add_signed(reach(1)))
    }

    /// Axes that can be walked as one are merged; sizes of 1 vanish. Order of elements is kept.
    #[must_use]
    pub fn collapse(views: &[Self]) -> Vec<Self> {
        let Some(head) = views.first() else { return Vec::new() };
        let mut out: Vec<Self> = views
            .iter()
            .map(|v| Self { shape: Dims::new(), strides: Strides::new(), offset: v.offset })
            .collect();
        for axis in 0..head.rank() {
            let size = head.shape[axis];
            if size == 1 {
                continue;
            }
            let joins = !out[0].shape.is_empty()
                && views
                    .iter()
                    .zip(&out)
                    .all(|(v, o)| o.strides.last() == Some(&(v.strides[axis] * size as isize)));
            for (view, merged) in views.iter().zip(&mut out) {
                if joins {
                    let last = merged.shape.len() - 1;
                    merged.shape[last] *= size;
                    merged.strides[last] = view.strides[axis];
                } else {
                    merged.shape.push(size);
                    merged.strides.push(view.strides[axis]);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_from_the_end() {
        assert_eq!(broadcast("add", &[3, 1], &[4]).unwrap().as_slice(), &[3, 4]);
        assert_eq!(broadcast("add", &[], &[2, 0]).unwrap().as_slice(), &[2, 0]);
        assert_eq!(broadcast("add", &[3], &[4]).unwrap_err().code(), "ERR_SHAPE");
    }

    #[test]
    fn reshape_keeps_strides_where_they_allow() {
        let view = View::contiguous(&[2, 3, 4]);
        assert_eq!(view.reshape(&[6, 4]).unwrap(), View::contiguous(&[6, 4]));
        let turned = view.permute(&[1, 0, 2]);
        assert_eq!(turned.reshape(&[6, 4]), None);
        let split = turned.reshape(&[3, 1, 2, 2, 2]).unwrap();
        assert_eq!(split.strides.as_slice(), &[4, 4, 12, 2, 1]);
    }

    #[test]
    fn reshape_of_broadcast_and_single_axes() {
        let row = View::contiguous(&[1, 4]).expand(&[3, 4]);
        assert_eq!(row.reshape(&[12]), None);
        assert!(row.reshape(&[3, 2, 2]).is_some());
        assert_eq!(View::contiguous(&[]).reshape(&[1, 1]).unwrap().numel(), 1);
    }

    #[test]
    fn flip_and_slice_move_the_offset() {
        let view = View::contiguous(&[5]).flip(0);
        assert_eq!((view.offset, view.strides[0]), (4, -1));
        let part = view.slice(0, 1, 2, 2);
        assert_eq!((part.offset, part.strides[0], part.shape[0]), (3, -2, 2));
    }

    #[test]
    fn diagonal_of_a_rectangle() {
        let view = View::contiguous(&[3, 4]).diagonal(1, 0, 1);
        assert_eq!(
            (view.shape.as_slice(), view.strides.as_slice(), view.offset),
            (&[3usize][..], &[5isize][..], 1)
        );
        let below = View::contiguous(&[3, 4]).diagonal(-2, 0, 1);
        assert_eq!((below.shape[0], below.offset), (1, 8));
    }

    #[test]
    fn span_and_elements_follow_the_strides() {
        let view = View::contiguous(&[3, 4]).flip(1).slice(0, 1, 2, 1);
        assert_eq!(view.span(), (4, 11));
        assert_eq!(view.elements().collect::<Vec<_>>(), [7, 6, 5, 4, 11, 10, 9, 8]);
    }

    #[test]
    fn collapse_merges_rows() {
        let views = [View::contiguous(&[2, 3, 4]), View::contiguous(&[2, 1, 4]).expand(&[2, 3, 4])];
        let merged = View::collapse(&views);
        assert_eq!(merged[0].shape.as_slice(), &[2, 3, 4]);
        let merged = View::collapse(&views[..1]);
        assert_eq!(merged[0].shape.as_slice(), &[24]);
    }

    #[test]
    fn views_without_elements_stay_where_they_are() {
        // After each reshape the strides point forwards again, after each flip backwards.
        let mut view = View::contiguous(&[4, 5, 0]);
        for _ in 0..3 {
            view = view.flip(0).slice(0, 1, 3, 1).flip(1).slice(1, 2, 2, 2);
            view = view.reshape(&[0, 4, 5]).unwrap().permute(&[1, 2, 0]).diagonal(1, 0, 1);
            assert_eq!((view.offset, view.numel()), (0, 0));
            view = view.reshape(&[4, 5, 0]).unwrap();
        }
    }
}
