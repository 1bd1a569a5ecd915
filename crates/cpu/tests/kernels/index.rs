//! Indexed reads and writes, checks, random numbers and softmax.

use crate::common::{Item, Noise, Tensor, With, assert_same, error_everywhere, everywhere, everywhere_with};
use neuroxide_core::dtype::DType;
use neuroxide_core::op::{Composite, Random};
use neuroxide_core::plan::{Expr, Kernel};
use neuroxide_core::rng;
use neuroxide_core::shape::numel;

fn coordinates(shape: &[usize], flat: usize) -> Vec<usize> {
    let mut rest = flat;
    let mut at = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        at[axis] = rest % shape[axis];
        rest /= shape[axis];
    }
    at
}

fn flat(shape: &[usize], at: &[usize]) -> usize {
    at.iter().zip(shape).fold(0, |flat, (&i, &size)| flat * size + i)
}

/// Shapes of x and of the index, and the axis.
const GATHERS: [(&[usize], &[usize], usize); 7] = [
    (&[5], &[9], 0),
    (&[32, 10], &[32, 1], 1),
    (&[6, 7, 5], &[4, 9, 5], 1),
    (&[6, 7, 5], &[3, 2, 5], 0),
    (&[4, 3, 8], &[4, 3, 20], 2),
    (&[4, 3], &[0, 3], 0),
    (&[300, 7, 40], &[300, 5, 33], 1),
];

fn gather_case<T: Item>() {
    for (shape, index_shape, axis) in GATHERS {
        let mut noise = Noise(12);
        let x: Vec<T> = noise.items(numel(shape));
        let index: Vec<i32> = (0..numel(index_shape)).map(|_| noise.below(shape[axis]) as i32).collect();
        let expected: Vec<T> = (0..index.len())
            .map(|i| {
                let mut at = coordinates(index_shape, i);
                at[axis] = index[i] as usize;
                x[flat(shape, &at)]
            })
            .collect();
        let ins = [Tensor::new(&x, shape), Tensor::new(&index, index_shape)];
        let outs = everywhere(&Kernel::Gather { axis }, &ins, &[Tensor::out(T::DTYPE, index_shape)]);
        assert_same(&outs[0].values::<T>(), &expected, &format!("gather {shape:?} {index_shape:?} {axis}"));
    }
}

#[test]
fn gather_of_all_types() {
    gather_case::<f32>();
    gather_case::<f64>();
    gather_case::<i32>();
    gather_case::<u8>();
    gather_case::<bool>();
}

macro_rules! scatter_case {
    ($T:ty, $add:expr) => {
        for (shape, index_shape, axis) in GATHERS {
            let mut noise = Noise(21);
            let x: Vec<$T> = noise.items(numel(shape));
            let index: Vec<i32> = (0..numel(index_shape)).map(|_| noise.below(shape[axis]) as i32).collect();
            let source: Vec<$T> = noise.items(index.len());
            let mut expected = x.clone();
            for i in 0..index.len() {
                let mut at = coordinates(index_shape, i);
                at[axis] = index[i] as usize;
                let place = &mut expected[flat(shape, &at)];
                *place = $add(*place, source[i]);
            }
            let ins = [Tensor::new(&index, index_shape), Tensor::new(&source, index_shape)];
            let outs = everywhere(&Kernel::ScatterAdd { axis }, &ins, &[Tensor::new(&x, shape)]);
            assert_same(&outs[0].values::<$T>(), &expected, &format!("scatterAdd {shape:?} {axis}"));
        }
    };
}

#[test]
fn scatter_add_keeps_the_order_of_the_index() {
    scatter_case!(f32, |a: f32, b: f32| a + b);
    scatter_case!(f64, |a: f64, b: f64| a + b);
    scatter_case!(i32, |a: i32, b: i32| a.wrapping_add(b));
}

#[test]
fn slices_are_selected_and_added() {
    for (outer, size, inner, n) in
        [(1, 5, 1, 7), (3, 4, 9, 0), (2, 6, 130, 50), (1, 1000, 64, 400), (2, 3, 0, 4), (0, 3, 2, 4)]
    {
        let mut noise = Noise(5);
        let x: Vec<f32> = noise.floats(outer * size * inner);
        let index: Vec<i32> = (0..n).map(|_| noise.below(size) as i32).collect();
        let source: Vec<f32> = noise.floats(outer * n * inner);
        let at = |o: usize, i: usize, c: usize| (o * size + index[i] as usize) * inner + c;
        let (mut picked, mut summed) = (vec![0.0; outer * n * inner], x.clone());
        for o in 0..outer {
            for i in 0..n {
                for c in 0..inner {
                    picked[(o * n + i) * inner + c] = x[at(o, i, c)];
                    summed[at(o, i, c)] += source[(o * n + i) * inner + c];
                }
            }
        }
        let (x, index) = (Tensor::new(&x, &[outer, size, inner]), Tensor::new(&index, &[n]));
        let shape = [outer, n, inner];
        let outs = everywhere(
            &Kernel::IndexSelect(Expr::plain(DType::F32)),
            &[x.clone(), index.clone()],
            &[Tensor::out(DType::F32, &shape)],
        );
        assert_same(&outs[0].values::<f32>(), &picked, "indexSelect");
        let outs = everywhere(&Kernel::IndexAdd, &[index, Tensor::new(&source, &shape)], &[x]);
        assert_same(&outs[0].values::<f32>(), &summed, "indexAdd");
    }
}

#[test]
fn indices_outside_are_errors_that_name_the_first() {
    let bad = |value: i32| {
        let mut index = vec![1; 12];
        index[5] = 4;
        index[8] = value;
        index[11] = -9;
        Tensor::new(&index, &[6, 2])
    };
    for value in [5, -1, i32::MAX, i32::MIN] {
        let expected = format!("index {value} at position [4, 0]; expected 0 to 4");
        let index = bad(value);
        let error = error_everywhere(
            &Kernel::CheckIndex { size: 5, ignore: None },
            std::slice::from_ref(&index),
            &[],
        );
        assert_eq!((error.code(), error.message()), ("ERR_INDEX", &*expected));
        let x = Tensor::new(&[0f32; 30], &[6, 5]);
        let out = Tensor::out(DType::F32, &[6, 2]);
        let error = error_everywhere(&Kernel::Gather { axis: 1 }, &[x.clone(), index.clone()], &[out]);
        assert_eq!(error.message(), expected);
        let source = Tensor::new(&[0f32; 12], &[6, 2]);
        let error = error_everywhere(&Kernel::ScatterAdd { axis: 1 }, &[index, source], &[x]);
        assert_eq!(error.message(), expected);
    }
    let index = Tensor::new(&[0, 3], &[2]);
    let x = Tensor::new(&[0f32; 6], &[1, 3, 2]);
    let rows = Tensor::new(&[0f32; 4], &[1, 2, 2]);
    for (kernel, ins, out) in [
        (Kernel::IndexSelect(Expr::plain(DType::F32)), [x.clone(), index.clone()], rows.clone()),
        (Kernel::IndexAdd, [index, rows], x),
    ] {
        let error = error_everywhere(&kernel, &ins, &[out]);
        assert_eq!(error.message(), "index 3 at position [1]; expected 0 to 2");
    }
    // An axis of size 0 has no index, even where nothing would be written.
    let empty = Tensor::new::<f32>(&[], &[0, 2]);
    let ins = [Tensor::new(&[0, 0], &[1, 2]), Tensor::new(&[1f32, 1.0], &[1, 2])];
    assert_eq!(error_everywhere(&Kernel::ScatterAdd { axis: 0 }, &ins, &[empty]).code(), "ERR_INDEX");
}

#[test]
fn a_bad_index_among_very_many_is_the_first_one_on_any_number_of_threads() {
    let mut index = vec![0; 400_000];
    for at in [399_999, 250_001, 130_000] {
        index[at] = 9;
        let error = error_everywhere(
            &Kernel::CheckIndex { size: 9, ignore: None },
            &[Tensor::new(&index, &[400_000])],
            &[],
        );
        assert!(error.message().starts_with(&format!("index 9 at position [{at}]")), "{error}");
    }
}

#[test]
fn zero_divisors_are_errors() {
    everywhere(&Kernel::CheckNonZero, &[Tensor::new(&[1, -1], &[2])], &[]);
    everywhere(&Kernel::CheckNonZero, &[Tensor::new::<u8>(&[], &[0])], &[]);
    for zero in [Tensor::new(&[3, 0], &[2]), Tensor::new(&[0u8], &[1])] {
        let error = error_everywhere(&Kernel::CheckNonZero, &[zero], &[]);
        assert_eq!(error.message(), "integer division by zero; expected a divisor other than 0");
        assert_eq!(error.code(), "ERR_VALUE");
    }
}

fn random<T: Item>(dist: Random, n: usize, block: impl Fn([u32; 4]) -> Vec<T>) {
    let with = With { seed: 42, rng_offset: 1000, ..With::default() };
    let outs =
        everywhere_with(&Kernel::Random { dist, offset: 7 }, &[], &[Tensor::out(T::DTYPE, &[n])], with);
    let expected: Vec<T> = (0..).flat_map(|i| block(rng::philox(42, 1007 + i))).take(n).collect();
    assert_same(&outs[0].values::<T>(), &expected, &format!("{dist:?} of {}", T::DTYPE));
}

#[test]
fn random_numbers_are_a_function_of_seed_offset_and_place() {
    for n in [0, 1, 3, 4, 5, 1001, 20_003] {
        random::<f32>(Random::Uniform, n, |w| w.map(rng::uniform_f32).to_vec());
        random::<f64>(Random::Uniform, n, |w| {
            vec![rng::uniform_f64(w[0], w[1]), rng::uniform_f64(w[2], w[3])]
        });
        random::<f32>(Random::Normal, n, |w| {
            [rng::normal_f32(w[0], w[1]), rng::normal_f32(w[2], w[3])].concat()
        });
        random::<f64>(Random::Normal, n, |w| rng::normal_f64(w).to_vec());
        let (low, high) = (-5, 1_000_000);
        random::<i32>(Random::Integer { low, high }, n, |w| w.map(|w| rng::integer(w, low, high)).to_vec());
        let mut order = vec![0; n];
        rng::permutation(42, 1007, &mut order);
        let with = With { seed: 42, rng_offset: 1000, ..With::default() };
        let kernel = Kernel::Random { dist: Random::Permutation, offset: 7 };
        let outs = everywhere_with(&kernel, &[], &[Tensor::out(DType::I32, &[n])], with);
        assert_eq!(outs[0].values::<i32>(), order);
    }
}

fn softmax_case<T: Item>(tolerance: f64) {
    for shape in [[0, 5], [3, 0], [1, 1], [32, 10], [7, 63], [5, 64], [5, 65], [200, 130]] {
        let [rows, len] = shape;
        let x: Vec<T> = Noise(6).floats(rows * len);
        for composite in [Composite::Softmax, Composite::LogSoftmax] {
            let kernel = Kernel::Composite(composite);
            let outs = everywhere(&kernel, &[Tensor::new(&x, &shape)], &[Tensor::out(T::DTYPE, &shape)]);
            for (found, x) in outs[0].values::<T>().chunks(len.max(1)).zip(x.chunks(len.max(1))) {
                let max = x.iter().map(|x| x.f64()).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = x.iter().map(|x| libm::exp(x.f64() - max)).sum();
                for (found, x) in found.iter().zip(x) {
                    let log = x.f64() - max - libm::log(sum);
                    let expected = if composite == Composite::Softmax { libm::exp(log) } else { log };
                    assert!((found.f64() - expected).abs() <= tolerance, "{found:?} {expected}");
                }
            }
        }
    }
}

#[test]
fn softmax_is_close_to_f64() {
    softmax_case::<f32>(1e-6);
    softmax_case::<f64>(1e-14);
}

#[test]
fn softmax_of_what_is_not_finite() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let x = [-inf, -inf, -inf, 0.0, -inf, -inf, nan, 0.0, 0.0, inf, 0.0, 0.0, 1e4, -1e4, 1e4];
    let kernel = Kernel::Composite(Composite::Softmax);
    let outs = everywhere(&kernel, &[Tensor::new(&x, &[5, 3])], &[Tensor::out(DType::F32, &[5, 3])]);
    let expected = [nan, nan, nan, 1.0, 0.0, 0.0, nan, nan, nan, nan, nan, nan, 0.5, 0.0, 0.5];
    assert_same(&outs[0].values::<f32>(), &expected, "softmax");
    let kernel = Kernel::Composite(Composite::LogSoftmax);
    let outs = everywhere(&kernel, &[Tensor::new(&x[..6], &[2, 3])], &[Tensor::out(DType::F32, &[2, 3])]);
    assert_same(&outs[0].values::<f32>(), &[nan, nan, nan, 0.0, -inf, -inf], "logSoftmax");
}

#[test]
fn cross_entropy_has_the_same_bits_alone_and_with_its_slope() {
    let mut noise = Noise(41);
    for (rows, classes) in [(1, 1), (3, 2), (16, 10), (33, 10), (70, 64), (5, 65), (2, 300)] {
        for ignore in [None, Some(1), Some(-100)] {
            let x: Vec<f32> = noise.floats(rows * classes);
            let mut index: Vec<i32> = (0..rows).map(|_| noise.below(classes) as i32).collect();
            if let Some(ignore) = ignore {
                index[rows / 2] = ignore;
            }
            let ins = [Tensor::new(&x, &[rows, classes]), Tensor::new(&index, &[rows, 1])];
            let losses = Tensor::out(DType::F32, &[rows]);
            let slope = Tensor::out(DType::F32, &[rows, classes]);
            let kernel = Kernel::Composite(Composite::CrossEntropy { ignore });
            let grad = Kernel::Composite(Composite::CrossEntropyGrad { ignore });
            let both = everywhere(&kernel, &ins, &[losses.clone(), slope.clone()]);
            let alone = everywhere(&kernel, &ins, &[losses]);
            let slope = everywhere(&grad, &ins, &[slope]);
            assert_same(&both[0].values::<f32>(), &alone[0].values::<f32>(), "losses");
            assert_same(&both[1].values::<f32>(), &slope[0].values::<f32>(), "slope");
            let (found, slopes) = (both[0].values::<f32>(), both[1].values::<f32>());
            for row in 0..rows {
                let logits = &x[row * classes..][..classes];
                let total: f64 = logits.iter().map(|&v| libm::exp(v.into())).sum();
                let counts = ignore != Some(index[row]);
                let class = if counts { index[row] as usize } else { 0 };
                let expected = if counts { libm::log(total) - f64::from(logits[class]) } else { 0.0 };
                assert!((f64::from(found[row]) - expected).abs() < 2e-6 * (1.0 + expected), "{row}");
                for c in 0..classes {
                    let hot = f64::from(u8::from(c == class));
                    let expected = if counts { libm::exp(logits[c].into()) / total - hot } else { 0.0 };
                    assert!((f64::from(slopes[row * classes + c]) - expected).abs() < 1e-6, "{row} {c}");
                }
            }
        }
    }
    let ins = [Tensor::new(&[0f32; 60], &[20, 3]), Tensor::new(&[[0; 18], [5; 18]].concat()[..20], &[20, 1])];
    let kernel = Kernel::Composite(Composite::CrossEntropy { ignore: Some(4) });
    let error = error_everywhere(&kernel, &ins, &[Tensor::out(DType::F32, &[20])]);
    assert_eq!(error.message(), "index 5 at position [18, 0]; expected 0 to 2");
}
