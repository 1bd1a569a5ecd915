//! The engine on real kernels: eager execution, gradients, traces, and what makes capture safe.

// A step that fails here is the test failing.
#![allow(clippy::unwrap_used)]

mod anomalies;
mod asking;
mod bits;
mod composites;
mod edges;
mod fusion;
mod fuzz;
mod gradcheck;
mod invariants;
mod jobs;
mod regressions;
mod support;
mod together;
mod training;
