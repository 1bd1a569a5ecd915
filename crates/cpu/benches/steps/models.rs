//! The models of the benchmark, as the library in TypeScript would trace them.

use neuroxide_core::composite::optimizer::OptimizerKind;
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{
    ArgSpec, Engine, Handle, JobSpec, Operand, OptimizerId, OptimizerSpec, PhaseSpec, ProgramId, TraceOptions,
};
use neuroxide_core::error::Result;
use neuroxide_core::graph::Type;
use neuroxide_core::ops::api::API;
use neuroxide_core::rng::{self, Stream};

/// Samples per step.
pub const BATCH: usize = 32;

/// What a multilayer perceptron of one hidden layer is trained on.
#[derive(Clone, Copy)]
pub struct Workload {
    pub name: &'static str,
    pub sizes: [usize; 3],
    /// Cross-entropy over classes, else the mean squared error.
    pub classes: bool,
    pub samples: usize,
}

pub const SEED: Workload =
    Workload { name: "mlp-seed-b32", sizes: [10, 64, 1], classes: false, samples: 64 * BATCH };
pub const MNIST: Workload =
    Workload { name: "mlp-mnist-b32", sizes: [784, 128, 10], classes: true, samples: 256 * BATCH };

/// A model with its data and optimizer.
pub struct Net {
    params: Vec<Handle>,
    optimizer: OptimizerId,
    pub data: Vec<Handle>,
    classes: bool,
}

fn noise(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64).map(|i| rng::uniform_f32(rng::philox(seed, i)[0]) - 0.5).collect()
}

fn floats(e: &mut Engine, shape: &[usize], seed: u64) -> Result<Handle> {
    let values = noise(shape.iter().product(), seed);
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    e.create(DType::F32, shape, &bytes)
}

/// A parameter, in the order of memory that layers give it.
fn param(e: &mut Engine, shape: &[usize], seed: u64) -> Result<Handle> {
    let source = floats(e, shape, seed)?;
    let order: Vec<usize> = (0..shape.len()).rev().collect();
    let made = e.parameter(source, &order)?;
    e.release(source);
    Ok(made)
}

fn op(e: &mut Engine, name: &str, operands: &[Handle], attrs: &[f64]) -> Result<Handle> {
    let code = API.iter().position(|op| op.name == name).expect("an op of the table");
    let operands: Vec<Operand> = operands.iter().map(|&h| Operand::Tensor(h)).collect();
    e.apply(code, &operands, attrs)
}

impl Net {
    pub fn new(e: &mut Engine, workload: &Workload) -> Result<Self> {
        let [i, h, o] = workload.sizes;
        let params =
            vec![param(e, &[h, i], 1)?, param(e, &[h], 2)?, param(e, &[o, h], 3)?, param(e, &[o], 4)?];
        let optimizer = e.optimizer_create(OptimizerSpec {
            kind: OptimizerKind::Adam,
            groups: vec![OptimizerKind::Adam.defaults().to_vec()],
            params: params.clone(),
            group_of: vec![0; params.len()],
        })?;
        let n = workload.samples;
        let x = floats(e, &[n, i], 5)?;
        let y = if workload.classes {
            let labels: Vec<u8> = (0..n as i32).flat_map(|at| (at * 7 % o as i32).to_le_bytes()).collect();
            e.create(DType::I32, &[n], &labels)?
        } else {
            floats(e, &[n, o], 6)?
        };
        Ok(Self { params, optimizer, data: vec![x, y], classes: workload.classes })
    }

    /// Forward, loss, backward and update.
    fn step(&self, e: &mut Engine, x: Handle, y: Handle) -> Result<Handle> {
        let p = &self.params;
        let h = op(e, "linear", &[x, p[0], p[1]], &[])?;
        let h = op(e, "relu", &[h], &[])?;
        let out = op(e, "linear", &[h, p[2], p[3]], &[])?;
        let loss = if self.classes {
            op(e, "crossEntropy", &[out, y], &[1.0, f64::NAN, 0.0])?
        } else {
            op(e, "mse", &[out, y], &[1.0])?
        };
        e.zero_grad(&self.params)?;
        e.backward(loss, None, false)?;
        e.optimizer_step(self.optimizer)?;
        Ok(loss)
    }

    /// The step as a program for full batches.
    pub fn trace(&self, e: &mut Engine) -> Result<ProgramId> {
        let specs = self.data.iter().map(|&data| {
            let mut ty = e.info(data)?.ty;
            ty.shape[0] = BATCH;
            Ok(ArgSpec::Tensor { ty: Type { weak: None, ..ty }, requires_grad: false })
        });
        let specs: Vec<ArgSpec> = specs.collect::<Result<_>>()?;
        let inner = e.trace_begin(&specs)?;
        let loss = self.step(e, inner[0], inner[1])?;
        e.trace_end(&[loss], TraceOptions::default())
    }

    /// The first batch, as tensors of their own.
    pub fn batch(&self, e: &mut Engine) -> Result<Vec<Handle>> {
        self.data.iter().map(|&data| op(e, "narrow", &[data], &[0.0, 0.0, BATCH as f64])).collect()
    }

    pub fn job(&self, program: ProgramId, epochs: usize, shuffle: bool) -> JobSpec {
        let train = Some(PhaseSpec::new(program, self.data.clone(), BATCH));
        JobSpec { train, shuffle, ..JobSpec::new(0..epochs, Stream::new(11)) }
    }
}
