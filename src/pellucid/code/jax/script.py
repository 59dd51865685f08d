"""This file is a stand-alone JAX script, put together."""

from __future__ import annotations

from pellucid.code import data, scaffold
from pellucid.code import weights as arrays_of
from pellucid.code.jax.network import forward_text
from pellucid.code.jax.parts import PARTS
from pellucid.code.jax.training import (
    accuracy_text,
    loss_text,
    main_text,
    optimizer_text,
    step_text,
    train_text,
)
from pellucid.code.script_spec import Subject


def script(subject: Subject, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no plain form here.
    """
    head = scaffold.heading(subject, name)
    forward = forward_text(subject)
    constants = scaffold.constants(subject).rstrip()
    first = (
        f"{_imports(subject)}\n{constants}\n{optimizer_text(subject)}\n\n"
        "Arrays = dict[str, np.ndarray]"
    )
    parts = [
        *arrays_of.functions(subject),
        *(source for name, source in PARTS.items() if f"{name}(" in forward),
        forward,
        loss_text(subject),
        step_text(subject),
        accuracy_text(subject),
        train_text(subject),
    ]
    return scaffold.whole(head, subject, first, parts, main_text(subject))


def _imports(subject: Subject) -> str:
    lines = [*scaffold.standard_imports(subject), "import jax"]
    forward = forward_text(subject)
    used = [source for name, source in PARTS.items() if f"{name}(" in forward]
    whole = "".join([forward, loss_text(subject), *used])
    lines += ["import jax.numpy as jnp"] if "jnp." in whole else []
    lines += ["import numpy as np", "import optax"]
    lines += ["from jax import lax"] if "lax." in whole else []
    lines += data.packages(subject)
    if subject.recipe.dtype == "float64":
        lines += ["", 'jax.config.update("jax_enable_x64", True)']
    return "\n".join([*lines, ""])
