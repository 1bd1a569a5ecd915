"""JAX: one compiled step with donated state, or a scan over the batches of an epoch in one call, at most fifty."""

import jax
import jax.numpy as jnp
import numpy as np
from peer import Start, answer, options, weights

o = options(["jax-jit", "jax-scan"])
start = Start(o)


def forward(params, x):
    for weight, bias in params[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = params[-1]
    return x @ weight + bias


def loss_of(params, x, y):
    out = forward(params, x)
    if o.loss == "mse":
        return jnp.mean((out - y) ** 2)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], axis=1))


def step(state, batch):
    """PyTorch's Adam: the moments are corrected before the root's epsilon is added."""
    params, mean, square, count = state
    loss, grads = jax.value_and_grad(loss_of)(params, *batch)
    count = count + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
    square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, grads)
    rate, root = 1e-3 / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), params, mean, square)
    return (params, mean, square, count), loss


params = [(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in start.layers]
zeros = lambda: jax.tree.map(jnp.zeros_like, params)  # noqa: E731
state = (params, zeros(), zeros(), jnp.zeros((), jnp.float32))
total = weights(jax.tree.leaves(params))
first = tuple(jnp.asarray(array) for array in start.first)

if o.impl == "jax-jit":
    call, batch, per_call = jax.jit(step, donate_argnums=0), first, 1
    losses = []
    for _ in range(max(o.checked)):
        state, loss = call(state, batch)
        losses.append(float(loss))
else:
    per_call = min(50, o.batches)
    call = jax.jit(lambda state, batches: jax.lax.scan(step, state, batches), donate_argnums=0)
    stacked = lambda array: jnp.asarray(array[: per_call * o.batch].reshape(per_call, o.batch, *array.shape[1:]))  # noqa: E731
    batch = (stacked(start.x), stacked(start.y))
    repeated = jax.tree.map(lambda array: jnp.stack([array] * max(o.checked)), first)
    state, losses = call(state, repeated)
    losses = np.asarray(losses)


def run(steps):
    global state
    calls = -(-steps // per_call)
    for _ in range(calls):
        state, loss = call(state, batch)
    jax.block_until_ready((state, loss))
    return calls * per_call


answer(o, jax.__version__, losses, total, run)
