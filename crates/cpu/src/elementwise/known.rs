//! Frequent expressions as loops of their own.
//!
//! A pattern is written once, over an [`Algebra`]: on symbols it is what an expression is compared
//! with, on vectors of numbers it is the loop. Both perform the functions of the table op by op, so a
//! recognised expression has the bits of the interpreted one; what is saved is that values stay in
//! registers.

use std::marker::PhantomData;

use neuroxide_core::dtype::DType;
use neuroxide_core::ops::table::{BinaryOp, UnaryOp};
use neuroxide_core::plan::{Expr, Instr};
use smallvec::SmallVec;

use super::area::{Area, Line};
use crate::element::Element;
use crate::isa::Isa;
use crate::simd::{Array, Simd};

/// The most ins, scalars and outs of a pattern.
const MOST: usize = 8;

/// What patterns are made of.
trait Algebra {
    type V: Copy;
    type M: Copy;

    fn add(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn div(&mut self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(&mut self, a: Self::V) -> Self::V;
    fn relu(&mut self, a: Self::V) -> Self::V;
    fn gt(&mut self, a: Self::V, b: Self::V) -> Self::M;
    fn select(&mut self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V;
}

/// A symbol of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    In(usize),
    Scalar(usize),
    Unary(UnaryOp, usize),
    Binary(BinaryOp, usize, usize),
    Where(usize, usize, usize),
}

/// The algebra of symbols.
#[derive(Default)]
struct Symbols(Vec<Symbol>);

impl Symbols {
    fn push(&mut self, symbol: Symbol) -> usize {
        self.0.push(symbol);
        self.0.len() - 1
    }
}

impl Algebra for Symbols {
    type V = usize;
    type M = usize;

    fn add(&mut self, a: usize, b: usize) -> usize {
        self.push(Symbol::Binary(BinaryOp::Add, a, b))
    }
    fn sub(&mut self, a: usize, b: usize) -> usize {
        self.push(Symbol::Binary(BinaryOp::Sub, a, b))
    }
    fn mul(&mut self, a: usize, b: usize) -> usize {
        self.push(Symbol::Binary(BinaryOp::Mul, a, b))
    }
    fn div(&mut self, a: usize, b: usize) -> usize {
        self.push(Symbol::Binary(BinaryOp::Div, a, b))
    }
    fn sqrt(&mut self, a: usize) -> usize {
        self.push(Symbol::Unary(UnaryOp::Sqrt, a))
    }
    fn relu(&mut self, a: usize) -> usize {
        self.push(Symbol::Unary(UnaryOp::Relu, a))
    }
    fn gt(&mut self, a: usize, b: usize) -> usize {
        self.push(Symbol::Binary(BinaryOp::Gt, a, b))
    }
    fn select(&mut self, mask: usize, a: usize, b: usize) -> usize {
        self.push(Symbol::Where(mask, a, b))
    }
}

/// The algebra of vectors.
///
/// # Safety
/// Made only where the instruction set of the vector is there.
struct Vectors<V>(PhantomData<V>);

macro_rules! vector_op {
    ($($name:ident)*) => { $(
        #[inline(always)]
        fn $name(&mut self, a: V, b: V) -> V {
            // SAFETY: the contract of the type.
            unsafe { a.$name(b) }
        }
    )* };
}

impl<V: Simd> Algebra for Vectors<V> {
    type V = V;
    /// A comparison waits for the selection by it.
    type M = (V, V);

    vector_op! { add sub mul div }

    #[inline(always)]
    fn sqrt(&mut self, a: V) -> V {
        // SAFETY: the contract of the type.
        unsafe { a.sqrt() }
    }
    #[inline(always)]
    fn relu(&mut self, a: V) -> V {
        // SAFETY: the contract of the type.
        unsafe { a.relu() }
    }
    #[inline(always)]
    fn gt(&mut self, a: V, b: V) -> (V, V) {
        (a, b)
    }
    #[inline(always)]
    fn select(&mut self, (left, right): (V, V), a: V, b: V) -> V {
        // SAFETY: the contract of the type.
        unsafe { left.if_above(right, a, b) }
    }
}

/// A frequent expression: its outs from its ins and scalars.
trait Pattern: 'static {
    const INS: usize;
    const SCALARS: usize;
    const OUTS: usize;
    fn apply<A: Algebra>(a: &mut A, x: &[A::V; MOST], s: &[A::V; MOST], y: &mut [A::V; MOST]);
}

macro_rules! patterns {
    ($($(#[$doc:meta])* $Name:ident($ins:literal, $scalars:literal, $outs:literal) |$a:ident, $x:ident, $s:ident, $y:ident| $body:block)*) => {
        $(
            $(#[$doc])*
            struct $Name;
            impl Pattern for $Name {
                const INS: usize = $ins;
                const SCALARS: usize = $scalars;
                const OUTS: usize = $outs;
                #[inline(always)]
                fn apply<A: Algebra>($a: &mut A, $x: &[A::V; MOST], $s: &[A::V; MOST], $y: &mut [A::V; MOST]) $body
            }
        )*

        fn find<T: Number>(expr: &Expr, dtypes: (&[DType], &[DType]), isa: Isa) -> Option<Known> {
            $(
                if let Some(known) = Known::of::<$Name, T>(expr, dtypes, isa) {
                    return Some(known);
                }
            )*
            None
        }
    };
}

/// Adam behind the gradient: (parameter, gradient, mean, square), (step, 1 - β₁, β₂, 1 - β₂, 1/√correction, ε).
#[inline(always)]
fn adam<A: Algebra>(a: &mut A, [p, g, m, v]: [A::V; 4], s: &[A::V], y: &mut [A::V; MOST]) {
    let away = a.sub(g, m);
    let away = a.mul(s[1], away);
    let mean = a.add(m, away);
    let old = a.mul(v, s[2]);
    let new = a.mul(g, s[3]);
    let new = a.mul(new, g);
    let square = a.add(old, new);
    let root = a.sqrt(square);
    let root = a.mul(root, s[4]);
    let scale = a.add(root, s[5]);
    let step = a.mul(mean, s[0]);
    let step = a.div(step, scale);
    [y[0], y[1], y[2]] = [mean, square, a.sub(p, step)];
}

/// Momentum behind the gradient: (parameter, gradient, buffer), (rate, momentum, 1 - dampening).
#[inline(always)]
fn momentum<A: Algebra>(a: &mut A, [p, g, b]: [A::V; 3], s: &[A::V], y: &mut [A::V; MOST]) {
    let old = a.mul(b, s[1]);
    let new = a.mul(g, s[2]);
    let buffer = a.add(old, new);
    let step = a.mul(buffer, s[0]);
    [y[0], y[1]] = [buffer, a.sub(p, step)];
}

patterns! {
    Add(2, 0, 1) |a, x, _s, y| { y[0] = a.add(x[0], x[1]); }
    Relu(1, 0, 1) |a, x, _s, y| { y[0] = a.relu(x[0]); }
    AddRelu(2, 0, 1) |a, x, _s, y| {
        let sum = a.add(x[0], x[1]);
        y[0] = a.relu(sum);
    }
    /// The gradient of relu.
    Mask(2, 2, 1) |a, x, s, y| {
        let mask = a.gt(x[0], s[0]);
        y[0] = a.select(mask, x[1], s[1]);
    }
    Scale(1, 1, 1) |a, x, s, y| { y[0] = a.mul(x[0], s[0]); }
    Product(2, 0, 1) |a, x, _s, y| { y[0] = a.mul(x[0], x[1]); }
    Adam(4, 6, 3) |a, x, s, y| { adam(a, [x[0], x[1], x[2], x[3]], &s[..6], y); }
    AdamDecay(4, 7, 3) |a, x, s, y| {
        let decay = a.mul(x[0], s[6]);
        let g = a.add(x[1], decay);
        adam(a, [x[0], g, x[2], x[3]], &s[..6], y);
    }
    AdamW(4, 7, 3) |a, x, s, y| {
        let p = a.mul(x[0], s[6]);
        adam(a, [p, x[1], x[2], x[3]], &s[..6], y);
    }
    Sgd(2, 1, 1) |a, x, s, y| {
        let step = a.mul(x[1], s[0]);
        y[0] = a.sub(x[0], step);
    }
    SgdDecay(2, 2, 1) |a, x, s, y| {
        let decay = a.mul(x[0], s[1]);
        let g = a.add(x[1], decay);
        let step = a.mul(g, s[0]);
        y[0] = a.sub(x[0], step);
    }
    Momentum(3, 3, 2) |a, x, s, y| { momentum(a, [x[0], x[1], x[2]], &s[..3], y); }
    MomentumDecay(3, 4, 2) |a, x, s, y| {
        let decay = a.mul(x[0], s[3]);
        let g = a.add(x[1], decay);
        momentum(a, [x[0], g, x[2]], &s[..3], y);
    }
    /// (parameter, gradient, square), (rate, α, 1 - α, ε).
    RmsProp(3, 4, 2) |a, x, s, y| {
        let old = a.mul(x[2], s[1]);
        let new = a.mul(x[1], s[2]);
        let new = a.mul(new, x[1]);
        let square = a.add(old, new);
        let root = a.sqrt(square);
        let scale = a.add(root, s[3]);
        let step = a.mul(x[1], s[0]);
        let step = a.div(step, scale);
        [y[0], y[1]] = [square, a.sub(x[0], step)];
    }
}

/// Rows, columns, ins, outs and scalars of a pattern.
type Loop = unsafe fn(usize, usize, &[Line; MOST], &[Line; MOST], &[f64; MOST]);

/// A recognised expression.
pub(super) struct Known {
    size: isize,
    /// Which in, scalar and out of the expression each of the pattern's is.
    ins: SmallVec<[usize; 4]>,
    scalars: SmallVec<[usize; 8]>,
    outs: SmallVec<[usize; 4]>,
    unit: Loop,
    free: Loop,
}

/// What a pattern's variables stand for.
#[derive(Clone, Default)]
struct Bindings {
    ins: [Option<u16>; MOST],
    scalars: [Option<u32>; MOST],
}

impl Known {
    /// The loop of an expression over operands of one float type, if there is one.
    pub fn recognise(expr: &Expr, ins: &[DType], outs: &[DType], isa: Isa) -> Option<Self> {
        match outs.first()? {
            DType::F32 => find::<f32>(expr, (ins, outs), isa),
            DType::F64 => find::<f64>(expr, (ins, outs), isa),
            _ => None,
        }
    }

    fn of<P: Pattern, T: Number>(expr: &Expr, (ins, outs): (&[DType], &[DType]), isa: Isa) -> Option<Self> {
        if outs.len() != P::OUTS || outs.iter().any(|&dtype| dtype != T::DTYPE) {
            return None;
        }
        let mut symbols = Symbols::default();
        let mut x = [0; MOST];
        let mut s = [0; MOST];
        let mut y = [0; MOST];
        (0..P::INS).for_each(|i| x[i] = symbols.push(Symbol::In(i)));
        (0..P::SCALARS).for_each(|i| s[i] = symbols.push(Symbol::Scalar(i)));
        P::apply(&mut symbols, &x, &s, &mut y);
        let (found, order) = assign(&symbols.0, &y[..P::OUTS], expr, &Bindings::default(), &[])?;
        let ins_found: Option<SmallVec<[usize; 4]>> =
            found.ins[..P::INS].iter().map(|input| input.map(usize::from)).collect();
        let ins_found = ins_found?;
        if ins_found.iter().any(|&input| ins.get(input) != Some(&T::DTYPE)) {
            return None;
        }
        let scalars: Option<SmallVec<[usize; 8]>> =
            found.scalars[..P::SCALARS].iter().map(|scalar| scalar.map(|s| s as usize)).collect();
        let [unit, free] = T::loops::<P>(isa);
        Some(Self {
            size: size_of::<T>() as isize,
            ins: ins_found,
            scalars: scalars?,
            outs: order,
            unit,
            free,
        })
    }

    /// Whether the operands lie as the loops need them: along the columns, or one element a row.
    #[inline]
    pub fn takes(&self, area: &Area<'_>) -> bool {
        let one = area.cols == 1;
        self.outs.iter().all(|&out| one || area.outs[out].col == self.size)
            && self
                .ins
                .iter()
                .all(|&input| one || area.ins[input].col == self.size || area.ins[input].col == 0)
    }

    /// # Safety
    /// As `Formula::run`, for an area that is [`Known::takes`]n.
    #[inline]
    pub unsafe fn run(&self, area: &Area<'_>) {
        let mut ins = [Line { ptr: std::ptr::null_mut(), row: 0, col: 0 }; MOST];
        let mut outs = ins;
        let mut scalars = [0.0; MOST];
        for (to, &from) in ins.iter_mut().zip(&self.ins) {
            *to = area.ins[from];
        }
        for (to, &from) in outs.iter_mut().zip(&self.outs) {
            *to = area.outs[from];
        }
        for (to, &from) in scalars.iter_mut().zip(&self.scalars) {
            *to = area.scalars[from];
        }
        let unit = ins[..self.ins.len()].iter().all(|line| line.col == self.size);
        let run = if unit { self.unit } else { self.free };
        // SAFETY: the contract is passed on.
        unsafe { run(area.rows, area.cols, &ins, &outs, &scalars) }
    }
}

/// Finds which out of the expression each out of a pattern is, and what its variables stand for.
fn assign(
    symbols: &[Symbol],
    outs: &[usize],
    expr: &Expr,
    bound: &Bindings,
    taken: &[usize],
) -> Option<(Bindings, SmallVec<[usize; 4]>)> {
    let Some(&out) = outs.get(taken.len()) else {
        return Some((bound.clone(), taken.into()));
    };
    (0..expr.outs.len()).filter(|j| !taken.contains(j)).find_map(|j| {
        let mut bound = bound.clone();
        if !unify(symbols, out, expr, expr.outs[j], &mut bound) {
            return None;
        }
        let mut taken: SmallVec<[usize; 4]> = taken.into();
        taken.push(j);
        assign(symbols, outs, expr, &bound, &taken)
    })
}

fn unify(symbols: &[Symbol], symbol: usize, expr: &Expr, value: u16, bound: &mut Bindings) -> bool {
    let Some(instr) = expr.instrs.get(value as usize) else { return false };
    let mut both = |pairs: &[(usize, u16)]| pairs.iter().all(|&(s, v)| unify(symbols, s, expr, v, bound));
    match (symbols[symbol], instr) {
        (Symbol::In(i), &Instr::Load { input, .. }) => *bound.ins[i].get_or_insert(input) == input,
        (Symbol::Scalar(i), &Instr::Scalar { index, .. }) => *bound.scalars[i].get_or_insert(index) == index,
        (Symbol::Unary(op, x), &Instr::Unary { op: is, a, .. }) => op == is && both(&[(x, a)]),
        (Symbol::Binary(op, x, y), &Instr::Binary { op: is, a, b, .. }) => {
            op == is && both(&[(x, a), (y, b)])
        }
        (Symbol::Where(c, x, y), &Instr::Where { cond, a, b, .. }) => both(&[(c, cond), (x, a), (y, b)]),
        _ => false,
    }
}

/// The loop of a pattern; with `UNIT` all ins lie along the columns.
///
/// # Safety
/// The instruction set of the vector is there. The pattern's ins are readable and its outs writable over
/// the area; an out is the very same place as an in or meets none; outs lie along the columns, ins do or
/// have one element a row.
#[inline(always)]
unsafe fn body<P: Pattern, V: Simd<Element: Element>, const UNIT: bool>(
    rows: usize,
    cols: usize,
    ins: &[Line; MOST],
    outs: &[Line; MOST],
    scalars: &[f64; MOST],
) {
    let mut algebra = Vectors::<V>(PhantomData);
    // SAFETY: columns below `cols` of a row of the area. All ins of a block are read before its outs are
    // written, so the same place may be both.
    unsafe {
        let zero = V::splat(Element::from_f64(0.0));
        let mut s = [zero; MOST];
        for i in 0..P::SCALARS {
            s[i] = V::splat(Element::from_f64(scalars[i]));
        }
        for row in 0..rows {
            let (mut from, mut to) = ([std::ptr::null(); MOST], [std::ptr::null_mut(); MOST]);
            for i in 0..P::INS {
                from[i] = ins[i].at(row, 0).ptr.cast_const().cast::<V::Element>();
            }
            for i in 0..P::OUTS {
                to[i] = outs[i].at(row, 0).ptr.cast::<V::Element>();
            }
            let (mut x, mut y) = ([zero; MOST], [zero; MOST]);
            let mut col = 0;
            while col + V::LANES <= cols {
                for i in 0..P::INS {
                    x[i] =
                        if UNIT || ins[i].col != 0 { V::load(from[i].add(col)) } else { V::splat(*from[i]) };
                }
                P::apply(&mut algebra, &x, &s, &mut y);
                for i in 0..P::OUTS {
                    y[i].store(to[i].add(col));
                }
                col += V::LANES;
            }
            if col < cols {
                let rest = cols - col;
                for i in 0..P::INS {
                    x[i] = if UNIT || ins[i].col != 0 {
                        V::load_part(from[i].add(col), rest)
                    } else {
                        V::splat(*from[i])
                    };
                }
                P::apply(&mut algebra, &x, &s, &mut y);
                for i in 0..P::OUTS {
                    y[i].store_part(to[i].add(col), rest);
                }
            }
        }
    }
}

/// Element types with loops.
trait Number: Element {
    /// The loop of a pattern whose ins all lie along the columns, and the one for others.
    fn loops<P: Pattern>(isa: Isa) -> [Loop; 2];
}

/// The loops of a pattern over one kind of vectors.
macro_rules! loops {
    ($P:ident, $V:ty $(, #[$feature:meta])?) => {{
        $(#[$feature])?
        unsafe fn shell<P: Pattern, const UNIT: bool>(
            rows: usize,
            cols: usize,
            ins: &[Line; MOST],
            outs: &[Line; MOST],
            scalars: &[f64; MOST],
        ) {
            // SAFETY: the contract of `Loop`: that of `body`, with the instruction set of the vector.
            unsafe { body::<P, $V, UNIT>(rows, cols, ins, outs, scalars) }
        }
        [shell::<$P, true> as Loop, shell::<$P, false> as Loop]
    }};
}

macro_rules! number {
    ($T:ty, $v512:ident, $v256:ident) => {
        impl Number for $T {
            fn loops<P: Pattern>(isa: Isa) -> [Loop; 2] {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => loops!(P, std::arch::x86_64::$v512, #[target_feature(enable = "avx512f")]),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => loops!(P, std::arch::x86_64::$v256, #[target_feature(enable = "avx2,fma")]),
                    _ => loops!(P, Array<$T>),
                }
            }
        }
    };
}

number!(f32, __m512, __m256);
number!(f64, __m512d, __m256d);

#[cfg(test)]
mod tests;
