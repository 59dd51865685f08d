"""This file is a stand-alone PyTorch script, put together."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code.script_spec import Subject
from pellucid.code.torch.network import helper_classes, model_text
from pellucid.code.torch.training import accuracy_text, main_text, train_text


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If PyTorch has no plain module for a layer.
    """
    head = scaffold.heading(subject, name)
    first = _imports(subject) + "\n" + scaffold.constants(subject).rstrip()
    parts = [
        *helper_classes(subject),
        model_text(subject),
        train_text(subject),
        accuracy_text(subject),
    ]
    return scaffold.whole(head, subject, first, parts, main_text(subject))


def _imports(subject: Subject) -> str:
    lines = [*scaffold.standard_imports(subject), "import numpy as np"]
    lines += ["import torch", *data.packages(subject)]
    if subject.weights_file:
        lines.append("from safetensors.torch import load_file")
    lines.append("from torch import nn")
    lines.append("from torch.utils.data import DataLoader, TensorDataset")
    return "\n".join([*lines, ""])
