"""Log a training to MLflow."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pellucid.errors import MissingExtraError, RunError
from pellucid.training.callbacks import Callback

if TYPE_CHECKING:
    from pellucid.training.history import EpochRecord
    from pellucid.training.trainer import Trainer


class MLflow(Callback):
    """Log settings, each epoch's record, and perhaps the loss of steps.

    Into the run of MLflow that is active, or else into a new one that ends with the
    training. Needs the extra [loggers].

    Parameters
    ----------
    each_steps : int
        Steps from one logged step to the next; 0 logs epochs alone.
    parameters : mapping, optional
        What else to log as the run's parameters, beside the training's settings.

    Examples
    --------
    >>> logger = MLflow(parameters={"data": "digits"})
    """

    may_stop: ClassVar[bool] = False

    def __init__(
        self, *, each_steps: int = 0, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self.each_steps, self.parameters = each_steps, dict(parameters or {})
        self._mlflow: Any = None
        self._is_own, self._status = False, "FINISHED"

    def on_begin(self, trainer: Trainer) -> None:
        """Log the settings.

        Raises
        ------
        MissingExtraError
            If MLflow is not installed.
        RunError
            If it refuses them.
        """
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtraError(
                "MLflow: mlflow must be installed; got none. Run: "
                "pip install 'pellucid[loggers]'."
            ) from error
        self._mlflow, self._status = mlflow, "FINISHED"
        config = trainer.config
        settings = {
            "network": trainer.network.name,
            "loss": repr(trainer.loss),
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "schedule": repr(config.schedule),
        }
        try:
            self._is_own = mlflow.active_run() is None
            if self._is_own:
                mlflow.start_run()
            mlflow.log_params(settings | self.parameters)
        except mlflow.exceptions.MlflowException as error:
            raise RunError(f"MLflow: settings must be logged; got {error}.") from error

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Log the step's loss and its learning rate."""
        step = trainer.position.step
        if self.each_steps and step % self.each_steps == 0:
            rate = trainer.position.learning_rate
            figures = {"step_loss": loss, "step_learning_rate": rate}
            self._mlflow.log_metrics(figures, step=step)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Log what was measured in the epoch."""
        figures = {k: float(v) for k, v in record.items() if k != "epoch"}
        self._mlflow.log_metrics(figures, step=int(record["epoch"]))

    def on_interrupt(self, trainer: Trainer) -> None:
        """Let the run end as one that was killed."""
        self._status = "KILLED"

    def on_end(self, trainer: Trainer) -> None:
        """End the run, if it is ours."""
        if self._is_own and self._mlflow is not None:
            failed = sys.exc_info()[0] is not None and self._status == "FINISHED"
            self._mlflow.end_run("FAILED" if failed else self._status)
            self._is_own = False
