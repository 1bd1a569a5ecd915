//! The engine on real kernels: eager execution, gradients, traces, and what makes capture safe.

mod anomalies;
mod bits;
mod edges;
mod invariants;
mod jobs;
mod support;
mod training;
