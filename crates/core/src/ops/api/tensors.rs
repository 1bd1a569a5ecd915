//! Selecting, reducing and viewing.

use crate::op::ArgOp;
use crate::ops::elementwise::Operand;

use super::{ApiOp, X, row};

/// Selects, casts and reductions.
pub(super) static BASIC: &[ApiOp] = &[
    row(
        "where",
        &["condition", "a", "b"],
        "",
        "Elements of a where the condition holds, else of b; all three broadcast.",
        "where",
        true,
        |b, a| {
            let (condition, x, y) = (a.node(0)?, a.node(1)?, a.node(2)?);
            b.where_(condition, x, y)
        },
    ),
    row(
        "clamp",
        &["x", "min?", "max?"],
        "",
        "Elements limited to [min, max]; NaN stays NaN.",
        "clamp",
        true,
        |b, a| {
            let (min, max) = (a.maybe(1).map(Operand::Node), a.maybe(2).map(Operand::Node));
            b.clamp(a.node(0)?, min, max)
        },
    ),
    row("cast", X, "dtype", "The same values in another element type.", "to", true, |b, a| {
        let dtype = a.dtype()?;
        b.cast(a.node(0)?, dtype)
    }),
    row("clone", X, "", "A copy in memory of its own; the gradient passes.", "clone", true, |b, a| {
        b.copy(a.node(0)?)
    }),
    row("detach", X, "", "The same values without a history.", "detach", false, |b, a| b.detach(a.node(0)?)),
    // Reductions.
    row(
        "sum",
        X,
        "dims?, keepDim",
        "Sum over dims; bool, u8 and i32 give i32, and an overflow is an error.",
        "sum",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.sum(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "mean",
        X,
        "dims?, keepDim",
        "Mean over dims; floats only, NaN for no elements.",
        "mean",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.mean(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "prod",
        X,
        "dims?, keepDim",
        "Product over dims; bool, u8 and i32 give i32, and an overflow is an error.",
        "prod",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.prod(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "amax",
        X,
        "dims?, keepDim",
        "Largest element over dims; equal ones share the gradient.",
        "amax",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.amax(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "amin",
        X,
        "dims?, keepDim",
        "Smallest element over dims; equal ones share the gradient.",
        "amin",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.amin(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "any",
        X,
        "dims?, keepDim",
        "Whether an element over dims is other than 0; bool.",
        "any",
        false,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.any(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "all",
        X,
        "dims?, keepDim",
        "Whether all elements over dims are other than 0; bool.",
        "all",
        false,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.all(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "var",
        X,
        "dims?, keepDim, correction",
        "Variance over dims, divided by count - correction (PyTorch's default is 1).",
        "var",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            let correction = a.number()?;
            b.var(a.node(0)?, dims.as_deref(), keep, correction)
        },
    ),
    row(
        "std",
        X,
        "dims?, keepDim, correction",
        "Standard deviation over dims, divided by count - correction (PyTorch's default is 1).",
        "std",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            let correction = a.number()?;
            b.std(a.node(0)?, dims.as_deref(), keep, correction)
        },
    ),
    row(
        "logSumExp",
        X,
        "dims?, keepDim",
        "log of the sum of exp over dims, without overflow.",
        "logsumexp",
        true,
        |b, a| {
            let dims = a.list()?;
            let keep = a.flag()?;
            b.log_sum_exp(a.node(0)?, dims.as_deref(), keep)
        },
    ),
    row(
        "norm",
        X,
        "p, dims?, keepDim",
        "p-norm over dims; p may be 0, any number, Infinity or -Infinity ('fro' is 2).",
        "linalg.vector_norm",
        true,
        |b, a| {
            let p = a.number()?;
            let dims = a.list()?;
            let keep = a.flag()?;
            b.norm(a.node(0)?, p, dims.as_deref(), keep)
        },
    ),
    row(
        "argmax",
        X,
        "dim?, keepDim",
        "Index of the largest element along dim, or in the flattened tensor; i32.",
        "argmax",
        false,
        |b, a| {
            let dim = a.optional_int()?;
            let keep = a.flag()?;
            b.arg(ArgOp::Max, a.node(0)?, dim, keep)
        },
    ),
    row(
        "argmin",
        X,
        "dim?, keepDim",
        "Index of the smallest element along dim, or in the flattened tensor; i32.",
        "argmin",
        false,
        |b, a| {
            let dim = a.optional_int()?;
            let keep = a.flag()?;
            b.arg(ArgOp::Min, a.node(0)?, dim, keep)
        },
    ),
];

/// Views and what joins them.
pub(super) static VIEWS: &[ApiOp] = &[
    // Views.
    row(
        "reshape",
        X,
        "sizes",
        "The same elements under another shape; one size may be -1.",
        "reshape",
        true,
        |b, a| {
            let sizes = a.ints()?;
            b.reshape(a.node(0)?, &sizes)
        },
    ),
    row("permute", X, "dims", "Dims in another order.", "permute", true, |b, a| {
        let dims = a.ints()?;
        b.permute(a.node(0)?, &dims)
    }),
    row("transpose", X, "dim0, dim1", "Two dims swapped.", "transpose", true, |b, a| {
        let (first, second) = (a.int()?, a.int()?);
        b.transpose(a.node(0)?, first, second)
    }),
    row(
        "expand",
        X,
        "sizes",
        "Dims of size 1 stretched, new ones in front; -1 keeps a size.",
        "expand",
        true,
        |b, a| {
            let sizes = a.ints()?;
            b.expand(a.node(0)?, &sizes)
        },
    ),
    row(
        "squeeze",
        X,
        "dims?",
        "Without the dims of size 1, or without those of the given dims that have it.",
        "squeeze",
        true,
        |b, a| {
            let dims = a.list()?;
            b.squeeze(a.node(0)?, dims.as_deref())
        },
    ),
    row("unsqueeze", X, "dim", "A new dim of size 1.", "unsqueeze", true, |b, a| {
        let dim = a.int()?;
        b.unsqueeze(a.node(0)?, dim)
    }),
    row(
        "slice",
        X,
        "dim, start?, end?, step",
        "Elements from start to end by step with Python's rules; a negative step walks backwards.",
        "Tensor.__getitem__",
        true,
        |b, a| {
            let (dim, start, end, step) = (a.int()?, a.optional_int()?, a.optional_int()?, a.int()?);
            b.slice(a.node(0)?, dim, start, end, step)
        },
    ),
    row("narrow", X, "dim, start, length", "length elements from start.", "narrow", true, |b, a| {
        let (dim, start, length) = (a.int()?, a.int()?, a.int()?);
        b.narrow(a.node(0)?, dim, start, length)
    }),
    row("select", X, "dim, index", "One index of a dim, which vanishes.", "select", true, |b, a| {
        let (dim, index) = (a.int()?, a.int()?);
        b.select(a.node(0)?, dim, index)
    }),
    row("flip", X, "dims", "Dims walked backwards.", "flip", true, |b, a| {
        let dims = a.ints()?;
        b.flip(a.node(0)?, &dims)
    }),
    row("flatten", X, "startDim, endDim", "Dims from startDim to endDim as one.", "flatten", true, |b, a| {
        let (start, end) = (a.int()?, a.int()?);
        b.flatten(a.node(0)?, start, end)
    }),
    row(
        "diagonal",
        X,
        "offset, dim0, dim1",
        "The diagonal of two dims as the last dim.",
        "diagonal",
        true,
        |b, a| {
            let (offset, first, second) = (a.int()?, a.int()?, a.int()?);
            b.diagonal(a.node(0)?, offset, first, second)
        },
    ),
    row(
        "pad",
        X,
        "pads, value",
        "A border of value; pads are (before, after) pairs from the last dim on, negative ones cut off.",
        "nn.functional.pad",
        true,
        |b, a| {
            let pads = a.ints()?;
            let value = a.number()?;
            b.pad(a.node(0)?, &pads, value)
        },
    ),
    row(
        "concat",
        &["...xs"],
        "dim",
        "Tensors one after the other along dim; mixed types promote.",
        "cat",
        true,
        |b, a| {
            let dim = a.int()?;
            b.concat(&a.nodes()?, dim)
        },
    ),
    row("stack", &["...xs"], "dim", "Tensors of one shape along a new dim.", "stack", true, |b, a| {
        let dim = a.int()?;
        b.stack(&a.nodes()?, dim)
    }),
    row("tril", X, "diagonal", "Zeros above a diagonal of the last two dims.", "tril", true, |b, a| {
        let diagonal = a.int()?;
        b.tril(a.node(0)?, diagonal)
    }),
    row("triu", X, "diagonal", "Zeros below a diagonal of the last two dims.", "triu", true, |b, a| {
        let diagonal = a.int()?;
        b.triu(a.node(0)?, diagonal)
    }),
];
