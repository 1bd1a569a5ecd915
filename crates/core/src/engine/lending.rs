//! Large outputs of programs, which are lent until the next run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use super::runnable::Runnable;
use super::{Engine, ProgramId};
use crate::error::Result;
use crate::storage::Storage;

/// Outputs up to this size are ordinary tensors; larger ones are lent until the next run.
const COPIED_OUTPUT_BYTES: usize = 4096;

/// An output buffer and whether the tensor that a run put there has been overwritten since.
#[derive(Clone)]
pub struct Lent {
    pub storage: Arc<Storage>,
    pub gone: Arc<AtomicBool>,
}

impl Engine {
    /// Takes a storage out of the output buffers: it is read elsewhere and must not be written again.
    /// Its tensor stays valid.
    pub(super) fn keep_lent(&mut self, storage: u64) {
        for lent in self.programs.iter_mut().flatten().flat_map(|program| &mut program.lent) {
            if lent.as_ref().is_some_and(|lent| lent.storage.id == storage) {
                *lent = None;
            }
        }
    }

    /// Memory for the outputs of a run: new tensors, or the buffers of the program.
    pub(super) fn output_storages(
        &mut self,
        id: ProgramId,
        runnable: &Runnable,
    ) -> Result<SmallVec<[Arc<Storage>; 2]>> {
        let mut out = SmallVec::with_capacity(runnable.outputs.len());
        for (at, (ty, view)) in runnable.outputs.iter().enumerate() {
            let program = self.program(id)?;
            let lends = at < program.returned && view.numel() * ty.dtype.size() > COPIED_OUTPUT_BYTES;
            let earlier = if lends { program.lent[at].clone() } else { None };
            let storage = if let Some(Lent { storage, gone }) = earlier {
                gone.store(true, Ordering::Relaxed);
                // Whoever saved the earlier content for a backward pass learns that it is gone.
                storage.written();
                storage
            } else {
                Storage::new(&self.backend, &self.meter, ty.dtype, view.clone())?
            };
            if lends && let Some(Some(program)) = self.programs.get_mut(id.0 as usize) {
                program.lent[at] = Some(Lent { storage: Arc::clone(&storage), gone: Arc::default() });
            }
            out.push(storage);
        }
        Ok(out)
    }
}
