//! What an expression runs over: rows and columns of operands that lie in memory as they like.

/// Where an operand lies: its first element and the bytes from one row or column to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub ptr: *mut u8,
    pub row: isize,
    pub col: isize,
}

impl Line {
    /// The operand from another row and column on.
    #[inline(always)]
    pub fn at(self, row: usize, col: usize) -> Self {
        Self { ptr: self.ptr.wrapping_offset(row as isize * self.row + col as isize * self.col), ..self }
    }
}

/// A rectangle of the iteration with its operands.
#[derive(Clone, Copy)]
pub(crate) struct Area<'a> {
    pub rows: usize,
    pub cols: usize,
    pub ins: &'a [Line],
    pub outs: &'a [Line],
    pub scalars: &'a [f64],
    /// Position of the first element in the order of iteration, and from one row to the next.
    pub start: usize,
    pub pitch: usize,
}
