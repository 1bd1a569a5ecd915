//! The backend: options, memory and runs.

use std::sync::Arc;

use neuroxide_core::backend::{Backend, Binding, Bound, BufferId, Executable as Handle, Fault, Run, Turn};
use neuroxide_core::error::{Error, Result};
use neuroxide_core::op::Composite;
use neuroxide_core::plan::Plan;

use crate::executable::{Context, Executable};
use crate::isa::Isa;
use crate::memory::{Buffers, Kept};
use crate::pool::{MAX_WIDTH, Pool, cores};

/// How the backend runs; what is `None` is taken from the environment, then from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `NEUROXIDE_ISA`; default the widest one of the machine.
    pub isa: Option<Isa>,
    /// `NEUROXIDE_THREADS`, 1 to 128; default the cores that affinity and cgroup quota leave.
    pub threads: Option<usize>,
}

impl Options {
    fn isa(&self) -> Result<Isa> {
        match self.isa {
            Some(isa) if isa <= Isa::detect() => Ok(isa),
            Some(isa) => Isa::parse(isa.name()),
            None => variable("NEUROXIDE_ISA").map_or_else(|| Ok(Isa::detect()), |name| Isa::parse(&name)),
        }
    }

    fn threads(&self) -> Result<usize> {
        let given = match self.threads {
            Some(threads) => threads.to_string(),
            None => match variable("NEUROXIDE_THREADS") {
                Some(text) => text,
                None => return Ok(cores().min(MAX_WIDTH)),
            },
        };
        given.trim().parse().ok().filter(|threads| (1..=MAX_WIDTH).contains(threads)).ok_or_else(|| {
            Error::Value(format!(
                "NEUROXIDE_THREADS: {given:?} given; expected a number from 1 to {MAX_WIDTH}"
            ))
        })
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// Tensors in main memory, kernels on the processor.
pub struct CpuBackend {
    isa: Isa,
    pool: Pool,
    buffers: Buffers,
}

impl CpuBackend {
    /// A backend; `Error::Value` where an option names no instruction set of this machine or no width.
    pub fn new(options: Options) -> Result<Arc<Self>> {
        let (isa, threads) = (options.isa()?, options.threads()?);
        Ok(Arc::new(Self { isa, pool: Pool::acquire(threads), buffers: Buffers::default() }))
    }

    /// The instruction set that kernels run with.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Threads that a kernel is split over.
    pub fn threads(&self) -> usize {
        self.pool.width()
    }
}

fn own(executable: &Handle) -> Result<&Executable> {
    executable.downcast_ref().ok_or_else(|| Error::Internal("cpu: an executable of another backend".into()))
}

/// A prepared plan with its buffers.
struct BoundPlan {
    executable: Handle,
    kept: Kept,
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn claims(&self, composite: Composite) -> bool {
        match composite {
            Composite::Softmax
            | Composite::LogSoftmax
            | Composite::CrossEntropy { .. }
            | Composite::CrossEntropyGrad { .. } => true,
        }
    }

    fn alloc(&self, bytes: usize) -> Result<BufferId> {
        self.buffers.alloc(bytes)
    }

    fn free(&self, buffer: BufferId) {
        self.buffers.free(buffer);
    }

    fn upload(&self, buffer: BufferId, offset: usize, bytes: &[u8]) -> Result<()> {
        self.buffers.with_bytes(Binding { buffer, offset }, bytes.len(), |ptr| {
            // SAFETY: `with_bytes` checked the range and keeps the buffer alive; the caller's bytes are its own.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), ptr, bytes.len()) }
        })
    }

    fn download(&self, buffer: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.buffers.with_bytes(Binding { buffer, offset }, bytes.len(), |ptr| {
            // SAFETY: as in `upload`.
            unsafe { std::ptr::copy_nonoverlapping(ptr, bytes.as_mut_ptr(), bytes.len()) }
        })
    }

    fn prepare(&self, plan: &Plan) -> Result<Handle> {
        Ok(Arc::new(Executable::prepare(plan, self.isa, self.pool.width())?))
    }

    fn run(&self, executable: &Handle, run: &Run<'_>) -> std::result::Result<(), Fault> {
        let executable = own(executable).map_err(|error| Fault { origin: 0, error })?;
        let done = executable.with_room(|bases, scratch| {
            let pins = self.buffers.pin(run.bindings, bases).map_err(|error| executable.fault(error))?;
            let context =
                Context { bases, scalars: run.scalars, seed: run.seed, rng_offset: run.rng_offset, scratch };
            let result = executable.run(&context, &self.pool);
            drop(pins);
            result
        });
        done.unwrap_or_else(|error| Err(executable.fault(error)))
    }

    fn bind(&self, executable: &Handle, bindings: &[Option<Binding>]) -> Result<Bound> {
        own(executable)?;
        Ok(Box::new(BoundPlan {
            executable: Arc::clone(executable),
            kept: Kept::new(&self.buffers, bindings)?,
        }))
    }

    fn run_bound(&self, bound: &mut Bound, turn: &Turn<'_>) -> std::result::Result<(), Fault> {
        let foreign = || Fault { origin: 0, error: Error::Internal("cpu: a plan bound elsewhere".into()) };
        let BoundPlan { executable, kept } = bound.downcast_mut().ok_or_else(foreign)?;
        let executable = own(executable).map_err(|error| Fault { origin: 0, error })?;
        let done = executable.with_room(|_, scratch| {
            kept.moved(turn.moved, |bases| {
                let Turn { scalars, seed, rng_offset, .. } = *turn;
                executable.run(&Context { bases, scalars, seed, rng_offset, scratch }, &self.pool)
            })
        });
        done.and_then(|done| done).unwrap_or_else(|error| Err(executable.fault(error)))
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn allocated_bytes(&self) -> usize {
        self.buffers.allocated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        assert_eq!(
            Options { threads: Some(0), ..Options::default() }.threads().unwrap_err().code(),
            "ERR_VALUE"
        );
        assert_eq!(Options { threads: Some(7), ..Options::default() }.threads().unwrap(), 7);
        let backend = CpuBackend::new(Options { isa: Some(Isa::Portable), threads: Some(3) }).unwrap();
        assert_eq!((backend.isa(), backend.threads(), backend.name()), (Isa::Portable, 3, "cpu"));
    }

    #[test]
    fn bytes_come_back_and_ranges_are_checked() {
        let backend = CpuBackend::new(Options { threads: Some(1), ..Options::default() }).unwrap();
        let buffer = backend.alloc(8).unwrap();
        backend.upload(buffer, 4, &[1, 2, 3, 4]).unwrap();
        let mut bytes = [0; 2];
        backend.download(buffer, 5, &mut bytes).unwrap();
        assert_eq!(bytes, [2, 3]);
        assert!(backend.upload(buffer, 6, &[0; 3]).is_err());
        assert!(backend.download(buffer, usize::MAX, &mut bytes).is_err());
        backend.free(buffer);
        assert!(backend.download(buffer, 0, &mut bytes).is_err());
    }
}
