//! Which kernels the steps of small networks become.

use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, Operand, ProgramId, TraceOptions};

use crate::support::*;
use crate::training::Net;

/// The ops of the kernels of a program.
fn kernels(e: &Engine, program: ProgramId) -> Vec<String> {
    e.explain(program).unwrap().rows.into_iter().map(|row| row.ops).collect()
}

const ADAM: &str = "sub mul add mul add sqrt mul add mul div sub";

#[test]
fn a_step_of_a_classifier_is_thirteen_kernels() {
    everywhere(|e| {
        let net = Net::new(e, [784, 128, 10]);
        let x = tensor(e, &[32, 784], &noise(32 * 784, 1));
        let y = ints(e, &[32], &[3; 32]);
        let program = trace(e, &[x, y], |e, args| Ok(vec![net.step(e, args[0], args[1])?])).unwrap();
        let behind = |head: &str| format!("{head} {ADAM}");
        let expected = [
            "matmul add relu".to_owned(),
            "matmul add".to_owned(),
            "crossEntropy crossEntropyGrad".to_owned(),
            "sum".to_owned(),
            "div".to_owned(),
            "div mul".to_owned(),
            "sum".to_owned(),
            ADAM.to_owned(),
            "matmul gt where".to_owned(),
            "sum".to_owned(),
            behind("matmul"),
            ADAM.to_owned(),
            behind("matmul"),
        ];
        assert_eq!(kernels(e, program), expected);
    });
}

/// A mean squared error, its gradients and the update.
fn regression(e: &mut Engine, net: &Net, args: &[Handle]) -> neuroxide_core::error::Result<Vec<Handle>> {
    let p: &[Handle] = &net.params;
    let a = try_op(e, "linear", &[args[0], p[0], p[1]], &[])?;
    let h = try_op(e, "relu", &[a], &[])?;
    let out = try_op(e, "linear", &[h, p[2], p[3]], &[])?;
    let loss = try_op(e, "mse", &[out, args[1]], &[1.0])?;
    e.zero_grad(p)?;
    e.backward(loss, None, false)?;
    e.optimizer_step(net.optimizer)?;
    Ok(vec![loss])
}

#[test]
fn a_step_of_a_regressor_is_eleven_kernels() {
    everywhere(|e| {
        let net = Net::new(e, [10, 64, 1]);
        let x = tensor(e, &[32, 10], &noise(320, 1));
        let y = tensor(e, &[32, 1], &noise(32, 2));
        let program = trace(e, &[x, y], |e, args| regression(e, &net, args)).unwrap();
        let ops = kernels(e, program);
        assert_eq!(ops.len(), 11, "{ops:#?}");
        assert_eq!(ops.iter().filter(|ops| ops.starts_with("matmul")).count(), 5, "{ops:#?}");
        // The gradient of the input would be a product of its own: [32, 64] × [64, 10].
        let shapes: Vec<String> =
            e.explain(program).unwrap().rows.into_iter().map(|row| row.shapes).collect();
        assert!(shapes.iter().all(|shapes| !shapes.contains("-> [1, 32, 10]")), "{shapes:#?}");
        assert!(ops.contains(&"matmul add sub square mul div mul".to_owned()), "{ops:#?}");
    });
}

#[test]
fn kept_gradients_are_stored_beside_the_update() {
    everywhere(|e| {
        let net = Net::new(e, [6, 8, 3]);
        let (x, y) = crate::training::batch(e, 4, 6, 3, 1);
        let options = TraceOptions { keep_grads: true };
        let program =
            trace_with(e, &[x, y], options, |e, args| Ok(vec![net.step(e, args[0], args[1])?])).unwrap();
        assert_eq!(kernels(e, program).len(), 13);
        run(e, program, &[x, y]).unwrap();
        let kept: Vec<u32> = net.params.iter().flat_map(|&p| bits(&grad(e, p))).collect();
        let mut other = Engine::new(e.backend().clone());
        let eager = Net::new(&mut other, [6, 8, 3]);
        let (x, y) = crate::training::batch(&mut other, 4, 6, 3, 1);
        eager.step(&mut other, x, y).unwrap();
        let own: Vec<u32> = eager.params.iter().flat_map(|&p| bits(&grad(&mut other, p))).collect();
        assert_eq!(kept, own);
    });
}

#[test]
fn images_are_scaled_while_they_are_gathered() {
    everywhere(|e| {
        let bytes: Vec<u8> = (0..60).collect();
        let x = e.create(DType::U8, &[5, 3, 4], &bytes).unwrap();
        let index = ints(e, &[2], &[4, 1]);
        let program = trace(e, &[x, index], |e, args| {
            let some = try_op(e, "indexSelect", args, &[0.0])?;
            let floats = try_op(e, "cast", &[some], &[f64::from(DType::F32 as u8)])?;
            let flat = try_op(e, "reshape", &[floats], &[2.0, 2.0, 12.0])?;
            Ok(vec![e.apply(code("mul"), &[Operand::Tensor(flat), Operand::Number(0.5)], &[])?])
        })
        .unwrap();
        assert_eq!(kernels(e, program), ["indexSelect cast mul"]);
        let out = run(e, program, &[x, index]).unwrap()[0];
        let expected: Vec<f32> = (48..60).chain(12..24).map(|byte| byte as f32 * 0.5).collect();
        assert_eq!(values(e, out), expected);
        let bad = ints(e, &[2], &[4, 5]);
        let failed = run(e, program, &[x, bad]).and_then(|_| e.backend().sync()).unwrap_err();
        assert_eq!(failed.code(), "ERR_INDEX");
        if e.backend().name() == "cpu" {
            assert!(failed.message().contains("indexSelect: index 5 at position [1]"), "{failed}");
        }
    });
}
