//! Types, promotion and messages, over a driver that only records.

use smallvec::SmallVec;

use crate::dtype::{DType, Weak};
use crate::error::{Error, Result};
use crate::graph::{Builder, Driver, Inputs, NodeId, Type, Vjp};
use crate::op::{ArgOp, Composite, Op, ReduceOp, ViewOp};
use crate::ops::table::{BinaryOp, UnaryOp};

/// Keeps what is appended; nothing runs.
#[derive(Default)]
struct Recorder {
    nodes: Vec<(Op, Inputs, Type)>,
    claims: bool,
}

impl Driver for Recorder {
    fn append(&mut self, op: Op, inputs: &[NodeId], ty: Type) -> Result<NodeId> {
        self.nodes.push((op, inputs.into(), ty));
        Ok(NodeId((self.nodes.len() - 1) as u32))
    }
    fn ty(&self, node: NodeId) -> &Type {
        &self.nodes[node.0 as usize].2
    }
    fn op(&self, node: NodeId) -> &Op {
        &self.nodes[node.0 as usize].0
    }
    fn inputs(&self, node: NodeId) -> &[NodeId] {
        &self.nodes[node.0 as usize].1
    }
    fn requires_grad(&self, _: NodeId) -> bool {
        false
    }
    fn current(&mut self, node: NodeId) -> Result<NodeId> {
        Ok(node)
    }
    fn saved_input(&mut self, node: NodeId, index: usize) -> Result<NodeId> {
        Ok(self.inputs(node)[index])
    }
    fn saved_output(&mut self, node: NodeId) -> Result<NodeId> {
        Ok(node)
    }
    fn claims(&self, _: Composite) -> bool {
        self.claims
    }
}

/// A leaf of a type.
fn leaf(b: &mut Builder<'_>, dtype: DType, shape: &[usize]) -> NodeId {
    b.driver.append(Op::Leaf, &[], Type::new(dtype, shape)).unwrap()
}

fn with<R>(f: impl FnOnce(&mut Builder<'_>) -> R) -> R {
    f(&mut Builder::new(&mut Recorder::default()))
}

fn shape_of(f: impl FnOnce(&mut Builder<'_>) -> Result<NodeId>) -> Vec<usize> {
    with(|b| f(b).map(|node| b.shape(node).to_vec())).unwrap()
}

fn dtype_of(f: impl FnOnce(&mut Builder<'_>) -> Result<NodeId>) -> DType {
    with(|b| f(b).map(|node| b.dtype(node))).unwrap()
}

fn error_of(f: impl FnOnce(&mut Builder<'_>) -> Result<NodeId>) -> Error {
    with(|b| f(b).map(|node| b.ty(node).clone())).unwrap_err()
}

#[test]
fn binary_ops_promote_as_pytorch_does() {
    use DType::{Bool, F32, F64, I32, U8};
    let both = |op, a, b| {
        dtype_of(|g| {
            let (x, y) = (leaf(g, a, &[2]), leaf(g, b, &[2]));
            g.binary(op, x, y)
        })
    };
    assert_eq!(both(BinaryOp::Add, U8, I32), I32);
    assert_eq!(both(BinaryOp::Add, Bool, F32), F32);
    assert_eq!(both(BinaryOp::Add, Bool, Bool), Bool);
    assert_eq!(both(BinaryOp::Mul, F32, F64), F64);
    assert_eq!(both(BinaryOp::Div, I32, I32), F32);
    assert_eq!(both(BinaryOp::Lt, I32, F32), Bool);
    let number = |op, a, value: f64| {
        dtype_of(|g| {
            let x = leaf(g, a, &[2]);
            g.binary(op, x, value)
        })
    };
    assert_eq!(number(BinaryOp::Add, U8, 300.0), U8);
    assert_eq!(number(BinaryOp::Add, I32, 1.5), F32);
    assert_eq!(number(BinaryOp::Mul, Bool, 2.0), I32);
    assert_eq!(number(BinaryOp::Div, Bool, 2.0), F32);
    assert_eq!(number(BinaryOp::Mul, F64, 0.1), F64);
}

#[test]
fn transcendental_ops_of_integers_are_f32() {
    let unary = |op, dtype| {
        dtype_of(|g| {
            let x = leaf(g, dtype, &[2]);
            g.unary(op, x)
        })
    };
    assert_eq!(unary(UnaryOp::Exp, DType::I32), DType::F32);
    assert_eq!(unary(UnaryOp::Sigmoid, DType::Bool), DType::F32);
    assert_eq!(unary(UnaryOp::Exp, DType::F64), DType::F64);
    assert_eq!(unary(UnaryOp::Abs, DType::I32), DType::I32);
    assert_eq!(unary(UnaryOp::Isnan, DType::F32), DType::Bool);
    let error = error_of(|g| {
        let x = leaf(g, DType::Bool, &[2]);
        g.neg(x)
    });
    assert_eq!(error, Error::DType("neg: bool; expected a number. Hint: cast('i32') first".into()));
}

#[test]
fn numbers_stay_weak_among_themselves() {
    with(|g| {
        let two = g.number(2.0).unwrap();
        let four = g.mul(two, two).unwrap();
        assert_eq!(g.ty(four).weak, Some(Weak::Int));
        let half = g.div(two, four).unwrap();
        assert_eq!(g.ty(half).weak, Some(Weak::Float));
        let x = leaf(g, DType::U8, &[3]);
        let sum = g.add(x, four).unwrap();
        assert_eq!((g.dtype(sum), g.ty(sum).weak), (DType::U8, None));
    });
}

#[test]
fn elementwise_operands_are_cast_and_stretched() {
    with(|g| {
        let (x, y) = (leaf(g, DType::I32, &[3, 1]), leaf(g, DType::F32, &[4]));
        let sum = g.add(x, y).unwrap();
        for &input in g.driver.inputs(sum) {
            assert_eq!(g.ty(input), &Type::new(DType::F32, &[3, 4]));
        }
    });
}

#[test]
fn known_integer_divisors_are_checked_at_once_and_others_when_they_run() {
    let zero = error_of(|g| {
        let x = leaf(g, DType::I32, &[2]);
        g.binary(BinaryOp::FloorDiv, x, 0.0)
    });
    assert_eq!(zero.code(), "ERR_VALUE");
    with(|g| {
        let (x, y) = (leaf(g, DType::I32, &[2]), leaf(g, DType::I32, &[2]));
        let out = g.binary(BinaryOp::Remainder, x, y).unwrap();
        let divisor = g.driver.inputs(out)[1];
        assert_eq!(g.driver.op(divisor), &Op::CheckNonZero);
        let by_two = g.binary(BinaryOp::Remainder, x, 2.0).unwrap();
        let divisor = g.driver.inputs(by_two)[1];
        assert!(matches!(g.driver.op(divisor), Op::View(ViewOp::Expand(_))));
        let float = leaf(g, DType::F32, &[2]);
        let out = g.binary(BinaryOp::Remainder, float, float).unwrap();
        assert_eq!(g.driver.inputs(out)[1], float);
    });
}

#[test]
fn reductions_walk_runs_from_the_last() {
    with(|g| {
        let x = leaf(g, DType::F32, &[2, 3, 5, 7]);
        let sum = g.sum(x, Some(&[1, -1, 0]), false).unwrap();
        assert_eq!(g.shape(sum).as_slice(), [5]);
        let kept = g.driver.inputs(sum)[0];
        assert_eq!(g.driver.op(kept), &Op::Reduce { op: ReduceOp::Sum, first: 0, count: 2 });
        let first = g.driver.inputs(kept)[0];
        assert_eq!(g.driver.op(first), &Op::Reduce { op: ReduceOp::Sum, first: 3, count: 1 });
    });
    assert_eq!(
        dtype_of(|g| {
            let x = leaf(g, DType::U8, &[3]);
            g.sum(x, None, false)
        }),
        DType::I32
    );
    assert_eq!(
        dtype_of(|g| {
            let x = leaf(g, DType::I32, &[3]);
            g.arg(ArgOp::Max, x, None, false)
        }),
        DType::I32
    );
}

#[test]
fn edges_of_reductions() {
    let nothing = error_of(|g| {
        let x = leaf(g, DType::F32, &[3, 0]);
        g.amax(x, Some(&[1]), false)
    });
    assert_eq!(nothing.code(), "ERR_SHAPE");
    assert_eq!(
        shape_of(|g| {
            let x = leaf(g, DType::F32, &[0, 3]);
            g.amax(x, Some(&[1]), false)
        }),
        [0]
    );
    assert_eq!(
        shape_of(|g| {
            let x = leaf(g, DType::F32, &[3, 0]);
            g.mean(x, Some(&[1]), true)
        }),
        [3, 1]
    );
    let integers = error_of(|g| {
        let x = leaf(g, DType::I32, &[3]);
        g.mean(x, None, false)
    });
    assert_eq!(integers, Error::DType("mean: i32; expected f32 or f64. Hint: cast('f32') first".into()));
    let twice = error_of(|g| {
        let x = leaf(g, DType::F32, &[3, 2]);
        g.sum(x, Some(&[1, -1]), false)
    });
    assert_eq!(twice, Error::Shape("sum: dim -1 twice; expected each dim once".into()));
}

#[test]
fn views_have_the_shapes_of_pytorch() {
    let view = |shape: &[usize], f: fn(&mut Builder<'_>, NodeId) -> Result<NodeId>| {
        let shape = shape.to_vec();
        shape_of(move |g| {
            let x = leaf(g, DType::F32, &shape);
            f(g, x)
        })
    };
    assert_eq!(view(&[2, 6], |g, x| g.reshape(x, &[3, -1])), [3, 4]);
    assert_eq!(view(&[0, 6], |g, x| g.reshape(x, &[3, 0])), [3, 0]);
    assert_eq!(view(&[1, 3, 1], |g, x| g.squeeze(x, Some(&[0, 1]))), [3, 1]);
    assert_eq!(view(&[], |g, x| g.squeeze(x, None)), [0; 0]);
    assert_eq!(view(&[7], |g, x| g.slice(x, 0, Some(-3), None, 2)), [2]);
    assert_eq!(view(&[7], |g, x| g.slice(x, 0, Some(9), None, 1)), [0]);
    assert_eq!(view(&[7], |g, x| g.slice(x, 0, None, None, -3)), [3]);
    assert_eq!(view(&[7], |g, x| g.slice(x, 0, Some(1), Some(4), -1)), [0]);
    assert_eq!(view(&[], |g, x| g.flatten(x, 0, -1)), [1]);
    assert_eq!(view(&[2, 3, 4], |g, x| g.flatten(x, 1, -1)), [2, 12]);
    assert_eq!(view(&[3, 4, 2], |g, x| g.diagonal(x, 1, 0, 1)), [2, 3]);
    assert_eq!(view(&[3], |g, x| g.pad(x, &[-1, 2], 0.0)), [4]);
    assert_eq!(view(&[3, 1], |g, x| g.expand(x, &[2, -1, 4])), [2, 3, 4]);
}

#[test]
fn messages_say_what_was_given_and_what_fits() {
    let error = error_of(|g| {
        let (a, b) = (leaf(g, DType::F32, &[64, 784]), leaf(g, DType::F32, &[512, 784]));
        g.matmul(a, b)
    });
    assert_eq!(
        error,
        Error::Shape(
            "matmul: [64, 784] × [512, 784]; inner dims 784 ≠ 512. Hint: transpose the second operand".into()
        )
    );
    let error = error_of(|g| {
        let (x, w) = (leaf(g, DType::U8, &[2, 3]), leaf(g, DType::F32, &[4, 3]));
        g.linear(x, w, None)
    });
    assert_eq!(error.code(), "ERR_DTYPE");
    assert!(error.message().contains("nn.Rescale(1 / 255)"), "{error}");
    let error = error_of(|g| {
        let (x, y) = (leaf(g, DType::F32, &[32, 1]), leaf(g, DType::F32, &[32]));
        g.mse_loss(x, y, crate::composite::Reduction::Mean)
    });
    assert!(
        error.message().starts_with("mse: prediction [32, 1] against target [32]; expected equal shapes"),
        "{error}"
    );
    let error = error_of(|g| {
        let x = leaf(g, DType::F32, &[2, 3]);
        g.reshape(x, &[4, -1])
    });
    assert!(error.message().contains("6 elements do not divide by 4"), "{error}");
    let error = error_of(|g| {
        let x = leaf(g, DType::F32, &[2, 3]);
        g.select(x, 1, 3)
    });
    assert_eq!(error, Error::Index("select: index 3 of dim 1 with size 3; expected -3 to 2".into()));
}

#[test]
fn products_of_any_rank() {
    let product = |a: &[usize], b: &[usize]| {
        let (a, b) = (a.to_vec(), b.to_vec());
        shape_of(move |g| {
            let (x, y) = (leaf(g, DType::F32, &a), leaf(g, DType::F32, &b));
            g.matmul(x, y)
        })
    };
    assert_eq!(product(&[3], &[3]), [0; 0]);
    assert_eq!(product(&[3], &[3, 2]), [2]);
    assert_eq!(product(&[2, 3], &[3]), [2]);
    assert_eq!(product(&[2, 1, 4, 3], &[5, 3, 2]), [2, 5, 4, 2]);
    assert_eq!(product(&[2, 0], &[0, 3]), [2, 3]);
    let error = error_of(|g| {
        let (x, y) = (leaf(g, DType::I32, &[2, 2]), leaf(g, DType::I32, &[2, 2]));
        g.matmul(x, y)
    });
    assert_eq!(error.code(), "ERR_DTYPE");
}

#[test]
fn a_layer_on_a_batch_of_sequences_is_one_product() {
    let mut recorder = Recorder::default();
    {
        let mut g = Builder::new(&mut recorder);
        let (x, w) = (leaf(&mut g, DType::F32, &[2, 5, 3]), leaf(&mut g, DType::F32, &[4, 3]));
        let out = g.linear(x, w, None).unwrap();
        assert_eq!(g.shape(out).as_slice(), [2, 5, 4]);
    }
    let products: SmallVec<[&Type; 2]> =
        recorder.nodes.iter().filter(|(op, ..)| *op == Op::MatMul).map(|(_, _, ty)| ty).collect();
    assert_eq!(products.as_slice(), [&Type::new(DType::F32, &[10, 4])]);
}

#[test]
fn composites_are_nodes_only_where_claimed() {
    for claims in [false, true] {
        let mut recorder = Recorder { claims, ..Recorder::default() };
        let mut g = Builder::new(&mut recorder);
        let x = leaf(&mut g, DType::F32, &[2, 3]);
        g.softmax(x, 0).unwrap();
        let fused = recorder.nodes.iter().any(|(op, ..)| *op == Op::Composite(Composite::Softmax));
        assert_eq!(fused, claims);
    }
}

#[test]
fn concat_promotes_and_names_what_does_not_fit() {
    assert_eq!(
        dtype_of(|g| {
            let xs = [leaf(g, DType::U8, &[1, 2]), leaf(g, DType::F32, &[3, 2])];
            g.concat(&xs, 0)
        }),
        DType::F32
    );
    let error = error_of(|g| {
        let xs = [leaf(g, DType::F32, &[1, 2]), leaf(g, DType::F32, &[3, 4])];
        g.concat(&xs, 0)
    });
    assert_eq!(error, Error::Shape("concat: [1, 2] and [3, 4]; expected equal sizes except in dim 0".into()));
}

#[test]
fn literals_take_the_type_they_meet() {
    with(|g| {
        let x = leaf(g, DType::U8, &[2]);
        let sum = g.add(x, 300.0).unwrap();
        let stretched = g.driver.inputs(sum)[1];
        let number = g.driver.inputs(stretched)[0];
        // 300 wraps to 44, as PyTorch has it.
        assert_eq!(g.driver.op(number), &Op::Const(crate::op::Number(44.0)));
        assert_eq!(g.dtype(number), DType::U8);
    });
}

#[test]
fn comparisons_with_numbers_that_do_not_fit_are_exact() {
    let compared_in = |number: f64, dtype: DType| {
        with(|g| {
            let x = leaf(g, dtype, &[2]);
            let less = g.binary(BinaryOp::Lt, x, number).unwrap();
            g.dtype(g.driver.inputs(less)[0])
        })
    };
    assert_eq!(compared_in(255.0, DType::U8), DType::U8);
    assert_eq!(compared_in(256.0, DType::U8), DType::F64);
    assert_eq!(compared_in(-1.0, DType::U8), DType::F64);
    assert_eq!(compared_in(3e9, DType::I32), DType::F64);
    assert_eq!(compared_in(3e9, DType::F32), DType::F32);
}

#[test]
fn cross_entropy_and_its_slope_have_gradients() {
    for ignore in [None, Some(1)] {
        for composite in [Composite::CrossEntropy { ignore }, Composite::CrossEntropyGrad { ignore }] {
            let mut recorder = Recorder { claims: true, ..Recorder::default() };
            let mut g = Builder::new(&mut recorder);
            let (x, y) = (leaf(&mut g, DType::F64, &[4, 3]), leaf(&mut g, DType::I32, &[4, 1]));
            let node = g.push(Op::Composite(composite), &[x, y]).unwrap();
            let shape = g.shape(node);
            let dy = leaf(&mut g, DType::F64, &shape);
            let grads = super::vjp(&mut Vjp { b: &mut g, node, dy }).unwrap();
            assert_eq!(g.ty(grads[0].unwrap()), &Type::new(DType::F64, &[4, 3]));
            assert_eq!(grads[1], None);
            let masked = recorder.nodes.iter().any(|(op, ..)| *op == Op::Where);
            assert_eq!(masked, ignore.is_some());
        }
    }
}
