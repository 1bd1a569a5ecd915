//! How far the f32 functions are from the exact value, and that every instruction set gives the same bits.
//!
//! `cargo test` takes a sample. All 2³² arguments of every function take some minutes:
//!
//! ```text
//! cargo test --release -p neuroxide-cpu --test accuracy -- --ignored --nocapture
//! ```
//!
//! A name at the end (`… --nocapture exp`) takes one function. `docs/numerics.md` has the figures.
//!
//! The reference is the crate `libm` in f64, whose errors are below 2⁻⁵² of the value: far below what a unit of
//! the last place of f32 is.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures are what one runs it for")]

use std::f64::consts::FRAC_1_SQRT_2;

use neuroxide_core::backend::{Backend, Binding, Executable, Run};
use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::UnaryOp;
use neuroxide_core::plan::{Expr, Instr, Kernel, Operand, Plan, Step};
use neuroxide_core::shape::View;
use neuroxide_cpu::{CpuBackend, Isa, Options};

/// Arguments that go through the kernel at a time.
const BLOCK: usize = 1 << 16;

/// What an error is measured in.
#[derive(Clone, Copy)]
enum Unit {
    /// The last place of the exact value.
    Value,
    /// The last place of the larger of the exact value and 2⁻²⁴ of a scale: |x|, or 1.
    Scaled(fn(f64) -> f64),
}

/// A function, what it should be, and how far off it may be.
struct Case {
    op: UnaryOp,
    exact: fn(f64) -> f64,
    unit: Unit,
    bound: f64,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

fn ndtr(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// With PyTorch's limits: NaN for ±∞, and ∞ where doubling overflows.
fn gelu(x: f64) -> f64 {
    if x.is_infinite() {
        f64::NAN
    } else if 2.0 * x > f64::from(f32::MAX) {
        f64::INFINITY
    } else {
        x * ndtr(x)
    }
}

/// An elementwise kernel of one f32 function on one instruction set.
struct Function {
    backend: std::sync::Arc<CpuBackend>,
    executable: Executable,
    bindings: [Binding; 3],
}

impl Function {
    fn new(op: UnaryOp, isa: Isa) -> Self {
        let backend = CpuBackend::new(Options { isa: Some(isa), threads: Some(1) }).unwrap();
        let operand = |slot| Operand { slot, dtype: DType::F32, base: 0, view: View::contiguous(&[BLOCK]) };
        let instrs =
            vec![Instr::Load { input: 0, dtype: DType::F32 }, Instr::Unary { op, dtype: DType::F32, a: 0 }];
        let kernel = Kernel::Elementwise(Expr { instrs, outs: [1].into_iter().collect() });
        let step = Step { kernel, ins: vec![operand(1)].into(), outs: vec![operand(2)].into(), origin: 0 };
        let plan = Plan { steps: vec![step], slots: 3, scalars: 0, arena_bytes: 0 };
        let executable = backend.prepare(&plan).unwrap();
        let bindings = [0, 4 * BLOCK, 4 * BLOCK]
            .map(|bytes| Binding { buffer: backend.alloc(bytes).unwrap(), offset: 0 });
        Self { backend, executable, bindings }
    }

    /// f of each number, at most [`BLOCK`] of them.
    fn apply(&self, arguments: &[f32]) -> Vec<f32> {
        let bytes: Vec<u8> = arguments.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.backend.upload(self.bindings[1].buffer, 0, &bytes).unwrap();
        let run = Run { bindings: &self.bindings, scalars: &[], seed: 0, rng_offset: 0 };
        self.backend.run(&self.executable, &run).unwrap();
        let mut bytes = bytes;
        self.backend.download(self.bindings[2].buffer, 0, &mut bytes).unwrap();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

/// The largest errors found so far, and where.
#[derive(Default)]
struct Worst {
    /// Where the exact value is a normal number or none.
    normal: (f64, f32),
    /// Where it is smaller: in units of the smallest subnormal.
    tiny: (f64, f32),
}

/// The last place of f32 at a magnitude.
fn last_place(size: f64) -> f64 {
    let exponent = ((size.to_bits() >> 52) as i64 - 1023).clamp(-126, 127);
    f64::from_bits(((exponent - 23 + 1023) as u64) << 52)
}

impl Case {
    /// How far `found` is from f(x), in the unit of the case; infinitely far at a wrong limit.
    fn distance(&self, x: f32, found: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        if rounded.is_nan() || rounded.is_infinite() || !found.is_finite() {
            let same = rounded == found || (rounded.is_nan() && found.is_nan());
            return if same { 0.0 } else { f64::INFINITY };
        }
        if exact == 0.0 && found == 0.0 && exact.is_sign_negative() != found.is_sign_negative() {
            return f64::INFINITY;
        }
        let floor = match self.unit {
            Unit::Value => 0.0,
            Unit::Scaled(scale) => scale(f64::from(x)) / 16_777_216.0,
        };
        (f64::from(found) - exact).abs() / last_place(exact.abs().max(floor))
    }

    fn measure(&self, arguments: &[f32], found: &[f32], worst: &mut Worst) {
        for (&x, &found) in arguments.iter().zip(found) {
            let exact = (self.exact)(f64::from(x));
            let distance = self.distance(x, found, exact);
            let is_tiny = exact.abs() < f64::from(f32::MIN_POSITIVE) && exact != 0.0;
            let place = if is_tiny { &mut worst.tiny } else { &mut worst.normal };
            if distance > place.0 {
                *place = (distance, x);
            }
        }
    }

    fn judge(&self, worst: &Worst, what: &str) {
        let name = self.op.name();
        let ((normal, at), (tiny, tiny_at)) = (worst.normal, worst.tiny);
        println!("{name}, {what}: {normal:.3} ulp at {at:e}, {tiny:.3} at {tiny_at:e} where subnormal");
        assert!(normal <= self.bound, "{name}: {normal} ulp at {at:e}; at most {} expected", self.bound);
        assert!(tiny <= 1.0, "{name}: {tiny} of the smallest number at {tiny_at:e}");
    }

    /// All of `bits`, on all of `sets`, whose results have to be the same.
    fn check(&self, bits: impl Iterator<Item = u32>, sets: &[Isa], worst: &mut Worst) {
        let functions: Vec<Function> = sets.iter().map(|&isa| Function::new(self.op, isa)).collect();
        let mut bits = bits.peekable();
        let mut arguments = Vec::with_capacity(BLOCK);
        while bits.peek().is_some() {
            arguments.clear();
            arguments.extend(bits.by_ref().take(BLOCK).map(f32::from_bits));
            let found: Vec<Vec<f32>> = functions.iter().map(|f| f.apply(&arguments)).collect();
            for (other, isa) in found[1..].iter().zip(&sets[1..]) {
                let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                let at = found[0].iter().zip(other).position(|pair| !same(pair));
                assert_eq!(at.map(|i| arguments[i]), None, "{} and {isa}: {}", sets[0], self.op.name());
            }
            self.measure(&arguments, &found[0], worst);
        }
    }

    /// Every 4,099th pattern of bits on the fast instruction sets, every 65,537th on the portable one too; of each
    /// exponent and sign both ends, and what lies around the borders between cases.
    fn sample(&self) {
        let mut worst = Worst::default();
        let fast: Vec<Isa> = Isa::available().filter(|&isa| isa != Isa::Portable).collect();
        if !fast.is_empty() {
            self.check((0..=u32::MAX).step_by(4099), &fast, &mut worst);
        }
        let all: Vec<Isa> = Isa::available().collect();
        let ends = (0..512u32).flat_map(|high| {
            let base = high << 23;
            [0, 1, 2, 3, 0x3f_ffff, 0x40_0000, 0x7f_fffd, 0x7f_fffe, 0x7f_ffff].map(|low| base | low)
        });
        let borders = [
            0.55f32,
            0.58,
            9.1,
            4.0,
            20.0,
            89.0,
            -104.0,
            8.0,
            14.5,
            88.722_84,
            -87.336_55,
            -103.97,
            std::f32::consts::LN_2,
        ]
        .into_iter()
        .flat_map(|x| [x, -x])
        .flat_map(|x| (0..41).map(move |i| x.to_bits() - 20 + i));
        let coarse = (0..=u32::MAX).step_by(65_537);
        self.check(ends.chain(borders).chain(coarse), &all, &mut worst);
        self.judge(&worst, "a sample");
    }

    /// Every f32, divided among as many threads as there are cores.
    fn exhaust(&self) {
        let sets: Vec<Isa> = Isa::available().filter(|&isa| isa != Isa::Portable).collect();
        assert!(!sets.is_empty(), "without fused multiply-adds in hardware this takes hours");
        let parts = 1 << 8;
        let next = std::sync::atomic::AtomicU32::new(0);
        let work = || {
            let mut worst = Worst::default();
            loop {
                let part = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if part >= parts {
                    return worst;
                }
                let size = (1u64 << 32) / u64::from(parts);
                let first = u64::from(part) * size;
                self.check((first..first + size).map(|bits| bits as u32), &sets, &mut worst);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let worst = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).fold(Worst::default(), |a, b| Worst {
                normal: if b.normal.0 > a.normal.0 { b.normal } else { a.normal },
                tiny: if b.tiny.0 > a.tiny.0 { b.tiny } else { a.tiny },
            })
        });
        self.judge(&worst, "all of f32");
    }
}

macro_rules! cases {
    ($($name:ident: $op:ident, $exact:expr, $unit:expr, $bound:expr;)*) => { $(
        mod $name {
            use super::*;

            const CASE: Case = Case { op: UnaryOp::$op, exact: $exact, unit: $unit, bound: $bound };

            #[test]
            fn stays_within_its_bound() {
                CASE.sample();
            }

            #[test]
            #[ignore = "takes a minute in a release build"]
            fn stays_within_its_bound_everywhere() {
                CASE.exhaust();
            }
        }
    )* };
}

cases! {
    exp: Exp, libm::exp, Unit::Value, 1.1;
    expm1: Expm1, libm::expm1, Unit::Value, 2.0;
    log: Log, libm::log, Unit::Value, 1.0;
    log1p: Log1p, libm::log1p, Unit::Value, 2.0;
    log2: Log2, libm::log2, Unit::Value, 1.5;
    tanh: Tanh, libm::tanh, Unit::Value, 1.5;
    sigmoid: Sigmoid, super::sigmoid, Unit::Value, 2.0;
    erf: Erf, libm::erf, Unit::Value, 2.0;
    gelu: Gelu, super::gelu, Unit::Scaled(f64::abs), 2.0;
    ndtr: Ndtr, super::ndtr, Unit::Scaled(|_| 1.0), 3.0;
    sin: Sin, libm::sin, Unit::Value, 1.0;
    cos: Cos, libm::cos, Unit::Value, 1.0;
    tan: Tan, libm::tan, Unit::Value, 1.0;
    atan: Atan, libm::atan, Unit::Value, 1.0;
    rsqrt: Rsqrt, |x| 1.0 / libm::sqrt(x), Unit::Value, 1.5;
}
