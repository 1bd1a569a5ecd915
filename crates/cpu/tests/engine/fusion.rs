//! Which kernels the steps of small networks become.

use neuroxide_core::engine::{Engine, Handle};

use crate::support::*;
use crate::training::Net;

/// The kernels of a program as lines.
fn kernels(e: &Engine, program: neuroxide_core::engine::ProgramId) -> Vec<String> {
    let explained = e.explain(program).unwrap();
    explained.rows.iter().map(|row| format!("{}: {} {}", row.kernel, row.ops, row.shapes)).collect()
}

#[test]
fn a_classifier_and_a_regressor_are_few_kernels() {
    everywhere(|e| {
        let net = Net::new(e, [784, 128, 10]);
        let x = tensor(e, &[32, 784], &noise(32 * 784, 1));
        let y = ints(e, &[32], &[3; 32]);
        let program = trace(e, &[x, y], |e, args| Ok(vec![net.step(e, args[0], args[1])?])).unwrap();
        println!("{}", kernels(e, program).join("\n"));
        let net = Net::new(e, [10, 64, 1]);
        let x = tensor(e, &[32, 10], &noise(320, 1));
        let y = tensor(e, &[32, 1], &noise(32, 2));
        let program = trace(e, &[x, y], |e, args| {
            let p: &[Handle] = &net.params;
            let a = try_op(e, "linear", &[args[0], p[0], p[1]], &[])?;
            let h = try_op(e, "relu", &[a], &[])?;
            let out = try_op(e, "linear", &[h, p[2], p[3]], &[])?;
            let loss = try_op(e, "mse", &[out, args[1]], &[1.0])?;
            e.zero_grad(p)?;
            e.backward(loss, None, false)?;
            e.optimizer_step(net.optimizer)?;
            Ok(vec![loss])
        })
        .unwrap();
        println!("\n{}", kernels(e, program).join("\n"));
    });
}
