//! Running what has been prepared allocates nothing: plans, bound plans, whole steps of training.

#[path = "../kernels/common.rs"]
mod common;
#[path = "../../benches/steps/models.rs"]
mod models;
mod steps;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Noise, Tensor};
use neuroxide_core::backend::{Backend, Binding, Run, Turn};
use neuroxide_core::dtype::DType;
use neuroxide_core::op::{ArgOp, Composite, Random, ReduceOp};
use neuroxide_core::ops::table::BinaryOp;
use neuroxide_core::plan::{Cut, Expr, Instr, Kernel, Operand, Plan, Step};
use neuroxide_core::shape::View;
use neuroxide_cpu::{CpuBackend, Options};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the contract of the trait.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the contract of the trait.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Program {
    steps: Vec<Step>,
    bytes: usize,
}

impl Program {
    /// A tensor of its own place in slot 1.
    fn tensor(&mut self, dtype: DType, view: View) -> Operand {
        let base = self.bytes;
        self.bytes += (view.numel() * dtype.size()).next_multiple_of(64);
        Operand { slot: 1, dtype, base, view }
    }

    fn float(&mut self, shape: &[usize]) -> Operand {
        self.tensor(DType::F32, View::contiguous(shape))
    }

    fn step(&mut self, kernel: Kernel, ins: &[&Operand], out: Option<&Operand>) {
        let ins = ins.iter().map(|&operand| operand.clone()).collect();
        self.steps.push(Step { kernel, ins, outs: out.cloned().into_iter().collect(), origin: 0 });
    }
}

fn program() -> Program {
    let mut p = Program { steps: Vec::new(), bytes: 0 };
    let (x, w) =
        (p.float(&[1, 40, 50]), p.tensor(DType::F32, View::contiguous(&[1, 60, 50]).permute(&[0, 2, 1])));
    let y = p.float(&[1, 40, 60]);
    p.step(Kernel::Random { dist: Random::Normal, offset: 0 }, &[], Some(&x));
    p.step(
        Kernel::Copy,
        &[&Operand { view: View::contiguous(&[1, 40, 50]).slice(1, 0, 40, 1), ..x.clone() }],
        Some(&x),
    );
    // Neither operand of this product is unit-stride along the columns it needs: one is packed.
    p.step(common::product(DType::F32, false, true), &[&x, &w], Some(&y));
    let rows = |operand: &Operand| Operand { view: View::contiguous(&[40, 60]), ..operand.clone() };
    let soft = p.float(&[40, 60]);
    p.step(Kernel::Composite(Composite::Softmax), &[&rows(&y)], Some(&soft));
    let sums = p.float(&[1, 1, 60]);
    p.step(Kernel::Reduce { op: ReduceOp::Sum, cut: Cut::Chain }, &[&y], Some(&sums));
    let total = p.float(&[1, 1, 1]);
    let flat = Operand { view: View::contiguous(&[1, 2400, 1]), ..soft.clone() };
    p.step(Kernel::Reduce { op: ReduceOp::Sum, cut: Cut::Lanes }, &[&flat], Some(&total));
    let index = p.tensor(DType::I32, View::contiguous(&[40, 1]));
    let along =
        |operand: &Operand, shape: &[usize]| Operand { view: View::contiguous(shape), ..operand.clone() };
    p.step(Kernel::Arg(ArgOp::Max), &[&along(&y, &[40, 60, 1])], Some(&along(&index, &[40, 1, 1])));
    p.step(Kernel::CheckIndex { size: 60, ignore: None }, &[&index], None);
    let picked = p.float(&[40, 1]);
    p.step(Kernel::Gather { axis: 1 }, &[&soft, &index], Some(&picked));
    p.step(Kernel::ScatterAdd { axis: 1 }, &[&index, &picked], Some(&soft));
    let load = |input| Instr::Load { input, dtype: DType::F32 };
    let binary = |op, a, b| Instr::Binary { op, dtype: DType::F32, a, b };
    let scalar = Instr::Scalar { index: 0, dtype: DType::F32 };
    let instrs = vec![load(0), load(1), scalar, binary(BinaryOp::Mul, 1, 2), binary(BinaryOp::Add, 0, 3)];
    let expr = Expr { instrs, outs: [4].into_iter().collect() };
    let row = Operand { view: View::contiguous(&[60]).expand(&[40, 60]), ..sums };
    p.step(Kernel::Elementwise(expr), &[&soft, &row], Some(&soft));
    p
}

#[test]
fn replay_allocates_nothing() {
    let backend = CpuBackend::new(Options { threads: Some(1), ..Options::default() }).unwrap();
    let program = program();
    let plan = Plan { steps: program.steps, slots: 2, scalars: 1, arena_bytes: 128 };
    let executable = backend.prepare(&plan).unwrap();
    let [arena, data] = [128, program.bytes].map(|bytes| backend.alloc(bytes).unwrap());
    let noise: Vec<f32> = Noise(1).floats(program.bytes / 4);
    backend.upload(data, 0, &Tensor::new(&noise, &[noise.len()]).storage).unwrap();
    let bindings = [arena, data].map(|buffer| Binding { buffer, offset: 0 });
    let run = |seed| Run { bindings: &bindings, scalars: &[0.5], seed, rng_offset: 0 };
    backend.run(&executable, &run(0)).unwrap();
    let before = COUNT.get();
    for seed in 1..50 {
        backend.run(&executable, &run(seed)).unwrap();
    }
    assert_eq!(COUNT.get() - before, 0);
    // The same bound: where it was, elsewhere in its buffer, and in another buffer.
    let other = backend.alloc(program.bytes + 64).unwrap();
    let mut bound = backend.bind(&executable, &bindings.map(Some)).unwrap();
    let before = COUNT.get();
    for seed in 1..50 {
        let moved = [(0, Binding { buffer: other, offset: 64 })];
        let moved = &moved[..seed as usize % 2];
        backend.run_bound(&mut bound, &Turn { moved, scalars: &[0.5], seed, rng_offset: 0 }).unwrap();
    }
    assert_eq!(COUNT.get() - before, 0);
    // The counter counts: an error's message is made of allocations.
    assert!(backend.run(&executable, &Run { bindings: &bindings[..1], ..run(0) }).is_err());
    assert!(COUNT.get() > before);
}

#[test]
fn buffers_are_reused() {
    let backend = CpuBackend::new(Options { threads: Some(1), ..Options::default() }).unwrap();
    let cycle = || (0..20).for_each(|i| backend.free(backend.alloc(3000 + i).unwrap()));
    cycle();
    let before = COUNT.get();
    cycle();
    assert_eq!(COUNT.get() - before, 0);
}
