"""Metrics of scikit-learn (`measures.py sklearn`) or Keras (`measures.py keras`), as JSON on stdout."""
import json
import sys

import numpy as np

rng = np.random.default_rng(7)
n = 61
binary = rng.integers(0, 2, n)
scores = np.clip(rng.normal(0.35 + 0.3 * binary, 0.25), 0, 1).round(4)
labels = rng.choice(5, n, p=[0.4, 0.3, 0.15, 0.15, 0])
logits = rng.normal(size=(n, 5)).round(3)
logits[np.arange(n), labels] += 1
logits = logits.round(3)
probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
probabilities = probabilities.astype(np.float32).astype(np.float64)
numbers = (100 + 3 * rng.normal(size=(n, 2))).round(3)
guesses = (numbers + rng.normal(size=(n, 2))).round(3)
weight = rng.uniform(0.1, 2, n).round(3)
data = {
    "binary": binary, "scores": scores, "labels": labels, "onehot": np.eye(5)[labels].astype(int),
    "logits": logits, "probabilities": probabilities, "numbers": numbers, "guesses": guesses,
    "numbers0": numbers[:, 0], "guesses0": guesses[:, 0], "weight": weight,
}
cases = []


def case(metric, options, prediction, target, of):
    for weighted in (False, True):
        expected = np.asarray(of(weight if weighted else None)).tolist()
        cases.append({"metric": metric, "options": options, "prediction": prediction, "target": target,
                      "weighted": weighted, "expected": expected})


def sklearn_cases():
    import sklearn
    import sklearn.metrics as m
    said, best = scores > 0.5, logits.argmax(-1)
    for name, f in (("Precision", m.precision_score), ("Recall", m.recall_score), ("F1", m.f1_score)):
        case(name, {}, "scores", "binary", lambda w: f(binary, said, sample_weight=w))
        case(name, {"threshold": 0.3}, "scores", "binary", lambda w: f(binary, scores > 0.3, sample_weight=w))
        for average in ("macro", "micro", "weighted"):
            of = lambda w: f(labels, best, average=average, sample_weight=w, zero_division=0)
            case(name, {"average": average}, "logits", "labels", of)
            case(name, {"average": average}, "logits", "onehot", of)
    case("BinaryAccuracy", {}, "scores", "binary", lambda w: m.accuracy_score(binary, said, sample_weight=w))
    case("SparseCategoricalAccuracy", {}, "logits", "labels",
         lambda w: m.accuracy_score(labels, best, sample_weight=w))
    for k in (1, 2, 3):
        of = lambda w: m.top_k_accuracy_score(labels, logits, k=k, sample_weight=w, labels=range(5))
        case("SparseTopKCategoricalAccuracy", {"k": k}, "logits", "labels", of)
        case("TopKCategoricalAccuracy", {"k": k}, "logits", "onehot", of)
    for normalize in (None, "true", "pred", "all"):
        options = {} if normalize is None else {"normalize": normalize}
        case("ConfusionMatrix", options, "logits", "labels",
             lambda w: m.confusion_matrix(labels, best, labels=range(5), sample_weight=w, normalize=normalize))
        case("ConfusionMatrix", options, "scores", "binary",
             lambda w: m.confusion_matrix(binary, said, sample_weight=w, normalize=normalize))
    case("MeanSquaredError", {}, "guesses", "numbers",
         lambda w: m.mean_squared_error(numbers, guesses, sample_weight=w))
    case("MeanAbsoluteError", {}, "guesses", "numbers",
         lambda w: m.mean_absolute_error(numbers, guesses, sample_weight=w))
    case("RootMeanSquaredError", {}, "guesses0", "numbers0",
         lambda w: m.root_mean_squared_error(numbers[:, 0], guesses[:, 0], sample_weight=w))
    case("R2", {}, "guesses0", "numbers0", lambda w: m.r2_score(numbers[:, 0], guesses[:, 0], sample_weight=w))
    case("R2", {}, "guesses", "numbers", lambda w: m.r2_score(numbers, guesses, sample_weight=w))
    case("R2", {"average": "varianceWeighted"}, "guesses", "numbers",
         lambda w: m.r2_score(numbers, guesses, sample_weight=w, multioutput="variance_weighted"))
    case("Perplexity", {"fromLogits": True}, "logits", "labels",
         lambda w: np.exp(m.log_loss(labels, np.exp(logits) / np.exp(logits).sum(-1, keepdims=True),
                                     sample_weight=w, labels=range(5))))
    return f"scikit-learn {sklearn.__version__}"


def keras_cases():
    import keras
    k = keras.metrics

    def measured(metric, target, prediction, w):
        metric.update_state(target, prediction, sample_weight=w)
        return float(metric.result())

    def add(name, options, prediction, target, make):
        case(name, options, prediction, target,
             lambda w: measured(make(), data[target].astype(np.float32), data[prediction].astype(np.float32), w))

    for curve in ("roc", "pr"):
        for summation in ("interpolation", "minoring", "majoring"):
            options = {"curve": curve, "summation": summation}
            make = lambda: k.AUC(curve=curve.upper(), summation_method=summation)
            add("AUC", options, "scores", "binary", make)
            add("AUC", options, "probabilities", "onehot", make)
        add("AUC", {"curve": curve, "numThresholds": 11}, "scores", "binary",
            lambda: k.AUC(curve=curve.upper(), num_thresholds=11))
    add("Precision", {}, "scores", "binary", k.Precision)
    add("Precision", {}, "probabilities", "onehot", k.Precision)
    add("Recall", {"threshold": 0.3}, "scores", "binary", lambda: k.Recall(thresholds=0.3))
    add("Recall", {}, "probabilities", "onehot", k.Recall)
    add("BinaryAccuracy", {}, "scores", "binary", k.BinaryAccuracy)
    add("CategoricalAccuracy", {}, "probabilities", "onehot", k.CategoricalAccuracy)
    add("SparseCategoricalAccuracy", {}, "probabilities", "labels", k.SparseCategoricalAccuracy)
    for top in (1, 2, 3):
        add("TopKCategoricalAccuracy", {"k": top}, "probabilities", "onehot",
            lambda: k.TopKCategoricalAccuracy(k=top))
        add("SparseTopKCategoricalAccuracy", {"k": top}, "probabilities", "labels",
            lambda: k.SparseTopKCategoricalAccuracy(k=top))
    add("MeanSquaredError", {}, "guesses", "numbers", k.MeanSquaredError)
    add("MeanAbsoluteError", {}, "guesses", "numbers", k.MeanAbsoluteError)
    add("RootMeanSquaredError", {}, "guesses", "numbers", k.RootMeanSquaredError)
    crossentropy = lambda: k.SparseCategoricalCrossentropy()
    case("Perplexity", {}, "probabilities", "labels",
         lambda w: float(np.exp(measured(crossentropy(), labels.astype(np.float32),
                                         probabilities.astype(np.float32), w))))
    return f"keras {keras.__version__}"


source = {"sklearn": sklearn_cases, "keras": keras_cases}[sys.argv[1]]()
print(json.dumps({"source": source, "data": {k: v.tolist() for k, v in data.items()}, "cases": cases}))
