"""Trainings in MLflow, read back by its own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import DivergenceError, RunError

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    mlflow.set_experiment("trials")


def _train(*callbacks: Any, rate: float = 0.01) -> pl.History:
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    optimizer = pl.SGD(rate)
    model = pl.Model(network, engine="numpy", loss="mse", optimizer=optimizer)
    images = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    data = (images, images[:, :2])
    return model.fit(data, epochs=2, batch_size=2, callbacks=callbacks, progress=False)


def _only_run() -> Any:
    client = mlflow.tracking.MlflowClient()
    experiment = client.get_experiment_by_name("trials")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def _values(run: Any, name: str) -> list[float]:
    client = mlflow.tracking.MlflowClient()
    return [m.value for m in client.get_metric_history(run.info.run_id, name)]


def test_epochs_steps_and_settings_are_logged() -> None:
    history = _train(pl.MLflow(each_steps=2, parameters={"data": "noise"}))
    run = _only_run()
    assert run.info.status == "FINISHED"
    assert run.data.params["batch_size"] == "2"
    assert run.data.params["data"] == "noise"
    assert _values(run, "loss") == [r["loss"] for r in history]
    assert len(_values(run, "step_learning_rate")) == 3  # steps 2, 4 and 6


def test_an_active_run_goes_on() -> None:
    with mlflow.start_run() as active:
        _train(pl.MLflow())
        assert mlflow.active_run() is not None
    assert _only_run().info.run_id == active.info.run_id


def test_a_training_that_fails_is_a_failed_run() -> None:
    with pytest.raises(DivergenceError):
        _train(pl.MLflow(), rate=1e30)
    assert _only_run().info.status == "FAILED"
    with mlflow.start_run():
        mlflow.log_param("epochs", 99)  # MLflow's parameters cannot be changed
        with pytest.raises(RunError, match="MLflow: settings must be logged"):
            _train(pl.MLflow())
