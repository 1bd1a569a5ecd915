//! What makes capture safe: a test for each rule, named after it.

use neuroxide_core::engine::{ArgSpec, Engine, Handle, Operand, RunArg, TraceOptions};
use neuroxide_core::error::Result;

use crate::support::*;

fn quadratic(e: &mut Engine, w: Handle) -> Result<Handle> {
    let squared = try_op(e, "mul", &[w, w], &[])?;
    Ok(sum(e, squared))
}

// 1. State has identity.

#[test]
fn state_has_identity_a_program_sees_later_writes() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let x = tensor(e, &[2], &[10.0, 10.0]);
        let p = trace(e, &[x], |e, a| Ok(vec![op(e, "mul", &[a[0], w], &[])])).unwrap();
        let y = run(e, p, &[x]).unwrap()[0];
        assert_eq!(values(e, y), [10.0, 20.0]);
        let new = tensor(e, &[2], &[3.0, 4.0]);
        e.assign(w, new).unwrap();
        let y = run(e, p, &[x]).unwrap()[0];
        assert_eq!(values(e, y), [30.0, 40.0]);
    });
}

#[test]
fn state_has_identity_views_of_a_parameter_across_an_update() {
    everywhere(|e| {
        // The view is taken before the update and read after it, in both drivers.
        let body = |e: &mut Engine, w: Handle| -> Result<Handle> {
            let view = try_op(e, "transpose", &[w], &[0.0, 1.0])?;
            let twice = scaled(e, w, 2.0);
            e.assign(w, twice)?;
            Ok(op(e, "mul", &[view, view], &[]))
        };
        let a = param(e, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let eager = body(e, a).unwrap();
        let eager = values(e, eager);
        assert_eq!(eager, [4.0, 64.0, 16.0, 100.0, 36.0, 144.0]);
        let b = param(e, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let p = trace(e, &[], |e, _| Ok(vec![body(e, b)?])).unwrap();
        let traced = run(e, p, &[]).unwrap()[0];
        assert_eq!(values(e, traced), eager);
        assert_eq!(values(e, b), values(e, a));
    });
}

#[test]
fn state_has_identity_tied_weights_add_their_gradients() {
    everywhere(|e| {
        let w = param(e, &[2, 2], &[0.5, -1.0, 2.0, 0.25]);
        let x = tensor(e, &[1, 2], &[1.0, 2.0]);
        let body = |e: &mut Engine, x: Handle| -> Result<Handle> {
            let h = op(e, "linear", &[x, w], &[]);
            let y = op(e, "linear", &[h, w], &[]);
            let loss = sum(e, y);
            e.backward(loss, None, false)?;
            Ok(loss)
        };
        body(e, x).unwrap();
        let eager = grad(e, w);
        e.zero_grad(&[w]).unwrap();
        let mut jit = Jit::new(|e: &mut Engine, a: &[Handle]| Ok(vec![body(e, a[0])?]));
        jit.call(e, &[x]).unwrap();
        assert_eq!(grad(e, w), eager);
        let state = e.info(w).unwrap();
        assert!(state.leaf && state.requires_grad);
    });
}

#[test]
fn state_has_identity_saved_state_overwritten_before_backward_is_an_error() {
    everywhere(|e| {
        let body = |e: &mut Engine, w: Handle| -> Result<Vec<Handle>> {
            let loss = quadratic(e, w)?;
            let half = scaled(e, w, 0.5);
            e.assign(w, half)?;
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        };
        let w = param(e, &[2], &[1.0, 2.0]);
        assert_eq!(body(e, w).unwrap_err().code(), "ERR_GRAD");
        let w = param(e, &[2], &[1.0, 2.0]);
        let error = trace(e, &[], |e, _| body(e, w)).unwrap_err();
        assert_eq!(error.code(), "ERR_GRAD");
        assert!(error.message().contains("overwritten"), "{error}");
        // A sum does not need the values: the same write is harmless there.
        let w = param(e, &[2], &[1.0, 2.0]);
        let loss = sum(e, w);
        let new = tensor(e, &[2], &[0.0, 0.0]);
        e.assign(w, new).unwrap();
        e.backward(loss, None, false).unwrap();
        assert_eq!(grad(e, w), [1.0, 1.0]);
    });
}

#[test]
fn state_has_identity_a_captured_tensor_with_a_history_is_an_error() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let outside = scaled(e, w, 3.0);
        let error = trace(e, &[], |e, _| {
            let loss = quadratic(e, outside)?;
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        })
        .unwrap_err();
        assert_eq!(error.code(), "ERR_TRACE");
        assert!(error.message().contains("outside of the jitted function"), "{error}");
    });
}

// 2. Writes are nodes.

#[test]
fn writes_are_nodes_a_read_after_a_write_sees_the_new_value() {
    everywhere(|e| {
        let w = param(e, &[3], &[1.0, 2.0, 3.0]);
        let p = trace(e, &[], |e, _| {
            let before = scaled(e, w, 1.0);
            let doubled = scaled(e, w, 2.0);
            e.assign(w, doubled)?;
            let after = scaled(e, w, 1.0);
            let again = scaled(e, w, 10.0);
            e.assign(w, again)?;
            let last = scaled(e, w, 1.0);
            Ok(vec![before, after, last])
        })
        .unwrap();
        let out = run(e, p, &[]).unwrap();
        assert_eq!(values(e, out[0]), [1.0, 2.0, 3.0]);
        assert_eq!(values(e, out[1]), [2.0, 4.0, 6.0]);
        assert_eq!(values(e, out[2]), [20.0, 40.0, 60.0]);
        assert_eq!(values(e, w), [20.0, 40.0, 60.0]);
    });
}

#[test]
fn writes_are_nodes_through_an_overlapping_view() {
    everywhere(|e| {
        let w = param(e, &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let t = op(e, "transpose", &[w], &[0.0, 1.0]);
        e.assign(w, t).unwrap();
        assert_eq!(values(e, w), [1.0, 3.0, 2.0, 4.0]);
        let p = trace(e, &[], |e, _| {
            let t = op(e, "transpose", &[w], &[0.0, 1.0]);
            e.assign(w, t)?;
            Ok(vec![])
        })
        .unwrap();
        run(e, p, &[]).unwrap();
        assert_eq!(values(e, w), [1.0, 2.0, 3.0, 4.0]);
    });
}

#[test]
fn writes_are_nodes_a_slice_of_a_state() {
    everywhere(|e| {
        let w = tensor(e, &[4], &[1.0, 2.0, 3.0, 4.0]);
        let p = trace(e, &[], |e, _| {
            let part = op(e, "slice", &[w], &[0.0, 1.0, 3.0, 1.0]);
            let new = scaled(e, part, -1.0);
            e.assign(part, new)?;
            Ok(vec![sum(e, w)])
        })
        .unwrap();
        let out = run(e, p, &[]).unwrap()[0];
        assert_eq!(values(e, w), [1.0, -2.0, -3.0, 4.0]);
        assert_eq!(values(e, out), [0.0]);
    });
}

// 3. Gradients are transient unless wanted.

#[test]
fn gradients_are_transient_reading_one_after_the_step_throws() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let step = |e: &mut Engine| -> Result<Vec<Handle>> {
            e.zero_grad(&[w])?;
            let loss = quadratic(e, w)?;
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        };
        let p = trace(e, &[], |e, _| step(e)).unwrap();
        run(e, p, &[]).unwrap();
        let error = e.grad_of(w).unwrap_err();
        assert!(error.message().contains("keepGrads"), "{error}");
        // Dropping it is fine, and the program goes on fitting.
        run(e, p, &[]).unwrap();
        e.zero_grad(&[w]).unwrap();
        assert!(e.grad_of(w).unwrap().is_none());
        let kept = trace_with(e, &[], TraceOptions { keep_grads: true }, |e, _| step(e)).unwrap();
        run(e, kept, &[]).unwrap();
        assert_eq!(grad(e, w), [2.0, 4.0]);
    });
}

#[test]
fn gradients_accumulate_in_and_outside_a_trace() {
    everywhere(|e| {
        let body = |e: &mut Engine, w: Handle, x: Handle| -> Result<Vec<Handle>> {
            let y = try_op(e, "mul", &[w, x], &[])?;
            let loss = sum(e, y);
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        };
        let xs = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].map(|v| tensor(e, &[2], &v));
        let w = param(e, &[2], &[1.0, 1.0]);
        for x in xs {
            body(e, w, x).unwrap();
        }
        assert_eq!(grad(e, w), [9.0, 12.0]);
        let w = param(e, &[2], &[1.0, 1.0]);
        let mut jit = Jit::new(|e: &mut Engine, a: &[Handle]| body(e, w, a[0]));
        for _ in 0..2 {
            for x in xs {
                jit.call(e, &[x]).unwrap();
            }
            assert_eq!(grad(e, w), [9.0, 12.0]);
            e.zero_grad(&[w]).unwrap();
        }
        // One program for the first step, one that adds to what is there.
        assert_eq!(jit.programs.len(), 2);
        // Mixed: an eager pass on top of a traced one.
        jit.call(e, &[xs[0]]).unwrap();
        body(e, w, xs[1]).unwrap();
        assert_eq!(grad(e, w), [4.0, 6.0]);
    });
}

// 4. What would happen only once is refused.

#[test]
fn construction_and_hyperparameters_inside_a_trace_throw() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let optimizer = sgd(e, &[w], 0.1);
        let x = tensor(e, &[2], &[1.0, 2.0]);
        let made = trace(e, &[x], |e, a| Ok(vec![e.parameter(a[0], &[0])?])).unwrap_err();
        assert_eq!(made.code(), "ERR_TRACE");
        let made = trace(e, &[x], |e, _| {
            sgd_result(e, w)?;
            Ok(vec![])
        });
        assert_eq!(made.unwrap_err().code(), "ERR_TRACE");
        let written = trace(e, &[x], |e, _| {
            e.optimizer_hyper(optimizer, 0, 0, Some(0.5))?;
            Ok(vec![])
        });
        assert_eq!(written.unwrap_err().code(), "ERR_TRACE");
        assert_eq!(e.optimizer_hyper(optimizer, 0, 0, None).unwrap(), 0.1);
        let flagged = trace(e, &[x], |e, _| {
            e.set_requires_grad(w, false)?;
            Ok(vec![])
        });
        assert_eq!(flagged.unwrap_err().code(), "ERR_TRACE");
        assert!(e.info(w).unwrap().requires_grad);
    });
}

fn sgd_result(e: &mut Engine, w: Handle) -> Result<()> {
    use neuroxide_core::composite::optimizer::OptimizerKind;
    let groups = vec![OptimizerKind::Sgd.defaults().to_vec()];
    let spec = neuroxide_core::engine::OptimizerSpec {
        kind: OptimizerKind::Sgd,
        groups,
        params: vec![w],
        group_of: vec![0],
    };
    e.optimizer_create(spec).map(|_| ())
}

// 5. What changes from step to step lives in slots.

#[test]
fn slots_no_schedule_traces_again() {
    everywhere(|e| {
        let (a, b) = (param(e, &[2], &[1.0, 2.0]), param(e, &[2], &[1.0, 2.0]));
        let (oa, ob) = (adam(e, &[a], 0.1), adam(e, &[b], 0.1));
        let step = |e: &mut Engine, w, o| -> Result<Vec<Handle>> {
            e.zero_grad(&[w])?;
            let loss = quadratic(e, w)?;
            e.backward(loss, None, false)?;
            e.optimizer_step(o)?;
            Ok(vec![loss])
        };
        let mut jit = Jit::new(|e: &mut Engine, _: &[Handle]| step(e, b, ob));
        for t in 0..8 {
            let lr = 0.1 / f64::from(t + 1);
            e.optimizer_hyper(oa, 0, 0, Some(lr)).unwrap();
            e.optimizer_hyper(ob, 0, 0, Some(lr)).unwrap();
            step(e, a, oa).unwrap();
            jit.call(e, &[]).unwrap();
            assert_eq!(bits(&values(e, a)), bits(&values(e, b)), "step {t}");
        }
        assert_eq!(jit.programs.len(), 1);
        // Another structure is another program: weight decay adds terms.
        e.optimizer_hyper(ob, 0, 4, Some(0.01)).unwrap();
        e.optimizer_hyper(oa, 0, 4, Some(0.01)).unwrap();
        step(e, a, oa).unwrap();
        jit.call(e, &[]).unwrap();
        assert_eq!(bits(&values(e, a)), bits(&values(e, b)));
        assert_eq!(jit.programs.len(), 2);
    });
}

#[test]
fn slots_a_number_among_the_arguments_is_given_with_each_call() {
    everywhere(|e| {
        let x = tensor(e, &[2], &[1.0, 2.0]);
        let specs = [like(e, x), ArgSpec::Number { integral: false }];
        let inner = e.trace_begin(&specs).unwrap();
        let y = e.apply(code("mul"), &[Operand::Tensor(inner[0]), Operand::Tensor(inner[1])], &[]).unwrap();
        let p = e.trace_end(&[y], TraceOptions::default()).unwrap();
        for k in [0.5f32, 3.25] {
            let out = e.run(p, &[RunArg::Tensor(x), RunArg::Number(k.into())]).unwrap()[0];
            assert_eq!(values(e, out), [k, 2.0 * k]);
        }
    });
}

// 6. Random numbers.

#[test]
fn random_numbers_are_the_same_in_both_drivers() {
    everywhere(|e| {
        let body = |e: &mut Engine| -> Result<Vec<Handle>> {
            let a = op(e, "randn", &[], &[3.0, 1.0, 5.0]);
            // Drawn and not used: it takes its share of the stream all the same.
            let unused = op(e, "rand", &[], &[3.0, 1.0, 100.0]);
            e.release(unused);
            let b = op(e, "rand", &[], &[3.0, 2.0, 2.0, 3.0]);
            Ok(vec![a, b])
        };
        e.seed(42);
        let mut eager = Vec::new();
        for _ in 0..3 {
            for x in body(e).unwrap() {
                eager.push(bits(&values(e, x)));
            }
        }
        let offset = e.stream().offset;
        e.seed(42);
        let p = trace(e, &[], |e, _| body(e)).unwrap();
        assert_eq!(e.stream().offset, 0, "a trace consumes nothing");
        let mut traced = Vec::new();
        for _ in 0..3 {
            for x in run(e, p, &[]).unwrap() {
                traced.push(bits(&values(e, x)));
            }
        }
        assert_eq!(eager, traced);
        assert_eq!(e.stream().offset, offset);
    });
}

// 7. Reading back inside a trace.

#[test]
fn reading_back_inside_a_trace_throws() {
    everywhere(|e| {
        let x = tensor(e, &[1], &[1.0]);
        let error = trace(e, &[x], |e, a| {
            let y = scaled(e, a[0], 2.0);
            e.read(y)?;
            Ok(vec![y])
        })
        .unwrap_err();
        assert_eq!(error.code(), "ERR_TRACE");
        assert!(error.message().contains("return it"), "{error}");
    });
}

// 8. Outputs.

#[test]
fn outputs_small_ones_are_copied_and_large_ones_lent() {
    everywhere(|e| {
        let x = tensor(e, &[2000], &noise(2000, 5));
        let p = trace(e, &[x], |e, a| {
            let y = scaled(e, a[0], 2.0);
            Ok(vec![sum(e, y), y])
        })
        .unwrap();
        let first = run(e, p, &[x]).unwrap();
        let kept = op(e, "clone", &[first[1]], &[]);
        let view = op(e, "narrow", &[first[1]], &[0.0, 0.0, 3.0]);
        let second = run(e, p, &[x]).unwrap();
        assert_eq!(values(e, first[0]), values(e, second[0]));
        let error = e.read(first[1]).unwrap_err();
        assert!(error.message().contains(".clone()"), "{error}");
        assert!(e.read(view).is_err(), "a view of a lent output is lent too");
        assert_eq!(values(e, kept), values(e, second[1]));
        let error = e.backward(second[0], None, false).unwrap_err();
        assert!(error.message().contains("inside it"), "{error}");
        e.program_free(p);
        assert_eq!(values(e, second[1]).len(), 2000);
    });
}

#[test]
fn outputs_a_tensor_that_escapes_throws_when_read() {
    everywhere(|e| {
        let x = tensor(e, &[1], &[1.0]);
        let mut escaped = f64::NAN;
        let p = trace(e, &[x], |e, a| {
            escaped = scaled(e, a[0], 2.0);
            Ok(vec![scaled(e, a[0], 3.0)])
        })
        .unwrap();
        run(e, p, &[x]).unwrap();
        let error = e.read(escaped).unwrap_err();
        assert_eq!(error.code(), "ERR_TRACE");
        assert!(error.message().contains("returned"), "{error}");
    });
}

// 9. A trace is a transaction.

#[test]
fn a_step_that_throws_changes_nothing() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let optimizer = adam(e, &[w], 0.1);
        let loss = quadratic(e, w).unwrap();
        e.backward(loss, None, false).unwrap();
        e.release(loss);
        let before = (values(e, w), grad(e, w), e.stream(), e.set_grad_enabled(true));
        let mut inner = Vec::new();
        let error = trace(e, &[], |e, _| {
            {
                let noise = op(e, "randn", &[], &[3.0, 1.0, 2.0]);
                let y = op(e, "mul", &[w, noise], &[]);
                let loss = sum(e, y);
                inner.push(loss);
                e.zero_grad(&[w])?;
                e.backward(loss, None, false)?;
                e.optimizer_step(optimizer)?;
                try_op(e, "matmul", &[y, y], &[])?;
                try_op(e, "reshape", &[y], &[1.0, 7.0])
            }
            .map(|x| vec![x])
        })
        .unwrap_err();
        assert_eq!(error.code(), "ERR_SHAPE");
        assert_eq!((values(e, w), grad(e, w), e.stream(), e.set_grad_enabled(true)), before);
        assert_eq!(e.optimizer_steps(optimizer, 0, None).unwrap(), 0);
        assert!(e.read(inner[0]).is_err());
        assert!(!e.tracing());
    });
}

#[test]
fn a_bad_index_leaves_the_state_untouched() {
    everywhere(|e| {
        let w = param(e, &[3, 2], &noise(6, 1));
        let index = ints(e, &[2], &[0, 1]);
        let p = trace(e, &[index], |e, a| {
            // The write comes first in the function; the indices do not depend on it.
            let half = scaled(e, w, 0.5);
            e.assign(w, half)?;
            let shifted = e.apply(code("add"), &[Operand::Tensor(a[0]), Operand::Number(1.0)], &[])?;
            Ok(vec![op(e, "indexSelect", &[w, shifted], &[0.0])])
        })
        .unwrap();
        let good = run(e, p, &[index]).unwrap()[0];
        assert_eq!(values(e, good).len(), 4);
        let before = values(e, w);
        let bad = ints(e, &[2], &[0, 2]);
        let result: Result<Vec<Handle>> = run(e, p, &[bad]).and_then(|_| e.backend().sync().map(|()| vec![]));
        let error = result.unwrap_err();
        assert_eq!(error.code(), "ERR_INDEX", "{error}");
        assert_eq!(values(e, w), before);
    });
}

// 10. A trace can be checked.

#[test]
fn verify_finds_what_a_trace_froze() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let optimizer = adam(e, &[w], 0.1);
        let step = |e: &mut Engine, k: f64| -> Result<Vec<Handle>> {
            e.zero_grad(&[w])?;
            let y = scaled(e, w, k);
            let loss = quadratic(e, y)?;
            e.backward(loss, None, false)?;
            e.optimizer_step(optimizer)?;
            Ok(vec![loss])
        };
        let p = trace(e, &[], |e, _| step(e, 0.5)).unwrap();
        let check = |e: &mut Engine, k: f64| -> Result<()> {
            e.verify_begin(p)?;
            let traced = run(e, p, &[])?;
            e.verify_replay()?;
            let eager = step(e, k)?;
            e.verify_end(&eager, &traced)
        };
        check(e, 0.5).unwrap();
        check(e, 0.5).unwrap();
        assert_eq!(e.optimizer_steps(optimizer, 0, None).unwrap(), 2);
        let error = check(e, 0.75).unwrap_err();
        assert!(error.message().contains("0.5"), "{error}");
        let other = param(e, &[2], &[1.0, 2.0]);
        let q = trace(e, &[], |e, _| Ok(vec![quadratic(e, w)?])).unwrap();
        e.verify_begin(q).unwrap();
        let traced = run(e, q, &[]).unwrap();
        e.verify_replay().unwrap();
        let eager = vec![quadratic(e, other).unwrap()];
        let error = e.verify_end(&eager, &traced).unwrap_err();
        assert!(error.message().contains("another tensor"), "{error}");
    });
}

// Programs follow what they captured.

#[test]
fn captured_tensors_are_never_constants() {
    everywhere(|e| {
        let table = tensor(e, &[3], &[1.0, 2.0, 3.0]);
        let zeros = op(e, "full", &[], &[0.0, 3.0, 1.0, 3.0]);
        let p = trace(e, &[], |e, _| Ok(vec![op(e, "add", &[table, zeros], &[])])).unwrap();
        let y = run(e, p, &[]).unwrap()[0];
        assert_eq!(values(e, y), [1.0, 2.0, 3.0]);
        let new = tensor(e, &[3], &[5.0, 5.0, 5.0]);
        e.assign(zeros, new).unwrap();
        let y = run(e, p, &[]).unwrap()[0];
        assert_eq!(values(e, y), [6.0, 7.0, 8.0]);
        // The program keeps what it captured alive.
        e.release(table);
        e.release(zeros);
        let y = run(e, p, &[]).unwrap()[0];
        assert_eq!(values(e, y), [6.0, 7.0, 8.0]);
    });
}

#[test]
fn a_second_backward_throws_unless_the_graph_is_retained() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let loss = quadratic(e, w).unwrap();
        e.backward(loss, None, true).unwrap();
        e.backward(loss, None, false).unwrap();
        assert_eq!(grad(e, w), [4.0, 8.0]);
        let error = e.backward(loss, None, false).unwrap_err();
        assert!(error.message().contains("retainGraph"), "{error}");
    });
}

#[test]
fn a_changed_flag_traces_again() {
    everywhere(|e| {
        let (w, b) = (param(e, &[1], &[2.0]), param(e, &[1], &[3.0]));
        let mut jit = Jit::new(|e: &mut Engine, _: &[Handle]| {
            let y = op(e, "mul", &[w, b], &[]);
            e.backward(y, None, false)?;
            Ok(vec![y])
        });
        jit.call(e, &[]).unwrap();
        assert_eq!((grad(e, w), grad(e, b)), (vec![3.0], vec![2.0]));
        e.zero_grad(&[w, b]).unwrap();
        e.set_requires_grad(b, false).unwrap();
        jit.call(e, &[]).unwrap();
        assert_eq!(jit.programs.len(), 2);
        assert!(e.grad_of(b).unwrap().is_none());
        assert_eq!(grad(e, w), [3.0]);
    });
}
