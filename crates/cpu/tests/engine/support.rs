//! A few words in which the tests of the engine are written.

use std::sync::Arc;

use neuroxide_core::backend::Backend;
use neuroxide_core::composite::optimizer::OptimizerKind;
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{
    ArgSpec, Engine, Handle, Operand, OptimizerId, OptimizerSpec, ProgramId, RunArg, TraceOptions,
};
use neuroxide_core::error::Result;
use neuroxide_core::graph::Type;
use neuroxide_core::ops::api::API;
use neuroxide_cpu::late::LateBackend;
use neuroxide_cpu::{CpuBackend, Options};

/// Every backend that the suite runs on.
pub fn backends() -> Vec<Arc<dyn Backend>> {
    vec![
        CpuBackend::new(Options::default()).expect("the default backend") as Arc<dyn Backend>,
        LateBackend::new(Options::default()).expect("the late backend"),
    ]
}

/// Runs a test on every backend, with calls that run op by op the first time and with calls that never do.
pub fn everywhere(test: impl Fn(&mut Engine)) {
    for backend in backends() {
        for at_once in [false, true] {
            let mut engine = Engine::new(Arc::clone(&backend));
            engine.set_lower_at_once(at_once);
            test(&mut engine);
        }
    }
}

pub fn code(name: &str) -> usize {
    API.iter().position(|op| op.name == name).unwrap_or_else(|| panic!("no op {name}"))
}

pub fn tensor(e: &mut Engine, shape: &[usize], values: &[f32]) -> Handle {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    e.create(DType::F32, shape, &bytes).expect("create")
}

pub fn ints(e: &mut Engine, shape: &[usize], values: &[i32]) -> Handle {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    e.create(DType::I32, shape, &bytes).expect("create")
}

pub fn param(e: &mut Engine, shape: &[usize], values: &[f32]) -> Handle {
    let source = tensor(e, shape, values);
    let order: Vec<usize> = (0..shape.len()).rev().collect();
    let made = e.parameter(source, &order).expect("parameter");
    e.release(source);
    made
}

pub fn try_op(e: &mut Engine, name: &str, operands: &[Handle], attrs: &[f64]) -> Result<Handle> {
    let operands: Vec<Operand> = operands.iter().map(|&h| Operand::Tensor(h)).collect();
    e.apply(code(name), &operands, attrs)
}

pub fn op(e: &mut Engine, name: &str, operands: &[Handle], attrs: &[f64]) -> Handle {
    try_op(e, name, operands, attrs).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn scaled(e: &mut Engine, x: Handle, by: f64) -> Handle {
    e.apply(code("mul"), &[Operand::Tensor(x), Operand::Number(by)], &[]).expect("mul")
}

pub fn sum(e: &mut Engine, x: Handle) -> Handle {
    op(e, "sum", &[x], &[f64::NAN, 0.0])
}

pub fn values(e: &mut Engine, x: Handle) -> Vec<f32> {
    e.read(x)
        .expect("read")
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
        .collect()
}

pub fn grad(e: &mut Engine, x: Handle) -> Vec<f32> {
    let g = e.grad_of(x).expect("grad").expect("a gradient");
    values(e, g)
}

pub fn adam(e: &mut Engine, params: &[Handle], lr: f64) -> OptimizerId {
    let mut group = OptimizerKind::Adam.defaults();
    group[0] = lr;
    optimizer(e, OptimizerKind::Adam, group.to_vec(), params)
}

pub fn sgd(e: &mut Engine, params: &[Handle], lr: f64) -> OptimizerId {
    let mut group = OptimizerKind::Sgd.defaults();
    group[0] = lr;
    optimizer(e, OptimizerKind::Sgd, group.to_vec(), params)
}

fn optimizer(e: &mut Engine, kind: OptimizerKind, group: Vec<f64>, params: &[Handle]) -> OptimizerId {
    e.optimizer_create(OptimizerSpec {
        kind,
        groups: vec![group],
        params: params.to_vec(),
        group_of: vec![0; params.len()],
    })
    .expect("optimizer")
}

/// An argument like a tensor.
pub fn like(e: &mut Engine, x: Handle) -> ArgSpec {
    let info = e.info(x).expect("info");
    ArgSpec::Tensor { ty: Type { weak: None, ..info.ty }, requires_grad: info.requires_grad }
}

/// Traces a function of tensors.
pub fn trace(
    e: &mut Engine,
    args: &[Handle],
    body: impl FnOnce(&mut Engine, &[Handle]) -> Result<Vec<Handle>>,
) -> Result<ProgramId> {
    trace_with(e, args, TraceOptions::default(), body)
}

pub fn trace_with(
    e: &mut Engine,
    args: &[Handle],
    options: TraceOptions,
    body: impl FnOnce(&mut Engine, &[Handle]) -> Result<Vec<Handle>>,
) -> Result<ProgramId> {
    let specs: Vec<ArgSpec> = args.iter().map(|&a| like(e, a)).collect();
    let inner = e.trace_begin(&specs)?;
    match body(e, &inner) {
        Ok(outputs) => e.trace_end(&outputs, options),
        Err(error) => {
            e.trace_abort();
            Err(error)
        }
    }
}

pub fn run(e: &mut Engine, program: ProgramId, args: &[Handle]) -> Result<Vec<Handle>> {
    let args: Vec<RunArg> = args.iter().map(|&a| RunArg::Tensor(a)).collect();
    e.run(program, &args)
}

/// A function that is traced when no program fits, as `jit` does in TypeScript.
pub struct Jit<F> {
    pub body: F,
    pub programs: Vec<ProgramId>,
    pub options: TraceOptions,
}

impl<F: Fn(&mut Engine, &[Handle]) -> Result<Vec<Handle>>> Jit<F> {
    pub fn new(body: F) -> Self {
        Self { body, programs: Vec::new(), options: TraceOptions::default() }
    }

    pub fn call(&mut self, e: &mut Engine, args: &[Handle]) -> Result<Vec<Handle>> {
        for &program in &self.programs {
            match run(e, program, args) {
                Err(error) if error.code() == "ERR_GUARD_MISS" => {}
                done => return done,
            }
        }
        let program = trace_with(e, args, self.options, &self.body)?;
        self.programs.push(program);
        run(e, program, args)
    }
}

/// Deterministic values without structure.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    (0..n as u64)
        .map(|i| neuroxide_core::rng::uniform_f32(neuroxide_core::rng::philox(seed, i)[0]) * 2.0 - 1.0)
        .collect()
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| if v.is_nan() { u32::MAX } else { v.to_bits() }).collect()
}
