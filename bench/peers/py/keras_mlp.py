"""Keras on TensorFlow: `fit` on arrays in memory, in their order, without metrics."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from peer import Start, answer, options, weights  # noqa: E402

o = options(["keras-fit"])
tf.config.threading.set_intra_op_parallelism_threads(o.threads)
tf.config.threading.set_inter_op_parallelism_threads(o.threads)
start = Start(o)

last = len(start.layers) - 1
layers = [
    keras.layers.Dense(weight.shape[1], None if i == last else "relu") for i, (weight, _) in enumerate(start.layers)
]
model = keras.Sequential([keras.Input((o.sizes[0],)), *layers])
model.set_weights([array for layer in start.layers for array in layer])
total = weights(model.get_weights())
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if o.loss == "crossEntropy" else "mse"
model.compile(optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-8), loss=loss)
fit = dict(batch_size=o.batch, shuffle=False, verbose=0)
losses = model.fit(*start.first, epochs=max(o.checked), **fit).history["loss"]


def run(steps):
    epochs = -(-steps // o.batches)
    model.fit(start.x, start.y, epochs=epochs, **fit)
    return epochs * o.batches


answer(o, f"{keras.__version__} on tensorflow {tf.__version__}", losses, total, run)
