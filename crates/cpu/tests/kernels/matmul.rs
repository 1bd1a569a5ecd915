//! Matrix products against a scalar chain of fused multiply-adds, to the bit.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use crate::common::{Item, Noise, Tensor, assert_same, backends, everywhere, product};
use neuroxide_core::backend::{Binding, Run};
use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::BinaryOp;
use neuroxide_core::plan::{Expr, Instr, Kernel, Operand, Plan, SUM_CHUNK, Step};
use neuroxide_core::shape::View;

trait Real: Item {
    fn fma(self, b: Self, c: Self) -> Self;
    fn plus(self, b: Self) -> Self;
}

impl Real for f32 {
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    fn plus(self, b: Self) -> Self {
        self + b
    }
}

impl Real for f64 {
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    fn plus(self, b: Self) -> Self {
        self + b
    }
}

/// What is done to each element of the product, in this order.
#[derive(Clone, Copy, Debug)]
struct Epilogue {
    bias: bool,
    relu: bool,
}

struct Case<T> {
    sizes: [usize; 4],
    a: Vec<T>,
    b: Vec<T>,
    bias: Vec<T>,
}

impl<T: Real> Case<T> {
    fn new(batch: usize, m: usize, k: usize, n: usize) -> Self {
        let mut noise = Noise(99);
        Self {
            sizes: [batch, m, k, n],
            a: noise.floats(batch * m * k),
            b: noise.floats(batch * k * n),
            bias: noise.floats(n),
        }
    }

    fn expected(&self, epilogue: Epilogue) -> Vec<T> {
        let [batch, m, k, n] = self.sizes;
        let mut out = Vec::with_capacity(batch * m * n);
        for i in 0..batch * m {
            for j in 0..n {
                let mut total = T::of(0.0);
                for start in (0..k).step_by(SUM_CHUNK) {
                    let mut chain = T::of(0.0);
                    for p in start..(start + SUM_CHUNK).min(k) {
                        chain = self.a[i * k + p].fma(self.b[(i / m * k + p) * n + j], chain);
                    }
                    total = if start == 0 { chain } else { total.plus(chain) };
                }
                if epilogue.bias {
                    total = total.plus(self.bias[j]);
                }
                if epilogue.relu && total.f64() <= 0.0 {
                    total = T::of(0.0);
                }
                out.push(total);
            }
        }
        out
    }

    /// Runs with operands whose last two axes lie swapped where asked.
    fn check(&self, epilogue: Epilogue, swapped: [bool; 3]) {
        let [batch, m, k, n] = self.sizes;
        let view = |rows: usize, cols: usize, swapped: bool| {
            if swapped {
                View::contiguous(&[batch, cols, rows]).permute(&[0, 2, 1])
            } else {
                View::contiguous(&[batch, rows, cols])
            }
        };
        let place = |values: &[T], view: &View| Tensor::placed(values, view, view.numel());
        let mut ins = vec![place(&self.a, &view(m, k, swapped[0])), place(&self.b, &view(k, n, swapped[1]))];
        if epilogue.bias {
            let view = View::contiguous(&[n * 2]).slice(0, 0, n, 2);
            let bias = Tensor::placed(&self.bias, &view, n * 2);
            ins.push(Tensor { view: view.expand(&[batch, m, n]), ..bias });
        }
        let out = view(m, n, swapped[2]);
        let out = Tensor::out_placed(T::DTYPE, &out, out.numel());
        let outs = everywhere(&product(T::DTYPE, epilogue.bias, epilogue.relu), &ins, &[out]);
        let what = format!("{:?} {epilogue:?} {swapped:?} {}", self.sizes, T::DTYPE);
        assert_same(&outs[0].values::<T>(), &self.expected(epilogue), &what);
    }
}

const BOTH: Epilogue = Epilogue { bias: true, relu: true };
const PLAIN: Epilogue = Epilogue { bias: false, relu: false };

fn swaps() -> impl Iterator<Item = [bool; 3]> {
    (0..8).map(|bits| [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0])
}

#[test]
fn every_layout_is_one_chain_per_element() {
    for (m, k, n) in [
        (1, 1, 1),
        (7, 5, 3),
        (13, 33, 31),
        (14, 17, 32),
        (15, 8, 33),
        (29, 64, 65),
        (6, 9, 16),
        (1, 40, 70),
        (70, 40, 1),
    ] {
        for swapped in swaps() {
            Case::<f32>::new(1, m, k, n).check(PLAIN, swapped);
            Case::<f32>::new(2, m, k, n).check(BOTH, swapped);
            Case::<f64>::new(3, m, k, n).check(PLAIN, swapped);
            Case::<f64>::new(1, m, k, n).check(BOTH, swapped);
        }
    }
}

#[test]
fn every_height_and_width_of_a_tile() {
    for m in 1..=30 {
        Case::<f32>::new(1, m, 3, 37).check(Epilogue { relu: true, bias: false }, [false; 3]);
    }
    for n in 1..=66 {
        Case::<f32>::new(1, 5, 3, n).check(Epilogue { relu: false, bias: true }, [false; 3]);
        Case::<f64>::new(1, 5, 3, n).check(BOTH, [false; 3]);
    }
}

#[test]
fn zero_sizes() {
    for (batch, m, k, n) in [(1, 3, 0, 4), (2, 0, 3, 4), (0, 2, 2, 2), (1, 2, 3, 0), (1, 0, 0, 0)] {
        for swapped in swaps() {
            Case::<f32>::new(batch, m, k, n).check(BOTH, swapped);
        }
    }
}

#[test]
fn long_sums_are_cut_into_chunks() {
    for k in [SUM_CHUNK - 1, SUM_CHUNK, SUM_CHUNK + 1, 2 * SUM_CHUNK + 77] {
        for swapped in swaps() {
            Case::<f32>::new(1, 3, k, 18).check(BOTH, swapped);
        }
    }
}

#[test]
fn many_threads_share_large_products() {
    for swapped in swaps() {
        Case::<f32>::new(1, 131, 150, 129).check(BOTH, swapped);
    }
    Case::<f32>::new(5, 40, 70, 33).check(BOTH, [true, false, false]);
    // Rows of b far apart: its panels are packed.
    Case::<f32>::new(1, 130, 129, 520).check(BOTH, [false; 3]);
    // Rows of a on the same sets of a cache, and far apart: blocks of it are packed, in both of its orders.
    for swapped in [[false; 3], [true, false, false], [true, false, true]] {
        Case::<f32>::new(1, 150, 1024, 131).check(PLAIN, swapped);
        // A tile has more rows than a vector has such elements.
        Case::<f64>::new(1, 150, 512, 131).check(PLAIN, swapped);
    }
    // Several groups of panels and several blocks of rows.
    Case::<f32>::new(1, 200, 4096, 200).check(PLAIN, [false; 3]);
    // Sums over chunks of k that nothing but the room of a part holds.
    Case::<f32>::new(1, 40, SUM_CHUNK + 100, 70).check(BOTH, [true, false, true]);
    Case::<f64>::new(3, 20, SUM_CHUNK + 9, 33).check(BOTH, [false, true, false]);
}

#[test]
fn a_shared_operand_of_a_batch() {
    let (batch, m, k, n) = (6, 5, 19, 21);
    let case = Case::<f32>::new(1, batch * m, k, n);
    let shared = |swapped: bool| {
        let view =
            if swapped { View::contiguous(&[n, k]).permute(&[1, 0]) } else { View::contiguous(&[k, n]) };
        let tensor = Tensor::placed(&case.b, &view, k * n);
        Tensor { view: view.expand(&[batch, k, n]), ..tensor }
    };
    for swapped in [false, true] {
        for turned in [false, true] {
            let view = if turned {
                View::contiguous(&[m, batch, k]).permute(&[1, 0, 2])
            } else {
                View::contiguous(&[batch, m, k])
            };
            let ins = [Tensor::placed(&case.a, &view, batch * m * k), shared(swapped)];
            let outs = everywhere(
                &product(f32::DTYPE, false, false),
                &ins,
                &[Tensor::out(f32::DTYPE, &[batch, m, n])],
            );
            assert_same(&outs[0].values::<f32>(), &case.expected(PLAIN), "shared b");
        }
    }
}

#[test]
fn not_a_number_goes_through_relu() {
    let ins = [Tensor::new(&[f32::NAN, 1.0, f32::INFINITY], &[1, 3, 1]), Tensor::new(&[-1f32], &[1, 1, 1])];
    let outs = everywhere(&product(f32::DTYPE, false, true), &ins, &[Tensor::out(f32::DTYPE, &[1, 3, 1])]);
    assert_same(&outs[0].values::<f32>(), &[f32::NAN, 0.0, 0.0], "relu");
}

#[test]
fn close_to_the_product_in_f64() {
    let (m, k, n) = (17, 300, 23);
    let case = Case::<f32>::new(1, m, k, n);
    for (i, value) in case.expected(PLAIN).into_iter().enumerate() {
        let exact: f64 =
            (0..k).map(|p| f64::from(case.a[i / n * k + p]) * f64::from(case.b[p * n + i % n])).sum();
        assert!((f64::from(value) - exact).abs() < 1e-3, "{value} {exact}");
    }
}

/// `w ← w + s·p` where w lies, `where(mask, p, column)` and `p > w` with the old w, of a product p.
fn update() -> Kernel {
    let (dtype, binary) = (DType::F32, |op, a, b| Instr::Binary { op, dtype: DType::F32, a, b });
    let instrs = vec![
        Instr::Load { input: 0, dtype },
        Instr::Load { input: 1, dtype },
        Instr::Scalar { index: 0, dtype },
        binary(BinaryOp::Mul, 0, 2),
        binary(BinaryOp::Add, 1, 3),
        Instr::Load { input: 2, dtype: DType::Bool },
        Instr::Iota { axis: 2 },
        Instr::Cast { from: DType::I32, to: dtype, a: 6 },
        Instr::Where { dtype, cond: 5, a: 0, b: 7 },
        binary(BinaryOp::Gt, 0, 1),
    ];
    Kernel::MatMul(Expr { instrs, outs: [4, 8, 9].into_iter().collect() })
}

/// Runs the update on every backend; `shared` broadcasts b over the batch.
fn check_update([batch, m, k, n]: [usize; 4], swapped: [bool; 3], shared: bool) {
    let case = Case::<f32>::new(batch, m, k, n);
    let view = |rows: usize, cols: usize, swapped: bool| {
        if swapped {
            View::contiguous(&[batch, cols, rows]).permute(&[0, 2, 1])
        } else {
            View::contiguous(&[batch, rows, cols])
        }
    };
    let area = view(m, n, swapped[2]);
    let count = batch * m * n;
    let w: Vec<f32> = Noise(5).floats(count);
    let mask: Vec<bool> = (0..n).map(|j| j % 3 != 1).collect();
    let whole_b: Vec<f32> = if shared { case.b[..k * n].repeat(batch) } else { case.b.clone() };
    let products = Case { b: whole_b, ..case }.expected(PLAIN);
    let case = Case::<f32>::new(batch, m, k, n);
    let b_view =
        if shared { View::contiguous(&[k, n]).expand(&[batch, k, n]) } else { view(k, n, swapped[1]) };
    let b_len = if shared { k * n } else { batch * k * n };
    let ins = [
        Tensor::placed(&case.a, &view(m, k, swapped[0]), batch * m * k),
        Tensor {
            view: b_view.clone(),
            ..Tensor::placed(
                &case.b[..b_len],
                &if shared { View::contiguous(&[k, n]) } else { b_view },
                b_len,
            )
        },
        Tensor::placed(&w, &area, count),
        Tensor { view: View::contiguous(&[n]).expand(&[batch, m, n]), ..Tensor::new(&mask, &[n]) },
    ];
    let outs = [
        ins[2].clone(),
        Tensor::out_placed(DType::F32, &area, count),
        Tensor::out(DType::Bool, &[batch, m, n]),
    ];
    let operand = |slot: usize, x: &Tensor| Operand {
        slot: slot as u32,
        dtype: x.dtype,
        base: 0,
        view: x.view.clone(),
    };
    let step = Step {
        kernel: update(),
        ins: ins.iter().enumerate().map(|(at, x)| operand(1 + at, x)).collect(),
        outs: outs.iter().enumerate().map(|(at, x)| operand(5 + at, x)).collect(),
        origin: 0,
    };
    for (name, backend) in backends() {
        let plan = Plan { steps: vec![step.clone()], slots: 8, scalars: 1, arena_bytes: 0 };
        let executable = backend.prepare(&plan).unwrap();
        let mut bindings = vec![Binding { buffer: backend.alloc(0).unwrap(), offset: 0 }];
        for (at, tensor) in ins.iter().chain(&outs).enumerate() {
            // The first out lies where w does.
            if at == 4 {
                bindings.push(bindings[3]);
                continue;
            }
            let buffer = backend.alloc(tensor.storage.len()).unwrap();
            backend.upload(buffer, 0, &tensor.storage).unwrap();
            bindings.push(Binding { buffer, offset: 0 });
        }
        let run = Run { bindings: &bindings, scalars: &[-0.25], seed: 0, rng_offset: 0 };
        backend.run(&executable, &run).unwrap();
        backend.sync().unwrap();
        let mut found = outs.to_vec();
        for (out, binding) in found.iter_mut().zip(&bindings[5..]) {
            backend.download(binding.buffer, 0, &mut out.storage).unwrap();
        }
        let what = format!("{:?} {swapped:?} shared {shared} on {name}", [batch, m, k, n]);
        let updated: Vec<f32> = w.iter().zip(&products).map(|(w, p)| w + p * -0.25).collect();
        let chosen: Vec<f32> =
            products.iter().enumerate().map(|(i, &p)| if mask[i % n] { p } else { (i % n) as f32 }).collect();
        let greater: Vec<bool> = products.iter().zip(&w).map(|(p, w)| p > w).collect();
        assert_same(&found[0].values::<f32>(), &updated, &format!("w of {what}"));
        assert_same(&found[1].values::<f32>(), &chosen, &format!("choice of {what}"));
        assert_eq!(found[2].values::<bool>(), greater, "comparison of {what}");
        bindings.remove(5);
        for binding in &bindings {
            backend.free(binding.buffer);
        }
    }
}

#[test]
fn any_expression_works_on_finished_elements() {
    for swapped in swaps() {
        check_update([1, 33, 20, 70], swapped, false);
        check_update([1, 5, 3, 1], swapped, false);
        check_update([3, 14, 9, 17], swapped, false);
        check_update([2, 40, 70, 33], swapped, true);
    }
    check_update([1, 20, SUM_CHUNK + 10, 40], [false, false, true], false);
    check_update([1, 784, 32, 128], [true, false, false], false);
}
