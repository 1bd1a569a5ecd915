//! What the table promises.

use super::*;

fn name_of<F, T>() -> String {
    format!("{}/{}", std::any::type_name::<F>(), std::any::type_name::<T>())
}

#[test]
fn dispatch_binds_the_function_and_the_type() {
    let found = dispatch_unary!(UnaryOp::Exp, DType::F64, |F, T| name_of::<F, T>(), else String::new());
    assert!(found.ends_with("unary::Exp/f64"), "{found}");
    let none = dispatch_unary!(UnaryOp::Exp, DType::I32, |F, T| name_of::<F, T>(), else String::new());
    assert!(none.is_empty());
    let found = dispatch_binary!(BinaryOp::Xor, DType::Bool, |F, T| name_of::<F, T>(), else String::new());
    assert!(found.ends_with("binary::Xor/bool"), "{found}");
}

#[test]
fn classes_decide_what_is_cast() {
    assert_eq!(UnaryOp::Exp.computes_in(DType::I32), Some(DType::F32));
    assert_eq!(UnaryOp::Exp.computes_in(DType::Bool), Some(DType::F32));
    assert_eq!(UnaryOp::Neg.computes_in(DType::Bool), None);
    assert_eq!(UnaryOp::Floor.computes_in(DType::U8), Some(DType::U8));
    assert_eq!(BinaryOp::Div.computes_in(DType::U8), Some(DType::F32));
    assert_eq!(BinaryOp::Sub.computes_in(DType::Bool), None);
}

#[test]
fn differentiable_ops_have_a_domain_and_the_others_return_bool() {
    for op in UnaryOp::ALL {
        assert_eq!(op.domain().is_none(), op.returns_bool(), "{}", op.name());
        assert_eq!(op.domain().is_some(), op.rule().is_some(), "{}", op.name());
    }
    for op in BinaryOp::ALL {
        assert_eq!(op.domain().is_none(), op.returns_bool(), "{}", op.name());
        assert_eq!(op.domain().is_some(), op.rule().is_some(), "{}", op.name());
    }
}

#[test]
fn an_example_begins_with_a_tensor_and_says_what_is_printed() {
    let unary = UnaryOp::ALL.iter().map(|op| (op.name(), op.example()));
    for (name, example) in unary.chain(BinaryOp::ALL.iter().map(|op| (op.name(), op.example()))) {
        assert!(example.operands[0].starts_with('['), "{name}");
        assert!(example.prints.starts_with("[ ") && example.prints.ends_with(" ]"), "{name}");
    }
}

#[test]
fn whole_quotients_and_remainders_refuse_zero_and_true_quotients_do_not() {
    assert!([BinaryOp::FloorDiv, BinaryOp::Remainder, BinaryOp::Fmod].iter().all(|op| op.refuses_zero()));
    assert!(!BinaryOp::Div.refuses_zero());
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> =
        UnaryOp::ALL.iter().map(|op| op.name()).chain(BinaryOp::ALL.iter().map(|op| op.name())).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

fn apply<F: BinaryFn<T, Out = U>, T, U>(x: T, y: T) -> U {
    F::eval(x, y)
}

#[test]
fn division_of_integers_never_traps() {
    assert_eq!(apply::<binary::FloorDiv, i32, _>(7, 0), 0);
    assert_eq!(apply::<binary::Remainder, i32, _>(i32::MIN, -1), 0);
    assert_eq!(apply::<binary::FloorDiv, i32, _>(i32::MIN, -1), i32::MIN);
    assert_eq!(apply::<binary::Fmod, u8, _>(7, 0), 0);
    assert_eq!(apply::<binary::FloorDiv, i32, _>(-7, 2), -4);
    assert_eq!(apply::<binary::Remainder, i32, _>(-7, 2), 1);
    assert_eq!(apply::<binary::Fmod, i32, _>(-7, 2), -1);
}

#[test]
fn selects_propagate_nan() {
    assert!(apply::<binary::Maximum, f32, _>(f32::NAN, 1.0).is_nan());
    assert!(apply::<binary::Maximum, f32, _>(1.0, f32::NAN).is_nan());
    assert!(apply::<binary::Minimum, f64, _>(1.0, f64::NAN).is_nan());
    assert!(<unary::Relu as UnaryFn<f32>>::eval(f32::NAN).is_nan());
}
