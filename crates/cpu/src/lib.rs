//! The CPU backend: kernels over plain memory, one process-wide pool of threads.
//!
//! Every kernel gives the same bits for any number of threads and any instruction set. What a
//! kernel computes is fixed by its algorithm (the order of each chain, the shape of each tree);
//! threads only divide outputs among themselves, and instruction sets only widen loops.

// Bytes become elements where `Executable::run` has checked that their binding is aligned for them.
#![allow(clippy::cast_ptr_alignment)]

mod arg;
mod backend;
mod copy;
mod element;
mod elementwise;
mod entropy;
mod executable;
mod gemm;
mod index;
mod isa;
pub mod late;
mod matmul;
mod memory;
mod pool;
mod random;
mod reduce;
mod schedule;
mod simd;
mod softmax;

pub use backend::{CpuBackend, Options};
pub use isa::Isa;
pub use pool::Pool;
