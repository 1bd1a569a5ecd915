//! A CPU backend whose plans have no steps.

use std::sync::Arc;

use neuroxide_core::backend::{Backend, Binding, Bound, BufferId, Executable, Fault, Run, Turn};
use neuroxide_core::error::Result;
use neuroxide_core::op::Composite;
use neuroxide_core::plan::Plan;
use neuroxide_cpu::CpuBackend;

/// Binds and runs as the backend in it does, kernels left out.
pub struct Hollow(pub Arc<CpuBackend>);

impl Backend for Hollow {
    fn name(&self) -> &'static str {
        "hollow"
    }

    fn claims(&self, composite: Composite) -> bool {
        self.0.claims(composite)
    }

    fn alloc(&self, bytes: usize) -> Result<BufferId> {
        self.0.alloc(bytes)
    }

    fn free(&self, buffer: BufferId) {
        self.0.free(buffer);
    }

    fn upload(&self, buffer: BufferId, offset: usize, bytes: &[u8]) -> Result<()> {
        self.0.upload(buffer, offset, bytes)
    }

    fn download(&self, buffer: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.0.download(buffer, offset, bytes)
    }

    fn prepare(&self, plan: &Plan) -> Result<Executable> {
        self.0.prepare(&Plan { steps: Vec::new(), ..plan.clone() })
    }

    fn run(&self, executable: &Executable, run: &Run<'_>) -> std::result::Result<(), Fault> {
        self.0.run(executable, run)
    }

    fn bind(&self, executable: &Executable, bindings: &[Option<Binding>]) -> Result<Bound> {
        self.0.bind(executable, bindings)
    }

    fn run_bound(&self, bound: &mut Bound, turn: &Turn<'_>) -> std::result::Result<(), Fault> {
        self.0.run_bound(bound, turn)
    }

    fn sync(&self) -> Result<()> {
        self.0.sync()
    }

    fn allocated_bytes(&self) -> usize {
        self.0.allocated_bytes()
    }
}
