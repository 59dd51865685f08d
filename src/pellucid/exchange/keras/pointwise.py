"""Pointwise layers in Keras: its own, and expressions as operations of `keras.ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pellucid.engines.framework_layers.keras import CALLS
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.partial_function import Partial, extend
from pellucid.exchange.keras.entry import Entry, Source
from pellucid.network import layers as pl
from pellucid.network.expression import Expression, fold
from pellucid.network.expression.expand import expand
from pellucid.network.layers.pointwise import NAMED

if TYPE_CHECKING:
    from pellucid.exchange.keras.write_context import WriteContext

_NUMPY, _NN = "keras.src.ops.numpy", "keras.src.ops.nn"
#: operator of an expression → Keras' class of the operation, and its module
OPERATIONS = {
    "abs": ("Abs", _NUMPY),
    "add": ("Add", _NUMPY),
    "clip": ("Clip", _NUMPY),
    "divide": ("Divide", _NUMPY),
    "erf": ("Erf", "keras.src.ops.math"),
    "exp": ("Exp", _NUMPY),
    "expm1": ("Expm1", _NUMPY),
    "greater": ("Greater", _NUMPY),
    "greater_equal": ("GreaterEqual", _NUMPY),
    "log": ("Log", _NUMPY),
    "log1p": ("Log1p", _NUMPY),
    "maximum": ("Maximum", _NUMPY),
    "minimum": ("Minimum", _NUMPY),
    "multiply": ("Multiply", _NUMPY),
    "negative": ("Negative", _NUMPY),
    "power": ("Power", _NUMPY),
    "relu": ("Relu", _NN),
    "round": ("Round", _NUMPY),
    "sigmoid": ("Sigmoid", _NN),
    "softplus": ("Softplus", _NN),
    "sqrt": ("Sqrt", _NUMPY),
    "subtract": ("Subtract", _NUMPY),
    "tanh": ("Tanh", _NUMPY),
    "where": ("Where", _NUMPY),
}


def write_pointwise(context: WriteContext) -> None:
    """Write the expression of a function that Keras has no layer for."""
    _write_expression(context, context.layer.expression)


def write_clip(context: WriteContext) -> None:
    """A ReLU with its largest value where the limits begin at 0, else operations."""
    layer: Any = context.layer
    if layer.minimum == 0 and layer.maximum is not None:
        context.add_layer("ReLU", max_value=layer.maximum)
    else:
        _write_expression(context, layer.expression)


def _write_expression(context: WriteContext, expression: Expression) -> None:
    whole, (x,) = expand(expression, OPERATIONS), context.inputs
    count = 0

    def leaf(node: Expression) -> Source | float:
        return x if node.operator == "variable" else float(node.value)

    def apply(node: Expression, given: list[Source | float]) -> Source | float:
        nonlocal count
        kind, module = OPERATIONS[node.operator]
        count, config = count + 1, dict[str, Any]()
        if node.operator == "clip":
            (config["x_min"], config["x_max"]), given = given[1:], given[:1]
        name = context.node.name
        if node is not whole:
            name = f"{name}_{node.operator}_{count}"
        entry = Entry(
            kind=kind,
            name=name,
            config=config,
            calls=[tuple(given)],
            shapes=[context.shape],
            module=module,
            dtype="bool" if node.is_condition else "float32",
        )
        context.entries.append(entry)
        return Source(name)

    made = fold(whole, leaf, apply)
    if isinstance(made, Source) and made != x:
        context.inputs = (made,)
    else:
        context.add_layer("Identity")


def read_operation(
    ref: OperatorRef, config: dict[str, Any], arguments: Sequence[Any]
) -> Partial:
    """Read an operation of `keras.ops` as a part of an expression.

    Raises
    ------
    ExchangeError
        If it is none of one tensor and numbers.
    """
    given = [float(a) if isinstance(a, int | float) else a for a in arguments]
    if ref.operator == "ZerosLike":
        return extend(ref, "multiply", [*given, 0.0])
    if ref.operator == "Clip":
        given += [config.get("x_min"), config.get("x_max")]
        if not all(isinstance(limit, int | float) for limit in given[1:]):
            ref.refuse("have two limits", repr(given[1:]))
        return extend(ref, "clip", given)
    operators = {kind: name for name, (kind, _) in OPERATIONS.items()}
    operators |= {"Absolute": "abs", "TrueDivide": "divide"}
    if ref.operator not in operators:
        ref.refuse(f"be an operation among {', '.join(operators)}", ref.operator)
    return extend(ref, operators[ref.operator], given)


#: activations of Keras by name → layer, beside those in the table of layers
NAMES: dict[str, Any] = {
    **{
        call.arguments["activation"]: kind
        for kind, call in ((kind, CALLS[kind](kind(), ())) for kind in NAMED)
        if call.name == "Activation"
    },
    "elu": pl.ELU,
    "hard_swish": pl.HardSwish,
    "leaky_relu": lambda: pl.LeakyReLU(0.2),  # the function's slope; the layer's is 0.3
    "relu": pl.ReLU,
    "relu6": pl.ReLU6,
    "log_softmax": pl.LogSoftmax,
    "softmax": pl.Softmax,
    "swish": pl.SiLU,
}
