"""This file is the trainer: it drives a session over batches, epoch after epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batch, Batches
from pellucid.engines.protocol import CompilesAhead, Session, StepResult
from pellucid.engines.world import ALONE, World
from pellucid.errors import DivergenceError
from pellucid.network import Network
from pellucid.objectives import (
    Loss,
    OnPlateau,
    OutputMeaning,
    Progress,
    metrics_for,
    output_meaning,
)
from pellucid.objectives.output_meaning import per_example
from pellucid.training.callbacks import Callback
from pellucid.training.early_stopping import monitored
from pellucid.training.evaluation import evaluate
from pellucid.training.history import History
from pellucid.training.interrupt import Interrupt
from pellucid.training.plan import Plan
from pellucid.training.position import Position
from pellucid.training.together import Together

Array = npt.NDArray[Any]


class Trainer:
    """Drive a session over batches.

    Parameters
    ----------
    network, session, loss
        What is trained, and on which loss (for validation).
    train, validation : Batches
        Data in batches; validation may be None.
    plan : Plan
        Epochs, schedule, metrics and the rest.
    callbacks : sequence of Callback
        Who looks in; in a world of several processes, at the first one only.
    position, history
        Where to go on, from a checkpoint; the beginning if left out.
    world : World
        The processes that train together; the batches are this one's part.
    meaning : OutputMeaning
        What the output means, for metrics; derived if left out.

    Raises
    ------
    NetworkError
        If a metric says nothing of such an output.
    DivergenceError
        While running: if the loss is no longer finite.
    KeyboardInterrupt
        After the step in which Ctrl-C was pressed.
    """

    def __init__(
        self,
        network: Network,
        session: Session,
        *,
        loss: Loss,
        train: Batches,
        validation: Batches | None,
        plan: Plan,
        callbacks: Sequence[Callback] = (),
        position: Position | None = None,
        history: History | None = None,
        world: World = ALONE,
        meaning: OutputMeaning | None = None,
    ) -> None:
        self.network = network
        self.session = session
        self.loss = loss
        self.train = train
        self.validation = validation
        self.plan = plan
        self.callbacks = tuple(callbacks) if world.rank == 0 else ()
        self.position = position or Position()
        self.history = history or History()
        self.stop_reason: str | None = None
        #: seconds that `run` took to compile before its first batch was asked for
        self.compiling_s = 0.0
        #: seconds from the first batch asked for to the last update, validation and
        #: checkpoints in between included
        self.training_s = 0.0
        self._begun = 0.0
        self._together = Together(world, train)
        if meaning is None:
            meaning = output_meaning(network, loss, train.dataset.labels)
        self._metrics = metrics_for(meaning, plan.metrics)
        self._forget_other_figures()
        self._class_weights = self._weights_by_class()

    def stop(self, reason: str) -> None:
        """End the training after this step."""
        self.stop_reason = reason

    @property
    def progress(self) -> Progress:
        """Where training stands, as schedules see it."""
        per_epoch = len(self.train)
        return Progress(
            step=self.position.step,
            steps=per_epoch * self.plan.epochs,
            epoch=self.position.epoch,
            steps_per_epoch=per_epoch,
        )

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        schedule = self.plan.schedule
        rate = self.plan.learning_rate * schedule.factor(self.progress)
        if isinstance(schedule, OnPlateau):
            rate *= schedule.gamma**self.position.plateau.drops
        return rate

    def run(self) -> History:
        """Train to the end of the plan and return the history."""
        self._stop_if_stalled()
        # NumPy need not warn of what overflows: every loss is looked at
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, Interrupt() as interrupt, self._announced():
            self._compile()
            self._together.begin(may_stop=any(c.may_stop for c in self.callbacks))
            self.stop_reason = self._together.reason(self.stop_reason)
            while self.position.epoch < self.plan.epochs and not self.stop_reason:
                if not self._epoch(interrupt):
                    break
                self.stop_reason = self._together.reason(self.stop_reason)
        if self._together.is_pressed(interrupt):
            raise KeyboardInterrupt
        early = self.plan.early_stopping
        if early and early.restore_best and self.position.best.weights:
            self._restore_best()
        return self.history

    def _compile(self) -> None:
        """Let an engine that compiles ahead do so, and start the clock."""
        start = time.perf_counter()
        will_train = self.position.epoch < self.plan.epochs
        if will_train and isinstance(self.session, CompilesAhead):
            self.session.prepare()
        self._begun = time.perf_counter()
        self.compiling_s = self._begun - start

    @contextmanager
    def _announced(self) -> Iterator[None]:
        for callback in self.callbacks:
            callback.on_begin(self)
        try:
            yield
        finally:
            for callback in self.callbacks:
                callback.on_end(self)

    def _epoch(self, interrupt: Interrupt) -> bool:
        """Train one epoch, or what is left of it; return whether it was finished."""
        position = self.position
        start = time.perf_counter() - position.seconds
        with closing(self._batches(position)) as batches:
            for batch in batches:
                position.learning_rate = self.learning_rate
                loss = self._step(batch, position.learning_rate, interrupt)
                now = time.perf_counter()
                position.seconds, self.training_s = now - start, now - self._begun
                for callback in self.callbacks:
                    callback.on_step(self, loss)
                if self._together.is_pressed(interrupt):
                    for callback in self.callbacks:
                        callback.on_interrupt(self)
                    return False
                is_last = position.batch == len(self.train)
                self.stop_reason = self._together.reason_in_step(self.stop_reason)
                if self.stop_reason and not is_last:
                    return False
        self._finish_epoch(start)
        return True

    def _batches(self, position: Position) -> Any:
        return self.train.epoch(position.epoch, start=position.batch)

    def _step(self, batch: Batch, rate: float, interrupt: Interrupt) -> float:
        weight = self._sample_weight(batch.labels)
        result = self.session.train_step(
            batch.images,
            batch.labels,
            learning_rate=rate,
            sample_weight=weight,
            **self._together.part(self.position.batch, weight),
        )
        loss, figures, examples = self._together.share(
            result.loss,
            self._figures(result, batch.labels),
            len(batch.images),
            is_pressed=interrupt.is_pressed,
        )
        if not math.isfinite(loss):
            raise DivergenceError(
                f"train: the loss must stay finite; got loss={loss} in step "
                f"{self.position.step + 1} (epoch {self.position.epoch + 1}). Try a "
                "smaller learning rate, or clip_norm."
            )
        self.position.add({"loss": loss * examples, **figures}, examples)
        return loss

    def _figures(self, result: StepResult, labels: Array) -> dict[str, float]:
        """Return a batch's metrics, each as a sum over its examples.

        Within an epoch only those that were counted from its beginning.
        """
        begun = self.position.sums if self.position.batch else self._metrics
        return {
            name: float(metric(result.output, labels).sum())
            for name, metric in self._metrics.items()
            if name in begun
        }

    def _forget_other_figures(self) -> None:
        """Drop sums of metrics that an interrupted epoch counted and this does not."""
        sums = self.position.sums
        for name in set(sums) - {"loss", *self._metrics}:
            del sums[name]

    def _finish_epoch(self, start: float) -> None:
        position = self.position
        record = {"epoch": position.epoch + 1, **position.means()}
        if self.validation is not None:
            figures = evaluate(
                self.network,
                self.session,
                self.validation,
                loss=self.loss,
                metrics=self._metrics,
                world=self._together.world,
            )
            record |= {f"val_{name}": value for name, value in figures.items()}
        record["learning_rate"] = position.learning_rate
        record["seconds"] = time.perf_counter() - start
        self.history.append(record)
        self._weigh(record)
        position.begin_next_epoch()
        for callback in self.callbacks:
            callback.on_epoch(self, record)

    def _weigh(self, record: dict[str, float]) -> None:
        """Compare the epoch with the best, and see whether to go on."""
        early, best = self.plan.early_stopping, self.position.best
        _, value = monitored(early.monitor if early else None, record)
        min_delta = early.min_delta if early else 0.0
        epoch = int(record["epoch"])
        is_best = best.improves(value, epoch=epoch, min_delta=min_delta)
        wanted = self.plan.keeps_best or (early is not None and early.restore_best)
        if is_best and wanted:
            best.weights = {
                key.removeprefix("weights/"): array
                for key, array in self.session.state().items()
                if key.startswith("weights/")
            }
        if isinstance(self.plan.schedule, OnPlateau):
            self.position.plateau.see(
                self.plan.schedule, record.get("val_loss", record["loss"])
            )
        self._stop_if_stalled()

    def _stop_if_stalled(self) -> None:
        """End early; a run that is resumed may have come to that before."""
        early, best = self.plan.early_stopping, self.position.best
        if early and best.stalled >= early.patience:
            name = early.monitor or "the loss"
            self.stop(f"{name} has not improved for {best.stalled} epochs")

    def _restore_best(self) -> None:
        best = self.position.best.weights
        state = self.session.state()
        state.update({f"weights/{name}": array for name, array in best.items()})
        self.session.load_state(state)

    def _weights_by_class(self) -> Array | None:
        given = self.plan.class_weight
        if not given:
            return None
        count = max(*given, self.network.output_shape[-1] - 1) + 1
        weights = np.ones(count, np.float32)
        for label, weight in given.items():
            weights[label] = weight
        return weights

    def _sample_weight(self, labels: Array) -> Array | None:
        """Return each example's weight; of several positions, their mean."""
        if self._class_weights is None:
            return None
        return per_example(self._class_weights[labels])
