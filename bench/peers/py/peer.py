"""What the programs of this folder share: their options, the values that all libraries start from, and how they answer.

A program prints a first line of JSON: the losses of its first steps, and what tells that it began with the right
weights. Then, with --serve, each line that it reads is a number of seconds, and is answered with the microseconds of
a step; without, it answers once, for --seconds.
"""

import argparse
import json
import statistics
import sys
import time

import numpy as np

REPEATS = 7


def options(impls):
    parser = argparse.ArgumentParser()
    parser.add_argument("--impl", choices=impls, default=impls[0])
    parser.add_argument("--workload", default="")
    parser.add_argument("--sizes", required=True, type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--loss", choices=["crossEntropy", "mse"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--batches", type=int, required=True)
    parser.add_argument("--values", required=True)
    parser.add_argument("--checked", required=True, type=lambda text: [int(step) for step in text.split(",")])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--serve", action="store_true")
    return parser.parse_args()


class Start:
    """Weights [in, out] and biases of each layer, then the samples of an epoch, from one file of f32."""

    def __init__(self, o):
        values = np.fromfile(o.values, np.float32)
        self.layers = []
        for inputs, outputs in zip(o.sizes, o.sizes[1:]):
            weight, bias, values = np.split(values, [inputs * outputs, (inputs + 1) * outputs])
            self.layers.append((weight.reshape(inputs, outputs), bias))
        samples, features, outputs = o.batch * o.batches, o.sizes[0], o.sizes[-1]
        x, y = np.split(values, [samples * features])
        self.x = x.reshape(samples, features)
        self.y = y.astype(np.int32) if o.loss == "crossEntropy" else y.reshape(samples, outputs)
        self.first = (self.x[: o.batch], self.y[: o.batch])


def weights(arrays):
    """The sum of absolute values, in double precision, of the arrays that a library holds."""
    return float(sum(np.abs(np.asarray(array, np.float64)).sum() for array in arrays))


def answer(o, version, losses, total, run):
    """`losses` are those of the first steps in their order; `run(n)` does about n steps and says how many."""
    about = dict(impl=o.impl, threads=o.threads, workload=o.workload)
    checked = {str(step): float(losses[step - 1]) for step in o.checked}
    say({**about, "version": version, "losses": checked, "weights": total})
    each = {}
    for line in sys.stdin if o.serve else [str(o.seconds)]:
        seconds = float(line)
        if seconds not in each:
            each[seconds] = warmed(run, seconds / REPEATS)
        times, end = [], time.perf_counter() + 2 * seconds
        # Fewer repeats where a single step takes longer than all of them were to take.
        while len(times) < REPEATS and (not times or time.perf_counter() < end):
            start = time.perf_counter()
            done = run(each[seconds])
            times.append((time.perf_counter() - start) / done)
        say({**about, "us_per_step": statistics.median(times) * 1e6})


def warmed(run, seconds):
    """How many steps fill that time, after steps that took a part of it."""
    steps = 1
    while True:
        start = time.perf_counter()
        done = run(steps)
        taken = time.perf_counter() - start
        if taken > seconds / 4:
            return max(1, round(done * seconds / taken))
        steps = 2 * done


def say(line):
    print(json.dumps(line), flush=True)
