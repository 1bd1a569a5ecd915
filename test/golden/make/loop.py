"""What Keras makes of weights, accumulation, clipping and several outputs: writes ../peers/loop.json."""
import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np


def wave(shape, step):
    return np.sin(np.arange(1, np.prod(shape) + 1) * step).reshape(shape).astype("float32")


N = 10
X, Y, W = wave((N, 3), 0.7), wave((N, 2), 1.3), np.abs(wave((N,), 2.1)) * 2
LABELS = np.array([i * 7 % 2 for i in range(N)], "int32")
KERNEL, BIAS = wave((3, 2), 0.9) * 0.5, wave((2,), 0.4) * 0.1


def dense(name=None, activation=None, **more):
    return keras.layers.Dense(2, name=name, activation=activation, **more)


def single(activation=None, **more):
    model = keras.Sequential([keras.Input((3,)), dense(activation=activation, **more)])
    model.layers[0].set_weights([KERNEL, BIAS])
    return model


def run(model, y, compile_options, fit_options=None, weight=None):
    model.compile(**compile_options)
    options = {"epochs": 3, "batch_size": 4, "shuffle": False, "verbose": 0, **(fit_options or {})}
    history = model.fit(X, y, sample_weight=weight, **options).history
    size = options["batch_size"]
    evaluated = model.evaluate(X, y, sample_weight=weight, batch_size=size, verbose=0, return_dict=True)
    weights = [[w.tolist() for w in layer.get_weights()] for layer in model.layers if layer.get_weights()]
    return {"history": history, "evaluate": evaluated, "weights": weights}


def sgd(**more):
    return keras.optimizers.SGD(0.1, **more)


def two():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"a": dense("a")(inputs), "b": dense("b", "softmax")(inputs)})
    for name in ("a", "b"):
        model.get_layer(name).set_weights([KERNEL, BIAS])
    return model


MSE = {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mae"]}
cases = {
    "sampleWeight": run(single(), Y, {"optimizer": sgd(), **MSE}, weight=W),
    "classWeight": run(
        single("softmax"),
        LABELS,
        {
            "optimizer": sgd(),
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "weighted_metrics": ["accuracy"],
        },
        {"class_weight": {0: 0.5, 1: 3.0}},
    ),
    "accumulation": run(single(), Y, {"optimizer": sgd(gradient_accumulation_steps=2), "loss": "mse"}),
    "accumulationAdam": run(
        single(),
        Y,
        {"optimizer": keras.optimizers.Adam(0.1, gradient_accumulation_steps=2, clipnorm=0.05), "loss": "mse"},
    ),
    "clipNorm": run(single(), Y, {"optimizer": sgd(clipnorm=0.1), "loss": "mse"}),
    "clipValue": run(single(), Y, {"optimizer": sgd(clipvalue=0.05), "loss": "mse"}),
    "globalClipNorm": run(single(), Y, {"optimizer": sgd(global_clipnorm=0.1), "loss": "mse"}),
    "regularizer": run(
        single(kernel_regularizer=keras.regularizers.L2(0.05)), Y, {"optimizer": sgd(), "loss": "mse"}
    ),
    "outputs": run(
        two(),
        {"a": Y, "b": LABELS},
        {
            "optimizer": sgd(),
            "loss": {"a": "mse", "b": "sparse_categorical_crossentropy"},
            "loss_weights": {"a": 0.5, "b": 2.0},
            "metrics": {"a": ["mae"], "b": ["accuracy"]},
        },
        # Of batches of several sizes, Keras counts the losses of single outputs alike.
        {"batch_size": 5},
        weight={"a": W, "b": W},
    ),
}
path = Path(__file__).parent.parent / "peers" / "loop.json"
given = {"x": X, "y": Y, "weight": W, "labels": LABELS, "kernel": KERNEL, "bias": BIAS}
path.write_text(json.dumps({**{k: v.tolist() for k, v in given.items()}, "cases": cases}) + "\n")
