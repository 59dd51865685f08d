"""The trainer: drive a session over batches, epoch after epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import Batch, Batches
from pellucid.engines.distributed import ALONE, ProcessGroup
from pellucid.engines.ports import join, loss_terms
from pellucid.engines.protocol import CompilesAhead, Session, StepResult
from pellucid.network import Network
from pellucid.objectives import (
    DatasetMetric,
    EpochLosses,
    Loss,
    OutputMeaning,
    Progress,
    UncountedProgress,
    output_meaning,
    select_metrics,
)
from pellucid.objectives.metrics import Metric
from pellucid.training import divergence
from pellucid.training.averaging import Averaging
from pellucid.training.callbacks import Callback, as_callbacks
from pellucid.training.distributed_sync import DistributedSync
from pellucid.training.early_stopping import monitored_value, weights_of
from pellucid.training.evaluation import evaluate
from pellucid.training.fit_config import FitConfig
from pellucid.training.history import EpochRecord, History
from pellucid.training.interrupt import Interrupt
from pellucid.training.trainer_state import TrainerState

Array = npt.NDArray[Any]


class Trainer:
    """Drive a session over batches.

    Parameters
    ----------
    network, session, loss
        What is trained, and on which loss (for validation).
    train, validation : Batches
        Data in batches; validation may be None.
    config : FitConfig
        Epochs, schedule, metrics and early stopping.
    learning_rate : float
        The rate that the schedule's factor multiplies.
    keeps_best : bool
        Whether the best epoch's weights are kept beside the last ones.
    callbacks : sequence of Callback or function
        Functions as in `CallbackFunction`; of several processes, only those of the
        first are called.
    position, history
        Where to go on, from a checkpoint; the beginning if left out.
    world : ProcessGroup
        The processes that train together; the batches are this one's part.
    meaning : OutputMeaning
        What the output means, for metrics; derived if left out.
    example_weight : ndarray, shape (N,), or tuple of those, optional
        What each example of the training data counts in the loss; of several outputs,
        in the loss of each.
    output_metrics : mapping of str to function, optional
        Metrics of several outputs, of tuples of outputs and labels; instead of those
        of ``config`` and ``meaning``.

    Raises
    ------
    NetworkError
        If a metric says nothing of such an output.
    DivergenceError
        While running: if the loss, of validation too, is no longer finite.
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
        config: FitConfig,
        learning_rate: float,
        keeps_best: bool = False,
        callbacks: Sequence[Callback | Callable[..., object]] = (),
        position: TrainerState | None = None,
        history: History | None = None,
        world: ProcessGroup = ALONE,
        meaning: OutputMeaning | None = None,
        example_weight: Array | tuple[Array | None, ...] | None = None,
        output_metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.network = network
        self.session = session
        self.loss = loss
        self.train = train
        self.validation = validation
        self.config = config
        self._base_rate = learning_rate
        self._keeps_best = keeps_best
        self.callbacks = as_callbacks(callbacks) if world.rank == 0 else ()
        self.position = position or TrainerState()
        self.history = history or History()
        self.stop_reason: str | None = None
        #: seconds that `run` took to compile before its first batch was asked for
        self.compiling_s = 0.0
        #: seconds from the first batch asked for to the last update, validation and
        #: checkpoints in between included
        self.training_s = 0.0
        self._begun = 0.0
        self._sync = DistributedSync(world, train)
        self._averaging = Averaging(
            network, session, average=config.average, train=train, world=world
        )
        if output_metrics is not None:
            self._metrics = dict(output_metrics)
        else:
            if meaning is None:
                meaning = output_meaning(network, loss, train.dataset.labels)
            self._metrics = select_metrics(meaning, config.metrics)
        self._drop_stale_sums()
        self._example_weight = _cast(example_weight, train.dtype)
        self._losses = EpochLosses(map(_plateau_loss, self.history))
        self._last_batch: Batch | None = None  # whose update no loss has shown yet

    def stop(self, reason: str) -> None:
        """End the training after this step.

        Parameters
        ----------
        reason : str
            Kept in ``stop_reason``.
        """
        self.stop_reason = reason

    @property
    def progress(self) -> Progress:
        """Where training stands, as schedules see it."""
        per_epoch, base = self.train.count, self._base_rate
        kind = UncountedProgress if per_epoch is None else Progress
        return kind(
            step=self.position.step,
            steps=self.steps or 0,
            epoch=self.position.epoch,
            steps_per_epoch=per_epoch or 0,
            losses=self._losses,
            base_rate=base,
            last_rate=self.history[-1]["learning_rate"] if self.history else base,
        )

    @property
    def steps(self) -> int | None:
        """The steps of all epochs; None where the data does not tell."""
        count = self.train.count
        return None if count is None else count * self.config.epochs

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return self.config.schedule.rate(self.progress)

    def run(self) -> History:
        """Train all epochs and return the history.

        Returns
        -------
        History
            One record per epoch.
        """
        self._stop_if_stalled()
        # NumPy need not warn of what overflows: every loss is looked at
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, Interrupt() as interrupt, self._notify_begin_and_end():
            self._compile()
            self._sync.begin(may_stop=any(c.may_stop for c in self.callbacks))
            self.stop_reason = self._sync.reason(self.stop_reason)
            self._averaging.begin(self.position)
            while self.position.epoch < self.config.epochs and not self.stop_reason:
                if not self._train_epoch(interrupt):
                    break
                self.stop_reason = self._sync.reason(self.stop_reason)
            self._check_last_update()
        if self._sync.is_pressed(interrupt):
            raise KeyboardInterrupt
        self._averaging.keep(self.position)
        early = self.config.early_stopping
        if early and early.restore_best and self.position.best.weights:
            self._restore_best()
        return self.history

    def _compile(self) -> None:
        """Let an engine that compiles ahead do so, and start the clock."""
        start = time.perf_counter()
        will_train = self.position.epoch < self.config.epochs
        if will_train and isinstance(self.session, CompilesAhead):
            self.session.prepare()
        self._begun = time.perf_counter()
        self.compiling_s = self._begun - start

    @contextmanager
    def _notify_begin_and_end(self) -> Iterator[None]:
        for callback in self.callbacks:
            callback.on_begin(self)
        try:
            yield
        finally:
            for callback in self.callbacks:
                callback.on_end(self)

    def _train_epoch(self, interrupt: Interrupt) -> bool:
        """Train one epoch, or what is left of it; return whether it was finished."""
        position = self.position
        start = time.perf_counter() - position.seconds
        notify = [getattr(c, "before_step", None) for c in self.callbacks]
        before_step = [one for one in notify if one is not None]
        for callback in self.callbacks:
            if hasattr(callback, "before_epoch"):
                callback.before_epoch(self)
        with closing(self._batches(position)) as batches:
            for batch in batches:
                for one in before_step:
                    one(self)
                position.learning_rate = self.learning_rate
                loss = self._train_step(batch, position.learning_rate, interrupt)
                now = time.perf_counter()
                position.seconds, self.training_s = now - start, now - self._begun
                for callback in self.callbacks:
                    callback.on_step(self, loss)
                if self._sync.is_pressed(interrupt):
                    for callback in self.callbacks:
                        callback.on_interrupt(self)
                    return False
                is_last = position.batch == self.train.count
                self.stop_reason = self._sync.reason_in_step(self.stop_reason)
                if self.stop_reason and not is_last:
                    return False
        self._finish_epoch(start)
        return True

    def _batches(self, position: TrainerState) -> Any:
        return self.train.epoch(position.epoch, start=position.batch)

    def _train_step(self, batch: Batch, rate: float, interrupt: Interrupt) -> float:
        position, together = self.position, self._sync
        weight = self._batch_weight(batch)
        total = together.total(position.batch, weight)
        if total > 0:
            result = self.session.train_step(
                batch.images,
                batch.labels,
                learning_rate=rate,
                sample_weight=weight,
                **together.part(position.batch, total),
            )
        else:  # nothing to learn from
            result = StepResult(0.0, self._predict(batch))
        loss, figures, examples = together.share(
            result.loss,
            self._sum_metrics(result, batch),
            len(batch.indices),
            is_pressed=interrupt.is_pressed,
        )
        divergence.check_loss(loss, step=position.step, epoch=position.epoch)
        self._last_batch = batch
        is_plain = weight is None or isinstance(weight, tuple) or self._is_sum
        counted = float(examples) if is_plain else total
        position.add({"loss": loss * counted, **figures}, examples, weight=counted)
        self._averaging.after_step(position, self.steps)
        return loss

    def _predict(self, batch: Batch) -> Any:
        if len(batch.indices):
            return self.session.predict(batch.images)
        shapes = (self.network.shapes[name] for name in self.network.outputs)
        return join([np.zeros((0, *shape), self.train.dtype) for shape in shapes])

    def _batch_weight(self, batch: Batch) -> Any:
        """Return what each example of a batch counts, for each output if several."""
        every = self._example_weight
        if batch.sample_weight is not None:
            return batch.sample_weight
        if isinstance(every, tuple):
            return tuple(None if w is None else w[batch.indices] for w in every)
        return None if every is None else every[batch.indices]

    @property
    def _is_sum(self) -> bool:
        """Whether the loss is a sum over the batch, to which weights belong."""
        return self.loss.name == "half_squared_error_sum"

    def _check_last_update(self) -> None:
        """See that the update that no later loss has shown did not diverge."""
        batch, self._last_batch = self._last_batch, None
        if batch is None:
            return
        divergence.check_update(
            self.session,
            batch,
            self._batch_weight(batch),
            step=self.position.step,
            epoch=max(self.position.epoch - (self.position.batch == 0), 0),
        )

    def _sum_metrics(self, result: StepResult, batch: Batch) -> dict[str, float]:
        """Return a batch's metrics, each as a sum over its examples.

        Within an epoch only those that were counted from its beginning.
        """
        begun = self.position.sums if self.position.batch else self._metrics
        figures = {
            f"{output}_loss": loss * len(batch.indices)
            for output, loss in result.losses.items()
        }
        return figures | {
            name: float(metric(result.output, batch.labels).sum())
            for name, metric in self._metrics.items()
            if name in begun and not isinstance(metric, DatasetMetric)
        }

    def _drop_stale_sums(self) -> None:
        """Drop sums of metrics that an interrupted epoch counted and this does not."""
        sums = self.position.sums
        terms = loss_terms(self.network, self.loss)
        losses = {"loss", *(f"{term.output}_loss" for term in terms)}
        for name in set(sums) - losses - set(self._metrics):
            del sums[name]

    def _finish_epoch(self, start: float) -> None:
        position = self.position
        record = {"epoch": position.epoch + 1, **position.means()}
        self._averaging.after_epoch(position, self.config.epochs)
        with self._averaging.in_place(position):
            self._validate(record, start)
        if position.epoch + 1 == self.config.epochs or self.stop_reason:
            self._check_last_update()
        self.history.append(record)
        self._losses.append(_plateau_loss(record))
        position.begin_next_epoch()
        for callback in self.callbacks:
            callback.on_epoch(self, record)

    def _validate(self, record: dict[str, float], start: float) -> None:
        """Complete an epoch's record, and see whether it is the best."""
        position = self.position
        if self.validation is not None:
            figures = evaluate(
                self.network,
                self.session,
                self.validation,
                loss=self.loss,
                metrics=self._metrics,
                world=self._sync.world,
            )
            divergence.check_validation(figures, epoch=position.epoch)
            record |= {f"val_{name}": value for name, value in figures.items()}
        record["learning_rate"] = position.learning_rate
        record["seconds"] = time.perf_counter() - start
        self._update_best(record)

    def _update_best(self, record: dict[str, float]) -> None:
        """Compare the epoch with the best, and see whether to go on."""
        early, best = self.config.early_stopping, self.position.best
        _, value = monitored_value(early.monitor if early else None, record)
        min_delta = early.min_delta if early else 0.0
        epoch = int(record["epoch"])
        is_best = best.improves(value, epoch=epoch, min_delta=min_delta)
        wanted = self._keeps_best or (early is not None and early.restore_best)
        if is_best and wanted:
            weights = weights_of(self.session.state())
            divergence.check_weights(weights, epoch=self.position.epoch)
            best.weights = weights
        self._stop_if_stalled()

    def _stop_if_stalled(self) -> None:
        """End early; a run that is resumed may have come to that before."""
        early, best = self.config.early_stopping, self.position.best
        if early and best.stalled >= early.patience:
            name = early.monitor or "the loss"
            self.stop(f"{name} has not improved for {best.stalled} epochs")

    def _restore_best(self) -> None:
        best = self.position.best.weights
        state = self.session.state()
        state.update({f"weights/{name}": array for name, array in best.items()})
        self.session.load_state(state)


def _cast(weight: Any, dtype: Any) -> Any:
    """Return examples' weights in the engine's type."""
    if isinstance(weight, tuple):
        return tuple(_cast(each, dtype) for each in weight)
    return None if weight is None else weight.astype(dtype)


def _plateau_loss(record: EpochRecord) -> float:
    """Return the loss that OnPlateau looks at."""
    return record.get("val_loss", record["loss"])
