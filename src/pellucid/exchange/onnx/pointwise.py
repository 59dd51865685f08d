"""Pointwise layers in ONNX: native operators, and expressions as plain ones.

References
----------
ONNX operators, opset 20, https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.graph.arithmetic import extreme
from pellucid.exchange.graph.choosing import combine
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl
from pellucid.network.expression import Expression, fold, math
from pellucid.network.expression.expand import expand

if TYPE_CHECKING:
    from pellucid.exchange.onnx.write_context import WriteContext

#: layer → its operator, and {attribute: (field, default)}
NATIVE: dict[type[Any], tuple[str, dict[str, tuple[str, float]]]] = {
    pl.ELU: ("Elu", {"alpha": ("alpha", 1.0)}),
    pl.HardSwish: ("HardSwish", {}),
    pl.LeakyReLU: ("LeakyRelu", {"alpha": ("slope", 0.01)}),
    pl.Mish: ("Mish", {}),
    pl.ReLU: ("Relu", {}),
    pl.Sigmoid: ("Sigmoid", {}),
    pl.Softplus: ("Softplus", {}),
    pl.Tanh: ("Tanh", {}),
}
#: operator of an expression → ONNX's
OPERATORS = {
    "abs": "Abs",
    "add": "Add",
    "clip": "Clip",
    "divide": "Div",
    "erf": "Erf",
    "exp": "Exp",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "log": "Log",
    "maximum": "Max",
    "minimum": "Min",
    "multiply": "Mul",
    "negative": "Neg",
    "power": "Pow",
    "relu": "Relu",
    "round": "Round",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "subtract": "Sub",
    "tanh": "Tanh",
    "where": "Where",
}


def write_pointwise(context: WriteContext) -> str:
    """Write the native operator, or the expression by plain ones."""
    kind = type(context.layer)
    if kind in NATIVE:
        operator, attributes = NATIVE[kind]
        given = {
            name: getattr(context.layer, of) for name, (of, _) in attributes.items()
        }
        return context.add_operator(operator, **given)
    return _write_expression(context, context.layer.expression)


def write_hard_sigmoid(context: WriteContext) -> str:
    """HardSigmoid, whose slope is 0.2 unless it is given."""
    return context.add_operator("HardSigmoid", alpha=1 / 6, beta=0.5)


def write_clip(context: WriteContext) -> str:
    """Clip between two constants, either of which may be left out."""
    layer: Any = context.layer
    is_relu6 = isinstance(layer, pl.ReLU6)
    limits = (0.0, 6.0) if is_relu6 else (layer.minimum, layer.maximum)
    inputs = [
        "" if value is None else _add_number(context, role, value)
        for role, value in zip(("minimum", "maximum"), limits, strict=True)
    ]
    return context.add_operator("Clip", [*context.inputs, *inputs])


def _add_number(context: WriteContext, role: str, value: float) -> str:
    return context.add_weight(role, np.asarray(value, np.float32))


def _write_expression(context: WriteContext, expression: Expression) -> str:
    whole = expand(expression, OPERATORS)
    names: dict[float, str] = {}

    def leaf(node: Expression) -> str:
        if node.operator == "variable":
            return context.inputs[0]
        if node.value not in names:
            names[node.value] = _add_number(context, "number", node.value)
        return names[node.value]

    def apply(node: Expression, given: list[str]) -> str:
        if node is whole:
            return context.add_operator(OPERATORS[node.operator], given)
        return context.add_part(OPERATORS[node.operator], given, node.operator)

    y = fold(whole, leaf, apply)
    return y if whole.arguments else context.add_operator("Identity", [y])


def _read_native(kind: type[Any]) -> Any:
    def read(op: OperatorView) -> Tensor:
        attributes = NATIVE[kind][1]
        fields = {
            of: float(op.attribute(name, default))
            for name, (of, default) in attributes.items()
        }
        return op.builder.elementwise(op.ref, op.tensor(), kind(**fields))

    return read


def _read_expression(op: OperatorView, function: Any) -> Tensor:
    return op.builder.elementwise(op.ref, op.tensor(), pl.Elementwise(function))


def _hard_sigmoid(op: OperatorView) -> Tensor:
    alpha, beta = float(op.attribute("alpha", 0.2)), float(op.attribute("beta", 0.5))
    if np.isclose(alpha, 1 / 6, rtol=1e-6) and beta == 0.5:
        return op.builder.elementwise(op.ref, op.tensor(), pl.HardSigmoid())
    return _read_expression(op, lambda x: math.clip(alpha * x + beta, 0, 1))


def _clip(op: OperatorView) -> Tensor:
    """Clip; from 0 on it is a ReLU, up to 6 a ReLU6."""
    limits: list[float | None] = []
    x = op.tensor()
    for place, name, side in ((1, "min", -1), (2, "max", 1)):
        if op.has(place) and isinstance(op.inputs[place], Tensor):  # another value
            pair, is_low = [x, op.tensor(place)], side < 0
            x = extreme(op.builder, op.ref.part(name), pair, is_largest=is_low)
            limits.append(None)
            continue
        given = op.constant(place, None) if op.has(place) else op.attribute(name, None)
        value = None if given is None else float(np.reshape(given, -1)[0])
        is_open = value is None or side * value >= np.finfo(np.float32).max
        limits.append(None if is_open else value)
    return op.builder.clip(op.ref, x, *limits)


def _gelu(op: OperatorView) -> Tensor:
    if op.attribute("approximate", "none") == "none":
        return op.builder.elementwise(op.ref, op.tensor(), pl.GELU())
    op.only(approximate="tanh")
    return op.builder.elementwise(op.ref, op.tensor(), pl.gelu_tanh())


def _swish(op: OperatorView) -> Tensor:
    alpha = float(op.attribute("alpha", 1.0))
    if alpha == 1:
        return op.builder.elementwise(op.ref, op.tensor(), pl.SiLU())
    return _read_expression(op, lambda x: x * math.sigmoid(alpha * x))


def _celu(op: OperatorView) -> Tensor:
    alpha = float(op.attribute("alpha", 1.0))
    return _read_expression(
        op, lambda x: math.where(x > 0, x, alpha * math.expm1(x / alpha))
    )


def _selu(op: OperatorView) -> Tensor:
    alpha = float(op.attribute("alpha", 1.67326319217681884765625))
    gamma = float(op.attribute("gamma", 1.05070102214813232421875))
    return _read_expression(
        op, lambda x: gamma * math.where(x > 0, x, alpha * math.expm1(x))
    )


def _softsign(op: OperatorView) -> Tensor:
    return _read_expression(op, lambda x: x / (1 + math.abs(x)))


def _thresholded(op: OperatorView) -> Tensor:
    alpha = float(op.attribute("alpha", 1.0))
    return _read_expression(op, lambda x: math.where(x > alpha, x, 0))


def _shrink(op: OperatorView) -> Tensor:
    bias, end = float(op.attribute("bias", 0.0)), float(op.attribute("lambd", 0.5))
    return _read_expression(
        op,
        lambda x: math.where(x < -end, x + bias, math.where(x > end, x - bias, 0)),
    )


def _combining(kind: str) -> Any:
    """Return the reader of a comparison, of logic or of a choice."""
    return lambda op: combine(op.builder, op.ref, kind, op.inputs)


_COMBINING = {
    "And": "and",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Not": "not",
    "Or": "or",
    "Where": "where",
    "Xor": "xor",
}


def _sign(x: Expression) -> Expression:
    """1, 0 or -1; not a number where x is none."""
    return math.where(x > 0, 1, math.where(x < 0, -1, math.where(x >= 0, 0, x)))


def _function(make: Any) -> Any:
    """Return the reader of a function without attributes."""
    return lambda op: _read_expression(op, make)


#: operator → its function, where it has no attributes
_FUNCTIONS = {
    "Abs": math.abs,
    "Erf": math.erf,
    "Erfc": lambda x: 1 - math.erf(x),  # tf2onnx's own
    "Exp": math.exp,
    "Reciprocal": lambda x: 1 / x,
    "Round": math.round,
    "Sign": _sign,
    "Sqrt": math.sqrt,
}
#: ONNX operators that are one function of each element
READERS = {
    **{name: _combining(kind) for name, kind in _COMBINING.items()},
    **{name: _function(made) for name, made in _FUNCTIONS.items()},
    **{name: _read_native(kind) for kind, (name, _) in NATIVE.items()},
    "Celu": _celu,
    "Clip": _clip,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "Selu": _selu,
    "Shrink": _shrink,
    "Softsign": _softsign,
    "Swish": _swish,
    "ThresholdedRelu": _thresholded,
}
