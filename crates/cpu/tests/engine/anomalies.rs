//! Planted values that are not finite are found by op, module path and source line.

use neuroxide_core::engine::{Engine, Handle, Operand};
use neuroxide_core::error::Result;

use crate::support::*;

type Body = fn(&mut Engine, Handle, Handle) -> Result<Handle>;

/// (op named, whether its gradient is meant, the step that makes the value).
const ORIGINS: [(&str, bool, Body); 6] = [
    ("log", false, |e, w, _| {
        let y = try_op(e, "log", &[w], &[])?;
        Ok(sum(e, y))
    }),
    ("div", false, |e, w, x| {
        let y = try_op(e, "div", &[x, w], &[])?;
        Ok(sum(e, y))
    }),
    ("exp", false, |e, w, _| {
        let big = e.apply(code("add"), &[Operand::Tensor(w), Operand::Number(1000.0)], &[])?;
        let y = try_op(e, "exp", &[big], &[])?;
        Ok(sum(e, y))
    }),
    ("sqrt", true, |e, w, _| {
        // Finite forwards; the gradient of sqrt at 0 is not.
        let y = try_op(e, "sqrt", &[w], &[])?;
        Ok(sum(e, y))
    }),
    ("pow", true, |e, w, _| {
        let y = e.apply(code("pow"), &[Operand::Tensor(w), Operand::Number(0.25)], &[])?;
        Ok(sum(e, y))
    }),
    ("mul", false, |e, w, x| {
        let huge = scaled(e, x, 1e30);
        let y = try_op(e, "mul", &[huge, huge], &[])?;
        let z = try_op(e, "mul", &[y, w], &[])?;
        Ok(sum(e, z))
    }),
];

fn step(e: &mut Engine, w: Handle, x: Handle, body: Body) -> Result<Handle> {
    let (path, site) = (e.names().intern("block.2"), e.names().intern("model.ts:12:7"));
    e.set_context(path, site);
    let loss = body(e, w, x)?;
    e.zero_grad(&[w])?;
    e.backward(loss, None, false)?;
    e.set_context(0, 0);
    Ok(loss)
}

fn check(error: &neuroxide_core::error::Error, name: &str, gradient: bool) {
    assert_eq!(error.code(), "ERR_ANOMALY", "{error}");
    let text = error.message();
    let expected = if gradient { format!("gradient of {name}") } else { name.to_owned() };
    assert!(text.contains(&expected), "{text}: {expected}");
    assert_eq!(text.contains("gradient of"), gradient, "{text}");
    assert!(text.contains("block.2") && text.contains("model.ts:12:7"), "{text}");
}

#[test]
fn six_planted_origins_are_found_eagerly_and_in_programs() {
    everywhere(|e| {
        for (name, gradient, body) in ORIGINS {
            let w = param(e, &[3], &[1.0, 0.0, 2.0]);
            let x = tensor(e, &[3], &[1.0, 1.0, 100.0]);
            step(e, w, x, body).unwrap();
            e.zero_grad(&[w]).unwrap();
            e.set_anomaly(true);
            check(&step(e, w, x, body).unwrap_err(), name, gradient);
            e.set_context(0, 0);
            e.zero_grad(&[w]).unwrap();
            let optimizer = sgd(e, &[w], 0.1);
            let p = trace(e, &[x], |e, a| {
                let loss = step(e, w, a[0], body)?;
                e.optimizer_step(optimizer)?;
                Ok(vec![loss])
            })
            .unwrap();
            check(&run(e, p, &[x]).unwrap_err(), name, gradient);
            e.set_anomaly(false);
        }
    });
}

#[test]
fn finite_training_passes_and_bad_data_is_told_from_bad_ops() {
    everywhere(|e| {
        e.set_anomaly(true);
        let w = param(e, &[3], &[1.0, 0.5, 2.0]);
        let x = tensor(e, &[3], &[1.0, 1.0, f32::NAN]);
        let body: Body = |e, w, x| {
            let y = try_op(e, "mul", &[w, x], &[])?;
            Ok(sum(e, y))
        };
        let error = step(e, w, x, body).unwrap_err();
        assert!(error.message().contains("operand was not finite already"), "{error}");
        e.set_context(0, 0);
        let good = tensor(e, &[3], &[1.0, 2.0, 3.0]);
        step(e, w, good, body).unwrap();
        let p = trace(e, &[good], |e, a| Ok(vec![step(e, w, a[0], body)?])).unwrap();
        let out = run(e, p, &[good]).unwrap()[0];
        assert_eq!(values(e, out), [8.0]);
        let error = run(e, p, &[x]).unwrap_err();
        assert!(error.message().contains("operand was not finite already"), "{error}");
    });
}
