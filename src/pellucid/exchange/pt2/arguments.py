"""Arguments of PyTorch operators, checked."""

from __future__ import annotations

from typing import Any

from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network.window import Pads

NO_PADDING: Pads = ((0, 0), (0, 0))


def padding(op: OperatorView) -> Pads:
    """Return an image's padding, the same on opposite sides."""
    top, left = op.pair("padding", 0)
    return (top, top), (left, left)


def single(op: OperatorView, name: str, default: Any) -> int:
    """Return a number that may be in a list of one."""
    value = op.get(name, default)
    values = value if isinstance(value, list | tuple) else [value]
    return int(values[0] if len(values) else default)


def three(op: OperatorView, name: str, default: Any) -> tuple[int, int, int]:
    """Return three numbers, given as one, a list of one, or of three."""
    value = op.get(name)
    value = default if value is None or value == [] else value
    values = [value] * 3 if isinstance(value, int) else list(value)
    values = values * 3 if len(values) == 1 else values
    return values[0], values[1], values[2]
