//! Each kernel against plain loops, on every instruction set and number of threads.

mod common;
mod elementwise;
mod in_place;
mod index;
mod late;
mod matmul;
mod reduce;
