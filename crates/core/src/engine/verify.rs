//! Checks a program against an eager run of the function it was traced from.
//!
//! The order of calls: `verify_begin`, `run`, `verify_replay`, the function once more eagerly,
//! `verify_end`. State is put back in between, and at the end everything is as after `run`.

use std::sync::Arc;

use super::gradient::Grad;
use super::log::{Log, Record};
use super::{Engine, Handle, ProgramId, RunArg};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::hash::FastMap;
use crate::rng::Stream;
use crate::storage::{Storage, Value, gates};

/// What is needed to go back to a moment.
struct Snapshot {
    /// What is written; `None` for a gradient that is not there.
    states: Vec<Option<(Arc<Storage>, Vec<u8>)>>,
    steps: Vec<u64>,
    grads: FastMap<NodeId, Grad>,
    stream: Stream,
}

/// A verification under way.
pub struct Verify {
    program: ProgramId,
    before: Snapshot,
    after: Option<Snapshot>,
}

impl Engine {
    /// Remembers everything that a run of the program changes.
    pub fn verify_begin(&mut self, program: ProgramId) -> Result<()> {
        let before = self.snapshot(program)?;
        self.verify = Some(Verify { program, before, after: None });
        Ok(())
    }

    /// After `run`: keeps its results and puts everything back, for the function to run eagerly.
    pub fn verify_replay(&mut self) -> Result<()> {
        let Some(mut verify) = self.verify.take() else {
            return Err(Error::Internal("verify: it was not begun".into()));
        };
        verify.after = Some(self.snapshot(verify.program)?);
        self.restore(verify.program, &verify.before)?;
        self.log = Some(Log::new());
        self.verify = Some(verify);
        Ok(())
    }

    /// Compares the eager outputs with those of the run, and the state that both left.
    pub fn verify_end(&mut self, eager: &[Handle], traced: &[Handle]) -> Result<()> {
        let Some(verify) = self.verify.take() else {
            return Err(Error::Internal("verify: it was not begun".into()));
        };
        let log = self.log.take().unwrap_or_default();
        let difference = self.difference(&verify, &log, eager, traced);
        let after =
            verify.after.as_ref().ok_or_else(|| Error::Internal("verify: the run is missing".into()))?;
        let restored = self.restore(verify.program, after);
        self.drop_snapshot(verify.before);
        if let Some(after) = verify.after {
            self.drop_snapshot(after);
        }
        restored?;
        match difference? {
            Some(text) => Err(Error::Trace(format!(
                "jit: the program and the function disagree: {text}; expected the function to do the same at every call. \
                 Hint: pass what changes as an argument, and keep Math.random, counters and new tensors out of the function"
            ))),
            None => Ok(()),
        }
    }

    /// Gives up, with everything as after `run`.
    pub fn verify_abort(&mut self) -> Result<()> {
        self.log = None;
        let Some(verify) = self.verify.take() else { return Ok(()) };
        let result = verify.after.as_ref().map_or(Ok(()), |after| self.restore(verify.program, after));
        self.drop_snapshot(verify.before);
        if let Some(after) = verify.after {
            self.drop_snapshot(after);
        }
        result
    }

    fn difference(
        &mut self,
        verify: &Verify,
        log: &Log,
        eager: &[Handle],
        traced: &[Handle],
    ) -> Result<Option<String>> {
        let records = Arc::clone(&self.program(verify.program)?.records);
        let mut arguments = self.program(verify.program)?.arguments.clone();
        for grad in verify.before.grads.values() {
            if let Grad::Node(grad) = grad
                && let Value::Tensor { storage, .. } = self.value(*grad)
            {
                arguments.push(storage.id);
            }
        }
        if let Some(text) = self.log_difference(&records, log, &arguments) {
            return Ok(Some(text));
        }
        if eager.len() != traced.len() {
            return Ok(Some(format!("{} outputs where there were {}", eager.len(), traced.len())));
        }
        for (at, (&a, &b)) in eager.iter().zip(traced).enumerate() {
            let dtype = self.info(a)?.ty.dtype;
            if !same_bits(&self.read(a)?, &self.read(b)?, dtype) {
                return Ok(Some(format!("output {at} differs")));
            }
        }
        let now = self.snapshot(verify.program)?;
        let after =
            verify.after.as_ref().ok_or_else(|| Error::Internal("verify: the run is missing".into()))?;
        let states = now.states.iter().zip(&after.states);
        let same = states.clone().all(|(now, after)| match (now, after) {
            (Some((storage, a)), Some((_, b))) => same_bits(a, b, storage.dtype),
            (now, after) => now.is_none() && after.is_none(),
        });
        let drawn = now.stream == after.stream;
        let stepped = now.steps == after.steps;
        self.drop_snapshot(now);
        Ok(if !same {
            Some("the state they leave behind differs".into())
        } else if !drawn {
            Some("they draw different amounts of random numbers".into())
        } else if !stepped {
            Some("they take different numbers of optimizer steps".into())
        } else {
            None
        })
    }

    fn snapshot(&mut self, program: ProgramId) -> Result<Snapshot> {
        let runnable = Arc::clone(&self.program(program)?.runnable);
        let mut states = Vec::new();
        for &written in &runnable.written {
            let Some(storage) = self.storage_of(&runnable.states[written as usize]) else {
                states.push(None);
                continue;
            };
            let mut bytes = vec![0; storage.bytes];
            if !bytes.is_empty() {
                let gates = gates(None, [&storage], []);
                let _passes: Vec<_> = gates.iter().map(|gate| gate.visit()).collect();
                self.backend.download(storage.buffer, 0, &mut bytes)?;
            }
            states.push(Some((storage, bytes)));
        }
        let steps = runnable.bumps.iter().map(|b| b.shared.lock().steps[b.param]).collect();
        let grads = self.grads.clone();
        for grad in grads.values() {
            if let Grad::Node(node) = *grad {
                self.tape.retain(node);
            }
        }
        Ok(Snapshot { states, steps, grads, stream: self.stream })
    }

    fn restore(&mut self, program: ProgramId, snapshot: &Snapshot) -> Result<()> {
        for (storage, bytes) in snapshot.states.iter().flatten() {
            if !bytes.is_empty() {
                self.backend.upload(storage.buffer, 0, bytes)?;
            }
            storage.written();
        }
        let runnable = Arc::clone(&self.program(program)?.runnable);
        for (bump, &steps) in runnable.bumps.iter().zip(&snapshot.steps) {
            bump.shared.lock().steps[bump.param] = steps;
        }
        self.stream = snapshot.stream;
        for grad in snapshot.grads.values() {
            if let Grad::Node(node) = *grad {
                self.tape.retain(node);
            }
        }
        let replaced = std::mem::replace(&mut self.grads, snapshot.grads.clone());
        self.guarded += 1;
        self.release_grads(replaced);
        Ok(())
    }

    fn drop_snapshot(&mut self, snapshot: Snapshot) {
        self.release_grads(snapshot.grads);
    }

    fn release_grads(&mut self, grads: FastMap<NodeId, Grad>) {
        for grad in grads.into_values() {
            if let Grad::Node(node) = grad {
                self.release_node(node);
            }
        }
    }

    /// The storages of a run's arguments, which the log must not take for tensors from outside.
    pub(super) fn remember_arguments(&mut self, program: ProgramId, args: &[RunArg]) {
        if self.verify.as_ref().is_none_or(|v| v.program != program) {
            return;
        }
        let mut storages = Vec::new();
        for arg in args {
            if let RunArg::Tensor(handle) = *arg
                && let Ok(node) = self.resolve(handle)
                && let Value::Tensor { storage, .. } = self.value(node)
            {
                storages.push(storage.id);
            }
        }
        if let Some(Some(program)) = self.programs.get_mut(program.0 as usize) {
            program.arguments = storages;
        }
    }
}

/// What a program records of its trace.
pub(super) type Records = Arc<Vec<Record>>;

/// Equal bytes, where all NaNs are one.
fn same_bits(a: &[u8], b: &[u8], dtype: DType) -> bool {
    a == b
        || a.len() == b.len()
            && a.chunks_exact(dtype.size()).zip(b.chunks_exact(dtype.size())).all(|(x, y)| {
                let (p, q) = (crate::runner::decode(x, dtype), crate::runner::decode(y, dtype));
                x == y || p.is_nan() && q.is_nan()
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nans_are_one() {
        let nan = f32::NAN.to_le_bytes();
        let other = f32::from_bits(0x7fc0_0001).to_le_bytes();
        assert!(same_bits(&nan, &other, DType::F32));
        assert!(!same_bits(&0f32.to_le_bytes(), &(-0f32).to_le_bytes(), DType::F32));
    }
}
