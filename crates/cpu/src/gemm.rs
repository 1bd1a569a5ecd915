//! The register tile of matrix products: one generic algorithm, a thin shell per instruction set.
//!
//! A tile is `MR` rows of one or two vectors. For each `k` it broadcasts `MR` elements of a and
//! multiplies them by one row of b, so a may have any strides while b is unit-stride along n.
//! Every element is one chain of fused multiply-adds in the order of k from zero, whatever tile
//! computes it: sizes of tiles and vectors never reach the bits.

mod simd;
mod tile;

pub(crate) use tile::{Operands, Tiled, Tiles};
