"""PyTorch: an eager loop, or with the forward pass and the loss compiled; Adam's fused form in both."""

import torch
from peer import Start, answer, options, weights
from torch import nn
from torch.nn import functional as F

o = options(["torch-eager", "torch-compile"])
torch.set_num_threads(o.threads)
start = Start(o)

modules = []
for weight, bias in start.layers:
    layer = nn.Linear(*weight.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.T.copy()))
        layer.bias.copy_(torch.from_numpy(bias))
    modules += [layer, nn.ReLU()]
model = nn.Sequential(*modules[:-1])
total = weights(p.detach() for p in model.parameters())
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
x, y = (torch.from_numpy(array) for array in start.first)
loss_of = F.cross_entropy if o.loss == "crossEntropy" else F.mse_loss
if o.loss == "crossEntropy":
    y = y.long()


def forward(x, y):
    return loss_of(model(x), y)


if o.impl == "torch-compile":
    forward = torch.compile(forward)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = forward(x, y)
    loss.backward()
    optimizer.step()
    return loss.detach()


def run(steps):
    for _ in range(steps):
        step()
    return steps


losses = [step().item() for _ in range(max(o.checked))]
answer(o, torch.__version__, losses, total, run)
