//! Products, indexing and creation.

use super::{ApiOp, NONE, row};

/// Products, indexing and creation.
pub(super) static ROWS: &[ApiOp] = &[
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
        // A tensor, even of one element, may be written later: it is not a number that ops look into.
        if shape.is_empty() { b.copy(scalar) } else { b.stretch(scalar, &shape) }
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
];
