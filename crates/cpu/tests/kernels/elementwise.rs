//! The elementwise kernel against the table's scalar functions.

use crate::common::{Item, Noise, Tensor, With, assert_same, everywhere, everywhere_with, layouts};
use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::{BinaryFn, BinaryOp, UnaryFn, UnaryOp};
use neuroxide_core::plan::{Expr, Instr, Kernel};
use neuroxide_core::shape::View;
use neuroxide_core::{dispatch_binary, dispatch_unary};

const LENGTHS: [usize; 8] = [0, 1, 31, 511, 512, 513, 1031, 40_009];

fn expr(instrs: Vec<Instr>, outs: &[u16]) -> Kernel {
    Kernel::Elementwise(Expr { instrs, outs: outs.iter().copied().collect() })
}

fn load(input: u16, dtype: DType) -> Instr {
    Instr::Load { input, dtype }
}

/// Ordinary numbers and the corners of the type.
fn corners<T: Item>(n: usize, seed: u64) -> Vec<T> {
    let mut values: Vec<T> = Noise(seed).items(n);
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-40,
        88.9,
        -104.0,
        0.5,
        2.5,
        1e9,
    ];
    for (i, value) in values.iter_mut().enumerate().filter(|(i, _)| i % 3 == 1) {
        *value = T::of(special[(i / 3 + seed as usize) % special.len()]);
    }
    values
}

#[test]
fn every_unary_op_is_the_tables_function() {
    for &op in UnaryOp::ALL {
        for dtype in DType::ALL {
            dispatch_unary!(op, dtype, |F, T| {
                type Out = <F as UnaryFn<T>>::Out;
                for n in LENGTHS {
                    let x: Vec<T> = corners(n, 11);
                    let expected: Vec<Out> = x.iter().map(|&x| <F as UnaryFn<T>>::eval(x)).collect();
                    let kernel = expr(vec![load(0, dtype), Instr::Unary { op, dtype, a: 0 }], &[1]);
                    let outs = everywhere(&kernel, &[Tensor::new(&x, &[n])], &[Tensor::out(Out::DTYPE, &[n])]);
                    assert_same(&outs[0].values::<Out>(), &expected, &format!("{} of {dtype}, {n}", op.name()));
                }
            }, else ());
        }
    }
}

#[test]
fn every_binary_op_is_the_tables_function() {
    for &op in BinaryOp::ALL {
        for dtype in DType::ALL {
            dispatch_binary!(op, dtype, |F, T| {
                type Out = <F as BinaryFn<T>>::Out;
                for n in [0, 1, 513, 33_333] {
                    let (x, y): (Vec<T>, Vec<T>) = (corners(n, 5), corners(n, 9));
                    let expected: Vec<Out> =
                        x.iter().zip(&y).map(|(&x, &y)| <F as BinaryFn<T>>::eval(x, y)).collect();
                    let instrs = vec![load(0, dtype), load(1, dtype), Instr::Binary { op, dtype, a: 0, b: 1 }];
                    let ins = [Tensor::new(&x, &[n]), Tensor::new(&y, &[n])];
                    let outs = everywhere(&expr(instrs, &[2]), &ins, &[Tensor::out(Out::DTYPE, &[n])]);
                    assert_same(&outs[0].values::<Out>(), &expected, &format!("{} of {dtype}, {n}", op.name()));
                }
            }, else ());
        }
    }
}

fn cast_case<T: Item, U: Item>(cast: impl Fn(T) -> U) {
    let n = 1031;
    let x: Vec<T> = corners(n, 3);
    let expected: Vec<U> = x.iter().map(|&x| cast(x)).collect();
    let kernel = expr(vec![load(0, T::DTYPE), Instr::Cast { from: T::DTYPE, to: U::DTYPE, a: 0 }], &[1]);
    let outs = everywhere(&kernel, &[Tensor::new(&x, &[n])], &[Tensor::out(U::DTYPE, &[n])]);
    assert_same(&outs[0].values::<U>(), &expected, &format!("{} to {}", T::DTYPE, U::DTYPE));
}

#[test]
fn casts_are_those_of_the_contract() {
    cast_case::<f32, bool>(|x| x != 0.0);
    cast_case::<f32, u8>(|x| x as i64 as u8);
    cast_case::<f32, i32>(|x| x as i32);
    cast_case::<f32, f64>(f64::from);
    cast_case::<f64, bool>(|x| x != 0.0);
    cast_case::<f64, u8>(|x| x as i64 as u8);
    cast_case::<f64, i32>(|x| x as i32);
    cast_case::<f64, f32>(|x| x as f32);
    cast_case::<i32, bool>(|x| x != 0);
    cast_case::<i32, u8>(|x| x as u8);
    cast_case::<i32, f32>(|x| x as f32);
    cast_case::<i32, f64>(f64::from);
    cast_case::<u8, bool>(|x| x != 0);
    cast_case::<u8, i32>(i32::from);
    cast_case::<u8, f32>(f32::from);
    cast_case::<u8, f64>(f64::from);
    cast_case::<bool, u8>(u8::from);
    cast_case::<bool, i32>(i32::from);
    cast_case::<bool, f32>(|x| if x { 1.0 } else { 0.0 });
    cast_case::<bool, f64>(|x| if x { 1.0 } else { 0.0 });
    cast_case::<f32, f32>(|x| x);
    cast_case::<bool, bool>(|x| x);
}

#[test]
fn bytes_other_than_one_are_true() {
    let cond = Tensor { dtype: DType::Bool, storage: vec![0, 1, 2, 255], view: View::contiguous(&[4]) };
    let instrs = vec![
        load(0, DType::Bool),
        load(1, DType::I32),
        load(2, DType::I32),
        Instr::Where { dtype: DType::I32, cond: 0, a: 1, b: 2 },
    ];
    let ins = [cond, Tensor::new(&[1, 2, 3, 4], &[4]), Tensor::new(&[-1, -2, -3, -4], &[4])];
    let outs = everywhere(&expr(instrs, &[3]), &ins, &[Tensor::out(DType::I32, &[4])]);
    assert_eq!(outs[0].values::<i32>(), [-1, 2, 3, 4]);
}

fn where_case<T: Item>() {
    for n in [0, 1, 513] {
        let cond: Vec<bool> = Noise(1).items(n);
        let (a, b): (Vec<T>, Vec<T>) = (corners(n, 2), corners(n, 8));
        let expected: Vec<T> = (0..n).map(|i| if cond[i] { a[i] } else { b[i] }).collect();
        let dtype = T::DTYPE;
        let instrs = vec![
            load(0, DType::Bool),
            load(1, dtype),
            load(2, dtype),
            Instr::Where { dtype, cond: 0, a: 1, b: 2 },
        ];
        let ins = [Tensor::new(&cond, &[n]), Tensor::new(&a, &[n]), Tensor::new(&b, &[n])];
        let outs = everywhere(&expr(instrs, &[3]), &ins, &[Tensor::out(dtype, &[n])]);
        assert_same(&outs[0].values::<T>(), &expected, "where");
    }
}

#[test]
fn where_takes_all_types() {
    where_case::<f32>();
    where_case::<f64>();
    where_case::<i32>();
    where_case::<u8>();
    where_case::<bool>();
}

/// `(x · y + s) < x` and `x · y + s`, over every pair of layouts.
#[test]
fn strides_do_not_matter() {
    let instrs = vec![
        load(0, DType::F32),
        load(1, DType::F32),
        Instr::Binary { op: BinaryOp::Mul, dtype: DType::F32, a: 0, b: 1 },
        Instr::Scalar { index: 1, dtype: DType::F32 },
        Instr::Binary { op: BinaryOp::Add, dtype: DType::F32, a: 2, b: 3 },
        Instr::Binary { op: BinaryOp::Lt, dtype: DType::F32, a: 4, b: 0 },
    ];
    let kernel = expr(instrs, &[5, 4]);
    for shape in [&[][..], &[1], &[7, 3], &[5, 0, 2], &[3, 11, 17], &[2, 3, 5, 7], &[130, 257]] {
        let n = shape.iter().product();
        let (x, y): (Vec<f32>, Vec<f32>) = (Noise(4).floats(n), Noise(6).floats(n));
        let sums: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x * y + 0.25).collect();
        let less: Vec<bool> = sums.iter().zip(&x).map(|(s, x)| s < x).collect();
        let all = layouts(shape);
        for (i, (view, len)) in all.iter().enumerate() {
            let (other, other_len) = &all[(i + 1) % all.len()];
            let (third, third_len) = &all[(i + 2) % all.len()];
            let ins = [Tensor::placed(&x, view, *len), Tensor::placed(&y, other, *other_len)];
            let outs = [
                Tensor::out_placed(DType::Bool, third, *third_len),
                Tensor::out_placed(
                    DType::F32,
                    if i % 2 == 0 { view } else { third },
                    if i % 2 == 0 { *len } else { *third_len },
                ),
            ];
            let outs =
                everywhere_with(&kernel, &ins, &outs, With { scalars: &[9.0, 0.25], ..With::default() });
            assert_same(&outs[0].values::<bool>(), &less, &format!("lt over {shape:?}, layout {i}"));
            assert_same(&outs[1].values::<f32>(), &sums, &format!("sums over {shape:?}, layout {i}"));
        }
    }
}

#[test]
fn broadcast_operands_repeat() {
    let (rows, cols) = (67, 10);
    let x: Vec<i32> = Noise(2).items(rows * cols);
    let row: Vec<i32> = Noise(3).items(cols);
    let col: Vec<i32> = Noise(5).items(rows);
    let one = [1000];
    let add = |a, b| Instr::Binary { op: BinaryOp::Add, dtype: DType::I32, a, b };
    let kernel =
        expr((0..4).map(|i| load(i, DType::I32)).chain([add(0, 1), add(4, 2), add(5, 3)]).collect(), &[6]);
    let shape = [rows, cols];
    let ins = [
        Tensor::new(&x, &shape),
        Tensor { view: View::contiguous(&[cols]).expand(&shape), ..Tensor::new(&row, &[cols]) },
        Tensor { view: View::contiguous(&[rows, 1]).expand(&shape), ..Tensor::new(&col, &[rows, 1]) },
        Tensor { view: View::contiguous(&[]).expand(&shape), ..Tensor::new(&one, &[]) },
    ];
    let outs = everywhere(&kernel, &ins, &[Tensor::out(DType::I32, &shape)]);
    let expected: Vec<i32> = (0..rows * cols).map(|i| x[i] + row[i % cols] + col[i / cols] + 1000).collect();
    assert_eq!(outs[0].values::<i32>(), expected);
}

#[test]
fn iota_counts_along_its_axis_in_any_layout() {
    for shape in [[3, 5, 700], [1, 1, 1], [40, 1, 9]] {
        for axis in 0..3 {
            let kernel = expr(vec![Instr::Iota { axis }], &[0]);
            for (view, len) in layouts(&shape) {
                let outs = everywhere(&kernel, &[], &[Tensor::out_placed(DType::I32, &view, len)]);
                let inner: usize = shape[axis as usize + 1..].iter().product();
                let expected: Vec<i32> =
                    (0..shape.iter().product()).map(|i| (i / inner % shape[axis as usize]) as i32).collect();
                assert_eq!(outs[0].values::<i32>(), expected);
            }
        }
    }
}

#[test]
fn scalars_fill_and_convert() {
    for dtype in DType::ALL {
        let kernel = expr(vec![Instr::Scalar { index: 0, dtype }], &[0]);
        let outs = everywhere_with(
            &kernel,
            &[],
            &[Tensor::out(dtype, &[1300])],
            With { scalars: &[3.0], ..With::default() },
        );
        let expected = match dtype {
            DType::Bool | DType::U8 => vec![if dtype == DType::Bool { 1 } else { 3 }; 1300],
            DType::I32 => [3i32; 1300].iter().flat_map(|x| x.to_le_bytes()).collect(),
            DType::F32 => [3f32; 1300].iter().flat_map(|x| x.to_le_bytes()).collect(),
            DType::F64 => [3f64; 1300].iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        assert_eq!(outs[0].storage, expected);
    }
}

#[test]
fn a_value_may_go_to_two_outs_and_a_load_straight_to_one() {
    let n = 1025;
    let x: Vec<f64> = Noise(8).floats(n);
    let kernel = expr(
        vec![load(0, DType::F64), Instr::Unary { op: UnaryOp::Neg, dtype: DType::F64, a: 0 }],
        &[1, 0, 1],
    );
    let out = Tensor::out(DType::F64, &[n]);
    let outs = everywhere(&kernel, &[Tensor::new(&x, &[n])], &[out.clone(), out.clone(), out]);
    let negated: Vec<f64> = x.iter().map(|x| -x).collect();
    assert_same(&outs[0].values::<f64>(), &negated, "first");
    assert_same(&outs[1].values::<f64>(), &x, "copied");
    assert_same(&outs[2].values::<f64>(), &negated, "third");
}

/// A chain with more live values than a tile of the usual size has room for.
#[test]
fn many_live_values_shrink_the_tile() {
    let n = 2000;
    let lives = 100u16;
    let x: Vec<f64> = Noise(8).floats(n);
    let mut instrs = vec![load(0, DType::F64), Instr::Unary { op: UnaryOp::Neg, dtype: DType::F64, a: 0 }];
    for i in 1..lives {
        instrs.push(Instr::Binary { op: BinaryOp::Add, dtype: DType::F64, a: i, b: 0 });
    }
    let mut last = 1;
    for i in 2..=lives {
        instrs.push(Instr::Binary { op: BinaryOp::Mul, dtype: DType::F64, a: last, b: i });
        last = instrs.len() as u16 - 1;
    }
    let kernel = expr(instrs, &[last]);
    let outs = everywhere(&kernel, &[Tensor::new(&x, &[n])], &[Tensor::out(DType::F64, &[n])]);
    let expected: Vec<f64> = x
        .iter()
        .map(|&x| {
            let mut values = vec![-x];
            (1..lives).for_each(|i| values.push(values[i as usize - 1] + x));
            values.into_iter().reduce(|a, b| a * b).unwrap()
        })
        .collect();
    assert_same(&outs[0].values::<f64>(), &expected, "long chain");
}
