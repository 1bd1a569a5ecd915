//! The loops of the instructions, one a (function, element type, instruction set).

use neuroxide_core::dispatch_binary;
use neuroxide_core::dispatch_unary;
use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::{BinaryFn, BinaryOp, UnaryFn, UnaryOp};

use crate::element::{Element, with_dtype};
use crate::isa::{Isa, shells};

/// `out[i] = f(a[i])` for `i < count`.
pub(super) type Row1 = unsafe fn(count: usize, a: *const u8, out: *mut u8);
/// `out[i] = f(a[i], b[i])`.
pub(super) type Row2 = unsafe fn(count: usize, a: *const u8, b: *const u8, out: *mut u8);
/// `out[i] = f(a[i], b[i], c[i])`.
pub(super) type Row3 = unsafe fn(count: usize, a: *const u8, b: *const u8, c: *const u8, out: *mut u8);
/// `out[i] = value`.
pub(super) type Splat = unsafe fn(count: usize, value: f64, out: *mut u8);

#[inline(always)]
unsafe fn unary_body<F: UnaryFn<T, Out: Element>, T: Element>(count: usize, a: *const u8, out: *mut u8) {
    let (a, out) = (a.cast::<T>(), out.cast::<F::Out>());
    for i in 0..count {
        // SAFETY: the caller passes rows of `count` elements.
        unsafe { Element::write(out.add(i), F::eval(T::read(a.add(i)))) }
    }
}

shells! {
    fn unary_shell<F, T> = unary_body::<F, T> as fn(count: usize, a: *const u8, out: *mut u8)
    where F: UnaryFn<T, Out: Element>, T: Element
}

#[inline(always)]
unsafe fn binary_body<F: BinaryFn<T, Out: Element>, T: Element>(
    count: usize,
    a: *const u8,
    b: *const u8,
    out: *mut u8,
) {
    let (a, b, out) = (a.cast::<T>(), b.cast::<T>(), out.cast::<F::Out>());
    for i in 0..count {
        // SAFETY: the caller passes rows of `count` elements.
        unsafe { Element::write(out.add(i), F::eval(T::read(a.add(i)), T::read(b.add(i)))) }
    }
}

shells! {
    fn binary_shell<F, T> = binary_body::<F, T> as fn(count: usize, a: *const u8, b: *const u8, out: *mut u8)
    where F: BinaryFn<T, Out: Element>, T: Element
}

#[inline(always)]
unsafe fn select_body<T: Element>(count: usize, cond: *const u8, a: *const u8, b: *const u8, out: *mut u8) {
    let (cond, a, b, out) = (cond.cast::<bool>(), a.cast::<T>(), b.cast::<T>(), out.cast::<T>());
    for i in 0..count {
        // SAFETY: the caller passes rows of `count` elements.
        unsafe {
            let (x, y) = (T::read(a.add(i)), T::read(b.add(i)));
            T::write(out.add(i), if Element::read(cond.add(i)) { x } else { y });
        }
    }
}

shells! {
    fn select_shell<T> =
        select_body::<T> as fn(count: usize, cond: *const u8, a: *const u8, b: *const u8, out: *mut u8)
    where T: Element
}

/// Conversion of one element.
trait Cast<U> {
    fn cast(self) -> U;
}

macro_rules! casts {
    ($($T:ty => $($U:ty)*;)*) => { $($(
        impl Cast<$U> for $T {
            #[inline(always)]
            fn cast(self) -> $U { self as $U }
        }
    )*)* };
}

casts! {
    bool => bool u8 i32;
    u8 => u8 i32 f32 f64;
    i32 => u8 i32 f32 f64;
    f32 => i32 f32 f64;
    f64 => i32 f32 f64;
}

macro_rules! special_casts {
    ($($T:ty => $U:ty: |$x:ident| $body:expr;)*) => { $(
        impl Cast<$U> for $T {
            #[inline(always)]
            fn cast(self) -> $U { let $x = self; $body }
        }
    )* };
}

special_casts! {
    bool => f32: |x| f32::from(u8::from(x));
    bool => f64: |x| f64::from(u8::from(x));
    u8 => bool: |x| x != 0;
    i32 => bool: |x| x != 0;
    f32 => bool: |x| x != 0.0;
    f64 => bool: |x| x != 0.0;
    f32 => u8: |x| x as i64 as u8;
    f64 => u8: |x| x as i64 as u8;
}

#[inline(always)]
unsafe fn cast_body<T: Element + Cast<U>, U: Element>(count: usize, a: *const u8, out: *mut u8) {
    let (a, out) = (a.cast::<T>(), out.cast::<U>());
    for i in 0..count {
        // SAFETY: the caller passes rows of `count` elements.
        unsafe { U::write(out.add(i), T::read(a.add(i)).cast()) }
    }
}

shells! {
    fn cast_shell<T, U> = cast_body::<T, U> as fn(count: usize, a: *const u8, out: *mut u8)
    where T: Element + Cast<U>, U: Element
}

unsafe fn splat_row<T: Element>(count: usize, value: f64, out: *mut u8) {
    let value = T::from_f64(value);
    for i in 0..count {
        // SAFETY: the caller passes a row of `count` elements.
        unsafe { T::write(out.cast::<T>().add(i), value) }
    }
}

/// The loop of a unary op, and the type of its result, where the table has it.
pub(super) fn unary(op: UnaryOp, dtype: DType, isa: Isa) -> Option<(Row1, DType)> {
    dispatch_unary!(op, dtype, |F, T| Some((unary_shell::<F, T>(isa), <<F as UnaryFn<T>>::Out as Element>::DTYPE)), else None)
}

/// The loop of a binary op, and the type of its result, where the table has it.
pub(super) fn binary(op: BinaryOp, dtype: DType, isa: Isa) -> Option<(Row2, DType)> {
    dispatch_binary!(op, dtype, |F, T| Some((binary_shell::<F, T>(isa), <<F as BinaryFn<T>>::Out as Element>::DTYPE)), else None)
}

pub(super) fn select(dtype: DType, isa: Isa) -> Row3 {
    with_dtype!(dtype, |T| select_shell::<T>(isa))
}

pub(super) fn cast(from: DType, to: DType, isa: Isa) -> Row1 {
    with_dtype!(from, |T| with_dtype!(to, |U| cast_shell::<T, U>(isa)))
}

pub(super) fn splat(dtype: DType) -> Splat {
    with_dtype!(dtype, |T| splat_row::<T>)
}

/// Indices along an axis of `size` elements with `inner` behind each, from flat position `start`.
pub(super) unsafe fn iota(count: usize, start: usize, inner: usize, size: usize, out: *mut i32) {
    let mut value = start / inner % size;
    let mut left = inner - start % inner;
    for i in 0..count {
        // SAFETY: the caller passes a row of `count` elements.
        unsafe { *out.add(i) = value as i32 };
        left -= 1;
        if left == 0 {
            left = inner;
            value = if value + 1 == size { 0 } else { value + 1 };
        }
    }
}
