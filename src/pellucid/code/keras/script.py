"""This file is a stand-alone Keras script, put together."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code.keras.network import model_text
from pellucid.code.keras.training import (
    accuracy_text,
    check,
    constants_text,
    load_weights_text,
    main_text,
    needs_math,
    own_loss_text,
    pictures_text,
    rate_callback_text,
)
from pellucid.code.script_spec import Subject


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If Keras has no plain layer for one of the network's.
    RunError
        If its optimizer computes another update.
    """
    check(subject)
    head = scaffold.heading(subject, name)
    first = _imports(subject) + "\n" + constants_text(subject)
    parts = [
        rate_callback_text(subject),
        pictures_text(subject),
        own_loss_text(subject),
        accuracy_text(subject),
        model_text(subject),
        load_weights_text(subject),
    ]
    return scaffold.whole(head, subject, first, parts, main_text(subject))


def _imports(subject: Subject) -> str:
    standard = scaffold.standard_imports(subject, uses_math=needs_math(subject))
    lines = [*standard, "import keras"]
    lines += ["import numpy as np", "from keras import layers"]
    return "\n".join([*lines, *data.packages(subject), ""])
