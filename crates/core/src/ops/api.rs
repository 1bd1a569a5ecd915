//! The ops as the boundary sees them: one table of codes, one function that applies them.
//!
//! The number of exports of the addon does not grow with ops, since every op is a code here. All
//! attributes are f64s in the documented order; `?` marks what may be absent (a NaN). A list is its count
//! followed by its values, an absent list is a NaN in place of the count.

use std::sync::LazyLock;

use crate::composite::Reduction;
use crate::composite::keras::Elementwise;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::op::ArgOp;
use crate::ops::elementwise::Operand;
use crate::ops::table::{BinaryOp, UnaryOp};

/// What kind of row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKind {
    Unary,
    Binary,
    Other,
}

/// One op of the boundary.
#[derive(Clone, Copy)]
pub struct ApiOp {
    pub name: &'static str,
    pub kind: ApiKind,
    /// Operands in order: `x?` may be absent, `...xs` is any number of them.
    pub operands: &'static [&'static str],
    /// Attributes in order.
    pub attrs: &'static str,
    pub doc: &'static str,
    /// PyTorch's or Keras's name.
    pub torch: &'static str,
    /// Whether gradients flow through it.
    pub gradient: bool,
    run: fn(&mut Builder<'_>, &mut Args<'_>) -> Result<NodeId>,
}

/// Operands and attributes of one call, read in order.
struct Args<'a> {
    name: &'static str,
    operands: &'a [Option<NodeId>],
    attrs: &'a [f64],
    at: usize,
}

impl Args<'_> {
    fn malformed(&self, what: &str) -> Error {
        Error::Internal(format!("{}: {what} is missing or malformed", self.name))
    }

    fn node(&self, index: usize) -> Result<NodeId> {
        self.maybe(index).ok_or_else(|| self.malformed("an operand"))
    }

    fn maybe(&self, index: usize) -> Option<NodeId> {
        self.operands.get(index).copied().flatten()
    }

    fn nodes(&self) -> Result<Vec<NodeId>> {
        (0..self.operands.len()).map(|i| self.node(i)).collect()
    }

    fn number(&mut self) -> Result<f64> {
        let value = self.attrs.get(self.at).copied().ok_or_else(|| self.malformed("an attribute"))?;
        self.at += 1;
        Ok(value)
    }

    fn optional(&mut self) -> Result<Option<f64>> {
        let value = self.number()?;
        Ok(if value.is_nan() { None } else { Some(value) })
    }

    fn whole(&self, value: f64) -> Result<i64> {
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            return Ok(value as i64);
        }
        Err(Error::Value(format!("{}: {value}; expected an integer", self.name)))
    }

    fn int(&mut self) -> Result<i64> {
        let value = self.number()?;
        self.whole(value)
    }

    fn optional_int(&mut self) -> Result<Option<i64>> {
        let value = self.optional()?;
        value.map(|v| self.whole(v)).transpose()
    }

    fn size(&mut self) -> Result<usize> {
        let value = self.int()?;
        usize::try_from(value)
            .map_err(|_| Error::Value(format!("{}: {value}; expected a size of at least 0", self.name)))
    }

    fn flag(&mut self) -> Result<bool> {
        Ok(self.number()? != 0.0)
    }

    fn list(&mut self) -> Result<Option<Vec<i64>>> {
        let Some(count) = self.optional()? else { return Ok(None) };
        (0..count as usize).map(|_| self.int()).collect::<Result<Vec<i64>>>().map(Some)
    }

    fn ints(&mut self) -> Result<Vec<i64>> {
        self.list()?.ok_or_else(|| self.malformed("a list"))
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        let count = self.size()?;
        (0..count).map(|_| self.size()).collect()
    }

    fn dtype(&mut self) -> Result<DType> {
        let code = self.number()?;
        DType::from_code(code as u32).ok_or_else(|| self.malformed("an element type"))
    }

    fn reduction(&mut self) -> Result<Reduction> {
        let code = self.number()?;
        Reduction::from_code(code as u32).ok_or_else(|| self.malformed("a reduction"))
    }
}

type Run = fn(&mut Builder<'_>, &mut Args<'_>) -> Result<NodeId>;

const fn row(
    name: &'static str,
    operands: &'static [&'static str],
    attrs: &'static str,
    doc: &'static str,
    torch: &'static str,
    gradient: bool,
    run: Run,
) -> ApiOp {
    ApiOp { name, kind: ApiKind::Other, operands, attrs, doc, torch, gradient, run }
}

const X: &[&str] = &["x"];
const PAIR: &[&str] = &["prediction", "target"];
const NONE: &[&str] = &[];

/// Everything beside the elementwise table.
static OTHER: &[ApiOp] = &[
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
    // Products.
    row(
        "matmul",
        &["a", "b"],
        "",
        "Matrix product over the last two dims; leading dims broadcast, 1-d operands are vectors.",
        "matmul",
        true,
        |b, a| b.matmul(a.node(0)?, a.node(1)?),
    ),
    row("mm", &["a", "b"], "", "Product of two matrices.", "mm", true, |b, a| b.mm(a.node(0)?, a.node(1)?)),
    row("bmm", &["a", "b"], "", "Products of two batches of matrices.", "bmm", true, |b, a| {
        b.bmm(a.node(0)?, a.node(1)?)
    }),
    row("mv", &["a", "b"], "", "Product of a matrix and a vector.", "mv", true, |b, a| {
        b.mv(a.node(0)?, a.node(1)?)
    }),
    row("dot", &["a", "b"], "", "Sum of the products of two vectors.", "dot", true, |b, a| {
        b.dot(a.node(0)?, a.node(1)?)
    }),
    row(
        "addmm",
        &["input", "a", "b"],
        "beta, alpha",
        "beta · input + alpha · (a × b) for matrices.",
        "addmm",
        true,
        |b, a| {
            let (beta, alpha) = (a.number()?, a.number()?);
            b.addmm(a.node(0)?, a.node(1)?, a.node(2)?, beta, alpha)
        },
    ),
    row(
        "baddbmm",
        &["input", "a", "b"],
        "beta, alpha",
        "beta · input + alpha · (a × b) for batches of matrices.",
        "baddbmm",
        true,
        |b, a| {
            let (beta, alpha) = (a.number()?, a.number()?);
            b.baddbmm(a.node(0)?, a.node(1)?, a.node(2)?, beta, alpha)
        },
    ),
    row(
        "linear",
        &["x", "weight", "bias?"],
        "",
        "x · weightᵀ + bias: x [*, in], weight [out, in], bias [out].",
        "nn.functional.linear",
        true,
        |b, a| b.linear(a.node(0)?, a.node(1)?, a.maybe(2)),
    ),
    // Indexing.
    row(
        "gather",
        &["x", "index"],
        "dim",
        "Elements of x at the places that index (i32 or u8) names along dim.",
        "gather",
        true,
        |b, a| {
            let dim = a.int()?;
            b.gather(a.node(0)?, dim, a.node(1)?)
        },
    ),
    row(
        "indexSelect",
        &["x", "index"],
        "dim",
        "Slices of x at the indices of a 1-d tensor.",
        "index_select",
        true,
        |b, a| {
            let dim = a.int()?;
            b.index_select(a.node(0)?, dim, a.node(1)?)
        },
    ),
    row(
        "scatterAdd",
        &["x", "index", "source"],
        "dim",
        "x with source added at the places that index names along dim.",
        "scatter_add",
        true,
        |b, a| {
            let dim = a.int()?;
            b.scatter_add(a.node(0)?, dim, a.node(1)?, a.node(2)?)
        },
    ),
    row(
        "indexAdd",
        &["x", "index", "source"],
        "dim, alpha",
        "x with alpha · source's slices added at the indices of a 1-d tensor.",
        "index_add",
        true,
        |b, a| {
            let (dim, alpha) = (a.int()?, a.number()?);
            b.index_add(a.node(0)?, dim, a.node(1)?, a.node(2)?, alpha)
        },
    ),
    row(
        "takeAlongDim",
        &["x", "index"],
        "dim?",
        "gather after broadcasting; without dim both are flattened.",
        "take_along_dim",
        true,
        |b, a| {
            let dim = a.optional_int()?;
            b.take_along_dim(a.node(0)?, a.node(1)?, dim)
        },
    ),
    row(
        "oneHot",
        &["index"],
        "classes",
        "A last dim of size classes in which the named element is 1; i32.",
        "nn.functional.one_hot",
        false,
        |b, a| {
            let classes = a.int()?;
            b.one_hot(a.node(0)?, classes)
        },
    ),
    // Creation.
    row("full", NONE, "value, dtype, shape", "A tensor of one value.", "full", false, |b, a| {
        let (value, dtype, shape) = (a.number()?, a.dtype()?, a.shape()?);
        let number = b.number(value)?;
        let scalar = b.cast(number, dtype)?;
        b.stretch(scalar, &shape)
    }),
    row("rand", NONE, "dtype, shape", "Uniform numbers in [0, 1).", "rand", false, |b, a| {
        let (dtype, shape) = (a.dtype()?, a.shape()?);
        b.rand(&shape, dtype)
    }),
    row(
        "randn",
        NONE,
        "dtype, shape",
        "Normal numbers with mean 0 and standard deviation 1.",
        "randn",
        false,
        |b, a| {
            let (dtype, shape) = (a.dtype()?, a.shape()?);
            b.randn(&shape, dtype)
        },
    ),
    row("randint", NONE, "low, high, dtype, shape", "Integers in [low, high).", "randint", false, |b, a| {
        let (low, high, dtype, shape) = (a.number()?, a.number()?, a.dtype()?, a.shape()?);
        b.randint(low, high, &shape, dtype)
    }),
    row(
        "bernoulli",
        &["p"],
        "",
        "1 with the probability that p gives for each element, else 0; p's shape and type.",
        "bernoulli",
        false,
        |b, a| b.bernoulli(a.node(0)?),
    ),
    row("permutation", NONE, "n", "The numbers 0 to n-1 in random order; i32.", "randperm", false, |b, a| {
        let n = a.size()?;
        b.permutation(n)
    }),
    row(
        "arange",
        NONE,
        "start, step, count, dtype",
        "start + i · step for i below count.",
        "arange",
        false,
        |b, a| {
            let (start, step, count, dtype) = (a.number()?, a.number()?, a.size()?, a.dtype()?);
            b.arange(start, step, count, dtype)
        },
    ),
    row(
        "linspace",
        NONE,
        "start, end, count, dtype",
        "count numbers from start to end, both included.",
        "linspace",
        false,
        |b, a| {
            let (start, end, count, dtype) = (a.number()?, a.number()?, a.size()?, a.dtype()?);
            b.linspace(start, end, count, dtype)
        },
    ),
    row(
        "eye",
        NONE,
        "rows, cols, dtype",
        "Ones on the diagonal of a matrix of zeros.",
        "eye",
        false,
        |b, a| {
            let (rows, cols, dtype) = (a.size()?, a.size()?, a.dtype()?);
            b.eye(rows, cols, dtype)
        },
    ),
    // Activations.
    row("softmax", X, "dim", "exp(x) over its sum along dim.", "softmax", true, |b, a| {
        let dim = a.int()?;
        b.softmax(a.node(0)?, dim)
    }),
    row("logSoftmax", X, "dim", "log of softmax along dim.", "log_softmax", true, |b, a| {
        let dim = a.int()?;
        b.log_softmax(a.node(0)?, dim)
    }),
    row("softmin", X, "dim", "softmax of -x along dim.", "nn.functional.softmin", true, |b, a| {
        let dim = a.int()?;
        b.softmin(a.node(0)?, dim)
    }),
    row(
        "softplus",
        X,
        "beta, threshold",
        "log(1 + exp(beta · x)) / beta; x where beta · x exceeds threshold. Defaults 1 and 20.",
        "nn.functional.softplus",
        true,
        |b, a| {
            let (beta, threshold) = (a.number()?, a.number()?);
            b.softplus(a.node(0)?, beta, threshold)
        },
    ),
    row(
        "gelu",
        X,
        "tanh (0 or 1)",
        "x · Φ(x), exact with erf (0) or approximated with tanh (1).",
        "nn.functional.gelu",
        true,
        |b, a| {
            let tanh = a.flag()?;
            if tanh { b.gelu_tanh(a.node(0)?) } else { b.gelu(a.node(0)?) }
        },
    ),
    row("silu", X, "", "x · sigmoid(x).", "nn.functional.silu", true, |b, a| b.silu(a.node(0)?)),
    row(
        "elu",
        X,
        "alpha",
        "x where positive, else alpha · (exp(x) - 1). Default 1.",
        "nn.functional.elu",
        true,
        |b, a| {
            let alpha = a.number()?;
            b.elu(a.node(0)?, alpha)
        },
    ),
    row(
        "leakyRelu",
        X,
        "negativeSlope",
        "x where positive, else negativeSlope · x. Default 0.01.",
        "nn.functional.leaky_relu",
        true,
        |b, a| {
            let slope = a.number()?;
            b.leaky_relu(a.node(0)?, slope)
        },
    ),
    row("logSigmoid", X, "", "log(sigmoid(x)).", "nn.functional.logsigmoid", true, |b, a| {
        b.log_sigmoid(a.node(0)?)
    }),
    row(
        "dropout",
        X,
        "p, training (0 or 1)",
        "Zeros with probability p, the others scaled by 1 / (1 - p); x when not training.",
        "nn.functional.dropout",
        true,
        |b, a| {
            let (p, training) = (a.number()?, a.flag()?);
            b.dropout(a.node(0)?, p, training)
        },
    ),
    row(
        "normalize",
        X,
        "p, dim, eps",
        "x over its p-norm along dim, which counts as at least eps. Defaults 2, 1, 1e-12.",
        "nn.functional.normalize",
        true,
        |b, a| {
            let (p, dim, eps) = (a.number()?, a.int()?, a.number()?);
            b.normalize(a.node(0)?, p, dim, eps)
        },
    ),
    row(
        "cosineSimilarity",
        &["x", "y"],
        "dim, eps",
        "Cosine of the angle between x and y along dim. Defaults 1, 1e-8.",
        "nn.functional.cosine_similarity",
        true,
        |b, a| {
            let (dim, eps) = (a.int()?, a.number()?);
            b.cosine_similarity(a.node(0)?, a.node(1)?, dim, eps)
        },
    ),
    row(
        "pairwiseDistance",
        &["x", "y"],
        "p, eps, keepDim",
        "p-norm of x - y + eps along the last dim. Defaults 2, 1e-6, 0.",
        "nn.functional.pairwise_distance",
        true,
        |b, a| {
            let (p, eps, keep) = (a.number()?, a.number()?, a.flag()?);
            b.pairwise_distance(a.node(0)?, a.node(1)?, p, eps, keep)
        },
    ),
    // PyTorch's losses; reduction: 0 none, 1 mean, 2 sum, 3 batchMean.
    row("mse", PAIR, "reduction", "Squared differences.", "nn.functional.mse_loss", true, |b, a| {
        let reduction = a.reduction()?;
        b.mse_loss(a.node(0)?, a.node(1)?, reduction)
    }),
    row("l1", PAIR, "reduction", "Absolute differences.", "nn.functional.l1_loss", true, |b, a| {
        let reduction = a.reduction()?;
        b.l1_loss(a.node(0)?, a.node(1)?, reduction)
    }),
    row(
        "smoothL1",
        PAIR,
        "reduction, beta",
        "Squared below beta, absolute above. Default 1.",
        "nn.functional.smooth_l1_loss",
        true,
        |b, a| {
            let (reduction, beta) = (a.reduction()?, a.number()?);
            b.smooth_l1_loss(a.node(0)?, a.node(1)?, beta, reduction)
        },
    ),
    row(
        "huber",
        PAIR,
        "reduction, delta",
        "Squared below delta, linear above. Default 1.",
        "nn.functional.huber_loss",
        true,
        |b, a| {
            let (reduction, delta) = (a.reduction()?, a.number()?);
            b.huber_loss(a.node(0)?, a.node(1)?, delta, reduction)
        },
    ),
    row(
        "binaryCrossEntropy",
        &["prediction", "target", "weight?"],
        "reduction",
        "Binary cross-entropy of probabilities; logarithms are limited to -100.",
        "nn.functional.binary_cross_entropy",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.bce_loss(a.node(0)?, a.node(1)?, a.maybe(2), reduction)
        },
    ),
    row(
        "binaryCrossEntropyWithLogits",
        &["prediction", "target", "weight?", "posWeight?"],
        "reduction",
        "Binary cross-entropy of logits in its stable form.",
        "nn.functional.binary_cross_entropy_with_logits",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.bce_with_logits_loss(a.node(0)?, a.node(1)?, a.maybe(2), a.maybe(3), reduction)
        },
    ),
    row(
        "crossEntropy",
        &["prediction", "target", "weight?"],
        "reduction, ignoreIndex?, labelSmoothing",
        "Cross-entropy of logits [C], [N, C] or [N, C, *] against class indices (i32, u8) or probabilities (float). Defaults mean, -100, 0; ignoreIndex absent ignores nothing.",
        "nn.functional.cross_entropy",
        true,
        |b, a| {
            let (reduction, ignore, smoothing) = (a.reduction()?, a.optional()?, a.number()?);
            b.cross_entropy_loss(a.node(0)?, a.node(1)?, a.maybe(2), ignore, smoothing, reduction)
        },
    ),
    row(
        "nll",
        &["prediction", "target", "weight?"],
        "reduction, ignoreIndex?",
        "Negative log-likelihood of log-probabilities at class indices. Defaults mean, -100.",
        "nn.functional.nll_loss",
        true,
        |b, a| {
            let (reduction, ignore) = (a.reduction()?, a.optional()?);
            b.nll_loss(a.node(0)?, a.node(1)?, a.maybe(2), ignore, reduction)
        },
    ),
    row(
        "klDiv",
        PAIR,
        "reduction, logTarget (0 or 1)",
        "target · (log target - prediction) of log-probabilities.",
        "nn.functional.kl_div",
        true,
        |b, a| {
            let (reduction, log_target) = (a.reduction()?, a.flag()?);
            b.kl_div_loss(a.node(0)?, a.node(1)?, log_target, reduction)
        },
    ),
    row(
        "poisson",
        PAIR,
        "reduction, logInput (0 or 1), full (0 or 1), eps",
        "Poisson negative log-likelihood. Defaults mean, 1, 0, 1e-8.",
        "nn.functional.poisson_nll_loss",
        true,
        |b, a| {
            let (reduction, log_input, full, eps) = (a.reduction()?, a.flag()?, a.flag()?, a.number()?);
            b.poisson_loss(a.node(0)?, a.node(1)?, log_input, full, eps, reduction)
        },
    ),
    row(
        "cosineEmbedding",
        &["x", "y", "target"],
        "reduction, margin",
        "1 - cos for target 1, max(cos - margin, 0) for target -1. Default 0.",
        "nn.functional.cosine_embedding_loss",
        true,
        |b, a| {
            let (reduction, margin) = (a.reduction()?, a.number()?);
            b.cosine_embedding_loss(a.node(0)?, a.node(1)?, a.node(2)?, margin, reduction)
        },
    ),
    row(
        "hingeEmbedding",
        PAIR,
        "reduction, margin",
        "x for target 1, max(margin - x, 0) for target -1. Default 1.",
        "nn.functional.hinge_embedding_loss",
        true,
        |b, a| {
            let (reduction, margin) = (a.reduction()?, a.number()?);
            b.hinge_embedding_loss(a.node(0)?, a.node(1)?, margin, reduction)
        },
    ),
    row(
        "marginRanking",
        &["x", "y", "target"],
        "reduction, margin",
        "max(-target · (x - y) + margin, 0). Default 0.",
        "nn.functional.margin_ranking_loss",
        true,
        |b, a| {
            let (reduction, margin) = (a.reduction()?, a.number()?);
            b.margin_ranking_loss(a.node(0)?, a.node(1)?, a.node(2)?, margin, reduction)
        },
    ),
    row(
        "softMargin",
        PAIR,
        "reduction",
        "log(1 + exp(-target · prediction)).",
        "nn.functional.soft_margin_loss",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.soft_margin_loss(a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "tripletMargin",
        &["anchor", "positive", "negative"],
        "reduction, margin, p, eps, swap (0 or 1)",
        "max(margin + |a - p| - |a - n|, 0). Defaults mean, 1, 2, 1e-6, 0.",
        "nn.functional.triplet_margin_loss",
        true,
        |b, a| {
            let (reduction, margin, p, eps, swap) =
                (a.reduction()?, a.number()?, a.number()?, a.number()?, a.flag()?);
            b.triplet_margin_loss([a.node(0)?, a.node(1)?, a.node(2)?], margin, p, eps, swap, reduction)
        },
    ),
    // Keras's losses: a trailing 1 is aligned; with reduction none the loss of each example.
    row(
        "meanSquaredError",
        PAIR,
        "reduction",
        "Squared differences, averaged over the last axis.",
        "keras.losses.MeanSquaredError",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.keras_loss(Elementwise::SquaredError, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "meanAbsoluteError",
        PAIR,
        "reduction",
        "Absolute differences, averaged over the last axis.",
        "keras.losses.MeanAbsoluteError",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.keras_loss(Elementwise::AbsoluteError, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "meanHuber",
        PAIR,
        "reduction, delta",
        "Huber's loss, averaged over the last axis. Default 1.",
        "keras.losses.Huber",
        true,
        |b, a| {
            let (reduction, delta) = (a.reduction()?, a.number()?);
            b.keras_loss(Elementwise::Huber { delta }, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "logCosh",
        PAIR,
        "reduction",
        "log cosh of the differences, averaged over the last axis.",
        "keras.losses.LogCosh",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.keras_loss(Elementwise::LogCosh, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "hinge",
        PAIR,
        "reduction",
        "max(1 - target · prediction, 0), averaged over the last axis; targets -1 and 1, or 0 and 1.",
        "keras.losses.Hinge",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.keras_loss(Elementwise::Hinge, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "squaredHinge",
        PAIR,
        "reduction",
        "The square of hinge, averaged over the last axis.",
        "keras.losses.SquaredHinge",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.keras_loss(Elementwise::SquaredHinge, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "meanPoisson",
        PAIR,
        "reduction",
        "prediction - target · log(prediction + 1e-7), averaged over the last axis.",
        "keras.losses.Poisson",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.keras_loss(Elementwise::Poisson, a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "categoricalCrossentropy",
        PAIR,
        "reduction, fromLogits (0 or 1), labelSmoothing",
        "Cross-entropy of probabilities against probabilities along the last axis. Defaults mean, 0, 0.",
        "keras.losses.CategoricalCrossentropy",
        true,
        |b, a| {
            let (reduction, from_logits, smoothing) = (a.reduction()?, a.flag()?, a.number()?);
            b.categorical_crossentropy(a.node(0)?, a.node(1)?, from_logits, smoothing, reduction)
        },
    ),
    row(
        "sparseCategoricalCrossentropy",
        PAIR,
        "reduction, fromLogits (0 or 1)",
        "Cross-entropy of probabilities along the last axis against class indices. Defaults mean, 0.",
        "keras.losses.SparseCategoricalCrossentropy",
        true,
        |b, a| {
            let (reduction, from_logits) = (a.reduction()?, a.flag()?);
            b.sparse_categorical_crossentropy(a.node(0)?, a.node(1)?, from_logits, reduction)
        },
    ),
    row(
        "binaryCrossentropy",
        PAIR,
        "reduction, fromLogits (0 or 1), labelSmoothing",
        "Binary cross-entropy of probabilities, averaged over the last axis. Defaults mean, 0, 0.",
        "keras.losses.BinaryCrossentropy",
        true,
        |b, a| {
            let (reduction, from_logits, smoothing) = (a.reduction()?, a.flag()?, a.number()?);
            b.binary_crossentropy(a.node(0)?, a.node(1)?, from_logits, smoothing, reduction)
        },
    ),
    row(
        "klDivergence",
        PAIR,
        "reduction",
        "target · log(target / prediction), summed over the last axis.",
        "keras.losses.KLDivergence",
        true,
        |b, a| {
            let reduction = a.reduction()?;
            b.kl_divergence(a.node(0)?, a.node(1)?, reduction)
        },
    ),
    row(
        "cosine",
        PAIR,
        "reduction, dim",
        "Minus the cosine of the angle between prediction and target along dim. Default -1.",
        "keras.losses.CosineSimilarity",
        true,
        |b, a| {
            let (reduction, dim) = (a.reduction()?, a.int()?);
            b.cosine_loss(a.node(0)?, a.node(1)?, dim, reduction)
        },
    ),
];

/// Every op; the position is its code.
pub static API: LazyLock<Vec<ApiOp>> = LazyLock::new(|| {
    let never: Run = |_, a| Err(a.malformed("the op"));
    let unary = UnaryOp::ALL.iter().map(|op| ApiOp {
        kind: ApiKind::Unary,
        ..row(op.name(), X, "", op.doc(), op.torch(), op.rule().is_some(), never)
    });
    let binary = BinaryOp::ALL.iter().map(|op| ApiOp {
        kind: ApiKind::Binary,
        ..row(op.name(), &["x", "other"], "", op.doc(), op.torch(), op.rule().is_some(), never)
    });
    unary.chain(binary).chain(OTHER.iter().copied()).collect()
});

/// Applies the op of a code.
pub fn apply(b: &mut Builder<'_>, code: usize, operands: &[Option<NodeId>], attrs: &[f64]) -> Result<NodeId> {
    let (unary, binary) = (UnaryOp::ALL.len(), BinaryOp::ALL.len());
    let operand = |index: usize| {
        operands
            .get(index)
            .copied()
            .flatten()
            .ok_or_else(|| Error::Internal(format!("op {code}: operand {index}")))
    };
    if code < unary {
        return b.unary(UnaryOp::ALL[code], operand(0)?);
    }
    if code < unary + binary {
        return b.binary(BinaryOp::ALL[code - unary], operand(0)?, operand(1)?);
    }
    let op = OTHER
        .get(code - unary - binary)
        .ok_or_else(|| Error::Internal(format!("op {code} does not exist")))?;
    (op.run)(b, &mut Args { name: op.name, operands, attrs, at: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_positions_and_names_are_unique() {
        let all = &*API;
        assert_eq!(all[UnaryOp::Exp as usize].name, "exp");
        assert_eq!(all[UnaryOp::ALL.len() + BinaryOp::Mul as usize].name, "mul");
        let mut names: Vec<&str> = all.iter().map(|op| op.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|op| op.doc.ends_with('.') && !op.torch.is_empty()));
    }
}
