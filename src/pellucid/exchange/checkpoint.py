"""Find the weights in what `torch.load` gives, however deep they lie."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError

_DEPTH = 4
#: how PyTorch names an object that it does not make of a file
_OBJECT = re.compile(r"GLOBAL ([\w.]+)")
#: what checkpoints hold beside weights, and whose tensors are none
_BESIDE = ("optim", "sched", "scaler", "amp", "loss", "rng")


def load_checkpoint(path: Path) -> Any:
    """Return what a file holds, of tensors and plain values; nothing in it is run.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ExchangeError
        If it holds other objects, whose making would run code.
    Exception
        Whatever PyTorch raises on a damaged file.
    """
    import numpy as np
    import torch

    scalar: Any = np.float64(0).__reduce__()[0]  # NumPy's, moved between its versions
    kinds = {type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")}
    plain: list[Any] = [scalar, np.dtype, *kinds, argparse.Namespace]
    known = [*plain, (scalar, "numpy.core.multiarray.scalar")]
    with warnings.catch_warnings(), torch.serialization.safe_globals(known):
        warnings.simplefilter("ignore")  # what it warns of, it refuses next
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            found = _OBJECT.search(str(error))
            if found is None:
                raise
            raise ExchangeError(
                f"import: '{path}' must hold tensors and plain values, as no code "
                f"of a file is run; got an object of {found[1]}. Where its class is "
                "known, save model.state_dict() alone, or read the module itself."
            ) from error


def find_states(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each mapping of names to tensors, and where it lies.

    Parameters
    ----------
    value : object
        What a checkpoint holds.
    path : str
        Where it lies: keys, with dots.
    """
    if not isinstance(value, Mapping) or path.count(".") >= _DEPTH:
        return
    tensors = {key: array for key, array in value.items() if _is_tensor(array)}
    if any("." in str(key) for key in tensors):
        yield path, {str(key): array for key, array in tensors.items()}
        return
    for key, inner in value.items():
        if not any(word in str(key).lower() for word in _BESIDE):
            yield from find_states(inner, f"{path}.{key}".lstrip("."))
    if tensors and not path:
        yield path, {str(key): array for key, array in tensors.items()}


def read_states(path: Path) -> dict[str, dict[str, Any]]:
    """Return the sets of weights in a file, by where they lie in it.

    Raises
    ------
    ExchangeError
        If there are none.
    """
    content = load_checkpoint(path)
    found = dict(find_states(content))
    if not found:
        kind = type(content).__name__
        keys = list(content)[:6] if isinstance(content, Mapping) else []
        held = f"a {kind} of {', '.join(map(str, keys))}" if keys else f"a {kind}"
        raise ExchangeError(f"import: '{path}' must hold a state_dict; got {held}.")
    return found


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)
