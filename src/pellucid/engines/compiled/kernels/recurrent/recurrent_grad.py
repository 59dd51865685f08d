"""Recurrent layers: backward pass through time, and the recurrent weights' gradient."""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    clear,
    each_span,
    held,
)
from pellucid.engines.compiled.kernels.elementwise.functions import tanh
from pellucid.engines.compiled.kernels.recurrent.recurrent import Recurrence, columns

#: gates, recurrent weights, states, extra; then the gradients by z (a row), by the
#: product with the state (a row), and by the state and, behind it, the memory
Places = tuple[Pointer, ...]


def _pull_product(
    b: Builder,
    spec: Recurrence,
    matrix: Pointer,
    row: Pointer,
    *,
    count: int,
    to: Pointer,
) -> None:
    """to[k] += Σ_c matrix[k][c] · row[c] over ``count`` columns."""
    with b.loop(spec.units) as k:
        total = b.var(b.zeros())
        of_unit = matrix + k * spec.row
        with b.loop(count, step=b.lanes) as c:
            total.set(b.fma(of_unit.vector(c), row.vector(c), total.get()))
        to.store(to.load(k) + b.total(total.get()), k)


def _lstm(b: Builder, spec: Recurrence, step: Value, row: Pointer, at: Places) -> None:
    recurrent, _, extra, grad_z, _, grad_h = at
    p = spec.padded
    c, grad_c = extra + step * p, grad_h + p
    with b.loop(p, step=b.lanes) as j:
        i, f, g, o = (row.vector(j + n * p) for n in range(4))
        by_h, bent = grad_h.vector(j), tanh(b, c.vector(j + p))
        by_c = b.fma(by_h * o, 1.0 - bent * bent, grad_c.vector(j))
        grads = (
            by_c * g * i * (1.0 - i),
            by_c * c.vector(j) * f * (1.0 - f),
            by_c * i * (1.0 - g * g),
            by_h * bent * o * (1.0 - o),
        )
        for n, grad in enumerate(grads):
            grad_z.store(grad, j + n * p)
        grad_c.store(by_c * f, j)
        grad_h.store(b.zeros(), j)
    _pull_product(b, spec, recurrent, grad_z, count=spec.row, to=grad_h)


def _gru_after(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, at: Places
) -> None:
    recurrent, states, extra, grad_z, grad_product, grad_h = at
    p = spec.padded
    h, q = states + step * p, extra + step * p
    with b.loop(p, step=b.lanes) as j:
        z, r, n = (row.vector(j + k * p) for k in range(3))
        by_h = grad_h.vector(j)
        by_n = by_h * (1.0 - z) * (1.0 - n * n)
        by_z = by_h * (h.vector(j) - n) * z * (1.0 - z)
        by_r = by_n * q.vector(j) * r * (1.0 - r)
        for to, last in ((grad_z, by_n), (grad_product, by_n * r)):
            for k, grad in enumerate((by_z, by_r, last)):
                to.store(grad, j + k * p)
        grad_h.store(by_h * z, j)
    _pull_product(b, spec, recurrent, grad_product, count=spec.row, to=grad_h)


def _gru_before(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, at: Places
) -> None:
    recurrent, states, _, grad_z, _, grad_h = at
    p = spec.padded
    cut = 2 * p
    h, grad_reset = states + step * p, grad_h + p
    with b.loop(p, step=b.lanes) as j:
        z, n, by_h = row.vector(j), row.vector(j + cut), grad_h.vector(j)
        grad_z.store(by_h * (h.vector(j) - n) * z * (1.0 - z), j)
        grad_z.store(by_h * (1.0 - z) * (1.0 - n * n), j + cut)
        grad_h.store(by_h * z, j)
        grad_reset.store(b.zeros(), j)
    _pull_product(b, spec, recurrent + cut, grad_z + cut, count=p, to=grad_reset)
    with b.loop(p, step=b.lanes) as j:
        r, by_reset = row.vector(j + p), grad_reset.vector(j)
        grad_z.store(by_reset * h.vector(j) * r * (1.0 - r), j + p)
        grad_h.store(b.fma(by_reset, r, grad_h.vector(j)), j)
    _pull_product(b, spec, recurrent, grad_z, count=cut, to=grad_h)


def _simple(
    b: Builder, spec: Recurrence, step: Value, row: Pointer, at: Places
) -> None:
    del step
    recurrent, _, _, grad_z, _, grad_h = at
    with b.loop(spec.padded, step=b.lanes) as j:
        n = row.vector(j)
        grad_z.store(grad_h.vector(j) * (1.0 - n * n), j)
        grad_h.store(b.zeros(), j)
    _pull_product(b, spec, recurrent, grad_z, count=spec.row, to=grad_h)


def _add_output(
    b: Builder, spec: Recurrence, place: Number, grad_y: Pointer, grad_h: Pointer
) -> None:
    """Add the gradient by the output at a place in the sequence."""
    pixel = grad_y + (b.i64(place) * spec.y.padded_channels + spec.y.at(0, 0))

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        grad = held(b, mask, pixel.vector(start, lanes=lanes))
        grad_h.store(grad_h.vector(start, lanes=lanes) + grad, start)

    each_span(b, channel_spans(b, spec.units), span)


@kernel(
    z="f32*",
    recurrent="f32*",
    states="f32*",
    extra="f32*",
    grad_y="f32*",
    grad_z="f32*",
    grad_product="f32*",
    grad_state="f32*",
)
def recurrent_backward(
    b: Builder,
    z: Pointer,
    recurrent: Pointer,
    states: Pointer,
    extra: Pointer,
    grad_y: Pointer,
    grad_z: Pointer,
    grad_product: Pointer,
    grad_state: Pointer,
    *,
    spec: Recurrence,
) -> None:
    """Write the gradients by z and by the products with the state, all steps'.

    ``grad_state`` has room for two states. The products' are those by z, but for a
    GRU whose gate resets after the product.
    """
    clear(b, grad_state, 2 * spec.padded)
    if not spec.return_sequences:
        _add_output(b, spec, 0, grad_y, grad_state)
    pull = {
        "lstm": _lstm,
        "gru after": _gru_after,
        "gru before": _gru_before,
        "simple": _simple,
    }[spec.kind]
    with b.loop(spec.length) as back:
        step = (spec.length - 1) - back
        place = spec.place(b, step)
        if spec.return_sequences:
            _add_output(b, spec, place, grad_y, grad_state)
        at = place * spec.row
        given = recurrent, states, extra, grad_z + at, grad_product + at, grad_state
        pull(b, spec, step, z + at, given)


@kernel(states="f32*", extra="f32*", grad_product="f32*", grad_recurrent="f32*")
def recurrent_grad_weight(
    b: Builder,
    states: Pointer,
    extra: Pointer,
    grad_product: Pointer,
    grad_recurrent: Pointer,
    *,
    spec: Recurrence,
) -> None:
    """grad_recurrent[k][c] += Σ over the steps of state[k] · grad_product[c]."""
    parts = [(states, 0, spec.row)]
    if spec.kind == "gru before":
        cut = 2 * spec.padded
        parts = [(states, 0, cut), (extra, cut, spec.padded)]
    for left, first, count in parts:
        with b.loop(spec.units) as k:
            to = grad_recurrent + (k * spec.row + first)
            _add_up(b, spec, grad_product + first, to, count=count, left=left + k)


@kernel(grad_product="f32*", grad_bias="f32*")
def recurrent_grad_bias(
    b: Builder, grad_product: Pointer, grad_bias: Pointer, *, spec: Recurrence
) -> None:
    """grad_bias[c] += Σ over the steps of grad_product[c]."""
    _add_up(b, spec, grad_product, grad_bias, count=spec.row)


def _add_up(
    b: Builder,
    spec: Recurrence,
    rows: Pointer,
    to: Pointer,
    *,
    count: int,
    left: Pointer | None = None,
) -> None:
    """to[c] += Σ over the steps of (left ·) row[c]."""

    def block(first: Number, vectors: int) -> None:
        places = [b.i64(first) + n * b.lanes for n in range(vectors)]
        sums = [b.var(to.vector(place)) for place in places]
        with b.loop(spec.length) as step:
            row = rows + spec.place(b, step) * spec.row
            factor = left.splat(step * spec.padded) if left else b.splat(1.0)
            for place, total in zip(places, sums, strict=True):
                total.set(b.fma(factor, row.vector(place), total.get()))
        for place, total in zip(places, sums, strict=True):
            to.store(total.get(), place)

    columns(b, count, block)
