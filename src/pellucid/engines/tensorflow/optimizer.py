"""Optimizers: the canonical updates as TensorFlow operations.

They run inside the step's tf.function. Keras' optimizers compute others: the velocity
holds the learning rate, so that a schedule disturbs it; Adam's epsilon stands beside
the uncorrected root (√(1 − β₂ᵗ) times as large, 32 times in the first step);
RMSprop's stands inside it; and weight decay is decoupled in all of them and applies
to biases and norms too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.engines.tensorflow.imports import tf
from pellucid.network import Network
from pellucid.objectives import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    Optimizer,
    RMSprop,
    update_factors,
)

Slots = dict[str, Any]


class Updates:
    """An optimizer with its slots.

    Attributes
    ----------
    slots : dict of slot name to dict of weight name to tf.Variable
    """

    def __init__(
        self, optimizer: Optimizer, network: Network, parameters: Mapping[str, Any]
    ) -> None:
        self.optimizer, self.parameters = optimizer, parameters
        self.factors = {
            w.name: update_factors(optimizer, w.name) for w in network.parameters
        }
        self.slots: dict[str, Slots] = {
            slot: {
                name: tf.Variable(tf.zeros_like(variable), trainable=False)
                for name, variable in parameters.items()
            }
            for slot in optimizer.slots
        }

    def apply(self, grads: Mapping[str, Any], *, rate: Any, step: Any) -> None:
        """Change parameters and slots by one update.

        Parameters
        ----------
        grads : mapping of weight name to Tensor
        rate : Tensor of the weights' dtype, shape ()
        step : Tensor of float64, shape ()
            Number of this update, from 1.
        """
        if self.optimizer.clip_norm is not None:
            grads = _clipped(grads, self.optimizer.clip_norm)
        update = _UPDATES[type(self.optimizer)]
        for name, w in self.parameters.items():
            g, (factor, decay) = grads[name], self.factors[name]
            own = rate if factor == 1 else rate * factor
            if decay and isinstance(self.optimizer, AdamW):
                w.assign(w * (1 - own * decay))
            elif decay:
                g = g + decay * w
            mine = {slot: variables[name] for slot, variables in self.slots.items()}
            update(self.optimizer, w, g, mine, rate=own, step=step)


def _clipped(grads: Mapping[str, Any], clip_norm: float) -> dict[str, Any]:
    arrays, _ = tf.clip_by_global_norm(list(grads.values()), clip_norm)
    return dict(zip(grads, arrays, strict=True))


def _sgd(o: SGD, w: Any, g: Any, slots: Slots, *, rate: Any, step: Any) -> None:
    del step
    if not o.momentum:
        w.assign_sub(rate * g)
        return
    v = slots["velocity"].assign(o.momentum * slots["velocity"] + g)
    w.assign_sub(rate * (g + o.momentum * v if o.nesterov else v))


def _rmsprop(o: RMSprop, w: Any, g: Any, slots: Slots, *, rate: Any, step: Any) -> None:
    del step
    s = slots["mean_square"]
    s = s.assign(o.rho * s + (1 - o.rho) * tf.square(g))
    w.assign_sub(rate * g / (tf.sqrt(s) + o.epsilon))


def _adam(o: Adam, w: Any, g: Any, slots: Slots, *, rate: Any, step: Any) -> None:
    m, v = slots["first_moment"], slots["second_moment"]
    m = m.assign_add((1 - o.beta1) * (g - m))
    v = v.assign_add((1 - o.beta2) * (tf.square(g) - v))
    # in float64, as 1 − 0.999 would be 1e-5 off in float32
    c1, c2 = (1 - tf.pow(np.float64(beta), step) for beta in (o.beta1, o.beta2))
    # lr · m̂ / (√v̂ + ε), its root freed of 1 / √c₂: an epsilon for each step
    factor, root = tf.cast(tf.sqrt(c2) / c1, w.dtype), tf.cast(tf.sqrt(c2), w.dtype)
    w.assign_sub(rate * factor * m / (tf.sqrt(v) + o.epsilon * root))


def _nadam(o: NAdam, w: Any, g: Any, slots: Slots, *, rate: Any, step: Any) -> None:
    m, v = slots["first_moment"], slots["second_moment"]
    m = m.assign_add((1 - o.beta1) * (g - m))
    v = v.assign_add((1 - o.beta2) * (tf.square(g) - v))
    products = tf.constant(o.momentum_products(), tf.float64)
    last = tf.shape(products)[0] - 1
    product = tf.gather(products, tf.minimum(tf.cast(step, tf.int32) - 1, last))
    here, following = (
        o.beta1 * (1 - 0.5 * tf.pow(np.float64(0.96), t * o.momentum_decay))
        for t in (step, step + 1)
    )
    c2 = 1 - tf.pow(np.float64(o.beta2), step)
    own = tf.cast((1 - here) / (1 - product), w.dtype)
    moment = tf.cast(following / (1 - product * following), w.dtype)
    root = tf.sqrt(v / tf.cast(c2, w.dtype)) + o.epsilon
    w.assign_sub(rate * (own * g + moment * m) / root)


def _adagrad(o: Adagrad, w: Any, g: Any, slots: Slots, *, rate: Any, step: Any) -> None:
    del step
    s = slots["square_sum"].assign_add(tf.square(g))
    w.assign_sub(rate * g / (tf.sqrt(s) + o.epsilon))


_UPDATES: dict[type[Optimizer], Callable[..., None]] = {
    SGD: _sgd,
    RMSprop: _rmsprop,
    Adam: _adam,
    AdamW: _adam,
    NAdam: _nadam,
    Adagrad: _adagrad,
}
