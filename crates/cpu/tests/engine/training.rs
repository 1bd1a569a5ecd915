//! A small network, trained eagerly and as a program.

use neuroxide_core::engine::{Engine, Handle, OptimizerId};
use neuroxide_core::error::Result;

use crate::support::*;

pub struct Net {
    pub params: Vec<Handle>,
    pub optimizer: OptimizerId,
}

impl Net {
    pub fn new(e: &mut Engine, sizes: [usize; 3]) -> Self {
        let [i, h, o] = sizes;
        let params = vec![
            param(e, &[h, i], &noise(h * i, 1)),
            param(e, &[h], &noise(h, 2)),
            param(e, &[o, h], &noise(o * h, 3)),
            param(e, &[o], &noise(o, 4)),
        ];
        let optimizer = adam(e, &params, 0.01);
        Self { params, optimizer }
    }

    pub fn loss(&self, e: &mut Engine, x: Handle, y: Handle) -> Result<Handle> {
        let p = &self.params;
        let a = try_op(e, "linear", &[x, p[0], p[1]], &[])?;
        let h = try_op(e, "relu", &[a], &[])?;
        let logits = try_op(e, "linear", &[h, p[2], p[3]], &[])?;
        let loss = try_op(e, "crossEntropy", &[logits, y], &[1.0, f64::NAN, 0.0])?;
        for inner in [a, h, logits] {
            e.release(inner);
        }
        Ok(loss)
    }

    pub fn step(&self, e: &mut Engine, x: Handle, y: Handle) -> Result<Handle> {
        let loss = self.loss(e, x, y)?;
        e.zero_grad(&self.params)?;
        e.backward(loss, None, false)?;
        e.optimizer_step(self.optimizer)?;
        Ok(loss)
    }

    pub fn weights(&self, e: &mut Engine) -> Vec<u32> {
        self.params.iter().flat_map(|&p| bits(&values(e, p))).collect()
    }
}

pub fn batch(e: &mut Engine, n: usize, features: usize, classes: i32, seed: u64) -> (Handle, Handle) {
    let x = tensor(e, &[n, features], &noise(n * features, seed));
    let labels: Vec<i32> = (0..n as i32).map(|i| (i * 7 + seed as i32) % classes).collect();
    (x, ints(e, &[n], &labels))
}

#[test]
fn eager_training_lowers_the_loss() {
    everywhere(|e| {
        let net = Net::new(e, [5, 17, 3]);
        let (x, y) = batch(e, 33, 5, 3, 9);
        let first = net.step(e, x, y).unwrap();
        let first = values(e, first)[0];
        let mut last = first;
        for _ in 0..150 {
            let loss = net.step(e, x, y).unwrap();
            last = values(e, loss)[0];
            e.release(loss);
        }
        assert!(last < first * 0.5, "{first} -> {last}");
    });
}

#[test]
fn jit_equals_eager_to_the_bit() {
    let mut all = Vec::new();
    for backend in backends() {
        let mut eager = Engine::new(backend.clone());
        let mut traced = Engine::new(backend);
        let (a, b) = (Net::new(&mut eager, [5, 17, 3]), Net::new(&mut traced, [5, 17, 3]));
        let (xa, ya) = batch(&mut eager, 33, 5, 3, 9);
        let (xb, yb) = batch(&mut traced, 33, 5, 3, 9);
        let mut jit = Jit::new(|e: &mut Engine, args: &[Handle]| Ok(vec![b.step(e, args[0], args[1])?]));
        for round in 0..20 {
            let la = a.step(&mut eager, xa, ya).unwrap();
            let lb = jit.call(&mut traced, &[xb, yb]).unwrap()[0];
            assert_eq!(
                bits(&values(&mut eager, la)),
                bits(&values(&mut traced, lb)),
                "loss of round {round}"
            );
        }
        assert_eq!(jit.programs.len(), 1, "no second trace");
        assert_eq!(a.weights(&mut eager), b.weights(&mut traced));
        all.push(a.weights(&mut eager));
    }
    assert_eq!(all[0], all[1], "the late backend computes the same bits");
}

#[test]
fn forward_passes_leave_nothing_behind() {
    everywhere(|e| {
        let net = Net::new(e, [5, 17, 3]);
        let (x, y) = batch(e, 33, 5, 3, 9);
        let before = (e.nodes(), e.bytes().0);
        for _ in 0..10 {
            let loss = net.loss(e, x, y).unwrap();
            e.release(loss);
        }
        assert_eq!((e.nodes(), e.bytes().0), before);
        for _ in 0..10 {
            let loss = net.step(e, x, y).unwrap();
            e.release(loss);
        }
        e.zero_grad(&net.params).unwrap();
        assert_eq!((e.nodes(), e.bytes().0), before);
    });
}
