"""Losses of NumPy functions, which compiled code calls back for each example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.program.callbacks import Array, flat, view
from pellucid.objectives import NumpyLoss


@dataclass(eq=False)
class LossCallback:
    """Value and gradient of one example: (output, loss, weight, gradient)."""

    loss: NumpyLoss
    z: ImageLayout
    grad: ImageLayout
    shape: tuple[int, ...]
    #: of the batch that runs
    labels: Array | None = None

    arrays: ClassVar[int] = 4

    def __call__(self, index: int, *places: int) -> None:
        """Write an example's loss, and its gradient times its weight."""
        z, cost, weight, grad = places
        if self.labels is None:
            raise TypeError("labels")
        output = view(z, self.z).reshape(1, *self.shape)
        target = self.labels[index : index + 1]
        value, slope = self.loss.each(output.copy(), target)
        flat(cost, 1)[0] = value[0]
        to = view(grad, self.grad)
        to[...] = np.reshape(slope, to.shape) * flat(weight, 1)[0]
        padding = self.grad.padded_channels - self.grad.channels
        if padding:  # whose channels must be zeros
            wide = ImageLayout(
                self.grad.height,
                self.grad.width,
                self.grad.padded_channels,
                self.grad.padded_channels,
                self.grad.halo,
            )
            view(grad, wide)[..., self.grad.channels :] = 0
