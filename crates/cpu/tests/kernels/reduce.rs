//! Copies, reductions and extremes against plain loops.

use crate::common::{Item, Noise, Tensor, assert_same, error_everywhere, everywhere, layouts, same};
use neuroxide_core::dtype::DType;
use neuroxide_core::op::{ArgOp, ReduceOp};
use neuroxide_core::plan::{Cut, Kernel, SUM_CHUNK};
use neuroxide_core::shape::View;

const SHAPES: [[usize; 3]; 14] = [
    [1, 1, 1],
    [0, 3, 2],
    [3, 0, 2],
    [2, 3, 0],
    [5, 63, 1],
    [4, 64, 1],
    [3, 65, 1],
    [1, 1000, 1],
    [2, 7, 63],
    [3, 5, 64],
    [1, 33, 131],
    [2, SUM_CHUNK + 3, 2],
    [1, 2 * SUM_CHUNK, 1],
    [40, 129, 33],
];

fn copy_case<T: Item>() {
    for shape in [&[][..], &[1], &[0, 3], &[7], &[31, 33], &[65, 2, 40], &[3, 5, 7, 9], &[300, 301]] {
        let n = shape.iter().product();
        let x: Vec<T> = Noise(17).items(n);
        let all = layouts(shape);
        for (from, from_len) in &all {
            for (to, to_len) in &all {
                let outs = everywhere(
                    &Kernel::Copy,
                    &[Tensor::placed(&x, from, *from_len)],
                    &[Tensor::out_placed(T::DTYPE, to, *to_len)],
                );
                assert_same(&outs[0].values::<T>(), &x, &format!("copy {shape:?} from {from:?} to {to:?}"));
                // What lies between the elements stays.
                let expected = Tensor::placed(&x, to, *to_len);
                assert_eq!(outs[0].storage, expected.storage);
            }
        }
    }
}

#[test]
fn copies_of_every_size_of_element() {
    copy_case::<u8>();
    copy_case::<f32>();
    copy_case::<f64>();
    copy_case::<bool>();
}

#[test]
fn long_copies_and_broadcasts() {
    let n = 300_000;
    let x: Vec<i32> = Noise(1).items(n);
    let outs = everywhere(&Kernel::Copy, &[Tensor::new(&x, &[n])], &[Tensor::out(DType::I32, &[n])]);
    assert_eq!(outs[0].values::<i32>(), x);
    let row = Tensor { view: View::contiguous(&[300]).expand(&[500, 300]), ..Tensor::new(&x[..300], &[300]) };
    let outs = everywhere(&Kernel::Copy, &[row], &[Tensor::out(DType::I32, &[500, 300])]);
    assert!(outs[0].values::<i32>().chunks(300).all(|found| *found == x[..300]));
}

/// The contract of `Cut`, spelled out.
fn cut_fold<A: Copy>(cut: Cut, init: A, xs: &[A], join: impl Fn(A, A) -> A) -> A {
    match cut {
        Cut::Lanes => {
            let mut lanes = [init; 64];
            for (j, &x) in xs.iter().enumerate() {
                lanes[j % 64] = join(lanes[j % 64], x);
            }
            for half in [32, 16, 8, 4, 2, 1] {
                for i in 0..half {
                    lanes[i] = join(lanes[i], lanes[i + half]);
                }
            }
            lanes[0]
        }
        Cut::Chain => {
            let chunks = xs.chunks(SUM_CHUNK).map(|chunk| chunk.iter().fold(init, |acc, &x| join(acc, x)));
            chunks.reduce(&join).unwrap_or(init)
        }
    }
}

/// Reduces on every backend and with `reference`, a function of one output's elements.
fn reduce_case<T: Item, U: Item>(
    op: ReduceOp,
    cut: Cut,
    shape: [usize; 3],
    x: &[T],
    reference: impl Fn(&[T]) -> U,
) {
    let [outer, len, inner] = shape;
    let expected: Vec<U> = (0..outer * inner)
        .map(|at| {
            let column: Vec<T> = (0..len).map(|j| x[(at / inner * len + j) * inner + at % inner]).collect();
            reference(&column)
        })
        .collect();
    let outs = everywhere(
        &Kernel::Reduce { op, cut },
        &[Tensor::new(x, &shape)],
        &[Tensor::out(U::DTYPE, &[outer, 1, inner])],
    );
    assert_same(&outs[0].values::<U>(), &expected, &format!("{op:?} {cut:?} {shape:?} {}", T::DTYPE));
}

macro_rules! float_reductions {
    ($name:ident, $T:ty) => {
        #[test]
        fn $name() {
            for shape in SHAPES {
                for cut in [Cut::Lanes, Cut::Chain] {
                    let mut x: Vec<$T> = Noise(31).floats(shape.iter().product());
                    reduce_case::<$T, $T>(ReduceOp::Sum, cut, shape, &x, |xs| {
                        cut_fold(cut, 0.0, xs, |a, b| a + b)
                    });
                    reduce_case::<$T, $T>(ReduceOp::Prod, cut, shape, &x, |xs| {
                        cut_fold(cut, 1.0, xs, |a, b| a * b)
                    });
                    for pass in 0..2 {
                        if pass == 1 {
                            x.iter_mut().skip(3).step_by(97).for_each(|x| *x = <$T>::NAN);
                        }
                        if shape[1] == 0 {
                            continue;
                        }
                        let nan = |xs: &[$T]| xs.iter().any(|x| x.is_nan());
                        reduce_case::<$T, $T>(ReduceOp::Max, cut, shape, &x, |xs| {
                            if nan(xs) {
                                <$T>::NAN
                            } else {
                                xs.iter().copied().fold(<$T>::NEG_INFINITY, <$T>::max)
                            }
                        });
                        reduce_case::<$T, $T>(ReduceOp::Min, cut, shape, &x, |xs| {
                            if nan(xs) {
                                <$T>::NAN
                            } else {
                                xs.iter().copied().fold(<$T>::INFINITY, <$T>::min)
                            }
                        });
                    }
                }
            }
        }
    };
}

float_reductions!(reductions_of_f32, f32);
float_reductions!(reductions_of_f64, f64);

#[test]
fn reductions_of_integers_and_bools() {
    for shape in SHAPES {
        for cut in [Cut::Lanes, Cut::Chain] {
            let n = shape.iter().product();
            let (ints, bytes): (Vec<i32>, Vec<u8>) = (Noise(7).items(n), Noise(8).items(n));
            reduce_case(ReduceOp::Sum, cut, shape, &ints, |xs| xs.iter().sum::<i32>());
            reduce_case(ReduceOp::Sum, cut, shape, &bytes, |xs| {
                xs.iter().map(|&x| i32::from(x)).sum::<i32>()
            });
            if shape[1] > 0 {
                reduce_case(ReduceOp::Max, cut, shape, &ints, |xs| *xs.iter().max().unwrap());
                reduce_case(ReduceOp::Min, cut, shape, &ints, |xs| *xs.iter().min().unwrap());
                reduce_case(ReduceOp::Max, cut, shape, &bytes, |xs| *xs.iter().max().unwrap());
                reduce_case(ReduceOp::Min, cut, shape, &bytes, |xs| *xs.iter().min().unwrap());
            }
            let signs: Vec<i32> = ints.iter().map(|x| if x % 5 == 0 { -1 } else { 1 }).collect();
            reduce_case(ReduceOp::Prod, cut, shape, &signs, |xs| xs.iter().product::<i32>());
            let small: Vec<u8> = bytes.iter().map(|&x| 1 + u8::from(x == 97 && shape[1] < 200)).collect();
            reduce_case(ReduceOp::Prod, cut, shape, &small, |xs| {
                xs.iter().map(|&x| i32::from(x)).product::<i32>()
            });
            for rate in [2, 300] {
                let bools: Vec<bool> = bytes.iter().map(|&x| u64::from(x) % rate == 1).collect();
                reduce_case(ReduceOp::Any, cut, shape, &bools, |xs| xs.iter().any(|&x| x));
                let bools: Vec<bool> = bools.iter().map(|x| !x).collect();
                reduce_case(ReduceOp::All, cut, shape, &bools, |xs| xs.iter().all(|&x| x));
            }
        }
    }
}

#[test]
fn a_long_row_is_dealt_out_by_lanes() {
    for n in [262_144, 300_007] {
        let x: Vec<f32> = Noise(5).floats(n);
        reduce_case(ReduceOp::Sum, Cut::Lanes, [1, n, 1], &x, |xs| {
            cut_fold(Cut::Lanes, 0.0, xs, |a, b| a + b)
        });
    }
}

#[test]
fn sums_beyond_i32_are_errors_and_sums_within_are_not() {
    for cut in [Cut::Lanes, Cut::Chain] {
        let kernel = Kernel::Reduce { op: ReduceOp::Sum, cut };
        let fits = [i32::MAX, 1, -1, i32::MAX, i32::MIN, 1];
        let outs =
            everywhere(&kernel, &[Tensor::new(&fits, &[1, 6, 1])], &[Tensor::out(DType::I32, &[1, 1, 1])]);
        assert_eq!(outs[0].values::<i32>(), [i32::MAX]);
        let over = [0, 5, 0, i32::MAX, 0, 1];
        let error = error_everywhere(
            &kernel,
            &[Tensor::new(&over, &[2, 3, 1])],
            &[Tensor::out(DType::I32, &[2, 1, 1])],
        );
        assert_eq!(error.code(), "ERR_VALUE");
        assert!(error.message().contains("position [1, 0, 0]"), "{error}");
        let product = Kernel::Reduce { op: ReduceOp::Prod, cut };
        let huge = Tensor::new(&[i32::MIN; 70], &[1, 70, 1]);
        assert_eq!(
            error_everywhere(&product, &[huge], &[Tensor::out(DType::I32, &[1, 1, 1])]).code(),
            "ERR_VALUE"
        );
        let mut ends = [i32::MAX; 70];
        ends[40] = 0;
        let outs =
            everywhere(&product, &[Tensor::new(&ends, &[1, 70, 1])], &[Tensor::out(DType::I32, &[1, 1, 1])]);
        assert_eq!(outs[0].values::<i32>(), [0]);
    }
}

fn arg_case<T: Item + PartialOrd>(nans: bool) {
    for shape in SHAPES.into_iter().filter(|shape| shape[1] > 0) {
        let [outer, len, inner] = shape;
        let mut x: Vec<T> = Noise(3).items(outer * len * inner);
        if nans {
            x.iter_mut().skip(5).step_by(111).for_each(|x| *x = T::of(f64::NAN));
        }
        for op in [ArgOp::Max, ArgOp::Min] {
            let expected: Vec<i32> = (0..outer * inner)
                .map(|at| {
                    let get = |j: usize| x[(at / inner * len + j) * inner + at % inner];
                    if let Some(j) = (0..len).find(|&j| get(j).f64().is_nan()) {
                        return j as i32;
                    }
                    let beats = |a: T, b: T| if op == ArgOp::Max { a > b } else { a < b };
                    (1..len).fold(0, |best, j| if beats(get(j), get(best)) { j } else { best }) as i32
                })
                .collect();
            let out = Tensor::out(DType::I32, &[outer, 1, inner]);
            let outs = everywhere(&Kernel::Arg(op), &[Tensor::new(&x, &shape)], &[out]);
            assert_eq!(outs[0].values::<i32>(), expected, "{op:?} {shape:?} {}", T::DTYPE);
        }
    }
}

#[test]
fn extremes_are_found_in_all_types() {
    arg_case::<f32>(false);
    arg_case::<f32>(true);
    arg_case::<f64>(true);
    arg_case::<i32>(false);
    arg_case::<u8>(false);
    arg_case::<bool>(false);
}

#[test]
fn the_extreme_of_nothing_is_refused() {
    let error = error_everywhere(
        &Kernel::Reduce { op: ReduceOp::Max, cut: Cut::Lanes },
        &[Tensor::new::<f32>(&[], &[2, 0, 1])],
        &[Tensor::out(DType::F32, &[2, 1, 1])],
    );
    assert_eq!(error.code(), "ERR_INTERNAL");
    assert!(same(f32::NAN, -f32::NAN));
}
