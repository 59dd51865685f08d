"""Losses of NumPy functions, which compiled code calls back for a chunk's examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pellucid.engines.compiled.program.callbacks import Array, Images, flat
from pellucid.objectives import NumpyLoss


@dataclass(eq=False)
class LossCallback:
    """Value and gradient of some examples: (output, loss, weight, gradient)."""

    loss: NumpyLoss
    z: Images
    grad: Images
    shape: tuple[int, ...]
    #: of the batch that runs
    labels: Array | None = None

    arrays: ClassVar[int] = 4

    def __call__(self, index: int, images: int, *places: int) -> None:
        """Write each example's loss, and its gradient times its weight."""
        z, cost, weight, grad = places
        if self.labels is None:
            raise TypeError("labels")
        output = self.z.view(z, images).reshape(images, *self.shape)
        target = self.labels[index : index + images]
        value, slope = self.loss.each(output.copy(), target)
        flat(cost, images)[...] = value
        to = self.grad.view(grad, images)
        factors = flat(weight, images).reshape(images, 1, 1, 1)
        to[...] = slope.reshape(to.shape) * factors
