"""One step in lockstep: every engine from the same state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.engines import Session
from pellucid.engines.protocol import Array, Arrays, State
from pellucid.network import Network
from pellucid.objectives import Optimizer
from pellucid.verify import updates
from pellucid.verify.nonsmooth import (
    Branches,
    BranchSession,
    Count,
    count_differences,
    count_near,
    find_branches,
)
from pellucid.verify.tolerance import SMALL
from pellucid.verify.unobserved_branches import find_unobserved_branches

Tensors = dict[str, Array]
KINDS = ("activations", "gradients", "weights")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step gave: every node's output, every gradient, the new weights."""

    activations: Tensors
    gradients: Tensors
    weights: Tensors

    def get_kind(self, kind: str) -> Tensors:
        """Return the tensors of one kind."""
        found: Tensors = getattr(self, kind)
        return found


@dataclass(frozen=True, slots=True)
class Residual:
    """An engine's step less the reference's in float64, on the engine's corners.

    ``exact_gradients`` are the reference's there; ``crossed`` counts the corners on
    whose other side the engine was.
    """

    tensors: Mapping[str, Tensors]
    exact_gradients: Tensors
    crossed: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step is given: images, labels and learning rate."""

    images: Arrays
    labels: Arrays
    learning_rate: float


def take_step(session: Session, state: State, batch: Batch) -> Outcome:
    """Set a session to a state, look at everything, and update once."""
    session.load_state(state)
    images, labels = batch.images, batch.labels
    activations = session.activations(images, training=True)
    _, gradients = session.gradients(images, labels)
    session.train_step(images, labels, learning_rate=batch.learning_rate)
    return Outcome(activations, gradients, get_weights(session))


def get_weights(session: Session) -> Tensors:
    """Return a session's weights by name."""
    return {
        key.removeprefix("weights/"): array
        for key, array in session.state().items()
        if key.startswith("weights/")
    }


class Reference:
    """The reference in float64 on one batch, on any side of the corners."""

    def __init__(
        self,
        network: Network,
        session: BranchSession,
        optimizer: Optimizer,
        state: State,
        batch: Batch,
    ) -> None:
        self._network, self._session = network, session
        self._optimizer, self._state, self._batch = optimizer, state, batch
        session.branches = {}
        self.outcome = take_step(session, state, batch)
        self._corners = find_branches(network, self.outcome.activations)

    @property
    def near(self) -> Count:
        """How much of the batch lies near a corner."""
        return count_near(self._network, self.outcome.activations)

    def scales(self, kind: str) -> dict[str, float]:
        """Return ‖b‖∞ of each tensor, at least 1e-4 of the largest of its kind."""
        sizes = {
            name: float(np.max(np.abs(array), initial=0.0))
            for name, array in self.outcome.get_kind(kind).items()
        }
        least = SMALL * max(sizes.values(), default=0.0) or 1.0
        return {name: max(size, least) for name, size in sizes.items()}

    def residual(self, outcome: Outcome) -> Residual:
        """Return how an engine's step differs from this one."""
        return self._residual(
            outcome, find_branches(self._network, outcome.activations)
        )

    def on_unobserved_branches(self, outcome: Outcome, shown: Residual) -> Residual:
        """Return the residual on sides that the engine did not show, if smaller.

        Parameters
        ----------
        outcome : Outcome
            The engine's.
        shown : Residual
            On the sides that its activations show.
        """
        branches = find_branches(self._network, outcome.activations)
        values = self.outcome.activations
        sides = find_unobserved_branches(
            self._network,
            values,
            branches,
            self._gradients_on,
            outcome.gradients,
            rounding={
                name: float(np.max(np.abs(array - values[name]), initial=0.0))
                for name, array in outcome.activations.items()
            },
        )
        if sides is branches:
            return shown
        found, scales = self._residual(outcome, sides), self.scales("gradients")
        before, after = (
            max(distance(residual.tensors["gradients"], scales), default=0.0)
            for residual in (shown, found)
        )
        return found if after < before else shown

    def _residual(self, outcome: Outcome, branches: Branches) -> Residual:
        crossed = count_differences(branches, self._corners)
        mine = self._on(branches) if crossed else self.outcome
        tensors = {
            kind: {
                name: array - mine.get_kind(kind)[name]
                for name, array in outcome.get_kind(kind).items()
            }
            for kind in KINDS
        }
        return Residual(tensors, mine.gradients, crossed)

    def _on(self, branches: Branches) -> Outcome:
        """Return the step with the derivatives of those sides of the corners."""
        batch, gradients = self._batch, self._gradients_on(branches)
        weights = updates.update_weights(
            self._network,
            self._optimizer,
            self._state,
            gradients,
            learning_rate=batch.learning_rate,
        )
        # running statistics come from the forward pass, which has no branches
        learnt = {name: weights[name] for name in gradients}
        return Outcome(
            self.outcome.activations, gradients, {**self.outcome.weights, **learnt}
        )

    def _gradients_on(self, branches: Branches) -> Tensors:
        session, batch = self._session, self._batch
        session.load_state(self._state)
        session.branches = branches
        return session.gradients(batch.images, batch.labels)[1]


def distance(
    tensors: Tensors, scales: Mapping[str, float], slack: Tensors | None = None
) -> list[float]:
    """Return ‖a‖∞ / scale of each tensor, of what exceeds the slack."""
    return [
        float(np.max(np.abs(array) - (slack or {}).get(name, 0.0), initial=0.0))
        / scales[name]
        for name, array in tensors.items()
    ]


def subtract(first: Tensors, second: Tensors) -> Tensors:
    """Return a − b of each tensor."""
    return {name: first[name] - second[name] for name in first}


def larger_slack(slacks: Mapping[str, Tensors], first: str, second: str) -> Tensors:
    """Return the larger slack of two engines, entry by entry; none where none is."""
    if not slacks:
        return {}
    return {
        name: np.maximum(array, slacks[second][name])
        for name, array in slacks[first].items()
    }
