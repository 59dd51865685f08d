"""Weights under the names of a JAX script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.code import weights as arrays_of
from pellucid.code.script_spec import ScriptSpec

Array = npt.NDArray[Any]


def weights(spec: ScriptSpec, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights as the network has them."""
    found = arrays_of.canonical(spec, arrays)
    return {name: np.ascontiguousarray(array) for name, array in found.items()}
