"""Optimizer updates: one pass over weights, gradients and slots."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.objectives import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    NAdam,
    Optimizer,
    RMSprop,
)


@dataclass(frozen=True, slots=True)
class Update:
    """An optimizer, and whether weight decay applies to these weights.

    With ``keras_rules``, RMSprop's ε is inside the root, and Adam's is added to the
    root of the moment that is not corrected, as in the paper's section 2, last
    paragraph: the session then leaves ``correction2`` at 1.
    """

    optimizer: Optimizer
    decays: bool
    keras_rules: bool = False


@kernel(
    w="f32*",
    grad="f32*",
    first="f32*",
    second="f32*",
    clip="f32*",
    count="n",
    rate="x",
    correction1="x",
    correction2="x",
)
def update(
    b: Builder,
    w: Pointer,
    grad: Pointer,
    first: Pointer,
    second: Pointer,
    clip: Pointer,
    count: Value,
    rate: Value,
    correction1: Value,
    correction2: Value,
    *,
    spec: Update,
) -> None:
    """Change ``count`` weights (whole vectors) and their slots.

    ``rate`` and ``correction`` are `Optimizer.scalars`; ``clip`` holds the factor on
    the derivative, which is read where the optimizer clips.
    """
    optimizer = spec.optimizer
    is_clipped = optimizer.clip_norm is not None
    decay = getattr(optimizer, "weight_decay", 0.0) if spec.decays else 0.0
    scalars = [b.splat(x) for x in (rate, correction1, correction2)]
    factor = clip.splat() if is_clipped else None
    with b.loop(count, step=b.lanes) as i:
        weight, g = w.vector(i), grad.vector(i)
        if factor is not None:
            g = g * factor
        if decay and isinstance(optimizer, AdamW):
            weight = weight * (1.0 - scalars[0] * decay)
        elif decay:
            g = b.fma(decay, weight, g)
        step = _step(b, spec, g, (first + i, second + i), scalars)
        w.store(weight - step, i)


@kernel(
    w="f32*",
    grad="f32*",
    first="f32*",
    second="f32*",
    factors="f32*",
    decays="f32*",
    clip="f32*",
    count="n",
    rate="x",
    correction1="x",
    correction2="x",
)
def update_in_groups(
    b: Builder,
    w: Pointer,
    grad: Pointer,
    first: Pointer,
    second: Pointer,
    factors: Pointer,
    decays: Pointer,
    clip: Pointer,
    count: Value,
    rate: Value,
    correction1: Value,
    correction2: Value,
    *,
    spec: Update,
) -> None:
    """Do what `update` does with a rate's factor and a decay for each weight."""
    optimizer = spec.optimizer
    scalars = [b.splat(x) for x in (rate, correction1, correction2)]
    shrink = clip.splat() if optimizer.clip_norm is not None else None
    with b.loop(count, step=b.lanes) as i:
        weight, g, decay = w.vector(i), grad.vector(i), decays.vector(i)
        mine = scalars[0] * factors.vector(i)
        if shrink is not None:
            g = g * shrink
        if isinstance(optimizer, AdamW):
            weight = weight * (1.0 - mine * decay)
        else:
            g = b.fma(decay, weight, g)
        step = _step(b, spec, g, (first + i, second + i), [mine, *scalars[1:]])
        w.store(weight - step, i)


def _step(
    b: Builder,
    spec: Update,
    g: Value,
    slots: tuple[Pointer, Pointer],
    scalars: list[Value],
) -> Value:
    """Change the slots and return what is taken from the weight."""
    optimizer = spec.optimizer
    rate, correction1, correction2 = scalars
    first, second = slots
    if isinstance(optimizer, Adam | NAdam):
        beta1, beta2 = optimizer.beta1, optimizer.beta2
        m = b.fma(beta1, first.vector(), g * (1 - beta1))
        v = b.fma(beta2, second.vector(), g * (1 - beta2) * g)
        first.store(m)
        second.store(v)
        root = b.sqrt(v * correction2) + optimizer.epsilon
        if isinstance(optimizer, NAdam):
            return _unless_still(b, rate * b.fma(correction1, m, g), root)
        return _unless_still(b, rate * (m * correction1), root)
    if isinstance(optimizer, RMSprop):
        s = b.fma(optimizer.rho, first.vector(), g * (1 - optimizer.rho) * g)
        first.store(s)
        if spec.keras_rules:
            root = b.sqrt(s + optimizer.epsilon)
        else:
            root = b.sqrt(s) + optimizer.epsilon
        return _unless_still(b, rate * g, root)
    if isinstance(optimizer, Adagrad):
        s = b.fma(g, g, first.vector())
        first.store(s)
        return _unless_still(b, rate * g, b.sqrt(s) + optimizer.epsilon)
    if not isinstance(optimizer, SGD):
        message = f"no kernel for {type(optimizer).__name__}"
        raise TypeError(message)
    if not optimizer.momentum:
        return rate * g
    velocity = b.fma(optimizer.momentum, first.vector(), g)
    first.store(velocity)
    if optimizer.nesterov:
        return rate * b.fma(optimizer.momentum, velocity, g)
    return rate * velocity


def _unless_still(b: Builder, step: Value, root: Value) -> Value:
    """Return step / root, and 0 where step is 0: padding stays, though epsilon be 0."""
    return b.select(step.equals(0.0), 0.0, step / root)


@kernel(grads="f32*", chunks="n", stride="n", total="f32*", count="n")
def join_chunks(
    b: Builder,
    grads: Pointer,
    chunks: Value,
    stride: Value,
    total: Pointer,
    count: Value,
    *,
    spec: None,
) -> None:
    """total = Σ over chunks of their derivatives, in the chunks' order."""
    del spec
    with b.loop(count, step=b.lanes) as i:
        kept = b.var(grads.vector(i))
        with b.loop(chunks, start=1) as c:
            kept.add((grads + c * stride).vector(i))
        total.store(kept.get(), i)


@kernel(total="f32*", other="f32*", count="n")
def add_vector(
    b: Builder, total: Pointer, other: Pointer, count: Value, *, spec: None
) -> None:
    """total = total + other, ``count`` elements (whole vectors)."""
    del spec
    with b.loop(count, step=b.lanes) as i:
        total.store(total.vector(i) + other.vector(i), i)


@kernel(grad="f32*", count="n", square="f64*")
def square_sum(
    b: Builder, grad: Pointer, count: Value, square: Pointer, *, spec: None
) -> None:
    """square = Σ grad², in double precision."""
    del spec
    total = b.var(Value(b, b.f64(b.zeros()).v))
    with b.loop(count, step=b.lanes) as i:
        g = b.f64(grad.vector(i))
        total.add(g * g)
    square.store(b.total(total.get()))


@kernel(squares="f64*", count="n", limit="x", clip="f32*")
def clip_factor(
    b: Builder,
    squares: Pointer,
    count: Value,
    limit: Value,
    clip: Pointer,
    *,
    spec: None,
) -> None:
    """clip = limit / ‖gradient‖ where that is below 1, else 1."""
    del spec
    total = b.var(squares.load())
    with b.loop(count, start=1) as i:
        total.add(squares.load(i))
    norm = b.narrow(b.sqrt(total.get()))
    clip.store(b.select(norm > limit, limit / norm, 1.0))
