"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.objectives.optimizer import Array, Optimizer, Slots

_NOTHING = 1e-20  # 1 − a product below this is 1 in float64


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which warms up.

    ``m ← β₁m + (1 − β₁)g``, ``v ← β₂v + (1 − β₂)g²``, and with
    ``μₜ = β₁(1 − 0.96^(ψt) / 2)`` and ``Pₜ = μ₁ ⋯ μₜ``:
    ``w ← w − lr · ((1 − μₜ)g / (1 − Pₜ) + μₜ₊₁m / (1 − Pₜ₊₁)) / (√v̂ + ε)``.

    Parameters
    ----------
    learning_rate : float
        Step size, at least 0; a schedule multiplies it.
    beta1, beta2 : float
        Share of each moment that is kept, from 0 to less than 1.
    epsilon : float
        ε, added to the corrected root.
    momentum_decay : float
        ψ: 0.004 as in the paper and in PyTorch; Keras has 1.
    weight_decay : float
        L2 factor, added to the gradient of ``.weight`` arrays.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients; no clipping if left out.
    groups : sequence of ParameterGroup
        Layers with a learning rate or weight decay of their own.

    References
    ----------
    T. Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016.
    """

    learning_rate: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004
    weight_decay: float = 0.0

    name: ClassVar[str] = "nadam"

    @property
    def slots(self) -> tuple[str, ...]:
        """``first_moment`` and ``second_moment``."""
        return ("first_moment", "second_moment")

    def momentum(self, step: int) -> float:
        """Return μ of a step.

        Parameters
        ----------
        step : int
            Counted from 1.

        Returns
        -------
        float
            ``β₁(1 − 0.96^(ψt) / 2)``.
        """
        return float(self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay)))

    def momentum_products(self, most: int | None = None) -> list[float]:
        """Return P₁, P₂ … up to a step, or to where 1 − P is 1; there it ends.

        Parameters
        ----------
        most : int, optional
            The last step.

        Returns
        -------
        list of float
            At least one.
        """
        products = [self.momentum(1)]
        while products[-1] > _NOTHING and len(products) != most:
            products.append(products[-1] * self.momentum(len(products) + 1))
        return products

    def scalars(self, rate: float, step: int) -> tuple[float, float, float]:
        """Return the gradient's rate, the moment's share of it, and v's correction."""
        product = self.momentum_products(step)[-1]
        following = self.momentum(step + 1)
        mine = (1 - self.momentum(step)) / (1 - product)
        moment = following / (1 - product * following)
        return rate * mine, moment / mine, 1 / (1 - self.beta2**step)

    def update(
        self, weight: Array, grad: Array, slots: Slots, *, rate: float, step: int
    ) -> None:
        """Take one step."""
        m, v = slots["first_moment"], slots["second_moment"]
        m *= self.beta1
        m += (1 - self.beta1) * grad
        v *= self.beta2
        v += (1 - self.beta2) * grad * grad
        own, moment, correction = self.scalars(rate, step)
        weight -= own * (grad + moment * m) / (np.sqrt(v * correction) + self.epsilon)
