"""Adagrad: a rate for each weight that falls with its gradients' sum of squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.objectives.optimizer import Array, Optimizer, Slots


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of all squares so far.

    ``s ← s + g²``, ``w ← w − lr·g / (√s + ε)``. The slot is ``square_sum``.

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    epsilon : float
        ε, outside the root as in PyTorch (Keras has it inside, and begins with s =
        0.1).
    weight_decay : float
        L2 factor, added to the gradient of ``.weight`` arrays.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods for online learning
    and stochastic optimization, JMLR 12, 2011.
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    name: ClassVar[str] = "adagrad"

    @property
    def slots(self) -> tuple[str, ...]:
        """``square_sum``."""
        return ("square_sum",)

    def update(
        self, weight: Array, grad: Array, slots: Slots, *, rate: float, step: int
    ) -> None:
        """Take one step."""
        s = slots["square_sum"]
        s += grad * grad
        weight -= rate * grad / (np.sqrt(s) + self.epsilon)
