"""Stand-alone JAX script, put together."""

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
from pellucid.code.script_spec import ScriptSpec


def script(spec: ScriptSpec, name: str) -> str:
    """Return the script as text.

    Raises
    ------
    UnsupportedLayerError
        If a layer has no plain form here.
    """
    head = scaffold.heading(spec, name)
    forward = forward_text(spec)
    constants = scaffold.constants(spec).rstrip()
    first = (
        f"{_imports(spec)}\n{constants}\n{optimizer_text(spec)}\n\n"
        "Arrays = dict[str, np.ndarray]"
    )
    parts = [
        *arrays_of.functions(spec),
        *(source for name, source in PARTS.items() if f"{name}(" in forward),
        forward,
        loss_text(spec),
        step_text(spec),
        accuracy_text(spec),
        train_text(spec),
    ]
    return scaffold.whole(head, spec, first, parts, main_text(spec))


def _imports(spec: ScriptSpec) -> str:
    lines = [*scaffold.standard_imports(spec), "import jax"]
    forward = forward_text(spec)
    used = [source for name, source in PARTS.items() if f"{name}(" in forward]
    whole = "".join([forward, loss_text(spec), *used])
    lines += ["import jax.numpy as jnp"] if "jnp." in whole else []
    lines += ["import numpy as np", "import optax"]
    lines += ["from jax import lax"] if "lax." in whole else []
    lines += data.packages(spec)
    if spec.recipe.dtype == "float64":
        lines += ["", 'jax.config.update("jax_enable_x64", True)']
    return "\n".join([*lines, ""])
