"""Write a network as model.json and weights.bin for TensorFlow.js.

The layers are those that Keras gets, in Keras 2's JSON, which TensorFlow.js reads.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from pellucid import __version__
from pellucid.exchange.errors import export_error
from pellucid.exchange.keras.entry import Entry, Source, sources_of
from pellucid.exchange.keras.layers import build_entries
from pellucid.exchange.metadata import ModelMetadata
from pellucid.runs import ModelFile

CARD = "pellucid_card"
TOPOLOGY, WEIGHTS = "model.json", "weights.bin"
#: activations that TensorFlow.js lacks, or computes as Keras 2 did
_NO_ACTIVATIONS = ("hard_sigmoid", "hard_silu")
_KERAS_VERSION = "2.15.0"
#: TensorFlow.js's names for a layer's arrays, in Keras's order
_ROLES = {
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "DepthwiseConv2D": ("depthwise_kernel", "bias"),
    "GRU": ("kernel", "recurrent_kernel", "bias"),
    "LSTM": ("kernel", "recurrent_kernel", "bias"),
    "LayerNormalization": ("gamma", "beta"),
    "PReLU": ("alpha",),
    "SimpleRNN": ("kernel", "recurrent_kernel", "bias"),
}


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the folder's files. Images are NHWC, any batch size.

    Raises
    ------
    ExchangeError
        If TensorFlow.js has no exact form of a layer.
    """
    entries, values = build_entries(file)
    for entry in entries:
        _check(entry)
    specs = [
        {"name": f"{entry.name}/{role}", "shape": list(array.shape), "dtype": "float32"}
        for entry in entries
        for role, array in zip(_roles(entry), entry.arrays, strict=False)
    ]
    document = {
        "format": "layers-model",
        "generatedBy": f"pellucid {__version__}",
        "convertedBy": None,
        "modelTopology": {
            "keras_version": _KERAS_VERSION,
            "backend": "tensorflow",
            "model_config": _model(file, entries, values),
        },
        "weightsManifest": [{"paths": [WEIGHTS], "weights": specs}],
        "userDefinedMetadata": {CARD: json.dumps(ModelMetadata.of(file).to_json())},
    }
    arrays = [array for entry in entries for array in entry.arrays]
    weights = b"".join(np.asarray(array, "<f4").tobytes() for array in arrays)
    return {TOPOLOGY: json.dumps(document).encode(), WEIGHTS: weights}


def _roles(entry: Entry) -> tuple[str, ...]:
    return _ROLES.get(entry.kind, ("kernel", "bias"))


def _model(
    file: ModelFile, entries: list[Entry], values: dict[str, Source]
) -> dict[str, Any]:
    return {
        "class_name": "Functional",
        "config": {
            "name": re.sub(r"\W", "_", file.network.name),
            "layers": [_layer(entry) for entry in entries],
            "input_layers": [list(Source(name)) for name in file.network.inputs],
            "output_layers": [list(values[name]) for name in file.network.outputs],
        },
    }


def _layer(entry: Entry) -> dict[str, Any]:
    kind, config = entry.kind, dict(entry.config)
    if kind == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
    if kind == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    if kind == "Activation":
        # Keras 2's name of SiLU
        config["activation"] = {"silu": "swish"}.get(
            config["activation"], config["activation"]
        )
    return {
        "class_name": kind,
        "config": {"name": entry.name, **config},
        "name": entry.name,
        "inbound_nodes": [
            [[*source, {}] for source in sources_of(call)] for call in entry.calls
        ],
    }


def _check(entry: Entry) -> None:
    """Refuse what TensorFlow.js does not have, or does in another way."""
    config = entry.config
    reason = None
    if config.get("groups", 1) != 1:
        reason = "groups must be 1, or the number of channels"
    if entry.kind == "ELU" and config["alpha"] != 1:
        reason = f"alpha must be 1; got {config['alpha']}"
    if entry.is_operation:
        reason = f"there is no layer for {entry.kind}"
    names = _NO_ACTIVATIONS if entry.kind == "Activation" else ()
    if config.get("activation") in names:
        reason = f"there is no activation '{config['activation']}'"
    if entry.kind == "Conv2DTranspose" and tuple(config["dilation_rate"]) != (1, 1):
        reason = "dilation must be 1"
    if config.get("interpolation") == "bilinear":
        reason = "bilinear pixels lie elsewhere there; mode must be 'nearest'"
    if entry.kind in ("GroupNormalization", "UnitNormalization"):
        reason = "there is no such layer"
    if entry.kind == "GRU" and config["reset_after"]:
        reason = "reset_after must be False"
    if reason is not None:
        raise export_error("TensorFlow.js", f"{entry.kind} '{entry.name}'", reason)
