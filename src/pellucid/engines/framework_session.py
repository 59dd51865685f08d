"""What the sessions of frameworks share: their state, masks of dropout, losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.dropout import masks_for
from pellucid.engines.ports import loss_terms, step_result
from pellucid.engines.protocol import Array, State, StepResult
from pellucid.engines.state import UnpackedState, pack_state, unpack_state
from pellucid.network import Network
from pellucid.objectives import Loss, Optimizer


class FrameworkSession:
    """A network on a framework; a subclass holds its weights and computes."""

    def __init__(
        self,
        network: Network,
        loss: Loss | None,
        optimizer: Optimizer | None,
        dtype: str,
        world: ProcessGroup = ALONE,
    ) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self._world: Any = world
        self._dtype = np.dtype(dtype)
        self._terms = loss_terms(network, loss)
        self._step, self._seed = 0, 0
        self._version = 0  # how often the weights have changed

    def load_state(self, state: State) -> None:
        """Take over what `state` returned, here or on another engine."""
        self._take(
            unpack_state(
                self.network, state, optimizer=self.optimizer, dtype=str(self._dtype)
            )
        )

    def _take(self, parts: UnpackedState) -> None:
        """Take over the counts; a subclass takes weights and slots."""
        self._step, self._seed = parts.step, parts.seed
        self._version += 1

    def _packed(
        self, weights: dict[str, Array], slots: dict[str, dict[str, Array]]
    ) -> dict[str, Array]:
        """Return what `state` returns."""
        parts = UnpackedState(weights, slots, self._step, self._seed)
        return pack_state(self.network, parts)

    def _drawn_masks(self, count: int, start: int = 0) -> Mapping[str, Array]:
        """Return the step's masks for so many examples, from the batch's start-th."""
        return masks_for(
            self.network,
            seed=self._seed,
            step=self._step,
            indices=np.arange(start, start + count),
            dtype=self._dtype,
        )

    def _result(self, losses: Mapping[str, Any], output: Any = None) -> StepResult:
        """Return a step's losses, one for each output that has one, as numbers."""
        found = {term.output: float(losses[term.output]) for term in self._terms}
        return step_result(self.loss, self._terms, found, output)
