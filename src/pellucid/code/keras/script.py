"""Stand-alone Keras script, put together."""

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
from pellucid.code.script_spec import ScriptSpec


def script(spec: ScriptSpec, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If Keras has no plain layer for one of the network's.
    RunError
        If its optimizer computes another update.
    """
    check(spec)
    head = scaffold.heading(spec, name)
    first = _imports(spec) + "\n" + constants_text(spec)
    if spec.is_several:
        first += "\n\nArrays = dict[str, np.ndarray]"
    parts = [
        rate_callback_text(spec),
        pictures_text(spec),
        own_loss_text(spec),
        accuracy_text(spec),
        model_text(spec),
        load_weights_text(spec),
    ]
    return scaffold.whole(head, spec, first, parts, main_text(spec))


def _imports(spec: ScriptSpec) -> str:
    standard = scaffold.standard_imports(spec, uses_math=needs_math(spec))
    lines = [*standard, "import keras"]
    lines += ["import numpy as np", "from keras import layers"]
    return "\n".join([*lines, *data.packages(spec), ""])
