"""Module of a layer of one's own, by its method ``torch``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.engines.ports import join
from pellucid.network.layers import Layer, Shape


class OwnModule(nn.Module):
    """A layer's method ``torch`` with weights as parameters, channels last."""

    def __init__(self, layer: Layer, *shapes: Shape) -> None:
        super().__init__()
        self.layer = layer
        self.roles: list[str] = []
        for spec in layer.weights(*shapes):
            start = torch.zeros(spec.shape)
            name = own_attribute(spec.role)
            if spec.is_parameter:
                self.register_parameter(name, nn.Parameter(start))
            else:
                self.register_buffer(name, start)
            self.roles.append(spec.role)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the method with images as (N, H, W, C)."""
        given = [x.movedim(1, -1) if x.ndim == 4 else x for x in inputs]
        weights = {role: getattr(self, own_attribute(role)) for role in self.roles}
        method: Any = self.layer.torch  # type: ignore[attr-defined]
        y: Tensor = method(join(given), weights)
        return y.movedim(-1, 1) if y.ndim == 4 else y


def own_attribute(role: str) -> str:
    """Return the attribute that holds a weight; a module has many names already."""
    return f"own_{role}"
