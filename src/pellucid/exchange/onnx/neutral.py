"""Additions of 0 and multiplications by 1 among the parts of a layer.

Exporters leave them where a bias is zero or a scale one; the patterns that gather a
layer from its parts (GELU, layer norm, enlarging …) need not know them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.graph.local_response_norm_pattern import Squares
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import OperatorView

_NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0}
_COMMUTES = ("Add", "Mul")


def skip_neutral(op: OperatorView) -> Any:
    """Return the part that an operator leaves as it is; None where it does more."""
    if op.operator not in _NEUTRAL or len(op.inputs) != 2:
        return None
    part, constant = op.inputs
    if isinstance(part, np.ndarray) and op.operator in _COMMUTES:
        part, constant = constant, part
    if not isinstance(constant, np.ndarray) or constant.size != 1:
        return None
    if part is None or isinstance(part, Tensor | Squares | np.ndarray):
        return None
    return part if constant.item() == _NEUTRAL[op.operator] else None
