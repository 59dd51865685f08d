"""Weights as a NumPy .npz file, with the network as JSON beside them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data.archive import open_archive, read_entry
from pellucid.data.npy import read_npy
from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network import dumps, loads
from pellucid.runs import ModelFile

NETWORK, CARD = "network.json", "card.json"


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the file: one array a weight, by its name; two JSON texts as bytes."""
    texts = {
        NETWORK: dumps(file.network),
        CARD: json.dumps(ModelMetadata.of(file).to_json()),
    }
    arrays: dict[str, Any] = {
        key: np.frombuffer(text.encode(), np.uint8) for key, text in texts.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, **file.weights})
    return {name: buffer.getvalue()}


def read(path: Path) -> ModelFile:
    """Read what `contents` made; arrays of Python objects (pickles) are refused.

    Raises
    ------
    ExchangeError
        If it is damaged, or an .npz without a network.
    """
    check_size(path)
    with translate_errors(path, ".npz file"), open_archive(path) as archive:
        arrays = {
            entry.removesuffix(".npy"): _array(read_entry(archive, entry), entry)
            for entry in archive.namelist()
        }
        if NETWORK not in arrays:
            raise ExchangeError(
                f"import: '{path}' must hold {NETWORK}; got the arrays "
                f"{', '.join(list(arrays)[:5]) or 'none'}. To put them on a network, "
                "use Model.load_weights."
            )
        network = loads(arrays.pop(NETWORK).tobytes().decode())
        card = ModelMetadata.from_json(json.loads(arrays.pop(CARD).tobytes()))
        return card.file(network, arrays)


def _array(content: bytes, name: str) -> Any:
    return read_npy(io.BytesIO(content), len(content), name)
