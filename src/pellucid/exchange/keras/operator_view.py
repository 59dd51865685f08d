"""View of one layer of Keras while it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import Tensor

Array = npt.NDArray[Any]


@dataclass(slots=True, kw_only=True)
class OperatorView:
    """A layer of Keras while it is read."""

    ref: OperatorRef
    config: dict[str, Any]
    inputs: list[Tensor]
    arrays: list[Array]
    filled: dict[str, Array]
    builder: NetworkBuilder
    is_sole_reader: bool = False
    version: str = "3"
    taken: int = field(default=0)

    def get(self, key: str, default: Any = None) -> Any:
        """Return an entry of the configuration, or the default where it is null."""
        value = self.config.get(key)
        return default if value is None else value

    def only(self, **allowed: Any) -> None:
        """Refuse settings that do not have the value that can be represented."""
        for key, value in allowed.items():
            if self.get(key, value) != value:
                self.ref.refuse(f"have {key}={value!r}", repr(self.config[key]))

    def array(self) -> Array:
        """Return the next array."""
        if self.taken >= len(self.arrays):
            self.ref.refuse("have its weights", f"{len(self.arrays)} arrays")
        self.taken += 1
        return self.arrays[self.taken - 1]

    def scale_and_offset(self) -> dict[str, Array]:
        """Return the weights of a norm; ones and zeros where it has none."""
        channels = self.inputs[0].shape[-1]
        found = {}
        for role, key, value in (("scale", "scale", 1), ("offset", "center", 0)):
            if self.get(key, True):
                found[role] = self.array()
                continue
            if role not in self.filled:
                self.filled[role] = np.full(channels, value, np.float32)
            found[role] = self.filled[role]
        return found

    def check_type(self) -> None:
        """Refuse arithmetic that is not float32."""
        policy = self.config.get("dtype", "float32")
        name = policy["config"]["name"] if isinstance(policy, dict) else policy
        if name not in ("float32", None):
            self.ref.refuse("compute in float32", repr(name))

    def pair(self, key: str, default: Any = 1) -> tuple[int, int]:
        """Return two sizes."""
        value = self.get(key, default)
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)
