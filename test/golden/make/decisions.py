"""Writes ../peers/decisions.json: what Keras's EarlyStopping and ReduceLROnPlateau decide on sequences of numbers."""

import json
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras  # noqa: E402
import numpy as np  # noqa: E402


class Optimizer:
    learning_rate = 0.5


class Model:
    """What the callbacks want of a model; its weights are the number of the epoch."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = Optimizer()
        self.weights = [-1.0]

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = list(weights)


def sequences():
    rng = np.random.default_rng(7)
    falling = [float(np.round(2 * 0.9**i + rng.normal() * 0.15, 4)) for i in range(40)]
    return {
        "falling": falling,
        "rising": [-x for x in falling],
        "flat": [0.5] * 12,
        "steps": [1, 1, 0.9, 0.9, 0.9, 0.7, 0.8, 0.8, 0.8, 0.8, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6],
        "overfit": [1, 0.8, 0.6, 0.5, 0.45, 0.44, 0.46, 0.5, 0.55, 0.6, 0.7, 0.8],
    }


def stopping(values, **options):
    callback, model = keras.callbacks.EarlyStopping(monitor="x", **options), Model()
    callback.set_model(model)
    callback.on_train_begin()
    ended = None
    for epoch, value in enumerate(values):
        model.weights = [float(epoch)]
        callback.on_epoch_end(epoch, {"x": value})
        if model.stop_training:
            ended = epoch
            break
    callback.on_train_end()
    return {
        "ended": ended,
        "best": callback.best,
        "bestEpoch": callback.best_epoch,
        "stoppedEpoch": callback.stopped_epoch,
        "weights": model.weights[0],
    }


def reducing(values, **options):
    callback, model = keras.callbacks.ReduceLROnPlateau(monitor="x", **options), Model()
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"x": value})
        rates.append(model.optimizer.learning_rate)
    return {"rates": rates}


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


cases = []
stops = [
    {"mode": "min"},
    {"mode": "min", "patience": 2},
    {"mode": "min", "patience": 3, "restore_best_weights": True},
    {"mode": "min", "patience": 2, "min_delta": 0.05},
    {"mode": "min", "patience": 2, "min_delta": -0.05, "restore_best_weights": True},
    {"mode": "min", "patience": 4, "baseline": 0.5, "restore_best_weights": True},
    {"mode": "min", "patience": 1, "start_from_epoch": 5, "restore_best_weights": True},
    {"mode": "max", "patience": 3, "restore_best_weights": True},
    {"mode": "max", "patience": 2, "baseline": -0.6},
]
plateaus = [
    {"mode": "min", "patience": 2},
    {"mode": "min", "patience": 1, "factor": 0.5},
    {"mode": "min", "patience": 2, "cooldown": 3, "factor": 0.5},
    {"mode": "min", "patience": 1, "min_lr": 0.1, "factor": 0.3},
    {"mode": "min", "patience": 2, "min_delta": 0.1, "factor": 0.5},
    {"mode": "max", "patience": 2, "factor": 0.5, "cooldown": 1},
    {"mode": "min", "patience": 0, "factor": 0.5},
]
numbers = sequences()
for kind, list_of, run in (("EarlyStopping", stops, stopping), ("ReduceLROnPlateau", plateaus, reducing)):
    for options in list_of:
        for name, values in numbers.items():
            ours = {camel(key): value for key, value in options.items()}
            cases.append({"callback": kind, "options": ours, "sequence": name, "decided": run(values, **options)})
path = pathlib.Path(__file__).parent.parent / "peers" / "decisions.json"
path.write_text(json.dumps({"keras": keras.__version__, "sequences": numbers, "cases": cases}) + "\n")
print(len(cases))
