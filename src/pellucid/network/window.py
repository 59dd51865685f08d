"""Sliding windows: padding and output sizes."""

from __future__ import annotations

from typing import Any, Literal

from pellucid.errors import NetworkError, ShapeError
from pellucid.network.checks import Pair, is_int

Pads = tuple[Pair, Pair]
Padding = Literal["valid", "same"] | int | Pads


def padding(who: str, value: Any) -> Padding:
    """Return "valid", "same", an int, or ((top, bottom), (left, right)) of ints."""
    if value in ("valid", "same"):
        return value  # type: ignore[no-any-return]
    if is_int(value) and value >= 0:
        return int(value)
    try:
        (top, bottom), (left, right) = value
    except (TypeError, ValueError):
        top = bottom = left = right = -1
    sides = (top, bottom, left, right)
    if not all(is_int(side) and side >= 0 for side in sides):
        raise NetworkError(
            f"{who}: padding must be 'valid', 'same', an int of at least 0 or "
            f"((top, bottom), (left, right)); got padding={value!r}."
        )
    return (int(top), int(bottom)), (int(left), int(right))


def pads(
    value: Padding, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> Pads:
    """Return the zeros added on ((top, bottom), (left, right)).

    ``"same"`` makes the output ceil(input / stride); the odd row or column goes
    to the bottom and right.
    """
    if value == "valid":
        return (0, 0), (0, 0)
    if value == "same":
        axes = zip(size, kernel, stride, dilation, strict=True)
        top_bottom, left_right = (_same(*axis) for axis in axes)
        return top_bottom, left_right
    if isinstance(value, int):
        return (value, value), (value, value)
    return value


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    steps = -(-size // stride)
    total = max((steps - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def output_size(
    who: str, size: Pair, around: Pads, kernel: Pair, stride: Pair, dilation: Pair
) -> Pair:
    """Return how often the window fits: floor((n + pads − extent) / stride) + 1."""
    axes = zip(size, around, kernel, stride, dilation, strict=True)
    height, width = ((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, p, k, s, d in axes)
    if height < 1 or width < 1:
        raise ShapeError(
            f"{who}: input must be at least as large as the window; got input "
            f"{size[0]}×{size[1]}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={around}. Add padding, or take a smaller kernel."
        )
    return height, width
