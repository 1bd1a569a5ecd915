//! What a backend is given: steps over operands, and nothing of the graph.

use smallvec::SmallVec;

use crate::dtype::DType;
use crate::op::{ArgOp, Composite, Random, ReduceOp};
use crate::ops::table::{BinaryOp, UnaryOp};
use crate::shape::View;

/// A tensor in a slot. Slots are bound to buffers at each run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    pub slot: u32,
    pub dtype: DType,
    /// Bytes from the start of the slot's binding to the storage that `view` is relative to.
    pub base: usize,
    /// Offsets and strides in elements.
    pub view: View,
}

/// One instruction of an elementwise kernel; instruction `i` defines register `i`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Instr {
    /// The n-th input of the step.
    Load {
        input: u16,
        dtype: DType,
    },
    /// The n-th run-time scalar, converted from f64 (integers and bool: truncated; they are exact).
    Scalar {
        index: u32,
        dtype: DType,
    },
    /// The index along an axis of the iteration shape, i32.
    Iota {
        axis: u16,
    },
    Unary {
        op: UnaryOp,
        dtype: DType,
        a: u16,
    },
    /// `dtype` is that of the operands.
    Binary {
        op: BinaryOp,
        dtype: DType,
        a: u16,
        b: u16,
    },
    /// `cond` is bool; `dtype` that of `a` and `b`.
    Where {
        dtype: DType,
        cond: u16,
        a: u16,
        b: u16,
    },
    /// As in C and Rust's `as`, but to bool: `x != 0`; float to u8 wraps through i64 as in `PyTorch`.
    Cast {
        from: DType,
        to: DType,
        a: u16,
    },
}

/// A straight-line program over registers; `outs[j]` is the register stored to output `j`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Expr {
    pub instrs: Vec<Instr>,
    pub outs: SmallVec<[u16; 4]>,
}

impl Expr {
    /// Its first input as it is: a product or a gathered element that is only stored.
    pub fn plain(dtype: DType) -> Self {
        Self { instrs: vec![Instr::Load { input: 0, dtype }], outs: SmallVec::from_slice(&[0]) }
    }
}

/// How a sum is cut; a function of the logical axes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The last axis or all axes: element j goes to virtual lane j % 64, lanes are joined by a fixed tree
    /// (64→32→16→8→4→2→1, lane i with lane i + half).
    Lanes,
    /// Leading axes: one chain in index order per chunk of [`SUM_CHUNK`] elements, chunks added in order.
    Chain,
}

/// Elements of one accumulation chain in leading sums and along k in a matmul.
pub const SUM_CHUNK: usize = 4096;

/// The kernel kinds. Unless said otherwise operands are contiguous row-major; only `Elementwise`,
/// `Copy`, `MatMul` and what an expression reads and writes take arbitrary strides. Zero sizes are legal everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// ins and outs all have the iteration shape (0-strides where broadcast; outs never broadcast).
    /// An out may be the very same view of the same memory as an in; otherwise they do not overlap.
    Elementwise(Expr),
    /// in → out, same shape and dtype, any strides.
    Copy,
    /// in `[outer, len, inner]` → out `[outer, 1, inner]`. Float sums as `cut` says (f32 in f32, f64 in f64);
    /// products likewise; integer sums and products accumulate in i64, out is i32 and an overflow is an
    /// `Error::Value`; max and min propagate NaN; any and all take bool. `len == 0`: sum 0, prod 1, any false, all true.
    Reduce { op: ReduceOp, cut: Cut },
    /// in `[outer, len, inner]` → out i32 `[outer, 1, inner]`; len ≥ 1.
    Arg(ArgOp),
    /// a `[b, m, k]`, b `[b, k, n]` of one float type, all strides free. An element of the product is one FMA chain
    /// in k order from 0 per chunk of [`SUM_CHUNK`] (chunk results added in order to the first); k = 0 gives 0.
    ///
    /// The expression says what becomes of it: `Load { input: 0 }` is the finished element, `Load { input: n }` with
    /// n ≥ 1 is ins[n + 1], which like every out is given as `[b, m, n]` (0-strides where an in is broadcast; outs
    /// never are) and may have another element type. An out may be the very same view of the same memory as one of
    /// those ins; it never overlaps a, b or another view. See [`Expr::plain`].
    MatMul(Expr),
    /// x `[outer, size, inner]`… in the sense of `Op::Gather`: x and index of equal rank given in full shape.
    Gather { axis: usize },
    /// x `[outer, size, inner]`, index `[n]`: the gathered element is `Load { input: 0 }` of the expression,
    /// `Load { input: n }` with n ≥ 1 is ins[n + 1]; those and the outs are given as `[outer, n, inner]` under the
    /// rules of `MatMul`.
    IndexSelect(Expr),
    /// index, source in full shape → added to out (already holding x) in row-major order of index.
    ScatterAdd { axis: usize },
    /// index `[n]`, source `[outer, n, inner]` → added to out `[outer, size, inner]` (already holding x) in index order.
    IndexAdd,
    /// → out; `offset` counts Philox blocks from the run's base offset.
    Random { dist: Random, offset: u64 },
    /// in `[rows, len]` → out `[rows, len]`. Of the cross-entropies: x `[rows, len]`, index i32 `[rows, 1]`; `CrossEntropy`
    /// → losses `[rows]` and, with a second out, the slope `[rows, len]` of `CrossEntropyGrad` in the same sweep, with
    /// the bits that each has alone. An index outside 0..len that is not `ignore` is an error as in `CheckIndex`.
    Composite(Composite),
    /// index: an element outside 0..size (-size..size is not accepted) that is not `ignore` is an `Error::Index` that names
    /// value, position and size.
    CheckIndex { size: usize, ignore: Option<i32> },
    /// divisor (i32 or u8): an element 0 is an `Error::Value` "integer division by zero; expected a divisor other than 0".
    CheckNonZero,
}

/// One kernel with its operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    pub kernel: Kernel,
    pub ins: SmallVec<[Operand; 4]>,
    pub outs: SmallVec<[Operand; 2]>,
    /// Index into the program's table of origins (op, module path), for messages.
    pub origin: u32,
}

/// A list of steps over `slots` bindings and `scalars` run-time scalars. Slot 0 is the scratch
/// arena of `arena_bytes`; every offset in it is a multiple of [`ALIGN`].
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub slots: usize,
    pub scalars: usize,
    pub arena_bytes: usize,
}

/// Alignment of buffers and of arena offsets, in bytes.
pub const ALIGN: usize = 64;
