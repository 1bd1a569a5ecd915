//! The device-free heart of neuroxide: one graph with two drivers.
#![forbid(unsafe_code)]

pub mod backend;
pub mod dtype;
pub mod error;
pub mod graph;
pub mod op;
pub mod ops;
pub mod plan;
pub mod rng;
pub mod shape;
