"""Functions of elements and tensors as expressions: traced, differentiated, run."""

from pellucid.network.expression import math
from pellucid.network.expression.codec import from_json, to_json
from pellucid.network.expression.derivative import conditions, differentiate
from pellucid.network.expression.evaluate import bind, fold
from pellucid.network.expression.nodes import Expression, constant, variable
from pellucid.network.expression.tensor_program import (
    TensorProgram,
    run,
    tensor_program,
)
from pellucid.network.expression.text import Style, write
from pellucid.network.expression.trace import trace

__all__ = [
    "Expression",
    "Style",
    "TensorProgram",
    "bind",
    "conditions",
    "constant",
    "differentiate",
    "fold",
    "from_json",
    "math",
    "run",
    "tensor_program",
    "to_json",
    "trace",
    "variable",
    "write",
]
