"""PyTorch `state_dict`: written by name, read onto a known network."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from pellucid.engines.torch.layers import attribute
from pellucid.engines.torch.layout import Layout, attribute_of
from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.torch_module import build_module
from pellucid.network import Network, Preprocessing
from pellucid.runs import ModelFile


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the module's `state_dict`, for ``torch.load(…, weights_only=True)``."""
    import torch

    buffer = io.BytesIO()
    torch.save(build_module(file).state_dict(), buffer)
    return {name: buffer.getvalue()}


def read(path: Path, *, network: Network | None = None) -> ModelFile:
    """Put a `state_dict` on a network; names must be those that `contents` gives.

    Raises
    ------
    ExchangeError
        If no network is given, the file is none of weights alone, or another's.
    """
    check_size(path)
    if network is None:
        raise ExchangeError(
            f"import: '{path}' must be read with network=…, as a state_dict has no "
            "layers; got none."
        )

    import torch

    with translate_errors(path, "state_dict"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of, it refuses next
            state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ExchangeError(
                f"import: '{path}' must hold a state_dict; got {type(state).__name__}."
            )
        how = network.preprocessing or Preprocessing.unknown()
        metadata = ModelMetadata(preprocessing=how)
        return metadata.file(network, _arrays(network, state))


def _arrays(network: Network, state: dict[str, Any]) -> dict[str, Any]:
    layout, arrays = Layout(network), {}
    for weight in network.weights:
        key = f"{attribute(weight.node)}.{attribute_of(weight.spec.role)}"
        if key not in state:
            known = ", ".join(list(state)[:6])
            raise ExchangeError(
                f"import: a state_dict must have {key!r}; got {known}, …"
            )
        arrays[weight.name] = layout.weight_out(weight.name, state[key].numpy())
    return arrays
