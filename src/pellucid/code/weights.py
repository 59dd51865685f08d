"""Draw and read weights in scripts for arrays (NumPy, JAX)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import WIDTH, number
from pellucid.network import Weight
from pellucid.network.initializers import Constant, Normal, Uniform

Array = npt.NDArray[Any]

_SQUARED = {"he": "2 / {0}", "glorot": "2 / ({0} + {1})", "lecun": "1 / {0}"}


def draws(spec: ScriptSpec, *, buffers: bool) -> list[tuple[str, str]]:
    """Return name and expression of each array's first values.

    ``buffers`` chooses running statistics, else parameters.
    """
    return [
        (weight.name, _expression(spec, weight))
        for weight in spec.network.weights
        if weight.spec.is_parameter is not buffers
    ]


def _expression(spec: ScriptSpec, weight: Weight) -> str:
    network, described = spec.network, weight.spec
    kind = described.initializer or network._default_initializer(weight.node)
    shape = ", ".join(map(str, described.shape))
    shape = f"({shape})" if len(described.shape) > 1 else f"{shape}"
    if isinstance(kind, Uniform):
        return f"rng.uniform({number(kind.low)}, {number(kind.high)}, {shape})"
    if isinstance(kind, Normal):
        return f"rng.normal(0, {number(kind.std)}, {shape})"
    if isinstance(kind, Constant):
        return f"np.full({shape}, {number(kind.value)})"
    if kind in ("zeros", "ones"):
        return f"np.{kind}({shape})"
    if kind == "dirac":
        raise spec.refuse(network.node(weight.node), "scripts have no dirac")
    fans = [number(fan) for fan in described.fans]
    if kind == "fan_in_uniform":
        return f"rng.uniform(-1, 1, {shape}) / np.sqrt({fans[0]})"
    rule, _, form = kind.partition("_")
    variance = _SQUARED[rule].format(*fans)
    if form == "normal":
        return f"rng.normal(0, np.sqrt({variance}), {shape})"
    top, _, bottom = variance.partition(" / ")
    limit = f"np.sqrt({3 * int(top)} / {bottom})"
    return f"rng.uniform(-1, 1, {shape}) * {limit}"


def function(spec: ScriptSpec, name: str, words: str, *, buffers: bool) -> str:
    """Return the function that draws (or reads) the arrays of one sort."""
    rows = "".join(
        _entry(key, expression) for key, expression in draws(spec, buffers=buffers)
    )
    dtype = spec.recipe.dtype
    return (
        f"def {name}(rng: np.random.Generator) -> Arrays:\n"
        f'    """Return {words}."""\n'
        f"    drawn = {{\n{rows}    }}\n"
        f"    return {{name: array.astype(np.{dtype}) "
        "for name, array in drawn.items()}\n"
    )


def functions(spec: ScriptSpec) -> list[str]:
    """Return the functions that draw weights and statistics and read a file's."""
    weights = function(spec, "initial_weights", "the first weights", buffers=False)
    statistics = function(
        spec, "initial_statistics", "the first running statistics", buffers=True
    )
    return [weights, statistics if has_buffers(spec) else "", reader(spec)]


def _entry(key: str, expression: str) -> str:
    line = f'        "{key}": {expression},\n'
    first, times, second = expression.partition(" * ")
    if len(line) <= WIDTH + 1 or not times:
        return line
    pad = " " * 8
    return f'{pad}"{key}": {first}\n{pad}* {second},\n'


def reader(spec: ScriptSpec) -> str:
    """Return the function ``load_weights``, or nothing where weights are drawn."""
    if not spec.weights_file:
        return ""
    return '''def load_weights(arrays: Arrays) -> Arrays:
    """Return the arrays of those names as they stand in the file of weights."""
    with np.load(WEIGHTS) as file:
        return {name: file[name] for name in arrays}
'''


def canonical(spec: ScriptSpec, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights as the network has them."""
    return {w.name: np.asarray(arrays[w.name]) for w in spec.network.weights}


def has_buffers(spec: ScriptSpec) -> bool:
    """True where the network keeps running statistics."""
    return any(not weight.spec.is_parameter for weight in spec.network.weights)
