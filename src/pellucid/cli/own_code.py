"""Layers and losses of the user's own, in a Python file that he names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.layers import Layer
from pellucid.network.registered_layers import register_layers
from pellucid.network.source import run_python
from pellucid.objectives import Loss, is_built_in
from pellucid.objectives.formula_loss import TracedLoss
from pellucid.objectives.table import LOSSES


@dataclass(frozen=True, slots=True)
class OwnCode:
    """The variables that the user's file left.

    Parameters
    ----------
    names : mapping
        By name; empty without a file.
    """

    names: Mapping[str, Any] = field(default_factory=dict)

    def describe_loss(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return a recipe's loss with descriptions in place of the user's names.

        Parameters
        ----------
        table : mapping
            As a recipe has it: of one loss, or by output.

        Returns
        -------
        dict
            A function of (output, target) is traced.

        Raises
        ------
        NetworkError
            If a name is neither a loss of pellucid nor one of the file.
        """
        found = {
            key: self.describe_loss(value) if isinstance(value, dict) else value
            for key, value in table.items()
        }
        name = found.get("name")
        if not isinstance(name, str) or name in LOSSES or name not in self.names:
            return found
        loss = self.names[name]
        if callable(loss) and not isinstance(loss, Loss | type):
            loss = TracedLoss(loss, title=name)
        if not isinstance(loss, Loss) or not is_built_in(loss):
            raise NetworkError(
                f"layers: loss '{name}' must be a function of (output, target), a "
                f"TracedLoss or a NumpyLoss; got {type(loss).__name__}."
            )
        weight = {"weight": found["weight"]} if "weight" in found else {}
        return {**loss.to_json(), **weight}


def load_own_code(path: Path | None) -> OwnCode:
    """Run the user's file, and make its layers known to all that is read.

    Parameters
    ----------
    path : Path, optional
        A Python file. It is run, as by ``python FILE``.

    Returns
    -------
    OwnCode
        What it left.

    Raises
    ------
    NetworkError
        If it cannot be run, or a layer has the name of one of pellucid's.
    """
    if path is None:
        return OwnCode()
    names = run_python(path, "layers")
    own = [
        kind
        for kind in names.values()
        if isinstance(kind, type)
        and issubclass(kind, Layer)
        and kind.forward is not Layer.forward
    ]
    register_layers(own)
    return OwnCode(names)
