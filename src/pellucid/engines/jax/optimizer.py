"""Optimizers: a chain of optax's parts whose update is canonical.

`optax.trace` (velocity free of the rate) and `optax.scale_by_rms` with
``eps_in_sqrt=False`` (its default is True) are canonical. `optax.scale_by_adam` is so
but for rounding: it takes 1 − βᵗ as a difference in float32, 1e-5 off in the first
step, hence our own. The rate comes with each step, so that a schedule neither
recompiles nor touches a velocity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

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

#: slot → field in the state of the transformation that keeps it
SLOTS = {
    "velocity": "trace",
    "mean_square": "nu",
    "square_sum": "sum_of_squares",
    "first_moment": "mu",
    "second_moment": "nu",
}


def _scale_by_adam(o: Adam) -> optax.GradientTransformationExtraArgs:
    """Scale by m̂ / (√v̂ + ε), with 1 − βᵗ = −expm1(t · ln β)."""

    def init(params: Any) -> optax.ScaleByAdamState:
        zeros = optax.tree.zeros_like(params)
        return optax.ScaleByAdamState(
            count=jnp.zeros([], jnp.int32), mu=zeros, nu=optax.tree.zeros_like(params)
        )

    def update(
        grads: Any,
        state: optax.ScaleByAdamState,
        params: Any = None,
        *,
        step: Any,
        **_: Any,
    ) -> tuple[Any, optax.ScaleByAdamState]:
        del params
        m = optax.tree.update_moment(grads, state.mu, o.beta1, 1)
        v = optax.tree.update_moment(grads, state.nu, o.beta2, 2)
        c1, c2 = (-jnp.expm1(step * _log(beta)) for beta in (o.beta1, o.beta2))
        scaled = jax.tree.map(
            lambda m, v: m / c1 / (jnp.sqrt(v / c2) + o.epsilon), m, v
        )
        return scaled, state._replace(mu=m, nu=v)

    return optax.GradientTransformationExtraArgs(init, update)


def _log(beta: float) -> float:
    return math.log(beta) if beta else -math.inf


def _scale_by_nadam(o: NAdam) -> optax.GradientTransformationExtraArgs:
    """Scale by NAdam's step; optax has another momentum in every step."""
    adam = _scale_by_adam(Adam(beta1=o.beta1, beta2=o.beta2))

    def update(
        grads: Any, state: Any, params: Any = None, *, step: Any, **_: Any
    ) -> tuple[Any, Any]:
        del params
        m = optax.tree.update_moment(grads, state.mu, o.beta1, 1)
        v = optax.tree.update_moment(grads, state.nu, o.beta2, 2)
        products = jnp.asarray(o.momentum_products())
        last = jnp.asarray(step - 1, jnp.int32)
        product = products[jnp.minimum(last, len(products) - 1)]
        here, following = (
            o.beta1 * (1 - 0.5 * jnp.power(0.96, t * o.momentum_decay))
            for t in (step, step + 1)
        )
        own = (1 - here) / (1 - product)
        moment = following / (1 - product * following)
        c2 = -jnp.expm1(step * _log(o.beta2))
        scaled = jax.tree.map(
            lambda g, m, v: (own * g + moment * m) / (jnp.sqrt(v / c2) + o.epsilon),
            grads,
            m,
            v,
        )
        return scaled, state._replace(mu=m, nu=v)

    return optax.GradientTransformationExtraArgs(adam.init, update)


def _scale_by_adagrad(o: Adagrad) -> optax.GradientTransformation:
    """Scale by 1 / (√s + ε); optax has epsilon inside the root."""

    def init(params: Any) -> optax.ScaleByRssState:
        return optax.ScaleByRssState(sum_of_squares=optax.tree.zeros_like(params))

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        s = jax.tree.map(lambda g, s: s + g * g, grads, state.sum_of_squares)
        scaled = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + o.epsilon), grads, s)
        return scaled, optax.ScaleByRssState(sum_of_squares=s)

    return optax.GradientTransformation(init, update)


def _scale_by_rate(factors: Mapping[str, float]) -> Any:
    """Scale by the step's −rate, times each weight's factor."""

    def update(
        updates: Any, state: Any, params: Any = None, *, rate: Any, **_: Any
    ) -> tuple[Any, Any]:
        del params
        return {name: -rate * factors[name] * u for name, u in updates.items()}, state

    return optax.GradientTransformationExtraArgs(
        lambda params: optax.EmptyState(), update
    )


_CORES: dict[type[Optimizer], Callable[[Any], optax.GradientTransformation]] = {
    SGD: lambda o: (
        optax.trace(o.momentum, o.nesterov) if o.momentum else optax.identity()
    ),
    RMSprop: lambda o: optax.scale_by_rms(o.rho, o.epsilon, eps_in_sqrt=False),
    Adam: _scale_by_adam,
    AdamW: _scale_by_adam,
    NAdam: _scale_by_nadam,
    Adagrad: _scale_by_adagrad,
}


def _add_decayed(decays: Mapping[str, float]) -> optax.GradientTransformation:
    """Add each weight's decay times the weight."""

    def update(updates: Any, state: Any, params: Any) -> tuple[Any, Any]:
        added = {
            name: u + decays[name] * params[name] if decays[name] else u
            for name, u in updates.items()
        }
        return added, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def make_transformation(
    optimizer: Optimizer, network: Network
) -> optax.GradientTransformationExtraArgs:
    """Return clipping, decay, the optimizer's core and the rate as one chain.

    Its ``update`` takes ``rate`` and ``step`` (from 1) besides.
    """
    names = [weight.name for weight in network.parameters]
    factors = {name: update_factors(optimizer, name) for name in names}
    decay = any(one for _, one in factors.values())
    decayed = _add_decayed({name: one for name, (_, one) in factors.items()})
    is_decoupled = isinstance(optimizer, AdamW)
    clip = optimizer.clip_norm
    parts = [
        *([optax.clip_by_global_norm(clip)] if clip is not None else []),
        *([decayed] if decay and not is_decoupled else []),
        _CORES[type(optimizer)](optimizer),
        *([decayed] if decay and is_decoupled else []),
        _scale_by_rate({name: factor for name, (factor, _) in factors.items()}),
    ]
    return optax.with_extra_args_support(optax.chain(*parts))


def with_slots(state: Any, slots: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a chain's state with those slots in the part that keeps them."""
    fields = {SLOTS[slot]: dict(arrays) for slot, arrays in slots.items()}
    return tuple(
        part._replace(**fields) if fields and set(fields) <= _fields(part) else part
        for part in state
    )


def slots_of(state: Any, optimizer: Optimizer) -> dict[str, dict[str, Any]]:
    """Return the slots in a chain's state."""
    wanted = {SLOTS[slot] for slot in optimizer.slots}
    for part in state:
        if wanted and wanted <= _fields(part):
            return {slot: getattr(part, SLOTS[slot]) for slot in optimizer.slots}
    return {}


def _fields(part: Any) -> set[str]:
    return set(getattr(part, "_fields", ()))
