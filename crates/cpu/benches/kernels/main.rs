//! Speed of the kernels: matrix products as a share of the peak that this machine reaches with fused
//! multiply-adds alone, elementwise kernels and sums as bytes per second beside a plain copy,
//! functions as elements a cycle, and what it costs to split work over threads.
//!
//! `cargo bench -p neuroxide-cpu -- matmul` runs the rows whose names contain a word. `NEUROXIDE_ISA`
//! and `NEUROXIDE_THREADS` choose what is measured, as they do elsewhere.

#![allow(clippy::print_stdout, reason = "a benchmark is there to print")]

mod math;
mod peak;
mod regions;

use std::hint::black_box;
use std::time::Instant;

use neuroxide_core::backend::{Backend, Binding, Run};
use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::op::ReduceOp;
use neuroxide_core::ops::table::{BinaryOp, UnaryOp};
use neuroxide_core::plan::{Cut, Expr, Instr, Kernel, Operand, Plan, Step};
use neuroxide_core::shape::{View, numel};
use neuroxide_cpu::{CpuBackend, Options};

/// Seconds that a row is repeated for; the fastest repetition counts.
const SECONDS: f64 = 0.4;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let bench = Bench { backend: &*CpuBackend::new(Options::default())?, wanted };
    println!("{}, {} threads", bench.backend.isa(), bench.backend.threads());
    matmuls(&bench)?;
    streams(&bench)?;
    math::run(&bench)?;
    if bench.wants("fork and join") {
        regions::run(bench.backend.threads());
    }
    Ok(())
}

struct Bench<'a> {
    backend: &'a CpuBackend,
    wanted: Vec<String>,
}

impl Bench<'_> {
    fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|word| name.contains(word))
    }

    /// Seconds of the fastest run of a kernel over f32 operands, ins first.
    fn seconds(&self, kernel: Kernel, ins: &[View], out: &View) -> Result<f64> {
        let mut slot = 0;
        let mut operand = |view: &View| {
            slot += 1;
            Operand { slot, dtype: DType::F32, base: 0, view: view.clone() }
        };
        let ins: Vec<Operand> = ins.iter().map(&mut operand).collect();
        let outs = vec![operand(out)];
        let slots = 1 + ins.len() + 1;
        let mut bindings = vec![Binding { buffer: self.backend.alloc(0)?, offset: 0 }];
        for operand in ins.iter().chain(&outs) {
            let values = 0.5f32.to_le_bytes().repeat(operand.view.numel());
            let buffer = self.backend.alloc(values.len())?;
            self.backend.upload(buffer, 0, &values)?;
            bindings.push(Binding { buffer, offset: 0 });
        }
        let step = Step { kernel, ins: ins.into(), outs: outs.into(), origin: 0 };
        let executable =
            self.backend.prepare(&Plan { steps: vec![step], slots, scalars: 0, arena_bytes: 0 })?;
        let run = Run { bindings: &bindings, scalars: &[], seed: 0, rng_offset: 0 };
        let fastest = fastest(|| {
            self.backend.run(&executable, &run).map_err(Error::from)?;
            self.backend.sync()
        })?;
        for binding in &bindings {
            self.backend.free(binding.buffer);
        }
        Ok(fastest)
    }
}

/// The fastest of as many calls as fit into [`SECONDS`], ten at the least.
fn fastest(mut body: impl FnMut() -> Result<()>) -> Result<f64> {
    let (mut best, mut count, begin) = (f64::INFINITY, 0, Instant::now());
    while count < 10 || begin.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        body()?;
        best = best.min(start.elapsed().as_secs_f64());
        count += 1;
    }
    Ok(best)
}

/// Products of a training step, squares, a batch of small ones; with transposed operands as in backward.
fn matmuls(bench: &Bench) -> Result<()> {
    let peak = peak::gigaflops(bench.backend.isa(), bench.backend.threads());
    match peak {
        Some(peak) => println!("\npeak of fused multiply-adds, all threads: {peak:.1} GFLOP/s"),
        None => println!("\nno peak is measured for this instruction set"),
    }
    println!("{:<64} {:>9} {:>9} {:>7}", "matmul", "µs", "GFLOP/s", "share");
    let rows = [
        ("forward", [1, 32, 784, 128], [false, false], "bias relu"),
        ("gradient of the weight", [1, 784, 32, 128], [true, false], ""),
        ("output", [1, 32, 128, 10], [false, false], "bias"),
        ("gradient of the input", [1, 32, 10, 128], [false, true], ""),
        ("square", [1, 128, 128, 128], [false, false], ""),
        ("square", [1, 512, 512, 512], [false, false], ""),
        ("square", [1, 1024, 1024, 1024], [false, false], ""),
        ("batch", [48, 128, 64, 128], [false, true], ""),
    ];
    for (what, [batch, m, k, n], [turn_a, turn_b], epilogue) in rows {
        let name = format!("matmul {what} [{batch}, {m}, {k}] × [{batch}, {k}, {n}]");
        if !bench.wants(&name) {
            continue;
        }
        let matrix = |rows: usize, cols: usize, turned: bool| {
            if turned {
                View::contiguous(&[batch, cols, rows]).permute(&[0, 2, 1])
            } else {
                View::contiguous(&[batch, rows, cols])
            }
        };
        let mut ins = vec![matrix(m, k, turn_a), matrix(k, n, turn_b)];
        let mut expr = Expr::plain(DType::F32);
        if epilogue.contains("bias") {
            ins.push(View::contiguous(&[n]).expand(&[batch, m, n]));
            expr.instrs.extend([load(1), binary(BinaryOp::Add, 0, 1)]);
        }
        if epilogue.contains("relu") {
            let a = (expr.instrs.len() - 1) as u16;
            expr.instrs.push(Instr::Unary { op: UnaryOp::Relu, dtype: DType::F32, a });
        }
        expr.outs[0] = (expr.instrs.len() - 1) as u16;
        let seconds = bench.seconds(Kernel::MatMul(expr), &ins, &matrix(m, n, false))?;
        let rate = (2 * batch * m * k * n) as f64 / seconds / 1e9;
        let share = peak.map_or_else(|| "-".to_string(), |peak| format!("{:.0} %", 100.0 * rate / peak));
        println!("{:<64} {:>9.1} {rate:>9.1} {share:>7}", &name["matmul ".len()..], seconds * 1e6);
    }
    Ok(())
}

/// Kernels that memory or arithmetic per element limits, within the caches and beyond them.
fn streams(bench: &Bench) -> Result<()> {
    println!("\n{:<44} {:>9} {:>9} {:>9}", "elementwise and sums", "µs", "Gelem/s", "GB/s");
    for count in [1 << 14, 1 << 18, 1 << 23] {
        let dense = View::contiguous(&[count]);
        let rows = [
            ("copy", Kernel::Copy, 1, dense.clone()),
            ("add", add(), 2, dense.clone()),
            ("mul add relu", chain(), 3, dense.clone()),
            ("exp", unary(UnaryOp::Exp), 1, dense.clone()),
            ("tanh", unary(UnaryOp::Tanh), 1, dense),
        ];
        for (what, kernel, ins, view) in rows {
            stream(bench, &format!("{what} [{count}]"), kernel, &vec![view.clone(); ins], &view)?;
        }
        let sum = |cut| Kernel::Reduce { op: ReduceOp::Sum, cut };
        let (rows, columns) = (count / 128, 128);
        stream(
            bench,
            &format!("sum of rows [{rows}, {columns}]"),
            sum(Cut::Lanes),
            &[View::contiguous(&[rows, columns, 1])],
            &View::contiguous(&[rows, 1, 1]),
        )?;
        stream(
            bench,
            &format!("sum of columns [{rows}, {columns}]"),
            sum(Cut::Chain),
            &[View::contiguous(&[1, rows, columns])],
            &View::contiguous(&[1, 1, columns]),
        )?;
    }
    Ok(())
}

fn stream(bench: &Bench, name: &str, kernel: Kernel, ins: &[View], out: &View) -> Result<()> {
    if !bench.wants(name) {
        return Ok(());
    }
    let seconds = bench.seconds(kernel, ins, out)?;
    let elements = ins.iter().map(|view| numel(&view.shape)).max().unwrap_or(0);
    let bytes = 4 * ins.iter().chain([out]).map(View::numel).sum::<usize>();
    println!(
        "{name:<44} {:>9.1} {:>9.2} {:>9.1}",
        seconds * 1e6,
        elements as f64 / seconds / 1e9,
        bytes as f64 / seconds / 1e9
    );
    black_box(seconds);
    Ok(())
}

fn load(input: u16) -> Instr {
    Instr::Load { input, dtype: DType::F32 }
}

fn binary(op: BinaryOp, a: u16, b: u16) -> Instr {
    Instr::Binary { op, dtype: DType::F32, a, b }
}

fn elementwise(instrs: Vec<Instr>) -> Kernel {
    let last = instrs.len() as u16 - 1;
    Kernel::Elementwise(Expr { instrs, outs: [last].into_iter().collect() })
}

fn unary(op: UnaryOp) -> Kernel {
    elementwise(vec![load(0), Instr::Unary { op, dtype: DType::F32, a: 0 }])
}

fn add() -> Kernel {
    elementwise(vec![load(0), load(1), binary(BinaryOp::Add, 0, 1)])
}

fn chain() -> Kernel {
    elementwise(vec![
        load(0),
        load(1),
        load(2),
        binary(BinaryOp::Mul, 0, 1),
        binary(BinaryOp::Add, 3, 2),
        Instr::Unary { op: UnaryOp::Relu, dtype: DType::F32, a: 4 },
    ])
}
