//! From a graph to a plan. Every rewrite here is exact to the bit: `simplify` finds what is
//! computed twice, `order` leaves out what nothing needs and brings index checks forward, `schedule`
//! brings what belongs to a product behind it, `lower` turns nodes into steps (`kernels`): products and gathers
//! open a kernel (`head`) that elementwise nodes and writes join (`fuse`, `join`); `memory` packs the temporaries into
//! one arena.

mod fuse;
mod head;
mod join;
mod kernels;
mod lower;
mod memory;
mod order;
mod schedule;
mod simplify;

pub use lower::{Lowered, Origin, Slot, Source, lower};
