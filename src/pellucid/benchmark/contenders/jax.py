"""JAX, idiomatic: a pure step, jit, optax, donated buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import (
    LEARNING_RATE,
    build_model,
    strip_softmax,
)
from pellucid.benchmark.inputs import choose_losses, load_batches
from pellucid.engines.jax.layers import Mode, run
from pellucid.engines.protocol import Arrays

_LOSSES: dict[str, Any] = {
    "cross_entropy": optax.softmax_cross_entropy_with_integer_labels,
    "mse": optax.squared_error,
}


def trainer(case: Case, *, eager: bool = False) -> Callable[[int], float]:
    """Return a training step: forward, backward, Adam; without jit where eager."""
    network = strip_softmax(case.network)
    weights = build_model(case, "numpy", network).weights
    trained = {w.name for w in network.parameters}
    parameters = {k: jnp.asarray(a) for k, a in weights.items() if k in trained}
    buffers = {k: jnp.asarray(a) for k, a in weights.items() if k not in trained}
    optimizer = optax.adam(LEARNING_RATE)
    kinds = choose_losses(case.network).values()
    data = jax.tree.map(jnp.asarray, [tuple(batch) for batch in load_batches(case)])

    def loss_of(parameters: Any, buffers: Any, images: Any, labels: Any) -> Any:
        values, changed = run(
            network,
            {**parameters, **buffers},
            images,
            Mode(True),
            keep=set(network.outputs),
        )
        ends = zip(kinds, network.outputs, labels, strict=True)
        losses = [_LOSSES[kind](values[out], y).mean() for kind, out, y in ends]
        return sum(losses), {**buffers, **changed}

    def update(state: Any, images: Any, labels: Any) -> Any:
        parameters, buffers, slots = state
        (loss, buffers), grads = jax.value_and_grad(loss_of, has_aux=True)(
            parameters, buffers, images, labels
        )
        updates, slots = optimizer.update(grads, slots, parameters)
        return (optax.apply_updates(parameters, updates), buffers, slots), loss

    compiled = update if eager else jax.jit(update, donate_argnums=0)
    state = (parameters, buffers, optimizer.init(parameters))

    def step(i: int) -> float:
        nonlocal state
        state, loss = compiled(state, *data[i % len(data)])
        return float(loss)  # waits until it is there

    return step


def predictor(case: Case) -> Callable[[int], Arrays]:
    """Return the compiled function's output for an array, as an array."""
    network = strip_softmax(case.network)
    model = build_model(case, "numpy", network)
    weights = {key: jnp.asarray(array) for key, array in model.weights.items()}
    out = network.outputs[0]
    data = [x for x, _ in load_batches(case)]

    @jax.jit
    def forward(weights: Any, images: Any) -> Any:
        values, _ = run(network, weights, [images], Mode(False), keep={out})
        return values[out]

    return lambda i: np.asarray(forward(weights, data[i % len(data)]))
