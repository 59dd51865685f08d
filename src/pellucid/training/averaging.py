"""Averaged weights while training: taken in, validated in place, kept at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pellucid.data import Batches
from pellucid.engines.distributed import ProcessGroup
from pellucid.engines.protocol import Session
from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.training.batch_norm import batch_norms, estimate_statistics
from pellucid.training.early_stopping import Weights, weights_of
from pellucid.training.trainer_state import TrainerState
from pellucid.training.weight_average import WeightAverage, move_towards


class Averaging:
    """Keep the average of a session's weights in the trainer's state.

    Parameters
    ----------
    network, session
        What is trained.
    average : WeightAverage or None
        None: nothing is averaged, and all methods do nothing.
    train : Batches
        Images for the statistics of batch norms.
    world : ProcessGroup
        The processes that train together.

    Raises
    ------
    NetworkError
        If statistics are to be estimated by several processes.
    """

    def __init__(
        self,
        network: Network,
        session: Session,
        *,
        average: WeightAverage | None,
        train: Batches,
        world: ProcessGroup,
    ) -> None:
        self._network, self._session, self._train = network, session, train
        self._average = average
        self._estimates = bool(
            average is not None and average.reestimate and batch_norms(network)
        )
        if self._estimates and world.size > 1:
            raise NetworkError(
                "average: reestimate must be False where several processes train a "
                f"network with batch norms; got {world.size} processes."
            )

    def begin(self, position: TrainerState) -> None:
        """Take in the weights before the first step, where the average begins so."""
        average = self._average
        if average is not None and average.begins_at_once and not position.averaged:
            self._take_in(average, position)

    def after_step(self, position: TrainerState, steps: int | None) -> None:
        """Take in the weights after a step, of so many in all, if that is known."""
        average = self._average
        if average is not None and average.takes_step(position.step):
            self._take_in(average, position, position.step / (steps or 1))

    def after_epoch(self, position: TrainerState, epochs: int) -> None:
        """Take in the weights after an epoch, and estimate statistics."""
        average = self._average
        if average is None:
            return
        if average.takes_epoch(position.epoch + 1, epochs):
            self._take_in(average, position)
        if self._estimates and position.averaged:
            with self.in_place(position):
                batches = self._train.epoch(position.epoch)
                found = estimate_statistics(self._network, self._session, batches)
            position.average.update(found)

    @contextmanager
    def in_place(self, position: TrainerState) -> Iterator[None]:
        """Let the session hold the averaged weights, if there are any, for a while."""
        if not position.averaged:
            yield
            return
        state = self._session.state()
        self.keep(position)
        try:
            yield
        finally:
            self._session.load_state(state)

    def keep(self, position: TrainerState) -> None:
        """Leave the averaged weights, if there are any, in the session."""
        if position.averaged:
            self._load(position.average)

    def _take_in(
        self, average: WeightAverage, position: TrainerState, done: float = 1.0
    ) -> None:
        weights = weights_of(self._session.state())
        if position.averaged:
            share = average.share(position.averaged, done)
            move_towards(position.average, weights, share)
        else:
            position.average.update(weights)
        position.averaged += 1
        if average.replaces and position.averaged > 1:
            self._load(position.average)

    def _load(self, weights: Weights) -> None:
        state = self._session.state()
        state.update({f"weights/{name}": array for name, array in weights.items()})
        self._session.load_state(state)
