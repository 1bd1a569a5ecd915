//! Checks every gradient against differences of values, in f64, on the CPU backend and on the one whose
//! queue runs late. Cases of elementwise ops come from the table; every other op has them by hand.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod cases;

use std::collections::BTreeSet;
use std::sync::Arc;

use cases::{Case, In};
use neuroxide_core::backend::Backend;
use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, Operand};
use neuroxide_core::ops::api::{API, ApiKind};
use neuroxide_core::ops::table::{BinaryOp, Domain, UnaryOp};
use neuroxide_core::rng::{philox, uniform_f64};
use neuroxide_cpu::late::LateBackend;
use neuroxide_cpu::{CpuBackend, Options};

/// Half the distance of two values that make a difference.
const STEP: f64 = 1e-5;

fn backends() -> Vec<(&'static str, Arc<dyn Backend>)> {
    let options = Options { threads: Some(2), ..Options::default() };
    vec![
        ("cpu", CpuBackend::new(options).unwrap() as Arc<dyn Backend>),
        ("late", LateBackend::new(options).unwrap() as Arc<dyn Backend>),
    ]
}

/// The data of an operand; floats are what is differentiated.
#[derive(Clone)]
enum Data {
    Float(Vec<usize>, Vec<f64>),
    Int(Vec<usize>, Vec<i32>),
    Bool(Vec<usize>, Vec<bool>),
    Number(f64),
    Absent,
}

fn sample(domain: Domain, seed: u64, count: usize) -> Vec<f64> {
    (0..count as u64)
        .map(|i| {
            let [high, low, ..] = philox(seed, i);
            let mut x = domain.low + (domain.high - domain.low) * uniform_f64(high, low);
            for &kink in domain.avoid {
                if (x - kink).abs() < 0.05 {
                    x = kink + if x < kink { -0.07 } else { 0.07 };
                }
            }
            x
        })
        .collect()
}

fn data(operand: &In, seed: u64) -> Data {
    match operand {
        In::Float(shape, domain) => Data::Float(shape.clone(), sample(*domain, seed, shape.iter().product())),
        In::Exact(shape, values) => Data::Float(shape.clone(), values.clone()),
        In::Int(shape, values) => Data::Int(shape.clone(), values.clone()),
        In::Bool(shape, values) => Data::Bool(shape.clone(), values.clone()),
        In::Number(value) => Data::Number(*value),
        In::Absent => Data::Absent,
    }
}

fn bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|c| f64::from_le_bytes(c.try_into().unwrap())).collect()
}

/// An engine with the operands of a case.
struct Bench<'c> {
    engine: Engine,
    case: &'c Case,
    code: usize,
}

impl Bench<'_> {
    fn operands(&mut self, data: &[Data], leaves: bool) -> Vec<Operand> {
        data.iter()
            .map(|data| match data {
                Data::Float(shape, values) => {
                    let handle = self.engine.create(DType::F64, shape, &bytes(values)).unwrap();
                    if leaves {
                        self.engine.set_requires_grad(handle, true).unwrap();
                    }
                    Operand::Tensor(handle)
                }
                Data::Int(shape, values) => {
                    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                    Operand::Tensor(self.engine.create(DType::I32, shape, &bytes).unwrap())
                }
                Data::Bool(shape, values) => {
                    let bytes: Vec<u8> = values.iter().map(|&x| u8::from(x)).collect();
                    Operand::Tensor(self.engine.create(DType::Bool, shape, &bytes).unwrap())
                }
                Data::Number(value) => Operand::Number(*value),
                Data::Absent => Operand::Absent,
            })
            .collect()
    }

    fn forward(&mut self, operands: &[Operand]) -> Handle {
        // The same random numbers in every run.
        self.engine.seed(11);
        self.engine
            .apply(self.code, operands, &self.case.attrs)
            .unwrap_or_else(|e| panic!("{}: {e}", self.case.name))
    }

    /// Σ weight · output.
    fn total(&mut self, data: &[Data], weights: &[f64]) -> f64 {
        let operands = self.operands(data, false);
        let out = self.forward(&operands);
        let values = floats(&self.engine.read(out).unwrap());
        for operand in operands {
            if let Operand::Tensor(handle) = operand {
                self.engine.release(handle);
            }
        }
        self.engine.release(out);
        values.iter().zip(weights).map(|(x, w)| x * w).sum()
    }
}

/// Largest error of a case relative to its tolerance, or what failed.
fn check(backend: &Arc<dyn Backend>, case: &Case) -> Result<usize, String> {
    let code = API.iter().position(|op| op.name == case.name).ok_or("no such op")?;
    let mut bench = Bench { engine: Engine::new(Arc::clone(backend)), case, code };
    // As plans, so that what rules read of the forward pass is there when only they ask for it.
    bench.engine.set_lower_at_once(true);
    let data: Vec<Data> =
        case.operands.iter().enumerate().map(|(i, operand)| data(operand, 100 + i as u64)).collect();
    let operands = bench.operands(&data, true);
    let out = bench.forward(&operands);
    let shape = bench.engine.info(out).unwrap().ty.shape.to_vec();
    let plain = Domain { low: 0.5, high: 1.5, avoid: &[], tolerance: 0.0 };
    let weights = sample(plain, 7, shape.iter().product());
    let gradient = bench.engine.create(DType::F64, &shape, &bytes(&weights)).unwrap();
    let leaves: Vec<(usize, Handle)> = operands
        .iter()
        .enumerate()
        .filter_map(|(i, operand)| match operand {
            Operand::Tensor(handle) if case.differentiable(i) => Some((i, *handle)),
            _ => None,
        })
        .collect();
    let handles: Vec<Handle> = leaves.iter().map(|&(_, handle)| handle).collect();
    let grads = bench.engine.gradients(out, Some(gradient), &handles, false).map_err(|e| e.to_string())?;
    let mut checked = 0;
    for (&(index, _), grad) in leaves.iter().zip(grads) {
        let Data::Float(_, values) = &data[index] else { continue };
        let grad = match grad {
            Some(handle) => floats(&bench.engine.read(handle).map_err(|e| e.to_string())?),
            None => vec![0.0; values.len()],
        };
        for element in 0..values.len() {
            let mut moved = data.clone();
            let mut at = |delta: f64| {
                if let Data::Float(_, values) = &mut moved[index] {
                    values[element] += delta;
                }
                bench.total(&moved, &weights)
            };
            let (above, below) = (at(STEP), at(-2.0 * STEP));
            let wanted = (above - below) / (2.0 * STEP);
            let found = grad[element];
            let close = (found - wanted).abs() <= case.tolerance * (1.0 + wanted.abs());
            if !close {
                return Err(format!(
                    "gradient {found} of operand {index} element {element}; expected {wanted}"
                ));
            }
            checked += 1;
        }
    }
    Ok(checked)
}

fn table_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in UnaryOp::ALL {
        if let Some(domain) = op.domain() {
            cases.push(
                Case::new(op.name(), vec![In::Float(vec![3, 5], domain)], &[]).within(domain.tolerance),
            );
        }
    }
    for op in BinaryOp::ALL {
        if let Some([a, b]) = op.domain() {
            // Equal shapes, and each side broadcast.
            for (x, y) in [(vec![3, 4], vec![3, 4]), (vec![4], vec![3, 4]), (vec![3, 1], vec![2, 1, 4])] {
                let operands = vec![In::Float(x, a), In::Float(y, b)];
                cases.push(Case::new(op.name(), operands, &[]).within(a.tolerance.max(b.tolerance)));
            }
        }
    }
    cases
}

fn run(cases: &[Case]) {
    for (name, backend) in backends() {
        let mut failures = Vec::new();
        for case in cases {
            match check(&backend, case) {
                Ok(0) => failures.push(format!("{}: nothing to check", case.name)),
                Ok(_) => {}
                Err(why) => failures.push(format!("{} {:?}: {why}", case.name, case.attrs)),
            }
        }
        assert!(
            failures.is_empty(),
            "{name}: {} of {}\n{}",
            failures.len(),
            cases.len(),
            failures.join("\n")
        );
    }
}

#[test]
fn gradients_of_elementwise_ops_match_differences() {
    let cases = table_cases();
    // A floor, not a count: a new row of the table brings its cases along.
    assert!(cases.len() >= 24 + 3 * 10, "{}", cases.len());
    run(&cases);
}

#[test]
fn gradients_of_all_other_ops_match_differences() {
    run(&cases::all());
}

#[test]
fn every_op_with_a_gradient_has_a_case() {
    let named: BTreeSet<&str> = cases::all().iter().map(|case| case.name).collect();
    for op in API.iter().filter(|op| op.kind == ApiKind::Other) {
        assert_eq!(op.gradient, named.contains(op.name), "{}", op.name);
    }
    for op in API.iter().filter(|op| op.kind != ApiKind::Other && op.gradient) {
        assert!(table_cases().iter().any(|case| case.name == op.name), "{}", op.name);
    }
}
