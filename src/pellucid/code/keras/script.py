"""This file is a stand-alone Keras script, put together."""

from __future__ import annotations

from pellucid.code import data, frame
from pellucid.code.keras.network import model_text
from pellucid.code.keras.training import (
    constants_text,
    load_weights_text,
    main_text,
    own_loss_text,
    pictures_text,
    rate_callback_text,
)
from pellucid.code.subject import Subject


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If Keras has no plain layer for one of the network's.
    """
    head = frame.heading(subject, name)
    return (
        head
        + "\n"
        + frame.join(
            _imports(subject) + "\n" + constants_text(subject),
            data.reader(subject),
            data.augmentation(subject),
            frame.rate_factor(subject),
            rate_callback_text(subject),
            pictures_text(subject),
            own_loss_text(subject),
            model_text(subject),
            load_weights_text(subject),
            frame.arguments(subject),
            main_text(subject),
            'if __name__ == "__main__":\n    main()\n',
        )
    )


def _imports(subject: Subject) -> str:
    standard = ["import argparse", *data.imports(subject)]
    if frame.needs_math(subject):
        standard.append("import math")
    lines = [*standard, "from pathlib import Path", "", "import keras"]
    lines += ["import numpy as np", "from keras import layers"]
    return "\n".join([*lines, *data.packages(subject), ""])
