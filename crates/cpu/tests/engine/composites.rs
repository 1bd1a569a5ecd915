//! A composite's own kernel equals its decomposition within tolerance: values and gradients.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;

use neuroxide_core::backend::{Backend, Binding, Bound, BufferId, Executable, Fault, Run, Turn};
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Operand};
use neuroxide_core::error::Result;
use neuroxide_core::op::Composite;
use neuroxide_core::ops::api::API;
use neuroxide_core::plan::Plan;
use neuroxide_core::rng::{normal_f64, philox};
use neuroxide_cpu::late::LateBackend;
use neuroxide_cpu::{CpuBackend, Options};

/// A backend that claims no composite.
struct Plain(Arc<dyn Backend>);

impl Backend for Plain {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn claims(&self, _: Composite) -> bool {
        false
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
        self.0.prepare(plan)
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

fn normals(seed: u64, count: usize, scale: f64) -> Vec<f64> {
    (0..count as u64).map(|i| normal_f64(philox(seed, i))[0] * scale).collect()
}

fn encode(dtype: DType, values: &[f64]) -> Vec<u8> {
    match dtype {
        DType::F32 => values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

fn decode(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        DType::F32 => {
            bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap()).into()).collect()
        }
        _ => bytes.chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect(),
    }
}

/// Value and gradient of a composite.
fn apply(
    backend: &Arc<dyn Backend>,
    name: &str,
    dtype: DType,
    shape: &[usize],
    values: &[f64],
    dim: f64,
) -> [Vec<f64>; 2] {
    let code = API.iter().position(|op| op.name == name).unwrap();
    let mut engine = Engine::new(Arc::clone(backend));
    let x = engine.create(dtype, shape, &encode(dtype, values)).unwrap();
    engine.set_requires_grad(x, true).unwrap();
    let y = engine.apply(code, &[Operand::Tensor(x)], &[dim]).unwrap();
    let dy = engine.create(dtype, shape, &encode(dtype, &normals(5, values.len(), 1.0))).unwrap();
    let grads = engine.gradients(y, Some(dy), &[x], true).unwrap();
    let grad = grads[0].expect("the output depends on x");
    [decode(dtype, &engine.read(y).unwrap()), decode(dtype, &engine.read(grad).unwrap())]
}

#[test]
fn fused_softmax_equals_its_decomposition() {
    let options = Options { threads: Some(2), ..Options::default() };
    let fused: [Arc<dyn Backend>; 2] =
        [CpuBackend::new(options).unwrap(), LateBackend::new(options).unwrap()];
    assert!(fused.iter().all(|b| b.claims(Composite::Softmax) && b.claims(Composite::LogSoftmax)));
    let mut compared = 0;
    for (shape, dim) in [
        (&[1][..], 0.0),
        (&[5], -1.0),
        (&[3, 1], 1.0),
        (&[4, 17], 1.0),
        (&[17, 4], 0.0),
        (&[2, 3, 129], -1.0),
        (&[2, 65, 3], 1.0),
        (&[0, 7], 1.0),
        (&[], 0.0),
    ] {
        for dtype in [DType::F32, DType::F64] {
            for scale in [1.0, 30.0] {
                let values = normals(3, shape.iter().product(), scale);
                for name in ["softmax", "logSoftmax", "softmin"] {
                    for backend in &fused {
                        let own = apply(backend, name, dtype, shape, &values, dim);
                        let plain: Arc<dyn Backend> = Arc::new(Plain(Arc::clone(backend)));
                        let parts = apply(&plain, name, dtype, shape, &values, dim);
                        let tolerance = if dtype == DType::F32 { 3e-6 } else { 1e-12 };
                        for (a, b) in own.iter().flatten().zip(parts.iter().flatten()) {
                            assert!(
                                (a - b).abs() <= tolerance * (1.0 + b.abs()),
                                "{name} {shape:?} {dtype}: {a} {b}"
                            );
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn extreme_logits_agree() {
    let options = Options { threads: Some(1), ..Options::default() };
    let backend: Arc<dyn Backend> = CpuBackend::new(options).unwrap();
    let plain: Arc<dyn Backend> = Arc::new(Plain(Arc::clone(&backend)));
    let inf = f64::INFINITY;
    let rows =
        [[1e30, -1e30, 0.0], [-inf, 0.0, 1.0], [-inf, -inf, -inf], [inf, 0.0, 1.0], [f64::NAN, 0.0, 1.0]];
    for name in ["softmax", "logSoftmax"] {
        for row in rows {
            let [own, _] = apply(&backend, name, DType::F32, &[1, 3], &row, 1.0);
            let [parts, _] = apply(&plain, name, DType::F32, &[1, 3], &row, 1.0);
            for (a, b) in own.iter().zip(&parts) {
                let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6;
                assert!(same, "{name} {row:?}: {own:?} against {parts:?}");
            }
        }
    }
}

/// Losses and the gradient of their sum.
fn entropy(
    backend: &Arc<dyn Backend>,
    dtype: DType,
    shape: [usize; 2],
    scale: f64,
    attrs: &[f64],
) -> Vec<Vec<f64>> {
    let mut e = Engine::new(Arc::clone(backend));
    let code = |name: &str| API.iter().position(|op| op.name == name).unwrap();
    let x = e.create(dtype, &shape, &encode(dtype, &normals(3, shape[0] * shape[1], scale))).unwrap();
    e.set_requires_grad(x, true).unwrap();
    let labels: Vec<u8> = (0..shape[0]).flat_map(|i| ((i * 7 % shape[1]) as i32).to_le_bytes()).collect();
    let y = e.create(DType::I32, &shape[..1], &labels).unwrap();
    let loss = e.apply(code("crossEntropy"), &[Operand::Tensor(x), Operand::Tensor(y)], attrs).unwrap();
    let total = e.apply(code("sum"), &[Operand::Tensor(loss)], &[f64::NAN, 0.0]).unwrap();
    let grad = e.gradients(total, None, &[x], true).unwrap()[0].unwrap();
    [loss, grad].iter().map(|&h| decode(dtype, &e.read(h).unwrap())).collect()
}

#[test]
fn fused_cross_entropy_equals_its_decomposition() {
    let options = Options { threads: Some(2), ..Options::default() };
    let backends: [Arc<dyn Backend>; 2] =
        [CpuBackend::new(options).unwrap(), LateBackend::new(options).unwrap()];
    for shape in [[1, 1], [5, 3], [33, 10], [16, 64], [17, 65], [3, 1000]] {
        for dtype in [DType::F32, DType::F64] {
            for scale in [1.0, 30.0] {
                for attrs in [[0.0, f64::NAN, 0.0], [1.0, f64::NAN, 0.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]] {
                    for backend in &backends {
                        let own = entropy(backend, dtype, shape, scale, &attrs);
                        let plain: Arc<dyn Backend> = Arc::new(Plain(Arc::clone(backend)));
                        let parts = entropy(&plain, dtype, shape, scale, &attrs);
                        let tolerance = if dtype == DType::F32 { 5e-6 } else { 1e-12 };
                        for (a, b) in own.iter().flatten().zip(parts.iter().flatten()) {
                            let near = (a - b).abs() <= tolerance * (1.0 + b.abs());
                            assert!(near, "{shape:?} {dtype} {attrs:?}: {a} {b}");
                        }
                    }
                }
            }
        }
    }
}
