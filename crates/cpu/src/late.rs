//! A backend for tests that behaves like a device: handles of its own, memory that nobody else
//! sees, and a queue that does nothing until someone waits.
//!
//! Whatever passes on it relies on the `Backend` trait alone: that results exist before `download`,
//! that a freed buffer is gone at once, or that errors come from `run` are assumptions it breaks.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use neuroxide_core::backend::{Backend, Binding, Bound, BufferId, Executable, Fault, Run, Turn};
use neuroxide_core::error::{Error, Result};
use neuroxide_core::op::Composite;
use neuroxide_core::plan::Plan;

use crate::backend::{CpuBackend, Options};
use crate::pool::hold;

/// What fresh memory holds: no number that a test expects, and NaN as floats.
const POISON: u8 = 0xff;

enum Command {
    Upload {
        buffer: BufferId,
        offset: usize,
        bytes: Vec<u8>,
    },
    Run {
        executable: Executable,
        bindings: Vec<Binding>,
        scalars: Vec<f64>,
        seed: u64,
        rng_offset: u64,
    },
    RunBound {
        bound: Arc<Mutex<Bound>>,
        moved: Vec<(u32, Binding)>,
        scalars: Vec<f64>,
        seed: u64,
        rng_offset: u64,
    },
    Free {
        buffer: BufferId,
    },
}

/// A plan that is bound: its own handles, and the real buffers in the plan that the inner backend has bound.
struct LateBound {
    real: HashMap<BufferId, BufferId>,
    inner: Arc<Mutex<Bound>>,
}

#[derive(Default)]
struct Queue {
    commands: VecDeque<Command>,
    /// Handles given out and the buffers behind them.
    buffers: HashMap<BufferId, (BufferId, usize)>,
    next: u64,
    allocated: usize,
}

/// The late-queue backend; kernels are those of [`CpuBackend`].
pub struct LateBackend {
    inner: Arc<CpuBackend>,
    queue: Mutex<Queue>,
}

impl LateBackend {
    /// A backend over a CPU backend of its own.
    pub fn new(options: Options) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { inner: CpuBackend::new(options)?, queue: Mutex::new(Queue::default()) }))
    }

    /// Commands that wait.
    pub fn pending(&self) -> usize {
        hold(&self.queue).commands.len()
    }

    /// Does everything queued; the first error is reported, what came after it is still done.
    fn flush(&self, queue: &mut Queue) -> Result<()> {
        let mut result = Ok(());
        while let Some(command) = queue.commands.pop_front() {
            let done = self.execute(queue, command);
            result = result.and(done);
        }
        result
    }

    fn execute(&self, queue: &mut Queue, command: Command) -> Result<()> {
        match command {
            Command::Upload { buffer, offset, bytes } => {
                self.inner.upload(queue.real(buffer)?, offset, &bytes)
            }
            Command::Run { executable, mut bindings, scalars, seed, rng_offset } => {
                for binding in &mut bindings {
                    binding.buffer = queue.real(binding.buffer)?;
                }
                let run = Run { bindings: &bindings, scalars: &scalars, seed, rng_offset };
                self.inner.run(&executable, &run).map_err(Error::from)
            }
            Command::RunBound { bound, moved, scalars, seed, rng_offset } => {
                let turn = Turn { moved: &moved, scalars: &scalars, seed, rng_offset };
                self.inner.run_bound(&mut hold(&bound), &turn).map_err(Error::from)
            }
            Command::Free { buffer } => {
                let (real, _) = queue.buffers.remove(&buffer).ok_or_else(|| unknown(buffer))?;
                self.inner.free(real);
                Ok(())
            }
        }
    }
}

fn unknown(buffer: BufferId) -> Error {
    Error::Internal(format!("late: buffer {:#x} does not exist", buffer.0))
}

impl Queue {
    fn real(&self, buffer: BufferId) -> Result<BufferId> {
        self.buffers.get(&buffer).map(|&(real, _)| real).ok_or_else(|| unknown(buffer))
    }

    /// Whether a handle may still be used in new commands.
    fn is_live(&self, buffer: BufferId) -> bool {
        let freed =
            |command: &Command| matches!(command, Command::Free { buffer: freed } if *freed == buffer);
        self.buffers.contains_key(&buffer) && !self.commands.iter().any(freed)
    }
}

impl Backend for LateBackend {
    fn name(&self) -> &'static str {
        "late"
    }

    fn claims(&self, composite: Composite) -> bool {
        self.inner.claims(composite)
    }

    fn alloc(&self, bytes: usize) -> Result<BufferId> {
        let real = self.inner.alloc(bytes)?;
        self.inner.upload(real, 0, &vec![POISON; bytes])?;
        let mut queue = hold(&self.queue);
        // Spread out, so that no arithmetic on handles works by accident.
        queue.next += 0x9e37_79b9;
        let handle = BufferId(queue.next << 8 | 0xa5);
        queue.buffers.insert(handle, (real, bytes));
        queue.allocated += bytes;
        Ok(handle)
    }

    fn free(&self, buffer: BufferId) {
        let mut queue = hold(&self.queue);
        if queue.is_live(buffer) {
            queue.allocated -= queue.buffers[&buffer].1;
            queue.commands.push_back(Command::Free { buffer });
        }
    }

    fn upload(&self, buffer: BufferId, offset: usize, bytes: &[u8]) -> Result<()> {
        let mut queue = hold(&self.queue);
        if !queue.is_live(buffer) {
            return Err(unknown(buffer));
        }
        queue.commands.push_back(Command::Upload { buffer, offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn download(&self, buffer: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let mut queue = hold(&self.queue);
        if !queue.is_live(buffer) {
            return Err(unknown(buffer));
        }
        self.flush(&mut queue)?;
        self.inner.download(queue.real(buffer)?, offset, bytes)
    }

    fn prepare(&self, plan: &Plan) -> Result<Executable> {
        self.inner.prepare(plan)
    }

    fn run(&self, executable: &Executable, run: &Run<'_>) -> std::result::Result<(), Fault> {
        let mut queue = hold(&self.queue);
        if let Some(binding) = run.bindings.iter().find(|binding| !queue.is_live(binding.buffer)) {
            return Err(Fault { origin: 0, error: unknown(binding.buffer) });
        }
        queue.commands.push_back(Command::Run {
            executable: Arc::clone(executable),
            bindings: run.bindings.to_vec(),
            scalars: run.scalars.to_vec(),
            seed: run.seed,
            rng_offset: run.rng_offset,
        });
        Ok(())
    }

    fn bind(&self, executable: &Executable, bindings: &[Option<Binding>]) -> Result<Bound> {
        let queue = hold(&self.queue);
        let mut real = HashMap::new();
        let mut inner = Vec::with_capacity(bindings.len());
        for binding in bindings {
            let Some(binding) = binding else {
                inner.push(None);
                continue;
            };
            if !queue.is_live(binding.buffer) {
                return Err(unknown(binding.buffer));
            }
            let buffer = queue.real(binding.buffer)?;
            real.insert(binding.buffer, buffer);
            inner.push(Some(Binding { buffer, ..*binding }));
        }
        let inner = Arc::new(Mutex::new(self.inner.bind(executable, &inner)?));
        Ok(Box::new(LateBound { real, inner }))
    }

    fn run_bound(&self, bound: &mut Bound, turn: &Turn<'_>) -> std::result::Result<(), Fault> {
        let fault = |error| Fault { origin: 0, error };
        let foreign = || fault(Error::Internal("late: a plan bound elsewhere".into()));
        let LateBound { real, inner } = bound.downcast_mut().ok_or_else(foreign)?;
        let mut queue = hold(&self.queue);
        let mut moved = turn.moved.to_vec();
        for (_, binding) in &mut moved {
            // What was bound may have been freed since; it lives on in the inner backend.
            binding.buffer = match real.get(&binding.buffer) {
                Some(&buffer) => buffer,
                None if queue.is_live(binding.buffer) => queue.real(binding.buffer).map_err(fault)?,
                None => return Err(fault(unknown(binding.buffer))),
            };
        }
        queue.commands.push_back(Command::RunBound {
            bound: Arc::clone(inner),
            moved,
            scalars: turn.scalars.to_vec(),
            seed: turn.seed,
            rng_offset: turn.rng_offset,
        });
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut queue = hold(&self.queue);
        self.flush(&mut queue)
    }

    fn allocated_bytes(&self) -> usize {
        hold(&self.queue).allocated
    }
}
