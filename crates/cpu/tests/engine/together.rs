//! Eager calls whose nodes run as one plan: what is saved, what is counted, what errors say.

use neuroxide_core::composite::optimizer::OptimizerKind;
use neuroxide_core::engine::{Engine, Handle, OptimizerSpec};
use neuroxide_cpu::{CpuBackend, Options};

use crate::support::*;

fn runs(e: &mut Engine, body: impl FnOnce(&mut Engine)) -> u64 {
    let before = e.counters().eager_runs;
    body(e);
    e.counters().eager_runs - before
}

const CROSS_ENTROPY: &[f64] = &[1.0, -100.0, 0.1];

struct Layer {
    w: Handle,
    b: Handle,
    x: Handle,
    y: Handle,
}

impl Layer {
    fn new(e: &mut Engine) -> Self {
        let ramp = |n: usize, by: f32| (0..n).map(|i| (i as f32 * by).fract() - 0.5).collect::<Vec<_>>();
        let w = param(e, &[4, 6], &ramp(24, 0.37));
        let b = param(e, &[4], &ramp(4, 0.9));
        let x = tensor(e, &[3, 6], &ramp(18, 0.21));
        let y = ints(e, &[3], &[0, 3, 1]);
        Self { w, b, x, y }
    }

    /// Loss, gradients and a step of training; what there is of handles is let go.
    fn step(&self, e: &mut Engine, optimizer: neuroxide_core::engine::OptimizerId) -> Vec<u32> {
        e.zero_grad(&[self.w, self.b]).unwrap();
        let h = op(e, "linear", &[self.x, self.w, self.b], &[]);
        let g = op(e, "gelu", &[h], &[0.0]);
        let loss = op(e, "crossEntropy", &[g, self.y], CROSS_ENTROPY);
        e.backward(loss, None, false).unwrap();
        e.optimizer_step(optimizer).unwrap();
        let mut out = bits(&values(e, loss));
        for param in [self.w, self.b] {
            out.extend(bits(&grad(e, param)));
            out.extend(bits(&values(e, param)));
        }
        for handle in [h, g, loss] {
            e.release(handle);
        }
        out
    }
}

#[test]
fn a_call_is_one_run_from_its_second_time_on() {
    for backend in backends() {
        let e = &mut Engine::new(backend);
        let layer = Layer::new(e);
        let optimizer = adam(e, &[layer.w, layer.b], 0.01);
        let forward = |e: &mut Engine| {
            let h = op(e, "linear", &[layer.x, layer.w, layer.b], &[]);
            op(e, "crossEntropy", &[h, layer.y], CROSS_ENTROPY)
        };
        let mut counts = Vec::new();
        for _ in 0..3 {
            let mut loss = 0.0;
            let first = runs(e, |e| loss = forward(e));
            let second = runs(e, |e| e.backward(loss, None, false).unwrap());
            let third = runs(e, |e| e.optimizer_step(optimizer).unwrap());
            e.release(loss);
            e.zero_grad(&[layer.w, layer.b]).unwrap();
            counts.push((first, second, third));
        }
        assert!(counts[0].0 > 2 && counts[0].1 > 1, "{counts:?}");
        assert_eq!(counts[2], (2, 1, 1));
    }
}

#[test]
fn together_and_one_by_one_agree_to_the_bit() {
    for kind in OptimizerKind::ALL {
        let mut all = Vec::new();
        for backend in backends() {
            for mode in 0..3 {
                let e = &mut Engine::new(backend.clone());
                e.set_lower_at_once(mode == 1);
                // Who searches for anomalies runs op by op.
                e.set_anomaly(mode == 2);
                let layer = Layer::new(e);
                let spec = OptimizerSpec {
                    kind,
                    groups: vec![kind.defaults().to_vec()],
                    params: vec![layer.w, layer.b],
                    group_of: vec![0, 0],
                };
                let optimizer = e.optimizer_create(spec).unwrap();
                all.push((0..4).map(|_| layer.step(e, optimizer)).collect::<Vec<_>>());
            }
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{}", kind.name());
    }
}

#[test]
fn a_bad_index_is_named_as_by_its_op_alone() {
    // The late backend would tell with the next read.
    let e = &mut Engine::new(CpuBackend::new(Options::default()).unwrap());
    let x = param(e, &[2, 3], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    let good = ints(e, &[2], &[0, 2]);
    let bad = ints(e, &[2], &[0, 3]);
    let first = try_op(e, "crossEntropy", &[x, bad], CROSS_ENTROPY).unwrap_err();
    for _ in 0..3 {
        let loss = op(e, "crossEntropy", &[x, good], CROSS_ENTROPY);
        e.release(loss);
    }
    let before = (e.tensors(), e.nodes(), e.bytes().0);
    let later = try_op(e, "crossEntropy", &[x, bad], CROSS_ENTROPY).unwrap_err();
    assert_eq!(first, later);
    assert!(first.message().starts_with("crossEntropy"), "{first}");
    assert_eq!((e.tensors(), e.nodes(), e.bytes().0), before, "a call that failed leaves nothing");
}

#[test]
fn a_step_over_parameters_that_share_memory_keeps_their_order() {
    everywhere(|e| {
        let mut found = Vec::new();
        for anomaly in [true, false] {
            e.set_anomaly(anomaly);
            let w = param(e, &[3], &[1.0, 2.0, 3.0]);
            let alias = op(e, "detach", &[w], &[]);
            e.set_requires_grad(alias, true).unwrap();
            let optimizer = adam(e, &[w, alias], 0.1);
            for _ in 0..3 {
                let product = op(e, "mul", &[w, alias], &[]);
                let loss = sum(e, product);
                e.zero_grad(&[w, alias]).unwrap();
                e.backward(loss, None, false).unwrap();
                e.optimizer_step(optimizer).unwrap();
            }
            found.push(bits(&values(e, w)));
        }
        e.set_anomaly(false);
        assert_eq!(found[0], found[1]);
    });
}

#[test]
fn a_step_reads_hyperparameters_counts_and_gradients_as_they_are() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 1.0]);
        let v = param(e, &[2], &[1.0, 1.0]);
        let kind = OptimizerKind::Sgd;
        let spec = OptimizerSpec {
            kind,
            groups: vec![kind.defaults().to_vec()],
            params: vec![w, v],
            group_of: vec![0, 0],
        };
        let optimizer = e.optimizer_create(spec).unwrap();
        e.optimizer_hyper(optimizer, 0, 0, Some(0.5)).unwrap();
        let loss = sum(e, w);
        e.backward(loss, None, false).unwrap();
        e.optimizer_step(optimizer).unwrap();
        assert_eq!((values(e, w), values(e, v)), (vec![0.5, 0.5], vec![1.0, 1.0]));
        assert_eq!(e.optimizer_steps(optimizer, 0, None).unwrap(), 1);
        assert_eq!(e.optimizer_steps(optimizer, 1, None).unwrap(), 0);
        e.optimizer_hyper(optimizer, 0, 0, Some(0.25)).unwrap();
        let loss = sum(e, v);
        e.backward(loss, None, false).unwrap();
        e.optimizer_step(optimizer).unwrap();
        assert_eq!((values(e, w), values(e, v)), (vec![0.25, 0.25], vec![0.75, 0.75]));
    });
}

#[test]
fn memory_of_small_tensors_is_used_again_and_never_shared() {
    everywhere(|e| {
        let a = tensor(e, &[4], &[1.0, 2.0, 3.0, 4.0]);
        let first = op(e, "add", &[a, a], &[]);
        let view = op(e, "flip", &[first], &[1.0, 0.0]);
        e.release(first);
        let bytes = e.bytes().0;
        // The view still has the memory: none of these may get it.
        let others: Vec<Handle> = (0..8).map(|_| op(e, "mul", &[a, a], &[])).collect();
        assert_eq!(values(e, view), [8.0, 6.0, 4.0, 2.0]);
        assert_eq!(e.bytes().0, bytes + 8 * 16);
        for handle in others {
            e.release(handle);
        }
        assert_eq!(e.bytes().0, bytes);
        let again = op(e, "mul", &[a, a], &[]);
        assert_eq!(values(e, again), [1.0, 4.0, 9.0, 16.0]);
        assert_eq!(e.bytes().0, bytes + 16);
    });
}
