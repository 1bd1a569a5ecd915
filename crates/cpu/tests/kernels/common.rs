//! Runs one kernel on every backend: all instruction sets of the machine, 1, 2, 3 and 7 threads,
//! and the late-queue backend. All must agree to the bit.
#![allow(dead_code, reason = "each test binary uses its part of this")]
#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::sync::{Arc, OnceLock};

use neuroxide_core::backend::{Backend, Binding, Run};
use neuroxide_core::dtype::DType;
use neuroxide_core::error::{Error, Result};
use neuroxide_core::ops::table::{BinaryOp, UnaryOp};
use neuroxide_core::plan::{Expr, Instr, Kernel, Operand, Plan, Step};
use neuroxide_core::shape::{View, numel};
use neuroxide_cpu::late::LateBackend;
use neuroxide_cpu::{CpuBackend, Isa, Options};

/// An element of a test.
pub trait Item: Copy + PartialEq + std::fmt::Debug + 'static {
    const DTYPE: DType;
    fn write(self, to: &mut [u8]);
    fn read(from: &[u8]) -> Self;
    fn of(x: f64) -> Self;
    fn f64(self) -> f64;
}

macro_rules! items {
    ($($T:ty, $D:ident;)*) => { $(
        impl Item for $T {
            const DTYPE: DType = DType::$D;
            fn write(self, to: &mut [u8]) { to.copy_from_slice(&self.to_le_bytes()) }
            fn read(from: &[u8]) -> Self { Self::from_le_bytes(from.try_into().unwrap()) }
            fn of(x: f64) -> Self { x as $T }
            fn f64(self) -> f64 { self as f64 }
        }
    )* };
}
items! { u8, U8; i32, I32; f32, F32; f64, F64; }

impl Item for bool {
    const DTYPE: DType = DType::Bool;
    fn write(self, to: &mut [u8]) {
        to[0] = self.into();
    }
    fn read(from: &[u8]) -> Self {
        from[0] != 0
    }
    fn of(x: f64) -> Self {
        x != 0.0
    }
    fn f64(self) -> f64 {
        self.into()
    }
}

/// A tensor of a test: its storage, and how it lies in it.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub dtype: DType,
    pub storage: Vec<u8>,
    pub view: View,
}

/// Where the elements of a view lie, in row-major order of the view.
pub fn offsets(view: &View) -> Vec<usize> {
    (0..view.numel())
        .map(|flat| {
            let mut rest = flat;
            let mut at = view.offset as isize;
            for axis in (0..view.rank()).rev() {
                at += (rest % view.shape[axis]) as isize * view.strides[axis];
                rest /= view.shape[axis];
            }
            at as usize
        })
        .collect()
}

impl Tensor {
    pub fn new<T: Item>(values: &[T], shape: &[usize]) -> Self {
        Self::placed(values, &View::contiguous(shape), numel(shape))
    }

    /// Values in row-major order of a view over a storage of `len` elements; what the view leaves out is junk.
    pub fn placed<T: Item>(values: &[T], view: &View, len: usize) -> Self {
        let size = T::DTYPE.size();
        let mut storage = vec![0x5b; len * size];
        for (&value, at) in values.iter().zip(offsets(view)) {
            value.write(&mut storage[at * size..(at + 1) * size]);
        }
        Self { dtype: T::DTYPE, storage, view: view.clone() }
    }

    /// Junk to be written over.
    pub fn out(dtype: DType, shape: &[usize]) -> Self {
        Self { dtype, storage: vec![0x5b; numel(shape) * dtype.size()], view: View::contiguous(shape) }
    }

    pub fn out_placed(dtype: DType, view: &View, len: usize) -> Self {
        Self { dtype, storage: vec![0x5b; len * dtype.size()], view: view.clone() }
    }

    pub fn values<T: Item>(&self) -> Vec<T> {
        assert_eq!(self.dtype, T::DTYPE);
        let size = T::DTYPE.size();
        offsets(&self.view).into_iter().map(|at| T::read(&self.storage[at * size..(at + 1) * size])).collect()
    }

    /// The storage with every NaN made the same one.
    fn canonical(&self) -> Vec<u8> {
        let mut bytes = self.storage.clone();
        match self.dtype {
            DType::F32 => {
                bytes.chunks_exact_mut(4).filter(|x| f32::read(x).is_nan()).for_each(|x| f32::NAN.write(x));
            }
            DType::F64 => {
                bytes.chunks_exact_mut(8).filter(|x| f64::read(x).is_nan()).for_each(|x| f64::NAN.write(x));
            }
            _ => {}
        }
        bytes
    }
}

/// Ways to lay out a shape: dense, transposed, flipped, with gaps, and (for ins) broadcast.
/// Broadcasting an axis repeats the values, so `values` must be taken from the view afterwards.
pub fn layouts(shape: &[usize]) -> Vec<(View, usize)> {
    let rank = shape.len();
    let mut out = vec![(View::contiguous(shape), numel(shape))];
    let back: Vec<usize> = (0..rank).rev().collect();
    let turned: Vec<usize> = back.iter().map(|&axis| shape[axis]).collect();
    out.push((View::contiguous(&turned).permute(&back), numel(shape)));
    for axis in 0..rank {
        out.push((View::contiguous(shape).flip(axis), numel(shape)));
        let mut wide = shape.to_vec();
        wide[axis] = wide[axis] * 2 + 1;
        out.push((View::contiguous(&wide).slice(axis, 1, shape[axis], 2), numel(&wide)));
    }
    out
}

/// A small generator, so that tests are the same everywhere.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// In [-2, 2).
    pub fn float(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 51) as f64 - 2.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 20) as usize % n
    }

    pub fn floats<T: Item>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::of(self.float())).collect()
    }

    pub fn items<T: Item>(&mut self, n: usize) -> Vec<T> {
        let scale = match T::DTYPE {
            DType::F32 | DType::F64 => 1.0,
            DType::Bool => 0.3,
            _ => 60.0,
        };
        (0..n)
            .map(|_| T::of((self.float() * scale).max(if T::DTYPE == DType::U8 { 0.0 } else { -1e9 })))
            .collect()
    }
}

/// A product to whose rows a bias is added, then relu.
pub fn product(dtype: DType, bias: bool, relu: bool) -> Kernel {
    let mut expr = Expr::plain(dtype);
    if bias {
        expr.instrs.push(Instr::Load { input: 1, dtype });
        expr.instrs.push(Instr::Binary { op: BinaryOp::Add, dtype, a: 0, b: 1 });
    }
    if relu {
        let a = (expr.instrs.len() - 1) as u16;
        expr.instrs.push(Instr::Unary { op: UnaryOp::Relu, dtype, a });
    }
    expr.outs[0] = (expr.instrs.len() - 1) as u16;
    Kernel::MatMul(expr)
}

/// A backend with the words that failures name it by.
pub type Named = (String, Arc<dyn Backend>);

/// Every backend; the first one is the reference: portable, one thread.
pub fn backends() -> &'static [Named] {
    static ALL: OnceLock<Vec<Named>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<Named> = Vec::new();
        for isa in Isa::available() {
            for threads in [1, 2, 3, 7] {
                let backend = CpuBackend::new(Options { isa: Some(isa), threads: Some(threads) }).unwrap();
                all.push((format!("{isa} with {threads} threads"), backend));
            }
        }
        let late = LateBackend::new(Options { threads: Some(2), ..Options::default() }).unwrap();
        all.push(("late".into(), late));
        all
    })
}

/// A step whose operands each have a slot of their own, from slot 1.
pub fn step(kernel: Kernel, ins: &[Tensor], outs: &[Tensor]) -> Step {
    let mut slot = 0;
    let mut operand = |tensor: &Tensor| {
        slot += 1;
        Operand { slot, dtype: tensor.dtype, base: 0, view: tensor.view.clone() }
    };
    Step {
        kernel,
        ins: ins.iter().map(&mut operand).collect(),
        outs: outs.iter().map(&mut operand).collect(),
        origin: 7,
    }
}

/// What changes from run to run, beside the buffers.
#[derive(Clone, Copy, Default)]
pub struct With<'a> {
    pub scalars: &'a [f64],
    pub seed: u64,
    pub rng_offset: u64,
}

/// Runs one kernel on one backend and gives the outs back.
pub fn run_on(
    backend: &dyn Backend,
    kernel: &Kernel,
    ins: &[Tensor],
    outs: &[Tensor],
    with: With<'_>,
) -> Result<Vec<Tensor>> {
    let slots = 1 + ins.len() + outs.len();
    let steps = vec![step(kernel.clone(), ins, outs)];
    let executable = backend.prepare(&Plan { steps, slots, scalars: with.scalars.len(), arena_bytes: 0 })?;
    let mut bindings = vec![Binding { buffer: backend.alloc(0)?, offset: 0 }];
    for tensor in ins.iter().chain(outs) {
        // Behind some other bytes, as in an arena.
        let buffer = backend.alloc(tensor.storage.len() + 64)?;
        backend.upload(buffer, 64, &tensor.storage)?;
        bindings.push(Binding { buffer, offset: 64 });
    }
    let run =
        Run { bindings: &bindings, scalars: with.scalars, seed: with.seed, rng_offset: with.rng_offset };
    let mut result = backend.run(&executable, &run).map_err(Error::from).and_then(|()| backend.sync());
    let mut found = outs.to_vec();
    for (out, binding) in found.iter_mut().zip(&bindings[1 + ins.len()..]) {
        result = result.and_then(|()| backend.download(binding.buffer, 64, &mut out.storage));
    }
    for binding in &bindings {
        backend.free(binding.buffer);
    }
    result.map(|()| found)
}

/// Runs one kernel on every backend, checks that all agree to the bit, and gives the outs back.
pub fn everywhere_with(kernel: &Kernel, ins: &[Tensor], outs: &[Tensor], with: With<'_>) -> Vec<Tensor> {
    let (first, rest) = backends().split_first().unwrap();
    let expected = run_on(&*first.1, kernel, ins, outs, with).unwrap();
    for (name, backend) in rest {
        let found = run_on(&**backend, kernel, ins, outs, with).unwrap();
        for (j, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let (found, expected) = (found.canonical(), expected.canonical());
            let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{kernel:?}: out {j} on {name} differs from {} at this byte", first.0);
        }
    }
    expected
}

pub fn everywhere(kernel: &Kernel, ins: &[Tensor], outs: &[Tensor]) -> Vec<Tensor> {
    everywhere_with(kernel, ins, outs, With::default())
}

/// The error that every backend gives.
pub fn error_everywhere(kernel: &Kernel, ins: &[Tensor], outs: &[Tensor]) -> Error {
    let errors: Vec<Error> = backends()
        .iter()
        .map(|(_, backend)| run_on(&**backend, kernel, ins, outs, With::default()).unwrap_err())
        .collect();
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    errors[0].clone()
}

/// Whether two numbers are the same to the bit, all NaNs being one.
pub fn same<T: Item>(a: T, b: T) -> bool {
    let (a, b) = (a.f64(), b.f64());
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

pub fn assert_same<T: Item>(found: &[T], expected: &[T], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!(same(found, expected), "{what}: element {i} is {found:?}, expected {expected:?}");
    }
}
