//! Ops made of other ops, one file a family: each is its own reference and has the gradients of its parts.
//! Only [`crate::op::Composite`]s can be claimed by a backend; all others are always decomposed.

mod activation;
mod classes;
pub(crate) mod entropy;
pub mod keras;
mod linear;
mod loss;
mod margin;
pub mod optimizer;
mod softmax;

pub use loss::Reduction;
