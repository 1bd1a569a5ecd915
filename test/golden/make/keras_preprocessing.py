"""What Keras's Normalization and CategoryEncoding give: printed as test/golden/data/keras-preprocessing.json has it."""

import json

import keras
import numpy as np


def short(value):
    return [short(inner) for inner in value] if isinstance(value, list) else float(f"{value:.7g}")


generator = np.random.default_rng(5)
x = (generator.normal(size=(20, 3, 4)) * [1, 10, 100, 0] + [0, 5, -1000, 7]).astype("float32")
cases = []
for axis in [-1, 1, [1, 2], None]:
    for invert in [False, True]:
        layer = keras.layers.Normalization(axis=axis, invert=invert)
        layer.adapt(x)
        found = {"mean": layer.adapt_mean, "variance": layer.adapt_variance, "y": layer(x[:2])}
        found = {name: short(np.array(value).tolist()) for name, value in found.items()}
        cases.append({"axis": axis, "invert": invert, **found})
encodings = []
for mode in ["one_hot", "multi_hot", "count"]:
    for indices in [[3, 2, 0, 1], [[0, 1], [0, 0], [1, 2], [3, 1]], [[1], [3]]]:
        layer = keras.layers.CategoryEncoding(num_tokens=4, output_mode=mode)
        encodings.append({"mode": mode, "input": indices, "output": np.array(layer(np.array(indices))).tolist()})
print(json.dumps({"x": short(x.tolist()), "cases": cases, "encodings": encodings}, separators=(",", ":")))
