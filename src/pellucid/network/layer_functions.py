"""Functions found by the name of the layer that they compute."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from typing import Any

from pellucid.network.layers import LAYERS, Layer, kinds_of

LayerFunctions = dict[type[Layer], Callable[..., Any]]


def layer_functions(package: str, *parameters: str) -> LayerFunctions:
    """Return each layer's function in a package: {layer or family: function}.

    It has those parameters, and the name of the nodes that the layer makes
    (``conv2d``), with ``_`` behind it where Python has the name, or that of a family
    (``pointwise``). So whoever adds a layer writes the function, and enters it nowhere.

    Parameters
    ----------
    package : str
        Name of the package; it may be the one that is being imported.
    *parameters : str
        Names of the functions' parameters, in order.

    Raises
    ------
    TypeError
        If two modules have a function of that name.
    """
    path = importlib.import_module(package).__path__
    functions: dict[str, Callable[..., Any]] = {}
    for info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{info.name}")
        for name, value in inspect.getmembers(module, inspect.isfunction):
            is_own = value.__module__ == module.__name__
            if is_own and tuple(inspect.signature(value).parameters) == parameters:
                if (key := name.rstrip("_")) in functions:
                    raise TypeError(f"{package}: {name} must be one function; got two.")
                functions[key] = value
    kinds = {kind for layer in LAYERS.values() for kind in kinds_of(layer)}
    names = {kind: vars(kind).get("stem") or _snake_case(kind) for kind in kinds}
    return {kind: functions[n] for kind, n in names.items() if n in functions}


def _snake_case(kind: type[Layer]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
