//! Activations and losses.

use crate::composite::keras::Elementwise;

use super::{ApiOp, PAIR, X, row};

/// Activations and distances.
pub(super) static ACTIVATIONS: &[ApiOp] = &[
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
    row("geluTanh", X, "", "gelu with Φ approximated by a tanh.", "nn.functional.gelu", true, |b, a| {
        b.gelu_tanh(a.node(0)?)
    }),
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
];

/// Losses; reduction: 0 none, 1 mean, 2 sum, 3 batchMean.
pub(super) static LOSSES: &[ApiOp] = &[
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
