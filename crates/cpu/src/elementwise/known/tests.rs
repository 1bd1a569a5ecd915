//! Whether the expressions that lowering makes of optimizers are still those that have loops.

use std::sync::{Arc, Mutex};

use neuroxide_core::backend::{Backend, Binding, Bound, BufferId, Executable, Fault, Run, Turn};
use neuroxide_core::composite::optimizer::OptimizerKind;
use neuroxide_core::engine::{Engine, Operand, OptimizerSpec, TraceOptions};
use neuroxide_core::error::Result;
use neuroxide_core::op::Composite;
use neuroxide_core::ops::api::API;
use neuroxide_core::plan::{Kernel, Plan};

use super::*;
use crate::{CpuBackend, Options};

/// Remembers the plans that it prepares.
struct Watching(Arc<CpuBackend>, Mutex<Vec<Plan>>);

impl Backend for Watching {
    fn name(&self) -> &'static str {
        "watching"
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
        self.1.lock().unwrap().push(plan.clone());
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

/// The expressions of a step with an optimizer: a product's gradient and a bias's.
fn expressions(kind: OptimizerKind, changed: &[(&str, f64)]) -> Vec<(Expr, Vec<DType>, Vec<DType>)> {
    let cpu = CpuBackend::new(Options { threads: Some(1), ..Options::default() }).unwrap();
    let backend = Arc::new(Watching(cpu, Mutex::new(Vec::new())));
    let e = &mut Engine::new(backend.clone());
    let make = |e: &mut Engine, shape: &[usize]| {
        let bytes = vec![0; 4 * shape.iter().product::<usize>()];
        let made = e.create(DType::F32, shape, &bytes).unwrap();
        let order: Vec<usize> = (0..shape.len()).rev().collect();
        e.parameter(made, &order).unwrap()
    };
    let params = vec![make(e, &[20, 30]), make(e, &[20])];
    let mut hypers = kind.defaults();
    for &(name, value) in changed {
        hypers[kind.hypers().iter().position(|hyper| hyper.name == name).unwrap()] = value;
    }
    let optimizer = e
        .optimizer_create(OptimizerSpec {
            kind,
            groups: vec![hypers.to_vec()],
            params: params.clone(),
            group_of: vec![0; 2],
        })
        .unwrap();
    let x = e.create(DType::F32, &[8, 30], &[0; 4 * 8 * 30]).unwrap();
    let op = |e: &mut Engine, name: &str, operands: &[_], attrs: &[f64]| {
        let code = API.iter().position(|op| op.name == name).unwrap();
        let operands: Vec<Operand> = operands.iter().map(|&h| Operand::Tensor(h)).collect();
        e.apply(code, &operands, attrs).unwrap()
    };
    e.trace_begin(&[]).unwrap();
    let out = op(e, "linear", &[x, params[0], params[1]], &[]);
    let loss = op(e, "mse", &[out, out], &[1.0]);
    e.zero_grad(&params).unwrap();
    e.backward(loss, None, false).unwrap();
    e.optimizer_step(optimizer).unwrap();
    e.trace_end(&[loss], TraceOptions::default()).unwrap();
    let plans = backend.1.lock().unwrap();
    let types = |operands: &[neuroxide_core::plan::Operand]| operands.iter().map(|o| o.dtype).collect();
    plans
        .last()
        .unwrap()
        .steps
        .iter()
        .filter_map(|step| match &step.kernel {
            Kernel::Elementwise(expr) => Some((expr.clone(), types(&step.ins), types(&step.outs))),
            Kernel::MatMul(expr) => Some((expr.clone(), types(&step.ins[1..]), types(&step.outs))),
            _ => None,
        })
        .collect()
}

#[test]
fn updates_of_every_common_optimizer_have_loops() {
    use OptimizerKind::{Adam, AdamW, RmsProp, Sgd};
    let cases: [(OptimizerKind, &[(&str, f64)]); 8] = [
        (Adam, &[]),
        (Adam, &[("weightDecay", 0.1)]),
        (AdamW, &[]),
        (Sgd, &[]),
        (Sgd, &[("weightDecay", 0.1)]),
        (Sgd, &[("momentum", 0.9)]),
        (Sgd, &[("momentum", 0.9), ("weightDecay", 0.1)]),
        (RmsProp, &[]),
    ];
    for (kind, changed) in cases {
        let all = expressions(kind, changed);
        // The weight's update stands behind the product that is its gradient, the bias's alone.
        let known = |(expr, ins, outs): &(Expr, Vec<DType>, Vec<DType>)| {
            let updates = expr.instrs.iter().any(|i| matches!(i, Instr::Binary { op: BinaryOp::Sub, .. }));
            updates && Known::recognise(expr, ins, outs, Isa::Portable).is_some()
        };
        let found = all.iter().filter(|&expression| known(expression)).count();
        assert_eq!(found, 2, "{} {changed:?}: {all:#?}", kind.name());
    }
}
