//! Outs that are the very same memory as an in, and operands within an arena.

use crate::common::{Item, Noise, backends, step};
use neuroxide_core::backend::{Binding, Run};
use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::BinaryOp;
use neuroxide_core::plan::{Expr, Instr, Kernel, Operand, Plan, Step};
use neuroxide_core::shape::View;

/// `w ← w · s + g`, `g ← g · w` with the old w, in place, at an offset of one buffer.
#[test]
fn updates_in_place_read_before_they_write() {
    let shape = [37, 41];
    let n = shape[0] * shape[1];
    let (w, g): (Vec<f32>, Vec<f32>) = (Noise(3).floats(n), Noise(4).floats(n));
    let mul = |a, b| Instr::Binary { op: BinaryOp::Mul, dtype: DType::F32, a, b };
    let add = |a, b| Instr::Binary { op: BinaryOp::Add, dtype: DType::F32, a, b };
    let load = |input| Instr::Load { input, dtype: DType::F32 };
    let instrs = vec![
        load(0),
        load(1),
        Instr::Scalar { index: 0, dtype: DType::F32 },
        mul(0, 2),
        add(3, 1),
        load(0),
        mul(1, 5),
    ];
    let layouts = [
        View::contiguous(&shape),
        View::contiguous(&[41, 37]).permute(&[1, 0]),
        View::contiguous(&shape).flip(1),
    ];
    for view in layouts {
        for (name, backend) in backends() {
            let operand = |slot, base| Operand { slot, dtype: DType::F32, base, view: view.clone() };
            let step = Step {
                kernel: Kernel::Elementwise(Expr {
                    instrs: instrs.clone(),
                    outs: [4, 6].into_iter().collect(),
                }),
                ins: [operand(1, 0), operand(2, n * 4)].into_iter().collect(),
                // The same memory under other slots.
                outs: [operand(3, 0), operand(4, 0)].into_iter().collect(),
                origin: 0,
            };
            let executable =
                backend.prepare(&Plan { steps: vec![step], slots: 5, scalars: 1, arena_bytes: 0 }).unwrap();
            let buffer = backend.alloc(64 + n * 8).unwrap();
            let bytes: Vec<u8> = w.iter().chain(&g).flat_map(|x| x.to_le_bytes()).collect();
            backend.upload(buffer, 64, &bytes).unwrap();
            let at = |offset| Binding { buffer, offset };
            let bindings = [at(0), at(64), at(64), at(64), at(64 + n * 4)];
            let run = Run { bindings: &bindings, scalars: &[0.5], seed: 0, rng_offset: 0 };
            backend.run(&executable, &run).unwrap();
            let mut found = vec![0; n * 8];
            backend.download(buffer, 64, &mut found).unwrap();
            for i in 0..n {
                let (new_w, new_g) =
                    (f32::read(&found[i * 4..i * 4 + 4]), f32::read(&found[(n + i) * 4..(n + i) * 4 + 4]));
                assert_eq!(new_w.to_bits(), (w[i] * 0.5 + g[i]).to_bits(), "{name}: w[{i}] of {view:?}");
                assert_eq!(new_g.to_bits(), (g[i] * w[i]).to_bits(), "{name}: g[{i}] of {view:?}");
            }
            backend.free(buffer);
        }
    }
}

#[test]
fn bindings_that_are_too_small_are_told() {
    let tensor = crate::common::Tensor::new(&[1f32; 8], &[8]);
    let step = step(Kernel::Copy, std::slice::from_ref(&tensor), std::slice::from_ref(&tensor));
    for (_, backend) in backends() {
        let executable = backend
            .prepare(&Plan { steps: vec![step.clone()], slots: 3, scalars: 0, arena_bytes: 0 })
            .unwrap();
        let (small, large) = (backend.alloc(31).unwrap(), backend.alloc(64).unwrap());
        let at = |buffer, offset| Binding { buffer, offset };
        for bindings in [
            vec![at(large, 0), at(large, 0), at(small, 0)],
            vec![at(large, 0), at(large, 33), at(large, 0)],
            vec![at(large, 0), at(large, 2), at(large, 32)],
            vec![at(large, 0), at(large, 0)],
        ] {
            let run = Run { bindings: &bindings, scalars: &[], seed: 0, rng_offset: 0 };
            let result =
                backend.run(&executable, &run).map_err(|fault| fault.error).and_then(|()| backend.sync());
            assert_eq!(result.unwrap_err().code(), "ERR_INTERNAL");
        }
    }
}

#[test]
fn broken_plans_are_refused() {
    let float = crate::common::Tensor::new(&[1f32; 8], &[8]);
    let int = crate::common::Tensor::new(&[1i32; 8], &[8]);
    let mut below = float.clone();
    below.view.strides[0] = -1;
    let add = Expr {
        instrs: vec![
            Instr::Load { input: 0, dtype: DType::F32 },
            Instr::Binary { op: BinaryOp::Add, dtype: DType::I32, a: 0, b: 0 },
        ],
        outs: [1].into_iter().collect(),
    };
    let cases = [
        step(Kernel::Copy, std::slice::from_ref(&float), std::slice::from_ref(&int)),
        step(Kernel::Copy, &[below], std::slice::from_ref(&float)),
        step(Kernel::Copy, &[], std::slice::from_ref(&float)),
        step(Kernel::Elementwise(add), std::slice::from_ref(&float), std::slice::from_ref(&int)),
        step(
            Kernel::MatMul(Expr::plain(DType::F32)),
            &[float.clone(), float.clone()],
            std::slice::from_ref(&float),
        ),
        step(
            Kernel::Composite(neuroxide_core::op::Composite::Softmax),
            std::slice::from_ref(&int),
            std::slice::from_ref(&int),
        ),
    ];
    let backend = &backends()[0].1;
    for step in cases {
        let plan = Plan { steps: vec![step], slots: 4, scalars: 0, arena_bytes: 0 };
        assert_eq!(backend.prepare(&plan).err().unwrap().code(), "ERR_INTERNAL", "{plan:?}");
    }
    let mut far = step(Kernel::Copy, std::slice::from_ref(&float), std::slice::from_ref(&float));
    far.ins[0].slot = 9;
    assert!(backend.prepare(&Plan { steps: vec![far], slots: 3, scalars: 0, arena_bytes: 0 }).is_err());
}
