//! What random step functions brought to light, each in its smallest form.

use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, Operand, TraceOptions};
use neuroxide_core::error::Result;

use crate::support::*;

const ALL: [f64; 2] = [f64::NAN, 0.0];

type Body = fn(&mut Engine, &[Handle]) -> Result<Vec<Handle>>;

fn shape_of(e: &mut Engine, x: Handle) -> Vec<usize> {
    e.info(x).unwrap().ty.shape.to_vec()
}

/// Runs a function of parameters of these shapes eagerly and as a program, and compares outputs,
/// parameters and gradients.
fn agree(shapes: &[&[usize]], body: Body) {
    everywhere(|e| {
        let make = |e: &mut Engine| -> Vec<Handle> {
            let sized = shapes.iter().enumerate();
            sized.map(|(at, s)| param(e, s, &noise(s.iter().product(), at as u64))).collect()
        };
        let (a, b) = (make(e), make(e));
        let eager = body(e, &a).unwrap();
        let options = TraceOptions { keep_grads: true };
        let program = trace_with(e, &[], options, |e, _| body(e, &b)).unwrap();
        let traced = run(e, program, &[]).unwrap();
        let pairs = eager.iter().zip(&traced).chain(a.iter().zip(&b));
        for (at, (&x, &y)) in pairs.enumerate() {
            assert_eq!(bits(&values(e, x)), bits(&values(e, y)), "value {at}");
        }
        for (&x, &y) in a.iter().zip(&b) {
            let grads = [x, y].map(|p| e.grad_of(p).unwrap().map(|g| bits(&values(e, g))));
            assert_eq!(grads[0], grads[1]);
        }
    });
}

fn double(e: &mut Engine, w: Handle) -> Result<()> {
    let twice = scaled(e, w, 2.0);
    e.assign(w, twice)
}

// State and views of it.

#[test]
fn a_reshape_that_had_to_copy_does_not_see_later_writes() {
    agree(&[&[2, 3]], |e, p| {
        // The parameter lies column by column, so this takes a copy, and the other does not.
        let copied = try_op(e, "reshape", &[p[0]], &[1.0, 6.0])?;
        let turned = try_op(e, "transpose", &[p[0]], &[0.0, 1.0])?;
        let viewed = try_op(e, "reshape", &[turned], &[1.0, 6.0])?;
        double(e, p[0])?;
        Ok(vec![scaled(e, copied, 1.0), scaled(e, viewed, 1.0)])
    });
}

#[test]
fn gradients_of_a_view_add_in_one_order_around_a_write() {
    agree(&[&[5, 7], &[5, 7]], |e, p| {
        let turned = try_op(e, "transpose", &[p[0]], &[0.0, 1.0])?;
        let mut loss = sum(e, p[1]);
        for by in [0.1, 0.7, 0.3] {
            for read in [turned, p[0]] {
                let y = scaled(e, read, by);
                let y = sum(e, y);
                loss = try_op(e, "add", &[loss, y], &[])?;
            }
            double(e, p[0])?;
        }
        e.backward(loss, None, false)?;
        Ok(vec![loss])
    });
}

#[test]
fn a_tensor_made_in_the_function_is_the_same_at_every_call() {
    everywhere(|e| {
        let error = trace(e, &[], |e, _| {
            let made = tensor(e, &[2], &[1.0, 2.0]);
            double(e, made)?;
            Ok(vec![made])
        })
        .unwrap_err();
        assert_eq!(error.code(), "ERR_TRACE");
    });
}

#[test]
fn an_argument_that_the_function_writes_elsewhere() {
    everywhere(|e| {
        let w = param(e, &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let alias = op(e, "detach", &[w], &[]);
        let early = trace(e, &[alias], |e, a| {
            let y = scaled(e, a[0], 10.0);
            double(e, w)?;
            Ok(vec![y])
        })
        .unwrap();
        let y = run(e, early, &[alias]).unwrap()[0];
        assert_eq!(values(e, y), [10.0, 20.0, 30.0, 40.0]);
        let late = trace(e, &[alias], |e, a| {
            double(e, w)?;
            Ok(vec![scaled(e, a[0], 10.0)])
        })
        .unwrap();
        let error = run(e, late, &[alias]).unwrap_err();
        assert_eq!(error.code(), "ERR_TRACE");
        assert!(error.message().contains("shares memory"), "{error}");
        assert_eq!(values(e, w), [2.0, 4.0, 6.0, 8.0]);
    });
}

// Gradients.

#[test]
fn a_second_backward_throws_in_a_trace_too() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let twice = |e: &mut Engine, retain: bool| -> Result<Vec<Handle>> {
            let y = try_op(e, "square", &[w], &[])?;
            let loss = sum(e, y);
            e.backward(loss, None, retain)?;
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        };
        trace(e, &[], |e, _| twice(e, true)).unwrap();
        let error = trace(e, &[], |e, _| twice(e, false)).unwrap_err();
        assert_eq!(error.code(), "ERR_GRAD");
        assert!(error.message().contains("retainGraph"), "{error}");
    });
}

#[test]
fn a_gradient_that_was_set_is_a_copy() {
    agree(&[&[3], &[3]], |e, p| {
        e.set_grad(p[0], Some(p[1]))?;
        double(e, p[1])?;
        let g = e.grad_of(p[0])?.unwrap();
        Ok(vec![scaled(e, g, 1.0)])
    });
}

#[test]
fn leaves_with_equal_gradients_do_not_share_them() {
    everywhere(|e| {
        let w = [param(e, &[2], &[1.0, 2.0]), param(e, &[2], &[3.0, 4.0])];
        let step = |e: &mut Engine| -> Result<Vec<Handle>> {
            let y = try_op(e, "add", &w, &[])?;
            let loss = sum(e, y);
            e.backward(loss, None, false)?;
            Ok(vec![])
        };
        step(e).unwrap();
        // The program adds to both in place.
        let program = trace(e, &[], |e, _| step(e)).unwrap();
        run(e, program, &[]).unwrap();
        assert_eq!(grad(e, w[0]), [2.0, 2.0]);
        assert_eq!(grad(e, w[1]), [2.0, 2.0]);
    });
}

#[test]
fn a_gradient_in_hand_keeps_its_value() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let mut jit = Jit::new(|e: &mut Engine, _: &[Handle]| {
            let loss = sum(e, w);
            let before = e.grad_of(w)?;
            e.backward(loss, None, false)?;
            Ok(before.map_or_else(Vec::new, |g| vec![scaled(e, g, 1.0)]))
        });
        jit.call(e, &[]).unwrap();
        let held = e.grad_of(w).unwrap().unwrap();
        for n in 1..4u8 {
            let before = jit.call(e, &[]).unwrap()[0];
            assert_eq!(values(e, before), [f32::from(n); 2]);
            assert_eq!(grad(e, w), [f32::from(n) + 1.0; 2]);
        }
        assert_eq!(values(e, held), [1.0, 1.0]);
        let mut quiet = Jit::new(|e: &mut Engine, _: &[Handle]| {
            let loss = sum(e, w);
            e.backward(loss, None, false)?;
            Ok(vec![])
        });
        let held = e.grad_of(w).unwrap().unwrap();
        quiet.call(e, &[]).unwrap();
        assert_eq!((values(e, held), grad(e, w)), (vec![4.0; 2], vec![5.0; 2]));
    });
}

#[test]
fn a_frozen_parameter_loses_its_gradient_in_a_program_too() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        let loss = sum(e, w);
        e.backward(loss, None, false).unwrap();
        e.set_requires_grad(w, false).unwrap();
        let program = trace(e, &[], |e, _| e.zero_grad(&[w]).map(|()| vec![])).unwrap();
        run(e, program, &[]).unwrap();
        assert!(e.grad_of(w).unwrap().is_none());
    });
}

#[test]
fn a_gradient_has_no_history() {
    agree(&[&[3]], |e, p| {
        for _ in 0..2 {
            e.backward(p[0], Some(p[0]), false)?;
        }
        let g = e.grad_of(p[0])?.unwrap();
        assert!(!e.info(g)?.requires_grad);
        Ok(vec![g])
    });
}

#[test]
fn a_parameter_can_be_its_own_gradient_and_still_go() {
    everywhere(|e| {
        let w = param(e, &[2], &[1.0, 2.0]);
        e.set_grad(w, Some(w)).unwrap();
        assert_eq!(grad(e, w), [1.0, 2.0]);
        let loss = sum(e, w);
        e.backward(loss, Some(loss), false).unwrap();
        e.zero_grad(&[w]).unwrap();
        e.set_grad(w, Some(w)).unwrap();
        e.release(loss);
        let before = e.nodes();
        e.release(w);
        assert_eq!(e.nodes() + 2, before, "the parameter and its gradient are gone");
    });
}

#[test]
fn two_steps_of_one_optimizer_in_one_program() {
    everywhere(|e| {
        let w = [param(e, &[2], &[1.0, 2.0]), param(e, &[2], &[1.0, 2.0])];
        let optimizers = w.map(|w| adam(e, &[w], 0.1));
        let step = |e: &mut Engine, at: usize| -> Result<Vec<Handle>> {
            e.zero_grad(&[w[at]])?;
            let y = try_op(e, "square", &[w[at]], &[])?;
            let loss = sum(e, y);
            e.backward(loss, None, false)?;
            e.optimizer_step(optimizers[at])?;
            e.optimizer_step(optimizers[at])?;
            Ok(vec![])
        };
        let program = trace(e, &[], |e, _| step(e, 1)).unwrap();
        for _ in 0..3 {
            step(e, 0).unwrap();
            run(e, program, &[]).unwrap();
            assert_eq!(bits(&values(e, w[0])), bits(&values(e, w[1])));
        }
        assert_eq!(e.optimizer_steps(optimizers[1], 0, None).unwrap(), 6);
    });
}

// The order of nodes, and checks.

#[test]
fn a_write_that_indices_need_does_not_overtake_a_read() {
    everywhere(|e| {
        let table = tensor(e, &[3], &[10.0, 20.0, 30.0]);
        let (place, other) = (ints(e, &[1], &[0]), tensor(e, &[1], &[0.0]));
        let program = trace(e, &[], |e, _| {
            double(e, other)?;
            let before = op(e, "indexSelect", &[table, place], &[0.0]);
            let next = e.apply(code("add"), &[Operand::Tensor(place), Operand::Number(1.0)], &[])?;
            let read = scaled(e, place, 1.0);
            e.assign(place, next)?;
            let after = op(e, "indexSelect", &[table, place], &[0.0]);
            Ok(vec![before, after, read])
        })
        .unwrap();
        let out = run(e, program, &[]).unwrap();
        assert_eq!((values(e, out[0]), values(e, out[1])), (vec![10.0], vec![20.0]));
        assert_eq!(e.read(out[2]).unwrap(), 0i32.to_le_bytes());
    });
}

#[test]
fn errors_of_values_that_nobody_reads() {
    everywhere(|e| {
        let (x, index) = (tensor(e, &[3], &[1.0, 2.0, 3.0]), ints(e, &[1], &[0]));
        let program = trace(e, &[index], |e, a| {
            op(e, "indexSelect", &[x, a[0]], &[0.0]);
            Ok(vec![])
        })
        .unwrap();
        let divided = trace(e, &[index], |e, a| {
            op(e, "floorDiv", &[index, a[0]], &[]);
            Ok(vec![])
        })
        .unwrap();
        let mut end = |program, by: Handle| match run(e, program, &[by]).and_then(|_| e.backend().sync()) {
            Ok(()) => "none",
            Err(error) => error.code(),
        };
        assert_eq!((end(program, index), end(divided, index)), ("none", "ERR_VALUE"));
        let bad = ints(e, &[1], &[3]);
        let mut end = |program, by: Handle| match run(e, program, &[by]).and_then(|_| e.backend().sync()) {
            Ok(()) => "none",
            Err(error) => error.code(),
        };
        assert_eq!((end(program, bad), end(divided, bad)), ("ERR_INDEX", "none"));
    });
}

#[test]
fn a_divisor_that_has_to_be_copied_before_it_is_checked() {
    everywhere(|e| {
        let x = ints(e, &[33, 65], &(1..=33 * 65).collect::<Vec<i32>>());
        let turned = op(e, "transpose", &[x], &[0.0, 1.0]);
        let y = op(e, "floorDiv", &[turned, turned], &[]);
        assert!(e.read(y).unwrap().chunks_exact(4).all(|b| b == 1i32.to_le_bytes()));
    });
}

#[test]
fn additions_at_indices_take_numbers_of_every_type() {
    everywhere(|e| {
        let index = ints(e, &[2], &[1, 1]);
        let bytes = e.create(DType::U8, &[2], &[250, 3]).unwrap();
        let y = op(e, "scatterAdd", &[bytes, index, bytes], &[0.0]);
        assert_eq!(e.read(y).unwrap(), [250, 0], "u8 wraps");
        let bools = e.create(DType::Bool, &[2], &[1, 0]).unwrap();
        for name in ["scatterAdd", "indexAdd"] {
            let error = try_op(e, name, &[bools, index, bools], &[0.0, 1.0]).unwrap_err();
            assert_eq!(error.code(), "ERR_DTYPE", "{name}");
        }
    });
}

// Numbers.

#[test]
fn a_plan_for_two_equal_numbers_serves_two_others() {
    everywhere(|e| {
        let mask = e.create(DType::Bool, &[2], &[1, 0]).unwrap();
        let pick = |e: &mut Engine, a: f64, b: f64| {
            let operands = [Operand::Tensor(mask), Operand::Number(a), Operand::Number(b)];
            let y = e.apply(code("where"), &operands, &[]).unwrap();
            values(e, y)
        };
        assert_eq!(pick(e, 1.5, 1.5), [1.5, 1.5]);
        assert_eq!(pick(e, 1.5, 2.5), [1.5, 2.5]);
    });
}

#[test]
fn a_tensor_of_one_value_is_not_that_number_for_ever() {
    everywhere(|e| {
        let x = op(e, "full", &[], &[0.25, 3.0, 0.0]);
        let new = tensor(e, &[], &[5.0]);
        e.assign(x, new).unwrap();
        let wide = op(e, "cast", &[x], &[f64::from(DType::F64 as u8)]);
        assert_eq!(e.read(wide).unwrap(), 5f64.to_le_bytes());
        // An f32 is an f32 before it becomes an f64, in both drivers.
        let body = |e: &mut Engine, _: &[Handle]| -> Result<Vec<Handle>> {
            let x = op(e, "full", &[], &[0.3, 3.0, 0.0]);
            Ok(vec![op(e, "cast", &[x], &[f64::from(DType::F64 as u8)])])
        };
        let eager = body(e, &[]).unwrap()[0];
        let program = trace(e, &[], body).unwrap();
        let traced = run(e, program, &[]).unwrap()[0];
        for y in [eager, traced] {
            assert_eq!(e.read(y).unwrap(), f64::from(0.3f32).to_le_bytes());
        }
    });
}

#[test]
fn softmax_of_nothing_leaves_nothing() {
    everywhere(|e| {
        let x = tensor(e, &[2, 0], &[]);
        let before = e.nodes();
        for name in ["softmax", "logSoftmax"] {
            let y = op(e, name, &[x], &[1.0]);
            e.release(y);
        }
        assert_eq!(e.nodes(), before);
        e.release(x);
        assert_eq!(e.nodes(), 0);
    });
}

// Outputs that are lent.

#[test]
fn a_large_output_as_the_next_argument() {
    everywhere(|e| {
        let n = 3000;
        let mut x = tensor(e, &[n], &noise(n, 1));
        let program = trace(e, &[x], |e, a| {
            let half = scaled(e, a[0], 0.5);
            let turned = op(e, "flip", &[a[0]], &[1.0, 0.0]);
            Ok(vec![op(e, "add", &[half, turned], &[])])
        })
        .unwrap();
        let mut expected = noise(n, 1);
        for _ in 0..4 {
            x = run(e, program, &[x]).unwrap()[0];
            expected = (0..n).map(|i| expected[i] * 0.5 + expected[n - 1 - i]).collect();
            assert_eq!(bits(&values(e, x)), bits(&expected));
        }
    });
}

#[test]
fn a_large_output_that_another_program_reads() {
    everywhere(|e| {
        let x = tensor(e, &[2000], &noise(2000, 1));
        let doubled = trace(e, &[x], |e, a| Ok(vec![scaled(e, a[0], 2.0)])).unwrap();
        let y = run(e, doubled, &[x]).unwrap()[0];
        let expected = values(e, y);
        let reader = trace(e, &[], |e, _| Ok(vec![scaled(e, y, 1.0)])).unwrap();
        let other = tensor(e, &[2000], &noise(2000, 2));
        run(e, doubled, &[other]).unwrap();
        let seen = run(e, reader, &[]).unwrap()[0];
        assert_eq!(values(e, seen), expected);
    });
}

#[test]
fn a_large_output_saved_for_backward_is_not_overwritten_in_silence() {
    everywhere(|e| {
        let (w, x) = (param(e, &[2000], &noise(2000, 1)), tensor(e, &[2000], &noise(2000, 2)));
        let program = trace(e, &[x], |e, a| Ok(vec![scaled(e, a[0], 2.0)])).unwrap();
        let y = run(e, program, &[x]).unwrap()[0];
        let product = op(e, "mul", &[w, y], &[]);
        let loss = op(e, "sum", &[product], &ALL);
        run(e, program, &[w]).unwrap();
        assert_eq!(e.backward(loss, None, false).unwrap_err().code(), "ERR_GRAD");
    });
}

// Verification.

#[test]
fn verification_takes_copies_for_what_they_are() {
    everywhere(|e| {
        let buffer = tensor(e, &[3, 2], &noise(6, 1));
        let flat = tensor(e, &[2, 3], &noise(6, 2));
        let turned = op(e, "transpose", &[flat], &[0.0, 1.0]);
        let body = |e: &mut Engine, a: &[Handle]| -> Result<Vec<Handle>> {
            let t = try_op(e, "transpose", &[buffer], &[0.0, 1.0])?;
            let copied = try_op(e, "reshape", &[t], &[1.0, 6.0])?;
            let given = try_op(e, "mul", &[a[0], buffer], &[])?;
            Ok(vec![scaled(e, copied, 2.0), given])
        };
        let program = trace(e, &[turned], body).unwrap();
        e.verify_begin(program).unwrap();
        let traced = run(e, program, &[turned]).unwrap();
        e.verify_replay().unwrap();
        let eager = body(e, &[turned]).unwrap();
        e.verify_end(&eager, &traced).unwrap();
        assert_eq!(shape_of(e, traced[0]), [6]);
    });
}

#[test]
fn a_gradient_that_a_program_adds_to_is_copied_at_most_once() {
    everywhere(|e| {
        let w = param(e, &[3], &[1.0, 2.0, 3.0]);
        let p = |e: &mut Engine, _: &[Handle]| {
            let square = op(e, "mul", &[w, w], &[]);
            let loss = sum(e, square);
            e.backward(loss, None, false)?;
            Ok(vec![loss])
        };
        let mut jit = Jit::new(p);
        for _ in 0..3 {
            jit.call(e, &[]).unwrap();
        }
        let before = e.counters().eager_runs;
        for _ in 0..5 {
            jit.call(e, &[]).unwrap();
        }
        assert_eq!(e.counters().eager_runs, before);
        let g = e.grad_of(w).unwrap().unwrap();
        assert_eq!(values(e, g), [16.0, 32.0, 48.0]);
        e.release(g);
        // Once dropped, its memory is free although the program lives on.
        let bytes = e.bytes().0;
        e.zero_grad(&[w]).unwrap();
        assert_eq!(e.bytes().0, bytes - 12);
    });
}

#[test]
fn a_divisor_is_read_before_it_is_written() {
    everywhere(|e| {
        let c = ints(e, &[2], &[2, 3]);
        let (a, b) = (ints(e, &[2], &[20, 30]), ints(e, &[2], &[40, 60]));
        let (table, index) = (ints(e, &[3], &[9, 4, 7]), ints(e, &[2], &[2, 1]));
        let p = |e: &mut Engine, _: &[Handle]| {
            let first = op(e, "floorDiv", &[a, c], &[]);
            let picked = op(e, "indexSelect", &[table, index], &[0.0]);
            let second = op(e, "floorDiv", &[b, c], &[]);
            let next = op(e, "add", &[picked, picked], &[]);
            e.assign(c, next)?;
            Ok(vec![first, second])
        };
        let program = trace(e, &[], p).unwrap();
        let out = run(e, program, &[]).unwrap();
        let read = |e: &mut Engine, x: Handle| {
            let bytes = e.read(x).unwrap();
            bytes.chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!((read(e, out[0]), read(e, out[1])), (vec![10, 10], vec![20, 20]));
        assert_eq!(read(e, c), [14, 8]);
    });
}
