"""Weights under the names of a NumPy script."""

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
    return {
        k: np.ascontiguousarray(a) for k, a in arrays_of.canonical(spec, arrays).items()
    }
