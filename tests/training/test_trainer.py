"""The trainer: figures, stopping, divergence, and resuming in the middle."""

from __future__ import annotations

import signal
import time
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.training import FitConfig, Trainer, TrainerState


def blobs(n: int = 60, seed: int = 0) -> tuple[Any, Any]:
    """Three classes of points around three corners."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    corners = np.array([[2.0, 0], [0, 2], [-2, -2]])
    return corners[labels] + random.normal(0, 0.3, (n, 2)), labels


def model(**arguments: Any) -> pl.Model:
    network = pl.Sequential(pl.Input(2), pl.Dense(8, activation="relu"), pl.Dense(3))
    given = {"loss": "cross_entropy", "optimizer": pl.Adam(0.01), "engine": "numpy"}
    return pl.Model(network, **(given | arguments))


def test_fit_learns_and_keeps_a_record_per_epoch() -> None:
    m = model()
    history = m.fit(
        blobs(), epochs=30, batch_size=8, validation_split=0.2, progress=False
    )
    assert history["epoch"] == list(range(1, 31))
    assert history["val_accuracy"][-1] == 1.0
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert set(history[0]) == {
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
        "seconds",
    }
    assert m.evaluate(blobs(seed=1))["accuracy"] == 1.0


class Hands(pl.Callback):
    """A clock that only the test moves, a little with each step and epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def on_begin(self, trainer: Any) -> None:
        self.now += 1000

    def on_step(self, trainer: Any, loss: float) -> None:
        self.now += 1

    def on_epoch(self, trainer: Any, record: Any) -> None:
        self.now += 100

    def on_end(self, trainer: Any) -> None:
        self.training_s, self.compiling_s = trainer.training_s, trainer.compiling_s


def test_training_lasts_from_the_first_batch_to_the_last_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    m, hands = model(), Hands(monkeypatch)
    m.fit(blobs(40), epochs=2, batch_size=10, callbacks=[hands], progress=False)
    # seven steps were over before the last update, and one epoch
    assert hands.training_s == 7 + 100
    assert hands.compiling_s == 0


def test_compiling_ahead_is_no_part_of_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class CompilesAhead:
        def __init__(self, session: Any) -> None:
            self._session = session

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

        def prepare(self) -> None:
            hands.now += 30

    m, hands = model(), Hands(monkeypatch)
    m._session = CompilesAhead(m._session)
    m.fit(blobs(40), epochs=1, batch_size=10, callbacks=[hands], progress=False)
    assert hands.compiling_s == 30
    assert hands.training_s == 3


def test_the_same_seed_gives_the_same_bits() -> None:
    def weights(seed: int) -> Any:
        m = model(seed=seed)
        m.fit(blobs(), epochs=3, batch_size=7, progress=False)
        return m.weights

    a, b, c = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not all(np.array_equal(a[k], c[k]) for k in a)


def test_the_loss_is_the_mean_over_examples_with_an_odd_last_batch() -> None:
    m, data = model(optimizer=pl.SGD(0.0)), blobs(50)
    history = m.fit(data, epochs=1, batch_size=16, progress=False)
    assert history["loss"][0] == pytest.approx(m.evaluate(data)["loss"], rel=1e-6)


def test_a_diverging_loss_names_its_step() -> None:
    m = model(optimizer=pl.SGD(1e30))
    with (
        np.errstate(all="ignore"),
        pytest.raises(pl.DivergenceError, match=r"in step \d+ \(epoch 1\)"),
    ):
        m.fit(blobs(), epochs=5, batch_size=8, progress=False)


def test_early_stopping_ends_and_restores_the_best_epoch() -> None:
    class Spoil(pl.Callback):
        best: Any = None

        def on_epoch(self, trainer: Any, record: Any) -> None:
            if record["epoch"] == 2:
                self.best = trainer.session.state()["weights/dense.bias"]
            if record["epoch"] >= 2:
                state = trainer.session.state()
                state["weights/dense_1.bias"][0] += 50 * record["epoch"]
                trainer.session.load_state(state)

    spoil, m = Spoil(), model()
    history = m.fit(
        blobs(),
        epochs=50,
        batch_size=8,
        validation_data=blobs(seed=1),
        early_stopping=3,
        callbacks=[spoil],
        progress=False,
    )
    assert len(history) == 5
    np.testing.assert_array_equal(m.weights["dense.bias"], spoil.best)


def test_monitor_must_be_a_figure_of_the_history() -> None:
    stop = pl.EarlyStopping(monitor="val_f1")
    with pytest.raises(pl.NetworkError, match="must be one of loss, accuracy; got"):
        model().fit(blobs(), epochs=1, early_stopping=stop, progress=False)


def test_an_epoch_goes_on_with_the_metrics_it_began_with() -> None:
    network = pl.Sequential(pl.Input(2), pl.Dense(1))
    m = pl.Model(network, engine="numpy", loss="mse", optimizer="sgd")
    x = np.random.default_rng(0).random((8, 2))
    data = pl.Dataset(x, x[:, :1])

    def trainer(position: TrainerState) -> Trainer:
        return Trainer(
            m.network,
            m.session,
            loss=pl.MeanSquaredError(),
            train=m.batches(data, 4),
            validation=None,
            config=FitConfig(epochs=2),
            learning_rate=0.01,
            position=position,
        )

    sums = {"loss": 1.0, "accuracy": 4.0}  # of a version that counted accuracy
    stopped = TrainerState(batch=1, step=1, examples=4, sums=sums)
    history = trainer(stopped).run()
    assert "accuracy" not in history[0]
    assert "mean_absolute_error" not in history[0]  # it would be of half an epoch
    assert "mean_absolute_error" in history[1]


def test_schedules_reach_the_steps() -> None:
    m = model(optimizer=pl.SGD(1.0))
    history = m.fit(
        blobs(), epochs=4, schedule=pl.StepDecay(2, 0.1), batch_size=60, progress=False
    )
    assert history["learning_rate"] == pytest.approx([1, 1, 0.1, 0.1])


def test_on_plateau_drops_the_rate() -> None:
    m = model(optimizer=pl.SGD(1e-12))
    schedule = pl.OnPlateau(patience=1, gamma=0.5, threshold=0.01)
    history = m.fit(blobs(), epochs=4, schedule=schedule, batch_size=60, progress=False)
    assert history["learning_rate"] == pytest.approx([1e-12, 1e-12, 5e-13, 2.5e-13])


def test_class_weights_silence_a_class() -> None:
    m = model()
    x, y = blobs()
    m.fit((x, y), epochs=30, batch_size=8, class_weight={0: 0.0}, progress=False)
    assert not (m.predict(x).argmax(axis=1) == 0).any()


def test_clip_norm_bounds_an_update_and_ends_with_the_fit() -> None:
    m = model(optimizer=pl.SGD(1.0))
    x, y = blobs()
    before = dict(m.weights)
    m.fit((x * 100, y), epochs=1, batch_size=60, clip_norm=1e-3, progress=False)
    after = m.weights
    norm = np.sqrt(sum(((after[k] - before[k]) ** 2).sum() for k in before))
    assert norm == pytest.approx(1e-3, rel=1e-4)
    m.fit((x * 100, y), epochs=1, batch_size=60, progress=False)
    last = m.weights
    assert np.sqrt(sum(((last[k] - after[k]) ** 2).sum() for k in before)) > 1e-2


def test_ctrl_c_ends_after_the_step() -> None:
    class Press(pl.Callback):
        steps = 0

        def on_step(self, trainer: Any, loss: float) -> None:
            self.steps += 1
            if self.steps == 3:
                signal.raise_signal(signal.SIGINT)

    press = Press()
    with pytest.raises(KeyboardInterrupt):
        model().fit(blobs(), epochs=9, batch_size=8, callbacks=[press], progress=False)
    assert press.steps == 3


def test_a_callback_may_stop_the_training() -> None:
    class Stop(pl.Callback):
        def on_epoch(self, trainer: Any, record: Any) -> None:
            trainer.stop("enough")

    assert len(model().fit(blobs(), epochs=9, callbacks=[Stop()], progress=False)) == 1


def test_a_callback_stops_after_the_very_step() -> None:
    class Stop(pl.Callback):
        steps = 0

        def on_step(self, trainer: Any, loss: float) -> None:
            self.steps += 1
            if self.steps == 2:
                trainer.stop("enough")

    stop = Stop()
    assert not model().fit(
        blobs(), epochs=9, batch_size=8, callbacks=[stop], progress=False
    )
    assert stop.steps == 2


def test_progress_is_a_line_per_epoch_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model().fit(blobs(), epochs=2, batch_size=8, validation_split=0.2)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[0].startswith("epoch 1/2  loss ")
    assert "val_accuracy" in lines[0]
    assert "s left" in lines[0]
    assert lines[-1].startswith("epoch 2/2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": -1}, "epochs must be an int of at least 0"),
        ({"epochs": 1, "class_weight": {0: -1.0}}, "class_weight must map classes"),
        ({"epochs": 1, "clip_norm": 0.0}, "clip_norm must be positive"),
        ({"epochs": 1, "metrics": ["f9"]}, "metrics must be among|metrics: must be"),
        ({"epochs": 1, "resume": True}, "resume must name a run"),
        ({"epochs": 1, "early_stopping": 0}, "patience must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(pl.PellucidError, match=message):
        model().fit(blobs(), progress=False, **arguments)


def test_data_that_does_not_fit_the_network_is_refused() -> None:
    m = model()
    with pytest.raises(pl.ShapeError, match=r"fit: images must have shape \(N, 2\)"):
        m.fit((np.zeros((4, 3)), np.zeros(4, int)), progress=False)
    with pytest.raises(pl.DataError, match="labels must be from 0 to 2"):
        m.fit((np.zeros((4, 2)), np.full(4, 3)), progress=False)
    with pytest.raises(pl.DataError, match="must be finite; got nan"):
        m.fit((np.full((4, 2), np.nan), np.zeros(4, int)), progress=False)
