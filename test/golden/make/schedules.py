"""Writes ../peers/schedules.json: learning rates (and momenta) of PyTorch's schedulers, step by step."""

import json
import pathlib
import warnings

import torch
from torch.optim import SGD, Adam
from torch.optim import lr_scheduler as s

warnings.filterwarnings("ignore")


def optimizer(kind="SGD", lrs=(0.1,)):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in lrs]
    return Adam(groups) if kind == "Adam" else SGD(groups, momentum=0.9)


def follow(opt, scheduler, steps, metrics=None):
    rows = []
    for step in range(steps + 1):
        if step > 0:
            scheduler.step(*([] if metrics is None else [metrics[step - 1]]))
        rows.append([[g["lr"], g["betas"][0] if "betas" in g else g["momentum"]] for g in opt.param_groups])
    return rows


def run(make, steps, metrics=None, **kinds):
    opt = optimizer(**kinds)
    return follow(opt, make(opt), steps, metrics)


losses = [1.0, 0.8, 0.7, 0.7, 0.69999, 0.7, 0.65, 0.66, 0.66, 0.66, 0.66, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
two = {"lrs": (0.1, 0.02)}
cases = {
    "sequential": run(
        lambda o: s.SequentialLR(
            o,
            [s.LinearLR(o, 0.1, total_iters=4), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 6)],
            milestones=[4, 9],
        ),
        20,
        **two,
    ),
    "sequential.restarts": run(
        lambda o: s.SequentialLR(
            o, [s.ConstantLR(o, 0.5, 3), s.CosineAnnealingWarmRestarts(o, 3, 2, 0.001)], milestones=[3]
        ),
        20,
    ),
    "chained": run(
        lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9), s.StepLR(o, 4, 0.5)]), 12, **two
    ),
    "lambda": run(lambda o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]), 8, **two),
    "multiplicative": run(lambda o: s.MultiplicativeLR(o, lambda e: 1 - 0.02 * e), 8, **two),
    "plateau": run(lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=1), 20, losses, **two),
    "plateau.max": run(
        lambda o: s.ReduceLROnPlateau(
            o, mode="max", factor=0.5, patience=1, threshold=0.05, threshold_mode="abs", min_lr=[0.03, 0.001]
        ),
        20,
        [-x for x in losses],
        **two,
    ),
    "oneCycle.threePhase": run(
        lambda o: s.OneCycleLR(o, [1.0, 0.5], epochs=3, steps_per_epoch=7, three_phase=True, anneal_strategy="linear"),
        20,
        kind="Adam",
        **two,
    ),
    "oneCycle.momentum": run(lambda o: s.OneCycleLR(o, 1.0, total_steps=21, base_momentum=0.7), 20),
    "cyclic.expRange": run(
        lambda o: s.CyclicLR(o, 0.01, [0.2, 0.1], 5, 3, mode="exp_range", gamma=0.97, base_momentum=0.6), 30, **two
    ),
    "cosine.up": run(lambda o: s.CosineAnnealingLR(o, 5, 0.01), 30, **two),
    "multistep.twice": run(lambda o: s.MultiStepLR(o, [2, 2, 5], 0.5), 8),
    "constant.zero": run(lambda o: s.LinearLR(o, 0.25, 0.5, 3), 8),
}
path = pathlib.Path(__file__).parent.parent / "peers" / "schedules.json"
path.write_text(json.dumps({"torch": torch.__version__, "losses": losses, "cases": cases}, indent=1) + "\n")
