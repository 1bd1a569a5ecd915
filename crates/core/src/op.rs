//! What a node computes: the primitives of the graph and their attributes.

use std::hash::{Hash, Hasher};

use crate::dtype::DType;
use crate::ops::table::{BinaryOp, UnaryOp};
use crate::shape::{Dims, View};

/// A number with bitwise equality, so that it can be part of a cache key.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// Reductions over a run of neighbouring axes; the axes stay with size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceOp {
    Sum,
    Prod,
    Max,
    Min,
    Any,
    All,
}

impl ReduceOp {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Max => "amax",
            Self::Min => "amin",
            Self::Any => "any",
            Self::All => "all",
        }
    }
}

/// Index of the extreme element along one axis: the first NaN, else the lowest index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgOp {
    Max,
    Min,
}

/// Another look at the same elements. `Reshape` copies where strides do not allow a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ViewOp {
    /// The same view under a new name: a leaf over a state, or a stop for gradients.
    Alias,
    Detach,
    Reshape(Dims),
    Permute(Dims),
    Expand(Dims),
    Slice {
        axis: usize,
        start: usize,
        len: usize,
        step: usize,
    },
    Flip {
        axis: usize,
    },
    Diagonal {
        offset: i64,
        first: usize,
        second: usize,
    },
    /// A view placed on the storage of a state; only over `State` and `Assign` nodes.
    Place(View),
}

impl ViewOp {
    /// Where the elements lie, or `None` where that needs a copy first.
    pub fn apply(&self, view: &View) -> Option<View> {
        match self {
            Self::Alias | Self::Detach => Some(view.clone()),
            Self::Reshape(shape) => view.reshape(shape),
            Self::Permute(order) => Some(view.permute(order)),
            Self::Expand(shape) => Some(view.expand(shape)),
            Self::Slice { axis, start, len, step } => Some(view.slice(*axis, *start, *len, *step)),
            Self::Flip { axis } => Some(view.flip(*axis)),
            Self::Diagonal { offset, first, second } => Some(view.diagonal(*offset, *first, *second)),
            Self::Place(place) => Some(place.clone()),
        }
    }
}

/// Random numbers from Philox, a function of (seed, offset, element index) alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Random {
    /// In [0, 1).
    Uniform,
    /// Mean 0, standard deviation 1.
    Normal,
    /// Integers in [low, high).
    Integer { low: i32, high: i32 },
    /// A permutation of 0..n.
    Permutation,
}

/// Composites that a backend may claim; all others are always decomposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Composite {
    /// Along the last axis of a tensor of rank ≥ 1.
    Softmax,
    /// The same.
    LogSoftmax,
    /// (x [rows, classes], index i32 [rows, 1]): log Σ exp(x - max) - (x[class] - max) of each row, [rows]; 0 where the index
    /// is `ignore`.
    CrossEntropy { ignore: Option<i32> },
    /// The slope of those losses in x: softmax(x), less 1 at the class; zeros where the index is `ignore`.
    CrossEntropyGrad { ignore: Option<i32> },
}

/// What a node computes. Elementwise operands have equal shapes and element types: the
/// Builder inserts `Cast` and `Expand` nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Data that came from outside (eager leaves).
    Leaf,
    /// The n-th tensor argument of a traced function, or operand of a node executed alone.
    Input(u32),
    /// The content of the n-th state of a trace when the program begins.
    State(u32),
    /// A 0-d number; it reaches kernels as a run-time scalar.
    Const(Number),
    /// The n-th run-time scalar of a trace (learning rates, numeric arguments, step counts).
    Slot(u32),
    /// 0, 1, … n-1 as i32.
    Iota,
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// (condition bool, a, b).
    Where,
    Cast(DType),
    Reduce {
        op: ReduceOp,
        first: usize,
        count: usize,
    },
    /// Result i32, the axis stays with size 1.
    Arg {
        op: ArgOp,
        axis: usize,
    },
    View(ViewOp),
    /// All inputs along one axis.
    Concat {
        axis: usize,
    },
    /// (x, value 0-d): `before` and `after` elements of `value` around each axis.
    Pad {
        before: Dims,
        after: Dims,
    },
    /// [*b, m, k] × [*b, k, n] → [*b, m, n], equal batch axes, floats.
    MatMul,
    /// (x, index i32): out[.., i, ..] = x[.., index[.., i, ..], ..], shape of index; other axes of x at least as large.
    Gather {
        axis: usize,
    },
    /// (x, index i32 [n]): whole slices along an axis.
    IndexSelect {
        axis: usize,
    },
    /// (x, index i32, source of index's shape): x with source added at the indexed places, in index order.
    ScatterAdd {
        axis: usize,
    },
    /// (x, index i32 [n], source): x with slices of source added.
    IndexAdd {
        axis: usize,
    },
    Random(Random),
    Composite(Composite),
    /// (x integer): the same x, after an `Error::Value` was reported if one of its elements is 0. The Builder puts it
    /// in front of divisors, since a scalar function cannot fail.
    CheckNonZero,
    /// (state, value): writes value into the part of the state that the view names; yields the new state.
    Assign(View),
}

impl Op {
    /// The name used in messages, in `explain()` and by profilers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Input(_) => "input",
            Self::State(_) => "state",
            Self::Const(_) => "const",
            Self::Slot(_) => "slot",
            Self::Iota => "arange",
            Self::Unary(op) => op.name(),
            Self::Binary(op) => op.name(),
            Self::Where => "where",
            Self::Cast(_) => "cast",
            Self::Reduce { op, .. } => op.name(),
            Self::Arg { op: ArgOp::Max, .. } => "argmax",
            Self::Arg { op: ArgOp::Min, .. } => "argmin",
            Self::View(view) => match view {
                ViewOp::Alias | ViewOp::Place(_) => "view",
                ViewOp::Detach => "detach",
                ViewOp::Reshape(_) => "reshape",
                ViewOp::Permute(_) => "permute",
                ViewOp::Expand(_) => "expand",
                ViewOp::Slice { .. } => "slice",
                ViewOp::Flip { .. } => "flip",
                ViewOp::Diagonal { .. } => "diagonal",
            },
            Self::Concat { .. } => "concat",
            Self::Pad { .. } => "pad",
            Self::MatMul => "matmul",
            Self::Gather { .. } => "gather",
            Self::IndexSelect { .. } => "indexSelect",
            Self::ScatterAdd { .. } => "scatterAdd",
            Self::IndexAdd { .. } => "indexAdd",
            Self::Random(Random::Uniform) => "rand",
            Self::Random(Random::Normal) => "randn",
            Self::Random(Random::Integer { .. }) => "randint",
            Self::Random(Random::Permutation) => "randperm",
            Self::Composite(Composite::Softmax) => "softmax",
            Self::Composite(Composite::LogSoftmax) => "logSoftmax",
            Self::Composite(Composite::CrossEntropy { .. }) => "crossEntropy",
            Self::Composite(Composite::CrossEntropyGrad { .. }) => "crossEntropyGrad",
            Self::CheckNonZero => "integer division",
            Self::Assign(_) => "assign",
        }
    }

    /// Whether a node of this kind runs in the elementwise kernel.
    pub fn is_elementwise(&self) -> bool {
        matches!(self, Self::Unary(_) | Self::Binary(_) | Self::Where | Self::Cast(_) | Self::Iota)
    }
}
