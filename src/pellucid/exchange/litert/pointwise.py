"""Pointwise layers in LiteRT: native operators, and expressions as plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.operator_view import OperatorView
from pellucid.network import layers as pl
from pellucid.network.expression import Expression, fold, math, variable
from pellucid.network.expression.expand import expand
from pellucid.network.layers import Layer

if TYPE_CHECKING:
    from pellucid.exchange.litert.write_context import WriteContext

#: layer → its operator, and {option: field}
NATIVE: dict[type[Any], tuple[str, dict[str, str]]] = {
    pl.HardSwish: ("HARD_SWISH", {}),
    pl.LeakyReLU: ("LEAKY_RELU", {"alpha": "slope"}),
    pl.ReLU: ("RELU", {}),
    pl.ReLU6: ("RELU6", {}),
    pl.Sigmoid: ("LOGISTIC", {}),
    pl.Tanh: ("TANH", {}),
}
#: operator of an expression → LiteRT's
OPERATORS = {
    "abs": "ABS",
    "add": "ADD",
    "divide": "DIV",
    "exp": "EXP",
    "greater": "GREATER",
    "greater_equal": "GREATER_EQUAL",
    "log": "LOG",
    "maximum": "MAXIMUM",
    "minimum": "MINIMUM",
    "multiply": "MUL",
    "negative": "NEG",
    "power": "POW",
    "relu": "RELU",
    "relu6": "RELU6",
    "round": "ROUND",
    "sigmoid": "LOGISTIC",
    "sqrt": "SQRT",
    "subtract": "SUB",
    "tanh": "TANH",
    "where": "SELECT_V2",
}


def write_pointwise(context: WriteContext) -> int:
    """Write the native operator, or the expression by plain ones."""
    kind = type(context.layer)
    if kind in NATIVE:
        operator, options = NATIVE[kind]
        given = {name: getattr(context.layer, of) for name, of in options.items()}
        return context.add_operator(operator, *context.inputs, **given)
    return write_expression(context, context.layer.expression)


def write_elu(context: WriteContext) -> int:
    """LiteRT's ELU has alpha 1."""
    if context.layer.alpha == 1:
        return context.add_operator("ELU", *context.inputs)
    return write_expression(context, context.layer.expression)


def write_hard_sigmoid(context: WriteContext) -> int:
    """``relu6(x + 3) / 6``, as LiteRT's own converter writes it."""
    three, sixth = (
        context.add_constant(role, np.asarray(value, np.float32))
        for role, value in (("three", 3.0), ("sixth", 1 / 6))
    )
    fused: dict[str, Any] = {
        "fused_activation_function": schema.ACTIVATIONS.index("RELU6")
    }
    moved = context.add_operator(
        "ADD", context.inputs[0], three, part="limited", **fused
    )
    return context.add_operator("MUL", moved, sixth)


def write_clip(context: WriteContext) -> int:
    """MAXIMUM and MINIMUM, each where there is a limit."""
    layer: Any = context.layer
    made, limits = context.inputs[0], []
    limits += [("MAXIMUM", layer.minimum)] if layer.minimum is not None else []
    limits += [("MINIMUM", layer.maximum)] if layer.maximum is not None else []
    for i, (operator, value) in enumerate(limits):
        number = context.add_constant(operator.lower(), np.asarray(value, np.float32))
        part = "" if i == len(limits) - 1 else "limited"
        made = context.add_operator(operator, made, number, part=part)
    return made


def write_expression(context: WriteContext, expression: Expression) -> int:
    """Write an expression by plain operators.

    Raises
    ------
    ExchangeError
        If LiteRT has no operator for a part of it.
    """
    whole, count = expand(expression, OPERATORS), 0
    if whole is variable("x"):
        return context.inputs[0]

    def leaf(node: Expression) -> int:
        if node.operator == "variable":
            return context.inputs[0]
        return context.add_constant("number", np.asarray(node.value, np.float32))

    def apply(node: Expression, given: list[int]) -> int:
        nonlocal count
        if node.operator not in OPERATORS:
            raise context.make_error(f"there is no operator {node.operator}")
        count += 1
        part = "" if node is whole else f"{node.operator}_{count}"
        kind = OPERATORS[node.operator]
        made = context.add_operator(kind, *given, part=part)
        if node.is_condition:
            context.graph.values[made].dtype = "bool"
        return made

    return fold(whole, leaf, apply)


def _read_native(kind: type[Any]) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        options = NATIVE[kind][1]
        fields = {of: float(op.options[name]) for name, of in options.items()}
        return op.builder.elementwise(op.ref, op.tensor(), kind(**fields))

    return read


def _gelu(op: OperatorView) -> Tensor:
    layer = pl.gelu_tanh() if op.options.get("approximate") else pl.GELU()
    return op.builder.elementwise(op.ref, op.tensor(), layer)


def _layer(make: Callable[[], Layer]) -> Callable[[OperatorView], Tensor]:
    return lambda op: op.builder.elementwise(op.ref, op.tensor(), make())


def limit(op: OperatorView) -> Tensor:
    """MAXIMUM or MINIMUM with one number."""
    constants = [i for i, v in enumerate(op.values) if isinstance(v, np.ndarray)]
    if len(constants) != 1 or op.array(constants[0]).size != 1:
        op.refuse("have one constant number", f"{len(constants)} constants")
    value = float(op.array(constants[0]).ravel()[0])
    x = op.tensor(1 - constants[0])
    is_low = op.operator.kind == "MAXIMUM"
    limits = (value, None) if is_low else (None, value)
    return op.builder.clip(op.ref, x, *limits)


def _plain(make: Callable[..., Any]) -> Callable[[OperatorView], Tensor]:
    return _layer(lambda: pl.Elementwise(make))


#: operator → its function
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ABS": math.abs,
    "EXP": math.exp,
    "ROUND": math.round,
    "RSQRT": lambda x: 1 / math.sqrt(x),
    "SQRT": math.sqrt,
    "SQUARE": lambda x: x * x,
}
#: LiteRT operators that are one function of each element
READERS: dict[str, Callable[[OperatorView], Any]] = {
    **{name: _plain(make) for name, make in _FUNCTIONS.items()},
    **{name: _read_native(kind) for kind, (name, _) in NATIVE.items()},
    "ELU": _layer(pl.ELU),
    "GELU": _gelu,
    "RELU_0_TO_1": _layer(lambda: pl.Clip(0, 1)),
    "RELU_N1_TO_1": _layer(lambda: pl.Clip(-1, 1)),
}
#: fused activation → its layer
FUSED: dict[str, Callable[[], Layer]] = {
    "RELU": pl.ReLU,
    "RELU_N1_TO_1": lambda: pl.Clip(-1, 1),
    "RELU6": pl.ReLU6,
    "TANH": pl.Tanh,
}
