"""Translate ONNX's Resize and Upsample."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.graph.resizing import add_resize
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network.layers.resize import COORDINATES, ROUNDINGS

_MODES = {
    "bilinear": "bilinear",
    "cubic": "bicubic",
    "linear": "bilinear",
    "nearest": "nearest",
}


def resize(op: OperatorView) -> Tensor:
    """Resize height and width, by scales or to sizes."""
    x = op.builder.image(op.ref, op.tensor())
    mode = op.attribute("mode", "nearest")
    if mode not in _MODES:
        op.refuse("have mode nearest, linear or cubic", str(mode))
    settings: dict[str, Any] = {"mode": _MODES[mode], **_rule(op), **_target(op, x)}
    if mode == "cubic":
        op.only(exclude_outside=0)
        settings["cubic"] = float(op.attribute("cubic_coeff_a", -0.75))
    return add_resize(op.builder, op.ref, x, **settings)


def _rule(op: OperatorView) -> dict[str, str]:
    """Return how coordinates are made and rounded; before opset 11 as in TensorFlow."""
    if op.operator == "Upsample" or op.opset < 11:
        return {"coordinates": "asymmetric", "rounding": "floor"}
    op.only(antialias=0)
    where = op.attribute("coordinate_transformation_mode", "half_pixel")
    how = op.attribute("nearest_mode", "round_prefer_floor")
    if where not in COORDINATES:
        op.refuse(f"have coordinates among {', '.join(COORDINATES)}", str(where))
    if how not in ROUNDINGS:
        op.refuse(f"have a nearest_mode among {', '.join(ROUNDINGS)}", str(how))
    return {"coordinates": where, "rounding": how}


def _target(op: OperatorView, x: Tensor) -> dict[str, Any]:
    """Return the size, or the scales, of height and width."""
    rank, shape = len(x.axes), x.foreign_shape
    scales: Any = None
    if op.operator == "Upsample":
        scales = op.attribute("scales", None)
        scales = op.constant(1) if scales is None else np.asarray(scales)
    elif op.opset < 11:
        scales = op.constant(1)
    elif op.has(2) and op.constant(2).size:
        scales = op.constant(2)
    elif not op.has(3):
        op.refuse("have scales or sizes", "neither")
    else:
        op.only(keep_aspect_ratio_policy="stretch")
    numbers = np.ravel(op.constant(3) if scales is None else scales).tolist()
    axes = op.attribute("axes", None) or list(range(len(numbers)))
    if len(axes) != len(numbers):
        op.refuse("have a number for each axis", f"{numbers}")
    by_axis = dict(zip((axis % rank for axis in axes), numbers, strict=True))
    height, width = x.axes.index(1), x.axes.index(2)
    for axis, number in by_axis.items():
        same = {1} if scales is not None else {shape[axis], op.builder.batch}
        if axis not in (height, width) and number not in same:
            op.refuse("resize height and width alone", f"{numbers}")
    default = (1.0, 1.0) if scales is not None else (shape[height], shape[width])
    pair = by_axis.get(height, default[0]), by_axis.get(width, default[1])
    if min(pair) <= 0:
        op.refuse("have sizes above 0", f"{numbers}")
    if scales is not None:
        return {"scale": (float(pair[0]), float(pair[1]))}
    return {"size": (int(pair[0]), int(pair[1]))}
