"""Stand-alone NumPy script, put together."""

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
from pellucid.code.pointwise import NUMPY, Functions
from pellucid.code.script_spec import ScriptSpec

#: functions that a script may have
_TAKEN = frozenset((*PARTS, "accuracy", "backward", "forward", "main", "train"))


def script(spec: ScriptSpec, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no plain form here.
    """
    words = "From scratch: the derivatives are written out for exactly this network."
    head = scaffold.heading(spec, name, words)
    functions = Functions(NUMPY, taken=_TAKEN)
    forward, backward = forward_text(spec, functions), backward_text(spec, functions)
    own = functions.sources()
    helpers = [*_parts("".join([forward, backward, loss_text(spec), *own])), *own]
    uses_math = any("math." in helper for helper in helpers)
    first = _imports(spec, uses_math) + "\n" + scaffold.constants(spec).rstrip()
    parts = [
        *arrays_of.functions(spec),
        *helpers,
        forward,
        loss_text(spec),
        backward,
        update_text(spec),
        accuracy_text(spec),
        train_text(spec),
    ]
    first += "\n\nArrays = dict[str, np.ndarray]"
    return scaffold.whole(head, spec, first, parts, main_text(spec))


def _imports(spec: ScriptSpec, uses_math: bool) -> str:
    lines = [
        *scaffold.standard_imports(spec, uses_math=uses_math),
        "import numpy as np",
    ]
    return "\n".join([*lines, *data.packages(spec), ""])


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
