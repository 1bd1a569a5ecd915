//! The device-free heart of neuroxide: one graph with two drivers.
#![forbid(unsafe_code)]

pub mod autodiff;
pub mod backend;
pub mod composite;
pub mod dtype;
pub mod engine;
pub mod error;
pub mod graph;
pub mod hash;
pub mod op;
pub mod ops;
pub mod pass;
pub mod plan;
pub mod rng;
pub mod runner;
pub mod shape;
pub mod storage;
