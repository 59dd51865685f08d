"""This file is where each public name of pellucid comes from."""

from __future__ import annotations

import importlib
from typing import Any

_PACKAGES = ("data", "engines", "exchange")

_HOMES = {
    "pellucid.data": "Augment Dataset",
    "pellucid.errors": (
        "DataError DivergenceError EngineError EngineUnavailableError "
        "ExchangeError MissingExtraError NetworkError PellucidError RunError "
        "ShapeError UnsupportedLayerError UnsupportedObjectiveError"
    ),
    "pellucid.model": "Model load",
    "pellucid.network": "Network Node Preprocessing Sequential load_network zoo",
    "pellucid.network.initializers": "Constant Normal Uniform",
    "pellucid.network.layers": (
        "GELU Add AvgPool2D BatchNorm Concat Conv2D ConvTranspose2D Dense "
        "Dropout Flatten GlobalAvgPool2D Input Layer LayerNorm LeakyReLU "
        "LocalResponseNorm MaxPool2D ReLU Sigmoid SiLU Softmax Tanh Upsample2D "
        "ZeroPad2D"
    ),
    "pellucid.objectives": (
        "SGD Adam AdamW BinaryCrossEntropy ConstantRate Cosine CrossEntropy "
        "HalfSquaredErrorSum MeanSquaredError OneCycle OnPlateau RMSprop "
        "StepDecay WarmUp"
    ),
    "pellucid.training": "Callback EarlyStopping History",
}

_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def find(name: str) -> Any:
    """Return what a public name of `pellucid` stands for.

    Raises
    ------
    AttributeError
        If there is no such name.
    """
    if name in _PACKAGES:
        return importlib.import_module(f"pellucid.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
