//! What a reduction does with one element, with two partial results, and with the last one.

use std::marker::PhantomData;
use std::ops::{Add, Mul};

use crate::element::Element;

/// A reduction.
pub(super) trait Fold: 'static {
    type In: Element;
    type Out: Element;
    type Acc: Copy + Send + Sync;
    const INIT: Self::Acc;
    /// Whether a reduction of no elements has a value.
    const EMPTY: bool = true;
    /// Whether a result may not fit the out.
    const FALLIBLE: bool = false;

    fn step(acc: Self::Acc, x: Self::In) -> Self::Acc;
    fn join(a: Self::Acc, b: Self::Acc) -> Self::Acc;
    /// `None` where the result does not fit the out.
    fn finish(acc: Self::Acc) -> Option<Self::Out>;
}

pub(super) struct Sum<T>(PhantomData<T>);
pub(super) struct Prod<T>(PhantomData<T>);
pub(super) struct IntSum<T>(PhantomData<T>);
pub(super) struct IntProd<T>(PhantomData<T>);
pub(super) struct Max<T>(PhantomData<T>);
pub(super) struct Min<T>(PhantomData<T>);
pub(super) struct Any;
pub(super) struct All;

/// Numbers that folds start from.
pub(super) trait Bounds: Element + PartialOrd {
    const LEAST: Self;
    const MOST: Self;
}

macro_rules! bounds {
    ($($T:ty: $least:expr, $most:expr;)*) => { $(
        impl Bounds for $T {
            const LEAST: Self = $least;
            const MOST: Self = $most;
        }
    )* };
}

bounds! {
    f32: Self::NEG_INFINITY, Self::INFINITY;
    f64: Self::NEG_INFINITY, Self::INFINITY;
    i32: Self::MIN, Self::MAX;
    u8: Self::MIN, Self::MAX;
}

macro_rules! arithmetic {
    ($Fold:ident, $Op:ident, $op:ident, $init:expr) => {
        impl<T: Element + $Op<Output = T> + From<u8>> Fold for $Fold<T>
        where
            T: Start,
        {
            type In = T;
            type Out = T;
            type Acc = T;
            const INIT: T = $init;

            #[inline(always)]
            fn step(acc: T, x: T) -> T {
                acc.$op(x)
            }
            #[inline(always)]
            fn join(a: T, b: T) -> T {
                a.$op(b)
            }
            #[inline(always)]
            fn finish(acc: T) -> Option<T> {
                Some(acc)
            }
        }
    };
}

/// Neutral elements of floats.
pub(super) trait Start {
    const ZERO: Self;
    const ONE: Self;
}

impl Start for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

impl Start for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

arithmetic!(Sum, Add, add, T::ZERO);
arithmetic!(Prod, Mul, mul, T::ONE);

impl<T: Element + Into<i64>> Fold for IntSum<T> {
    const FALLIBLE: bool = true;
    type In = T;
    type Out = i32;
    type Acc = i64;
    const INIT: i64 = 0;

    // Fewer than 2^32 elements of 32 bits cannot leave 64 bits.
    #[inline(always)]
    fn step(acc: i64, x: T) -> i64 {
        acc + x.into()
    }
    #[inline(always)]
    fn join(a: i64, b: i64) -> i64 {
        a + b
    }
    #[inline(always)]
    fn finish(acc: i64) -> Option<i32> {
        acc.try_into().ok()
    }
}

impl<T: Element + Into<i64>> Fold for IntProd<T> {
    const FALLIBLE: bool = true;
    type In = T;
    type Out = i32;
    type Acc = i64;
    const INIT: i64 = 1;

    // Saturation keeps a product out of range until a factor of 0 ends it, in any order.
    #[inline(always)]
    fn step(acc: i64, x: T) -> i64 {
        acc.saturating_mul(x.into())
    }
    #[inline(always)]
    fn join(a: i64, b: i64) -> i64 {
        a.saturating_mul(b)
    }
    #[inline(always)]
    fn finish(acc: i64) -> Option<i32> {
        acc.try_into().ok()
    }
}

macro_rules! extreme {
    ($Fold:ident, $start:ident, $better:tt) => {
        impl<T: Bounds> Fold for $Fold<T> {
            type In = T;
            type Out = T;
            type Acc = T;
            const INIT: T = T::$start;
            const EMPTY: bool = false;

            // A NaN is taken (it differs from itself) and then kept (nothing compares to it).
            #[inline(always)]
            #[allow(clippy::eq_op)]
            fn step(acc: T, x: T) -> T {
                if (x $better acc) | (x != x) { x } else { acc }
            }
            #[inline(always)]
            fn join(a: T, b: T) -> T {
                Self::step(a, b)
            }
            #[inline(always)]
            fn finish(acc: T) -> Option<T> {
                Some(acc)
            }
        }
    };
}

extreme!(Max, LEAST, >);
extreme!(Min, MOST, <);

macro_rules! logic {
    ($Fold:ident, $init:expr, $op:tt) => {
        impl Fold for $Fold {
            type In = bool;
            type Out = bool;
            type Acc = bool;
            const INIT: bool = $init;

            #[inline(always)]
            fn step(acc: bool, x: bool) -> bool {
                acc $op x
            }
            #[inline(always)]
            fn join(a: bool, b: bool) -> bool {
                a $op b
            }
            #[inline(always)]
            fn finish(acc: bool) -> Option<bool> {
                Some(acc)
            }
        }
    };
}

logic!(Any, false, |);
logic!(All, true, &);
