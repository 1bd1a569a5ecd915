//! Elements a cycle of the functions of f32, on one thread and within the second-level cache.

use std::hint::black_box;
use std::time::Instant;

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;
use neuroxide_core::ops::table::{BinaryOp, UnaryOp};
use neuroxide_core::plan::{Expr, Instr, Kernel};
use neuroxide_core::shape::View;
use neuroxide_cpu::{CpuBackend, Options};

use crate::Bench;

/// Few enough that operand and result stay near, enough that the call does not count.
const COUNT: usize = 1 << 14;

/// Cycles a second while nothing else runs: the fastest of some chains of operations that take one cycle each.
fn clock() -> f64 {
    const STEPS: u32 = 1 << 20;
    let chain = || {
        let (mut x, addend) = (black_box(1u64), black_box(0x9e37_79b9_u64));
        let start = Instant::now();
        for _ in 0..STEPS {
            // A rotation and an addition, each of which waits for the one before.
            x = x.rotate_left(7).wrapping_add(addend);
        }
        black_box(x);
        f64::from(2 * STEPS) / start.elapsed().as_secs_f64()
    };
    (0..20).map(|_| chain()).fold(0.0, f64::max)
}

fn expr(instrs: Vec<Instr>) -> Kernel {
    let last = instrs.len() as u16 - 1;
    Kernel::Elementwise(Expr { instrs, outs: [last].into_iter().collect() })
}

fn unary(op: UnaryOp) -> Kernel {
    expr(vec![Instr::Load { input: 0, dtype: DType::F32 }, Instr::Unary { op, dtype: DType::F32, a: 0 }])
}

/// x / 2 · (1 + tanh(a · (x + b · x³))), with whatever numbers x has as a and b.
fn gelu_tanh() -> Kernel {
    let two = |op, a, b| Instr::Binary { op, dtype: DType::F32, a, b };
    expr(vec![
        Instr::Load { input: 0, dtype: DType::F32 },
        two(BinaryOp::Mul, 0, 0),
        two(BinaryOp::Mul, 1, 0),
        two(BinaryOp::Mul, 2, 0),
        two(BinaryOp::Add, 0, 3),
        two(BinaryOp::Mul, 4, 0),
        Instr::Unary { op: UnaryOp::Tanh, dtype: DType::F32, a: 5 },
        two(BinaryOp::Add, 6, 0),
        two(BinaryOp::Mul, 0, 0),
        two(BinaryOp::Mul, 8, 7),
    ])
}

/// One row a function, beside a loop that only changes signs.
pub fn run(bench: &Bench<'_>) -> Result<()> {
    let isa = bench.backend.isa();
    let single = CpuBackend::new(Options { isa: Some(isa), threads: Some(1) })?;
    let bench = Bench { backend: &single, wanted: bench.wanted.clone() };
    println!("\n{:<44} {:>9} {:>14} {:>14}", "math, one thread", "µs", "elements/cycle", "cycles/element");
    let rows = [
        ("neg (load and store)", unary(UnaryOp::Neg)),
        ("exp", unary(UnaryOp::Exp)),
        ("expm1", unary(UnaryOp::Expm1)),
        ("log", unary(UnaryOp::Log)),
        ("log1p", unary(UnaryOp::Log1p)),
        ("log2", unary(UnaryOp::Log2)),
        ("tanh", unary(UnaryOp::Tanh)),
        ("sigmoid", unary(UnaryOp::Sigmoid)),
        ("erf", unary(UnaryOp::Erf)),
        ("gelu", unary(UnaryOp::Gelu)),
        ("ndtr", unary(UnaryOp::Ndtr)),
        ("gelu tanh", gelu_tanh()),
    ];
    for (what, kernel) in rows {
        let name = format!("math {what} [{COUNT}]");
        if !bench.wants(&name) {
            continue;
        }
        let view = View::contiguous(&[COUNT]);
        // Before and after, since a clock may change while others compute.
        let before = clock();
        let seconds = bench.seconds(kernel, std::slice::from_ref(&view), &view)?;
        let cycles = seconds * before.max(clock());
        println!(
            "{:<44} {:>9.2} {:>14.2} {:>14.2}",
            &name["math ".len()..],
            seconds * 1e6,
            COUNT as f64 / cycles,
            cycles / COUNT as f64
        );
    }
    Ok(())
}
