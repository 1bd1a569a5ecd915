"""Whole Keras `fit` runs without shuffling, into the folder that is given: `fits.py FOLDER MNIST-FOLDER`."""
import json
import struct
import sys
from pathlib import Path

import keras
import numpy as np

out, mnist = Path(sys.argv[1]), Path(sys.argv[2])
rng = np.random.default_rng(11)


def save(path, tensors):
    names = {np.dtype("float32"): "F32", np.dtype("int32"): "I32"}
    header, blobs, at = {}, [], 0
    for name, value in tensors.items():
        blob = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": names[value.dtype], "shape": list(value.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def regularizer(spec):
    if spec is None:
        return None
    name, *factors = spec
    return {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2, "l1l2": keras.regularizers.L1L2}[name](*factors)


def run(name, x, y, layers, optimizer, loss, metrics=(), epochs=4, batch=32, penalty=None, class_weight=None,
        sample_weight=None, validation_split=None):
    keras.utils.set_random_seed(len(name))
    dense = [keras.layers.Dense(units, activation=activation,
                                kernel_regularizer=regularizer(penalty if i == 0 else own.get("kernel_regularizer")),
                                bias_regularizer=regularizer(own.get("bias_regularizer")))
             for i, (units, activation, own) in enumerate((*layer, {})[:3] for layer in layers)]
    model = keras.Sequential([keras.Input(x.shape[1:]), *dense])
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    tensors = {"x": x, "y": y}
    tensors |= {f"init.{i}": w.copy() for i, w in enumerate(model.get_weights())}
    fit = {"epochs": epochs, "batch_size": batch, "shuffle": False}
    if validation_split is not None:
        fit["validation_split"] = validation_split
    history = model.fit(x, y, verbose=0, class_weight=class_weight, sample_weight=sample_weight, **fit).history
    tensors |= {f"final.{i}": w for i, w in enumerate(model.get_weights())}
    tensors["prediction"] = model.predict(x, verbose=0)[:7]
    if sample_weight is not None:
        tensors["sample_weight"] = sample_weight
    evaluated = model.evaluate(x, y, batch_size=batch, verbose=0, return_dict=True)
    settings = optimizer.get_config()
    dull = ("jit_compile", "ema_momentum", "ema_overwrite_frequency", "is_legacy_optimizer")
    settings = {k: v for k, v in settings.items() if v not in (None, False) and k not in dull or k == "name"}
    settings["name"] = type(optimizer).__name__
    described = {
        "source": f"keras {keras.__version__} on {keras.backend.backend()}",
        "layers": [{"units": layer[0], "activation": layer[1], **dict(*layer[2:])} for layer in layers],
        "kernel_regularizer_of_the_first_layer": penalty,
        "optimizer": settings, "loss": loss, "metrics": list(metrics),
        "class_weight": class_weight, "sample_weight": sample_weight is not None,
        "fit": fit, "history": history, "evaluate": evaluated,
    }
    (out / f"{name}.json").write_text(json.dumps(described, indent=1, default=float) + "\n")
    save(out / f"{name}.safetensors", tensors)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def images(count):
    pixels = np.frombuffer((mnist / "train-images-idx3-ubyte").read_bytes()[16:16 + 784 * count], np.uint8)
    labels = np.frombuffer((mnist / "train-labels-idx1-ubyte").read_bytes()[8:8 + count], np.uint8)
    return pixels.reshape(count, 784).astype(np.float32) / 255, labels.astype(np.int32)


o = keras.optimizers
x = normal(100, 10)
run("course-regression", x, normal(100, 1), [(64, "relu"), (1, "linear")], o.Adam(), "mse", epochs=30)
x = rng.uniform(size=(200, 2)).astype(np.float32)
y = np.round(rng.uniform(size=(200, 1))).astype(np.float32)
run("course-binary", x, y, [(5, "relu"), (1, "sigmoid")], o.Adam(), "binary_crossentropy", ["accuracy"], epochs=10)
x, labels = images(128)
net = [(128, "relu"), (10, "softmax")]
run("course-mnist-onehot", x, np.eye(10, dtype=np.float32)[labels], net, o.Adam(), "categorical_crossentropy",
    ["accuracy"], epochs=3, validation_split=0.25)
run("course-mnist-sparse", x[:64], labels[:64], net, o.Adam(), "sparse_categorical_crossentropy", ["accuracy"], epochs=3)
run("course-autoencoder", x[:64], x[:64], [(32, "relu"), (784, "sigmoid")], o.Adam(), "binary_crossentropy", epochs=3)

x = normal(150, 8)
ones = (x[:, :1] + 0.5 * normal(150, 1) > 0.3).astype(np.float32)
classes = np.argmax(x[:, :4] + 0.3 * normal(150, 4), -1).astype(np.int32)
hot = np.eye(4, dtype=np.float32)[classes]
targets = (x[:, :2] * 2 + normal(150, 2)).astype(np.float32)
weight = rng.uniform(0.2, 2, 150).astype(np.float32)
binary, several = [(12, "relu"), (1, "sigmoid")], [(12, "tanh"), (4, "softmax")]
run("class-weight", x, ones, binary, o.Adam(0.01), "binary_crossentropy", ["accuracy", "precision", "recall", "auc"],
    class_weight={0: 1.0, 1: 2.5}, validation_split=0.2)
run("class-weight-sparse", x, classes, several, o.SGD(0.1), "sparse_categorical_crossentropy",
    ["accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy"],
    class_weight={0: 0.5, 1: 1.0, 2: 2.0, 3: 1.5})
run("class-weight-onehot", x, hot, several, o.SGD(0.1), "categorical_crossentropy",
    ["categorical_accuracy", "categorical_crossentropy"], class_weight={0: 0.5, 1: 1.0, 2: 2.0, 3: 1.5})
run("sample-weight-l1", x, targets, [(12, "elu"), (2, "linear")], o.Adam(0.01, amsgrad=True), "mse",
    ["mae", "root_mean_squared_error", "r2_score"], penalty=["l1", 0.01], sample_weight=weight, validation_split=0.2)
run("l1l2", x, hot, [(12, "selu"), (4, "softmax")], o.RMSprop(0.01, momentum=0.9, centered=True),
    "categorical_crossentropy", ["accuracy", "top_k_categorical_accuracy", "auc"], penalty=["l1l2", 0.001, 0.01])
run("adagrad", x, targets, [(12, "softplus"), (2, "linear")], o.Adagrad(0.05), "mae", ["mse", "cosine_similarity"])
run("adamw", x, targets, [(12, "gelu"), (8, "silu"), (2, "linear")], o.AdamW(0.01, weight_decay=0.1), "huber",
    ["mae", "log_cosh_error"], validation_split=0.3)
run("decayed-adam", x, targets, [(12, "leaky_relu"), (2, "linear")], o.Adam(0.01, weight_decay=0.05), "log_cosh")
run("nesterov", x, ones, [(12, "sigmoid"), (1, "linear")], o.SGD(0.05, momentum=0.8, nesterov=True), "hinge", ["mse"])
run("clipped", x, targets, [(12, "relu"), (2, "linear")], o.SGD(0.1, momentum=0.9, clipnorm=0.5), "mse", ["mape"])
run("global-clip", x, targets, [(12, "softsign"), (2, "exponential")], o.RMSprop(0.005, global_clipnorm=0.3),
    "mean_squared_error", ["mean_absolute_error"])
run("counts", x, np.abs(np.round(targets)).astype(np.float32), [(12, "relu"), (2, "softplus")], o.Adam(0.01),
    "poisson", ["mae"])
run("divergence", x, (0.1 + 0.6 * hot).astype(np.float32), several, o.Adagrad(0.1), "kl_divergence",
    ["categorical_accuracy"])

# The course's models again, with a part that is kept for validation; images of half the size keep the files small.
held = {"epochs": 5, "validation_split": 0.25}
x = normal(80, 10)
run("course-regression-split", x, normal(80, 1), [(64, "relu"), (1, "linear")], o.Adam(), "mse", ["mae"], **held)
x = rng.uniform(size=(120, 2)).astype(np.float32)
y = np.round(rng.uniform(size=(120, 1))).astype(np.float32)
run("course-binary-split", x, y, [(5, "relu"), (1, "sigmoid")], o.Adam(), "binary_crossentropy", ["accuracy"], **held)
pixels, labels = images(96)
x = np.ascontiguousarray(pixels.reshape(-1, 28, 28)[:, ::2, ::2].reshape(-1, 196))
run("course-sparse-split", x, labels, [(32, "relu"), (10, "softmax")], o.Adam(), "sparse_categorical_crossentropy",
    ["accuracy"], **held)
run("course-autoencoder-split", x[:60], x[:60], [(16, "relu"), (196, "sigmoid")], o.Adam(), "binary_crossentropy", **held)

x = normal(100, 8)
targets = (x[:, :2] * 2 + normal(100, 2)).astype(np.float32)
several = [(12, "relu", {"bias_regularizer": ["l1", 0.02]}), (6, "tanh", {"kernel_regularizer": ["l1l2", 0.01, 0.02]}),
           (2, "linear", {"kernel_regularizer": ["l2", 0.03]})]
run("penalties", x, targets, several, o.Adam(0.01), "mse", ["mae"])
run("decayed-sgd", x, targets, [(12, "relu"), (2, "linear")], o.SGD(0.05, weight_decay=0.1), "mse")
