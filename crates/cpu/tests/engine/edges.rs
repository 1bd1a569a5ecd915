//! Element types, promotion, zero sizes and indices: the rules at the edges, one test each.

use neuroxide_core::dtype::DType;
use neuroxide_core::engine::{Engine, Handle, Operand};

use crate::support::*;

fn dtype(e: &mut Engine, x: Handle) -> DType {
    e.info(x).unwrap().ty.dtype
}

fn with_number(e: &mut Engine, name: &str, x: Handle, number: f64) -> Handle {
    e.apply(code(name), &[Operand::Tensor(x), Operand::Number(number)], &[]).unwrap()
}

fn integers(e: &mut Engine, x: Handle) -> Vec<i32> {
    e.read(x).unwrap().chunks_exact(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// An error of an op, whenever the backend comes to notice it.
fn code_of(e: &mut Engine, name: &str, operands: &[Handle], attrs: &[f64]) -> &'static str {
    match try_op(e, name, operands, attrs).and_then(|x| e.read(x).map(|_| ())) {
        Ok(()) => e.backend().sync().map_or_else(|error| error.code(), |()| "none"),
        Err(error) => error.code(),
    }
}

const ALL: [f64; 2] = [f64::NAN, 0.0];

#[test]
fn numbers_adapt_to_the_tensor_they_meet() {
    everywhere(|e| {
        let u8s = e.create(DType::U8, &[2], &[1, 2]).unwrap();
        let bools = e.create(DType::Bool, &[2], &[1, 0]).unwrap();
        let i32s = ints(e, &[2], &[1, 2]);
        let f64s = e.create(DType::F64, &[1], &1f64.to_le_bytes()).unwrap();
        let cases = [
            (u8s, 2.0, DType::U8),
            (i32s, 2.0, DType::I32),
            (bools, 2.0, DType::I32),
            (u8s, 0.5, DType::F32),
            (bools, 0.5, DType::F32),
            (f64s, 0.5, DType::F64),
        ];
        for (x, number, expected) in cases {
            let y = with_number(e, "add", x, number);
            assert_eq!(dtype(e, y), expected, "{number}");
        }
    });
}

#[test]
fn integer_division_gives_floats_and_by_zero_is_an_error() {
    everywhere(|e| {
        let (a, b) = (ints(e, &[2], &[7, -7]), ints(e, &[2], &[2, 2]));
        let q = op(e, "div", &[a, b], &[]);
        assert_eq!(values(e, q), [3.5, -3.5]);
        let q = op(e, "floorDiv", &[a, b], &[]);
        assert_eq!(integers(e, q), [3, -4]);
        let r = op(e, "remainder", &[a, b], &[]);
        assert_eq!(integers(e, r), [1, 1]);
        let zero = ints(e, &[2], &[1, 0]);
        for name in ["floorDiv", "remainder", "fmod"] {
            assert_eq!(code_of(e, name, &[a, zero], &[]), "ERR_VALUE", "{name}");
        }
    });
}

#[test]
fn integer_sums_are_i32_and_report_overflow() {
    everywhere(|e| {
        let bools = e.create(DType::Bool, &[3], &[1, 0, 1]).unwrap();
        let u8s = e.create(DType::U8, &[300], &[255; 300]).unwrap();
        for (x, expected) in [(bools, 2), (u8s, 76_500)] {
            let total = sum(e, x);
            assert_eq!(dtype(e, total), DType::I32);
            assert_eq!(integers(e, total), [expected]);
        }
        // The sum leaves the range on the way and comes back: 64 bits hold it.
        let fine = ints(e, &[3], &[i32::MAX, i32::MAX, -i32::MAX]);
        let total = sum(e, fine);
        assert_eq!(integers(e, total), [i32::MAX]);
        let over = ints(e, &[2], &[i32::MAX, 1]);
        assert_eq!(code_of(e, "sum", &[over], &ALL), "ERR_VALUE");
    });
}

#[test]
fn bytes_are_never_scaled_or_multiplied_as_floats_silently() {
    everywhere(|e| {
        let pixels = e.create(DType::U8, &[1, 2], &[255, 1]).unwrap();
        let w = param(e, &[3, 2], &noise(6, 1));
        assert_eq!(code_of(e, "linear", &[pixels, w], &[]), "ERR_DTYPE");
        let y = with_number(e, "mul", pixels, 2.0);
        assert_eq!(e.read(y).unwrap(), [254, 2], "u8 arithmetic wraps as PyTorch's");
    });
}

#[test]
fn a_product_over_nothing_is_zero() {
    everywhere(|e| {
        let (a, b) = (tensor(e, &[2, 0], &[]), tensor(e, &[0, 3], &[]));
        let c = op(e, "matmul", &[a, b], &[]);
        assert_eq!(values(e, c), [0.0; 6]);
    });
}

#[test]
fn reductions_of_nothing() {
    everywhere(|e| {
        let x = tensor(e, &[0, 2], &[]);
        let total = sum(e, x);
        assert_eq!(values(e, total), [0.0]);
        let product = op(e, "prod", &[x], &ALL);
        assert_eq!(values(e, product), [1.0]);
        let mean = op(e, "mean", &[x], &ALL);
        assert!(values(e, mean)[0].is_nan());
        assert_ne!(code_of(e, "amax", &[x], &ALL), "none");
        assert_ne!(code_of(e, "argmax", &[x], &ALL), "none");
        let rows = op(e, "sum", &[x], &[1.0, 0.0, 0.0]);
        assert_eq!(values(e, rows), [0.0, 0.0]);
    });
}

#[test]
fn nan_wins_comparisons_and_arguments_take_the_first() {
    everywhere(|e| {
        let x = tensor(e, &[4], &[1.0, f32::NAN, 3.0, f32::NAN]);
        let top = op(e, "amax", &[x], &ALL);
        assert!(values(e, top)[0].is_nan());
        let at = op(e, "argmax", &[x], &ALL);
        assert_eq!(integers(e, at), [1]);
        let clamped = e
            .apply(code("clamp"), &[Operand::Tensor(x), Operand::Number(0.0), Operand::Number(2.0)], &[])
            .unwrap();
        assert_eq!(bits(&values(e, clamped)), bits(&[1.0, f32::NAN, 2.0, f32::NAN]));
        let relu = op(e, "relu", &[x], &[]);
        assert!(values(e, relu)[1].is_nan());
        let ties = tensor(e, &[3], &[2.0, 5.0, 5.0]);
        let at = op(e, "argmax", &[ties], &ALL);
        assert_eq!(integers(e, at), [1]);
    });
}

#[test]
fn an_index_out_of_range_is_named() {
    everywhere(|e| {
        let x = tensor(e, &[5, 2], &noise(10, 1));
        for bad in [5, -1] {
            let index = ints(e, &[2], &[0, bad]);
            assert_eq!(code_of(e, "indexSelect", &[x, index], &[0.0]), "ERR_INDEX", "{bad}");
        }
        let floats = tensor(e, &[1], &[1.0]);
        assert_eq!(code_of(e, "indexSelect", &[x, floats], &[0.0]), "ERR_DTYPE");
    });
}

#[test]
fn shapes_that_do_not_fit_say_so() {
    everywhere(|e| {
        let (a, b) =
            (tensor(e, &[64, 784], &vec![0.0; 64 * 784]), tensor(e, &[512, 784], &vec![0.0; 512 * 784]));
        let error = try_op(e, "matmul", &[a, b], &[]).unwrap_err();
        assert_eq!(error.code(), "ERR_SHAPE");
        for part in ["matmul", "[64, 784]", "[512, 784]", "Hint"] {
            assert!(error.message().contains(part), "{error}");
        }
    });
}

#[test]
fn views_of_a_constant_see_what_is_written_into_it() {
    everywhere(|e| {
        let zeros = op(e, "full", &[], &[0.0, 3.0, 1.0, 3.0]);
        let view = op(e, "narrow", &[zeros], &[0.0, 1.0, 2.0]);
        let new = tensor(e, &[3], &[1.0, 2.0, 3.0]);
        e.assign(zeros, new).unwrap();
        assert_eq!(values(e, view), [2.0, 3.0]);
    });
}

#[test]
fn a_label_out_of_range_names_the_loss_in_both_drivers() {
    everywhere(|e| {
        let x = tensor(e, &[2, 3], &noise(6, 1));
        let y = ints(e, &[2], &[0, 3]);
        let body = |e: &mut Engine, a: &[Handle]| {
            Ok(vec![try_op(e, "crossEntropy", &[a[0], a[1]], &[1.0, f64::NAN, 0.0])?])
        };
        let good = ints(e, &[2], &[0, 2]);
        let p = trace(e, &[x, good], body).unwrap();
        let traced = run(e, p, &[x, y]).and_then(|_| e.backend().sync());
        let eager = body(e, &[x, y]).and_then(|y| e.read(y[0]).map(|_| ()));
        // The late backend notices when it is asked to wait, and does not know the step any more.
        if e.backend().name() == "cpu" {
            for error in [traced.unwrap_err(), eager.unwrap_err()] {
                assert!(error.message().starts_with("crossEntropy: index 3 at position [1, 0]"), "{error}");
            }
        }
    });
}

#[test]
fn sizes_beyond_any_memory_are_errors() {
    everywhere(|e| {
        let one = tensor(e, &[1], &[1.0]);
        let bit = |n: u32| (1u64 << n) as f64;
        // 2^62 elements of 4 bytes wrap to 0 bytes, 2^64 + 1 elements to one.
        let wrapping: [&[f64]; 3] =
            [&[bit(31), bit(31)], &[274_177.0, 67_280_421_310_721.0], &[0.0, bit(40), bit(40)]];
        for sizes in wrapping {
            let attrs: Vec<f64> = [sizes.len() as f64].into_iter().chain(sizes.iter().copied()).collect();
            for name in ["expand", "reshape"] {
                assert_eq!(code_of(e, name, &[one], &attrs), "ERR_SHAPE", "{name} {sizes:?}");
            }
            let shape: Vec<usize> = sizes.iter().map(|&size| size as usize).collect();
            for dtype in [DType::U8, DType::F32] {
                let fits = shape.iter().fold(dtype.size() as f64, |n, &s| n * s.max(1) as f64) <= bit(53);
                let made = e.create(dtype, &shape, &[]).map(|_| ());
                assert!(!fits && made.is_err_and(|error| error.code() == "ERR_SHAPE"), "{dtype} {shape:?}");
            }
        }
        assert_eq!(code_of(e, "pad", &[one], &[2.0, 0.0, bit(53), 0.0]), "ERR_SHAPE");
        // A view of many elements takes no memory; reading it is an error of the device.
        let wide = op(e, "expand", &[one], &[2.0, bit(25), bit(25)]);
        assert_eq!(sum_of_shape(e, wide), bit(50));
    });
}

fn sum_of_shape(e: &mut Engine, x: Handle) -> f64 {
    e.info(x).unwrap().ty.shape.iter().map(|&size| size as f64).product()
}

#[test]
fn the_gradient_of_one_element_does_not_depend_on_the_step() {
    everywhere(|e| {
        let x = param(e, &[3], &[1.0, 2.0, 3.0]);
        // The step is longer than any memory.
        let part = op(e, "slice", &[x], &[0.0, 1.0, f64::NAN, 9_007_199_254_740_992.0]);
        let loss = sum(e, part);
        e.backward(loss, None, false).unwrap();
        assert_eq!(grad(e, x), [0.0, 1.0, 0.0]);
    });
}
