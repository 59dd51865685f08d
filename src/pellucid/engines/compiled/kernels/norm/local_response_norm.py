"""Local response normalization across neighboring channels."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise import functions
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    clear,
    pixels,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How x and y (or grad_y and grad_x) lie, and what is summed.

    ``share`` is alpha / size. Channels that only pad memory are 0, so they add
    nothing to a sum and stay 0.
    """

    x: ImageLayout
    y: ImageLayout
    reach: int
    share: float
    beta: float
    bias: float
    grad_x: ImageLayout | None = None
    accumulate: bool = False


def line_size(x: ImageLayout, reach: int) -> int:
    """Return the numbers of one pixel's channels with zeros to either side."""
    return x.padded_channels + 2 * reach


def _clear_halo(b: Builder, line: Pointer, spec: Neighbours) -> None:
    for start in (0, spec.reach + spec.x.padded_channels):
        clear(b, line + start, spec.reach)


def _window(b: Builder, line: Pointer, at: Number, reach: int, lanes: int) -> Value:
    """Return, for each lane, the sum of its channel and ``reach`` to either side."""
    total = b.var(b.zeros(lanes))
    with b.loop(2 * reach + 1) as i:
        total.add(line.vector(i + at, lanes=lanes))
    return total.get()


def _power(b: Builder, s: Value, exponent: float) -> Value:
    return functions.exp(b, functions.log(b, s) * exponent)


@kernel(x="f32*", squares="f32*", y="f32*")
def local_response_norm_forward(
    b: Builder, x: Pointer, squares: Pointer, y: Pointer, *, spec: Neighbours
) -> None:
    """y = x · s^−beta with s = bias + share · Σ x² over the neighbours.

    ``squares`` has room for ``line_size`` numbers.
    """
    lanes, padded_channels = (
        min(b.lanes, spec.x.padded_channels),
        spec.x.padded_channels,
    )
    _clear_halo(b, squares, spec)

    def pixel(at: list[Pointer]) -> None:
        _square(b, at[0], squares, spec)
        with b.loop(padded_channels, step=lanes) as c:
            s = _strength(b, squares, c, spec)
            at[1].store(at[0].vector(c, lanes=lanes) * _power(b, s, -spec.beta), c)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


def _square(b: Builder, x: Pointer, squares: Pointer, spec: Neighbours) -> None:
    lanes = min(b.lanes, spec.x.padded_channels)
    with b.loop(spec.x.padded_channels, step=lanes) as c:
        value = x.vector(c, lanes=lanes)
        squares.store(value * value, c + spec.reach)


def _strength(b: Builder, squares: Pointer, c: Number, spec: Neighbours) -> Value:
    lanes = min(b.lanes, spec.x.padded_channels)
    return _window(b, squares, c, spec.reach, lanes) * spec.share + spec.bias


@kernel(x="f32*", grad_y="f32*", squares="f32*", shares="f32*", grad_x="f32*")
def local_response_norm_backward(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    squares: Pointer,
    shares: Pointer,
    grad_x: Pointer,
    *,
    spec: Neighbours,
) -> None:
    """grad_x = or += g · s^−beta − 2 · share · beta · x · Σ g · x · s^(−beta − 1).

    ``squares`` and ``shares`` have room for ``line_size`` numbers each.
    """
    lanes, padded_channels = (
        min(b.lanes, spec.x.padded_channels),
        spec.x.padded_channels,
    )
    for line in (squares, shares):
        _clear_halo(b, line, spec)

    def pixel(at: list[Pointer]) -> None:
        _square(b, at[0], squares, spec)
        with b.loop(padded_channels, step=lanes) as c:
            s = _strength(b, squares, c, spec)
            direct = at[1].vector(c, lanes=lanes) * _power(b, s, -spec.beta)
            shares.store(direct * at[0].vector(c, lanes=lanes) / s, c + spec.reach)
            before = at[2].vector(c, lanes=lanes) if spec.accumulate else 0.0
            at[2].store(direct + before, c)
        with b.loop(padded_channels, step=lanes) as c:
            around = _window(b, shares, c, spec.reach, lanes)
            pull = at[0].vector(c, lanes=lanes) * around * (2 * spec.share * spec.beta)
            at[2].store(at[2].vector(c, lanes=lanes) - pull, c)

    to = spec.grad_x or spec.x
    pixels(b, [(x, spec.x), (grad_y, spec.y), (grad_x, to)], pixel)
