"""This file is a stand-alone NumPy script, put together."""

from __future__ import annotations

import re

from pellucid.code import data, scaffold
from pellucid.code import weights as arrays_of
from pellucid.code.numpy.backward import backward_text
from pellucid.code.numpy.forward import CALLERS, forward_text
from pellucid.code.numpy.loss import loss_text
from pellucid.code.numpy.parts import CELLS, CROP, PAD, PARTS
from pellucid.code.numpy.training import (
    accuracy_text,
    main_text,
    train_text,
    update_text,
)
from pellucid.code.script_spec import Subject
from pellucid.network import layers as nl


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no plain form here.
    """
    words = "From scratch: the derivatives are written out for exactly this network."
    head = scaffold.heading(subject, name, words)
    forward, backward = forward_text(subject), backward_text(subject)
    first = _imports(subject) + "\n" + scaffold.constants(subject).rstrip()
    parts = [
        *arrays_of.functions(subject),
        *_parts(forward + backward + loss_text(subject)),
        forward,
        loss_text(subject),
        backward,
        update_text(subject),
        accuracy_text(subject),
        train_text(subject),
    ]
    first += "\n\nArrays = dict[str, np.ndarray]"
    return scaffold.whole(head, subject, first, parts, main_text(subject))


def _imports(subject: Subject) -> str:
    uses_math = subject.has(nl.GELU)
    lines = [
        *scaffold.standard_imports(subject, uses_math=uses_math),
        "import numpy as np",
    ]
    return "\n".join([*lines, *data.packages(subject), ""])


def _parts(text: str) -> list[str]:
    """Return the helpers that a text calls, those that they call first."""
    text = re.sub('"""[^"]*"""', "", text)
    chosen = {
        name: source
        for name, source in PARTS.items()
        if re.search(rf"\b{name}(_back)?\(", text)
        or any(f"{caller}(" in text for caller in CALLERS.get(name, ()))
    }
    whole = text + "".join(chosen.values())
    first = [
        source
        for name, source in (("pad", PAD), ("crop", CROP), ("cells", CELLS))
        if f"{name}(" in whole.replace(f"def {name}(", "")
    ]
    return [*first, *chosen.values()]
