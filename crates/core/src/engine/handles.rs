//! The numbers by which JavaScript knows tensors.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::graph::NodeId;

/// A slot and its generation in one double: `slot + 1 + generation · 2³²`; never zero, which stands for a dead tensor.
pub type Handle = f64;

const GENERATION_BITS: u32 = 21;
const SLOT_SIZE: f64 = 4_294_967_296.0;

/// What a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A node of the eager graph, of which the handle holds one reference.
    Eager(NodeId),
    /// A node of the trace with this number.
    Traced(u64, NodeId),
}

#[derive(Default)]
struct Slot {
    generation: u32,
    target: Option<Target>,
}

/// The table of handles. Slots are used again in the order they came free, each time with a new
/// generation; a slot whose generations are used up retires, so a stale handle never reads another tensor.
#[derive(Default)]
pub struct Handles {
    slots: Vec<Slot>,
    free: VecDeque<u32>,
    live: usize,
}

impl Handles {
    pub fn insert(&mut self, target: Target) -> Handle {
        let at = self.free.pop_front().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[at as usize];
        slot.target = Some(target);
        self.live += 1;
        f64::from(at) + 1.0 + f64::from(slot.generation) * SLOT_SIZE
    }

    fn slot(&self, handle: Handle) -> Option<usize> {
        let whole = handle as u64;
        let at = (whole as u32).checked_sub(1)? as usize;
        let slot = self.slots.get(at)?;
        // What is no whole number, or out of range, does not come back as it was.
        (whole as f64 == handle && u64::from(slot.generation) == whole >> 32 && slot.target.is_some())
            .then_some(at)
    }

    pub fn get(&self, handle: Handle) -> Result<Target> {
        self.slot(handle).and_then(|at| self.slots[at].target).ok_or_else(|| {
            Error::Disposed(
                "tensor: its memory was given back; expected a live tensor. \
                 Hint: return it from scope(), or do not dispose() it before its last use"
                    .into(),
            )
        })
    }

    pub fn contains(&self, handle: Handle) -> bool {
        self.slot(handle).is_some()
    }

    /// Frees a handle; `None` where it was free already.
    pub fn remove(&mut self, handle: Handle) -> Option<Target> {
        let at = self.slot(handle)?;
        let slot = &mut self.slots[at];
        let target = slot.target.take();
        self.live -= 1;
        if slot.generation + 1 < 1 << GENERATION_BITS {
            slot.generation += 1;
            self.free.push_back(at as u32);
        }
        target
    }

    /// Handles in use.
    pub fn live(&self) -> usize {
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_never_reads_another_tensor() {
        let mut handles = Handles::default();
        let first = handles.insert(Target::Eager(NodeId(1)));
        assert_eq!(handles.get(first).unwrap(), Target::Eager(NodeId(1)));
        handles.remove(first);
        let second = handles.insert(Target::Eager(NodeId(2)));
        assert_ne!(first, second);
        assert_eq!(handles.get(first).unwrap_err().code(), "ERR_DISPOSED");
        assert_eq!(handles.get(second).unwrap(), Target::Eager(NodeId(2)));
        assert!(handles.get(f64::NAN).is_err() && handles.get(-1.0).is_err());
    }

    #[test]
    fn a_slot_retires_when_its_generations_are_used_up() {
        let mut handles = Handles::default();
        for _ in 0..1 << GENERATION_BITS {
            let handle = handles.insert(Target::Eager(NodeId(0)));
            assert!(handle < 9_007_199_254_740_992.0);
            handles.remove(handle);
        }
        let next = handles.insert(Target::Eager(NodeId(0)));
        assert_eq!(next, 2.0);
    }
}
