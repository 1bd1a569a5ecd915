//! Matrix products of free strides over raw memory.
//!
//! A tile is a few rows of one or two vectors. For each `k` it broadcasts an element of each row of a
//! and multiplies it by one row of b, so a may have any strides while b is unit-stride along n.
//! Every element is one chain of fused multiply-adds in the order of k from zero, whatever tile
//! computes it: sizes of tiles, vectors, blocks and parts never reach the bits. A product may as well
//! be computed transposed (cᵀ = bᵀ aᵀ), which changes no bit either.
//!
//! One generic algorithm; the instruction sets differ in their vectors and in the rows of a tile.

mod chunk;
mod pack;
mod product;
mod tile;
mod transpose;

pub(crate) use chunk::{Firsts, Plain, Sink};
pub(crate) use product::{Matrix, Portion, Product, Sizes};
pub(crate) use tile::Tiled;
