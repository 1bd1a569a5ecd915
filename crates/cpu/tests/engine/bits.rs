//! The same bits for any number of threads, instruction set and driver, here and on every machine.

use std::sync::Arc;

use neuroxide_core::backend::Backend;
use neuroxide_core::engine::{Engine, Handle};
use neuroxide_core::error::Result;
use neuroxide_cpu::{CpuBackend, Isa, Options};

use crate::support::*;

/// FNV-1a over the bits.
fn hash(bits: &[u32]) -> u64 {
    bits.iter()
        .flat_map(|b| b.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

struct Training {
    params: Vec<Handle>,
    data: Vec<Handle>,
    step: fn(&mut Engine, &[Handle], &[Handle]) -> Result<Handle>,
    rounds: usize,
}

/// Ragged sizes, relu and cross-entropy.
fn classifier(e: &mut Engine) -> Training {
    let params = vec![
        param(e, &[67, 113], &noise(67 * 113, 1)),
        param(e, &[67], &noise(67, 2)),
        param(e, &[7, 67], &noise(7 * 67, 3)),
        param(e, &[7], &noise(7, 4)),
    ];
    let labels: Vec<i32> = (0..59).map(|i| i * 5 % 7).collect();
    let data = vec![tensor(e, &[59, 113], &noise(59 * 113, 5)), ints(e, &[59], &labels)];
    Training {
        params,
        data,
        rounds: 12,
        step: |e, p, d| {
            let h = try_op(e, "linear", &[d[0], p[0], p[1]], &[])?;
            let h = try_op(e, "relu", &[h], &[])?;
            let logits = try_op(e, "linear", &[h, p[2], p[3]], &[])?;
            try_op(e, "crossEntropy", &[logits, d[1]], &[1.0, f64::NAN, 0.1])
        },
    }
}

/// Transcendental functions, dropout and a mean squared error.
fn regressor(e: &mut Engine) -> Training {
    let params = vec![
        param(e, &[31, 9], &noise(31 * 9, 6)),
        param(e, &[31], &noise(31, 7)),
        param(e, &[1, 31], &noise(31, 8)),
        param(e, &[1], &noise(1, 9)),
    ];
    let data = vec![tensor(e, &[101, 9], &noise(909, 10)), tensor(e, &[101, 1], &noise(101, 11))];
    Training {
        params,
        data,
        rounds: 12,
        step: |e, p, d| {
            let h = try_op(e, "linear", &[d[0], p[0], p[1]], &[])?;
            let a = try_op(e, "tanh", &[h], &[])?;
            let b = try_op(e, "gelu", &[h], &[])?;
            let h = try_op(e, "add", &[a, b], &[])?;
            let h = try_op(e, "dropout", &[h], &[0.25, 1.0])?;
            let y = try_op(e, "linear", &[h, p[2], p[3]], &[])?;
            try_op(e, "mse", &[y, d[1]], &[1.0])
        },
    }
}

/// Large enough for several threads and chunks of sums; batched products, norms and softmax.
fn wide(e: &mut Engine) -> Training {
    let params =
        vec![param(e, &[130, 48], &noise(130 * 48, 12)), param(e, &[4, 48, 20], &noise(4 * 48 * 20, 13))];
    let data = vec![tensor(e, &[4, 1500, 130], &noise(4 * 1500 * 130, 14))];
    Training {
        params,
        data,
        rounds: 4,
        step: |e, p, d| {
            let h = try_op(e, "matmul", &[d[0], p[0]], &[])?;
            let h = try_op(e, "sigmoid", &[h], &[])?;
            let y = try_op(e, "matmul", &[h, p[1]], &[])?;
            let s = try_op(e, "softmax", &[y], &[-1.0])?;
            let n = try_op(e, "norm", &[s], &[2.0, f64::NAN, 0.0])?;
            let v = try_op(e, "std", &[h], &[1.0, 1.0, 0.0, 1.0])?;
            let m = try_op(e, "mean", &[v], &[f64::NAN, 0.0])?;
            try_op(e, "add", &[n, m], &[])
        },
    }
}

fn train(backend: Arc<dyn Backend>, make: fn(&mut Engine) -> Training, traced: bool) -> u64 {
    let e = &mut Engine::new(backend);
    e.seed(7);
    let training = make(e);
    let optimizer = adam(e, &training.params, 0.01);
    let (params, step) = (training.params.clone(), training.step);
    let body = |e: &mut Engine, data: &[Handle]| -> Result<Vec<Handle>> {
        let loss = step(e, &params, data)?;
        e.zero_grad(&params)?;
        e.backward(loss, None, false)?;
        e.optimizer_step(optimizer)?;
        Ok(vec![loss])
    };
    let mut jit = Jit::new(body);
    let mut out = Vec::new();
    for _ in 0..training.rounds {
        let loss = if traced { jit.call(e, &training.data) } else { (jit.body)(e, &training.data) };
        let loss = loss.expect("a step")[0];
        out.extend(bits(&values(e, loss)));
    }
    for &p in &params {
        out.extend(bits(&values(e, p)));
    }
    hash(&out)
}

fn check(make: fn(&mut Engine) -> Training, expected: u64) {
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512] {
        for threads in [1, 2, 3, 7] {
            let options = Options { isa: Some(isa), threads: Some(threads) };
            // A forced instruction set that the machine lacks is an error of its own.
            let Ok(backend) = CpuBackend::new(options) else { continue };
            for traced in [false, true] {
                let found = train(backend.clone(), make, traced);
                assert_eq!(found, expected, "{isa:?}, {threads} threads, traced {traced}: {found:#018x}");
            }
        }
    }
}

#[test]
fn a_classifier_has_the_committed_bits() {
    check(classifier, 0x3fe4_2bd4_2ed1_a0d2);
}

#[test]
fn a_regressor_has_the_committed_bits() {
    check(regressor, 0xe1f9_a035_7218_4f67);
}

#[test]
fn a_wide_model_has_the_committed_bits() {
    check(wide, 0x4184_930d_ed10_6ce3);
}
