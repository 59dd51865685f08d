"""This file is a stand-alone PyTorch script, put together."""

from __future__ import annotations

from pellucid.code import data, frame
from pellucid.code.subject import Subject
from pellucid.code.torch.network import helper_classes, model_text
from pellucid.code.torch.training import accuracy_text, main_text, train_text


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If PyTorch has no plain module for a layer.
    """
    head = frame.heading(subject, name)
    return (
        head
        + "\n"
        + frame.join(
            _imports(subject) + "\n" + frame.constants(subject).rstrip(),
            data.reader(subject),
            data.augmentation(subject),
            frame.rate_factor(subject),
            *helper_classes(subject),
            model_text(subject),
            train_text(subject),
            accuracy_text(subject),
            frame.arguments(subject),
            main_text(subject),
            'if __name__ == "__main__":\n    main()\n',
        )
    )


def _imports(subject: Subject) -> str:
    standard = ["import argparse", *data.imports(subject)]
    if frame.needs_math(subject):
        standard.append("import math")
    lines = [*standard, "from pathlib import Path", "", "import numpy as np"]
    lines += ["import torch", *data.packages(subject)]
    if subject.weights_file:
        lines.append("from safetensors.torch import load_file")
    lines.append("from torch import nn")
    lines.append("from torch.utils.data import DataLoader, TensorDataset")
    return "\n".join([*lines, ""])
