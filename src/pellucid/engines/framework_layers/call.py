"""A call of a framework's layer class: its name and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pellucid.network.window import Pads


@dataclass(frozen=True, slots=True)
class LayerCall:
    """How a framework's own class is called for one layer.

    Parameters
    ----------
    name : str
        The class, as in `torch.nn` or `keras.layers`.
    arguments : mapping of str to Any
        All arguments by name, in the order in which scripts print them: a pair of
        equal sizes as one number, a list as it is.
    positional : int
        How many of them scripts print without their name.
    defaults : mapping of str to Any
        What the class takes where an argument is left out; scripts do so.
    pads : ((top, bottom), (left, right)), optional
        Padding (of a transposed convolution: cropping) that the class has no
        argument for.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    positional: int = 0
    defaults: Mapping[str, Any] = field(default_factory=dict)
    pads: Pads | None = None

    @property
    def explicit(self) -> dict[str, Any]:
        """The keyword arguments that differ from the class's defaults."""
        keywords = list(self.arguments.items())[self.positional :]
        return {
            name: value
            for name, value in keywords
            if name not in self.defaults or self.defaults[name] != value
        }
