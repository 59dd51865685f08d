"""Stand-alone PyTorch script, put together."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.torch.network import helper_classes, model_text
from pellucid.code.torch.training import (
    accuracy_text,
    loss_text,
    main_text,
    train_text,
)


def script(spec: ScriptSpec, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If PyTorch has no plain module for a layer.
    """
    head = scaffold.heading(spec, name)
    first = _imports(spec) + "\n" + scaffold.constants(spec).rstrip()
    if spec.is_several:
        first += "\n\nArrays = dict[str, np.ndarray]\nTensors = dict[str, torch.Tensor]"
    parts = [
        *helper_classes(spec),
        model_text(spec),
        loss_text(spec),
        train_text(spec),
        accuracy_text(spec),
    ]
    return scaffold.whole(head, spec, first, parts, main_text(spec))


def _imports(spec: ScriptSpec) -> str:
    lines = [*scaffold.standard_imports(spec), "import numpy as np"]
    lines += ["import torch", *data.packages(spec)]
    if spec.weights_file:
        lines.append("from safetensors.torch import load_file")
    lines.append("from torch import nn")
    lines.append("from torch.utils.data import DataLoader, TensorDataset")
    return "\n".join([*lines, ""])
