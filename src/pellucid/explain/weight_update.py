"""One weight's update by an optimizer, line by line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pellucid.errors import NetworkError
from pellucid.explain.layers.sums import show, show_factor
from pellucid.explain.values import Step
from pellucid.objectives import SGD, Adam, AdamW, Optimizer, RMSprop


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateInputs:
    """What an update of one weight starts from.

    Parameters
    ----------
    weight, gradient : float
        The weight, and the loss's gradient with respect to it.
    scale : float
        What clipping multiplies all gradients with; 1 where it does nothing.
    slots : mapping of str to float
        The optimizer's numbers for this weight before the step.
    decay : float
        Weight decay of the array, 0 where there is none; see `update_factors`.
    rate : float
        Learning rate of the array.
    step : int
        Number of the update, from 1.
    """

    weight: float
    gradient: float
    scale: float
    slots: Mapping[str, float]
    decay: float
    rate: float
    step: int


def weight_update(optimizer: Optimizer, given: UpdateInputs) -> tuple[Step, ...]:
    """Return the lines of an update: from the gradient to the new weight.

    Parameters
    ----------
    optimizer : Optimizer
        SGD, RMSprop, Adam or AdamW.
    given : UpdateInputs
        The numbers.

    Returns
    -------
    tuple of Step
        The last one is the new weight.

    Raises
    ------
    NetworkError
        If the optimizer is a class of the caller's own.
    """
    return tuple(_lines(optimizer, given))


def _lines(optimizer: Optimizer, given: UpdateInputs) -> Iterator[Step]:
    g, w, rate = given.gradient, given.weight, given.rate
    decay = given.decay
    yield Step("g", "∂ loss / ∂ w", g)
    if given.scale != 1.0:
        yield Step("g", f"{show(given.scale)} · {show_factor(g)}", given.scale * g)
        g = given.scale * g
    if decay and isinstance(optimizer, AdamW):
        less = w * (1 - rate * decay)
        yield Step("w", f"{show_factor(w)} · (1 − {show(rate)} · {show(decay)})", less)
        w = less
    elif decay:
        yield Step("g", f"{show(g)} + {show(decay)} · {show_factor(w)}", g + decay * w)
        g = g + decay * w
    if isinstance(optimizer, Adam):
        yield from _adam(optimizer, given, g, w)
    elif isinstance(optimizer, RMSprop):
        yield from _rmsprop(optimizer, given, g, w)
    elif isinstance(optimizer, SGD):
        yield from _sgd(optimizer, given, g, w)
    else:
        raise NetworkError(
            "explain: the optimizer must be one whose formula is known; got "
            f"{type(optimizer).__name__}, a class of your own."
        )


def _adam(adam: Adam, given: UpdateInputs, g: float, w: float) -> Iterator[Step]:
    m, v = given.slots["first_moment"], given.slots["second_moment"]
    b1, b2, t = adam.beta1, adam.beta2, given.step
    formula = f"{b1:g} · {show_factor(m)} + {show(1 - b1)} · {show_factor(g)}"
    m = b1 * m + (1 - b1) * g
    yield Step("m", formula, m)
    formula = f"{b2:g} · {show(v)} + {show(1 - b2)} · {show_factor(g)}²"
    v = b2 * v + (1 - b2) * g * g
    yield Step("v", formula, v)
    m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
    yield Step("m̂", f"{show(m)} / (1 − {b1:g}^{t})", m_hat)
    yield Step("v̂", f"{show(v)} / (1 − {b2:g}^{t})", v_hat)
    yield from _step(given.rate, m_hat, math.sqrt(v_hat) + adam.epsilon, w)


def _rmsprop(how: RMSprop, given: UpdateInputs, g: float, w: float) -> Iterator[Step]:
    s = given.slots["mean_square"]
    formula = f"{how.rho:g} · {show(s)} + {show(1 - how.rho)} · {show_factor(g)}²"
    s = how.rho * s + (1 - how.rho) * g * g
    yield Step("s", formula, s)
    yield from _step(given.rate, g, math.sqrt(s) + how.epsilon, w)


def _sgd(sgd: SGD, given: UpdateInputs, g: float, w: float) -> Iterator[Step]:
    if sgd.momentum:
        v = given.slots["velocity"]
        formula = f"{sgd.momentum:g} · {show_factor(v)} + {show_factor(g)}"
        v = sgd.momentum * v + g
        yield Step("v", formula, v)
        if sgd.nesterov:
            ahead = g + sgd.momentum * v
            yield Step(
                "ahead", f"{show(g)} + {sgd.momentum:g} · {show_factor(v)}", ahead
            )
            v = ahead
        g = v
    yield from _step(given.rate, g, 1.0, w)


def _step(rate: float, top: float, bottom: float, w: float) -> Iterator[Step]:
    """Yield the change and the new weight."""
    over = "" if bottom == 1.0 else f" / {show(bottom)}"
    change = -rate * top / bottom
    yield Step("change", f"−{show(rate)} · {show_factor(top)}{over}", change)
    sign = "−" if change < 0 else "+"
    yield Step("new w", f"{show(w)} {sign} {show(abs(change))}", w + change)
