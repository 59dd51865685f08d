"""Process that takes one training step with JAX and ends."""

import json
import time
from typing import Any

SHAPES = {
    "conv": (3, 3, 1, 32),
    "conv_1": (3, 3, 32, 64),
    "dense": (3136, 128),
    "dense_1": (128, 10),
}


def main() -> None:
    """Import, make the functions, take the step; report the seconds."""
    begin = time.perf_counter()
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    from jax import lax

    imported = time.perf_counter()
    rng = np.random.default_rng(0)
    weights = {
        name: (jnp.asarray(rng.normal(0, 0.05, s), "float32"), jnp.zeros(s[-1]))
        for name, s in SHAPES.items()
    }

    def layer(x: Any, weight: Any, bias: Any) -> Any:
        names, window = ("NHWC", "HWIO", "NHWC"), (1, 2, 2, 1)
        x = lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=names)
        x = jax.nn.relu(x + bias)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")

    def loss_of(weights: Any, images: Any, labels: Any) -> Any:
        x = layer(layer(images, *weights["conv"]), *weights["conv_1"])
        x = x.reshape(len(x), -1) @ weights["dense"][0] + weights["dense"][1]
        x = jax.nn.relu(x) @ weights["dense_1"][0] + weights["dense_1"][1]
        return optax.softmax_cross_entropy_with_integer_labels(x, labels).mean()

    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(weights: Any, slots: Any, images: Any, labels: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(weights, images, labels)
        updates, slots = optimizer.update(grads, slots, weights)
        return optax.apply_updates(weights, updates), slots, loss

    images, labels = jnp.zeros((64, 28, 28, 1)), jnp.arange(64) % 10
    float(step(weights, optimizer.init(weights), images, labels)[2])
    done = time.perf_counter()
    report = {"import_s": imported - begin, "first_step_s": done - imported}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
