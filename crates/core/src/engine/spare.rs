//! Memory of small tensors that came free, for the next ones of the same size: a loop over small ops then asks neither
//! the allocator nor the backend.

use std::sync::Arc;

use crate::dtype::DType;
use crate::hash::FastMap;
use crate::shape::View;
use crate::storage::{Storage, Value};

/// Bytes of a tensor that is kept at most.
const SMALL: usize = 4096;
/// Bytes that are kept in all.
const MOST: usize = 8 << 20;
/// What a storage takes beside its bytes.
const OVERHEAD: usize = 512;

/// Parked storages by their bytes.
#[derive(Default)]
pub struct Spare {
    lists: FastMap<usize, Vec<Arc<Storage>>>,
    held: usize,
}

impl Spare {
    /// Keeps the memory of a value that is gone, unless somebody else has it too.
    pub fn park(&mut self, value: Value) {
        let Value::Tensor { mut storage, .. } = value else { return };
        let cost = storage.bytes + OVERHEAD;
        if storage.bytes <= SMALL && self.held + cost <= MOST && Storage::park(&mut storage) {
            self.held += cost;
            self.lists.entry(storage.bytes).or_default().push(storage);
        }
    }

    /// Memory for a dense layout, if there is some of its size.
    pub fn take(&mut self, dtype: DType, layout: &View) -> Option<Arc<Storage>> {
        let bytes = layout.numel() * dtype.size();
        if bytes > SMALL {
            return None;
        }
        let mut storage = self.lists.get_mut(&bytes)?.pop()?;
        self.held -= bytes + OVERHEAD;
        Storage::renew(&mut storage, dtype, layout).then_some(storage)
    }
}
