"""Averaged weights: the formulas, batch norms, resuming, and what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.training import as_average, average_from_json
from pellucid.training.batch_norm import estimate_statistics


def blobs(n: int = 48) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, n)
    images = random.normal(size=(n, 4, 4, 2)) + labels[:, None, None, None]
    return images.astype(np.float32), labels


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(4, 4, 2),
        pl.Conv2D(3, kernel_size=3, bias=False),
        pl.BatchNorm(momentum=0.5),
        pl.ReLU(),
        pl.Flatten(),
        pl.Dense(3),
    )


def model(engine: str = "numpy") -> pl.Model:
    optimizer = pl.SGD(0.05, momentum=0.9)
    return pl.Model(network(), engine=engine, loss="cross_entropy", optimizer=optimizer)


class Watch(pl.Callback):
    """Keep the raw weights after each step."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_step(self, trainer: Any, loss: float) -> None:
        state = trainer.session.state()
        self.seen.append(
            {k[8:]: v for k, v in state.items() if k.startswith("weights")}
        )


def trained(average: Any, epochs: int = 2, **given: Any) -> tuple[pl.Model, Watch, Any]:
    m, watch = model(given.pop("engine", "numpy")), Watch()
    history = m.fit(
        blobs(),
        epochs=epochs,
        batch_size=16,
        average=average,
        callbacks=[watch],
        progress=False,
        **given,
    )
    return m, watch, history


def assert_near(ours: Any, theirs: Any) -> None:
    assert set(ours) == set(theirs)
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6, err_msg=name)


def test_ema_is_pytorchs_averaged_model() -> None:
    torch = pytest.importorskip("torch")
    swa_utils = torch.optim.swa_utils
    m, watch, _ = trained(pl.EMA(decay=0.8))
    for name, array in m.weights.items():
        parameter = torch.nn.Parameter(torch.tensor(watch.seen[0][name]))
        holder = torch.nn.ParameterList([parameter])
        averaged = swa_utils.AveragedModel(
            holder, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.8)
        )
        for weights in watch.seen:
            parameter.data = torch.tensor(weights[name])
            averaged.update_parameters(holder)
        theirs = averaged.module[0].detach().numpy()
        np.testing.assert_allclose(array, theirs, atol=1e-6)


def test_swa_is_the_mean_of_epochs_with_new_statistics(engine: str) -> None:
    m, watch, _ = trained(pl.SWA(start=0.5), epochs=4, engine=engine)
    ends = [watch.seen[2 * 3 + 2], watch.seen[3 * 3 + 2]]
    expected = {k: (ends[0][k] + ends[1][k]) / 2 for k in ends[0]}
    weights = m.weights
    for name in ("conv2d.weight", "dense.bias", "batch_norm.scale"):
        np.testing.assert_allclose(weights[name], expected[name], atol=1e-6)
    # update_bn of PyTorch: the mean over batches, here of the fourth epoch's
    batches = m.batches(pl.Dataset(*blobs()), 16, shuffle=True).epoch(3)
    convolved = [m.activations(b.images, training=True)["conv2d"] for b in batches]
    mean = np.mean([x.mean((0, 1, 2)) for x in convolved], axis=0)
    variance = np.mean([x.var((0, 1, 2)) for x in convolved], axis=0)
    np.testing.assert_allclose(weights["batch_norm.running_mean"], mean, atol=1e-5)
    np.testing.assert_allclose(
        weights["batch_norm.running_variance"], variance, rtol=1e-5
    )
    assert not np.allclose(mean, expected["batch_norm.running_mean"], atol=1e-3)


@pytest.fixture(params=["numpy", "compiled", "torch"])
def engine(request: Any) -> str:
    if request.param == "torch":
        pytest.importorskip("torch")
    return str(request.param)


def test_lookahead_goes_back_part_of_the_way() -> None:
    start = dict(model().weights)
    m, watch, _ = trained(pl.Lookahead(every=3, rate=0.5), epochs=1)
    fast = model()
    fast.fit(blobs(), epochs=1, batch_size=16, progress=False)
    slow = {k: (start[k] + fast.weights[k]) / 2 for k in start}
    assert_near(dict(m.weights), slow)
    # the update that follows starts there
    again, watch, _ = trained(pl.Lookahead(every=3, rate=0.5))
    moved = watch.seen[3]["dense.bias"] - slow["dense.bias"]
    assert 0 < np.abs(moved).max() < 0.2
    del again


def test_lookaheads_rate_may_change_with_the_cube_of_what_is_done() -> None:
    changing = pl.Lookahead(every=1, rate=1.0, last_rate=0.25)
    assert [changing.share(3, done) for done in (0.0, 0.5, 1.0)] == [1, 0.90625, 0.25]
    assert pl.Lookahead(rate=0.5).share(3, 0.5) == 0.5
    start = dict(model().weights)
    m, _, _ = trained(pl.Lookahead(every=3, last_rate=0.25), epochs=1)
    fast = model()  # one epoch has three steps: all are done at the first share
    fast.fit(blobs(), epochs=1, batch_size=16, progress=False)
    assert_near(
        dict(m.weights), {k: start[k] + (fast.weights[k] - start[k]) / 4 for k in start}
    )


def test_validation_sees_the_average_and_training_the_raw_weights() -> None:
    data = blobs()
    m, watch, history = trained(pl.EMA(decay=0.9), validation_data=data)
    assert history["val_loss"][-1] == pytest.approx(m.evaluate(data)["loss"], rel=1e-5)
    plain, plain_watch, _ = trained(None, validation_data=data)
    assert_near(watch.seen[-1], plain_watch.seen[-1])
    assert not np.allclose(m.weights["dense.bias"], plain.weights["dense.bias"])


class StopEarly(pl.Callback):
    def on_step(self, trainer: Any, loss: float) -> None:
        if trainer.position.step == 4:
            trainer.stop("for the test")


@pytest.mark.parametrize("average", [pl.EMA(decay=0.7), "lookahead", "swa"])
def test_a_resumed_run_ends_with_the_same_average(average: Any, tmp_path: Path) -> None:
    whole, _, _ = trained(average, epochs=3)
    run = tmp_path / "run"
    given = {"epochs": 3, "batch_size": 16, "average": average, "progress": False}
    model().fit(blobs(), run=run, callbacks=[StopEarly()], **given)
    resumed = model()
    resumed.fit(blobs(), run=run, resume=True, **given)
    for name, array in whole.weights.items():
        assert np.array_equal(array, resumed.weights[name]), name
    last = pl.load(run / "last.pellucid", engine="numpy")
    for name, array in whole.weights.items():
        assert np.array_equal(array, last.weights[name]), name


def test_another_average_is_refused_on_resuming(tmp_path: Path) -> None:
    given = {"epochs": 1, "batch_size": 16, "run": tmp_path / "run", "progress": False}
    model().fit(blobs(), average="ema", **given)
    with pytest.raises(pl.RunError, match="average="):
        model().fit(blobs(), average="swa", resume=True, **given)


def test_estimates_change_nothing() -> None:
    m = model()
    before = m.state()
    batches = m.batches(pl.Dataset(*blobs()), 16)
    found = estimate_statistics(m.network, m.session, batches.epoch(0))
    assert set(found) == {"batch_norm.running_mean", "batch_norm.running_variance"}
    after = m.state()
    assert all(np.array_equal(before[k], after[k]) for k in before)


def test_json_leads_back() -> None:
    for average in (
        pl.EMA(decay=0.5),
        pl.SWA(every=2),
        pl.Lookahead(rate=0.1, last_rate=1),
    ):
        assert average_from_json(average.to_json()) == average
    assert average_from_json(None) is None


def test_wrong_arguments_are_refused() -> None:
    cases = [
        (lambda: pl.EMA(decay=1.0), "EMA: decay must be from 0 to less than 1"),
        (lambda: pl.EMA(every=0), "EMA: every must be an int of at least 1"),
        (lambda: pl.SWA(start=1.0), "SWA: start must be from 0 to less than 1"),
        (lambda: pl.Lookahead(rate=0), "Lookahead: rate must be above 0"),
        (lambda: pl.Lookahead(last_rate=2), "last_rate must be above 0 and at most 1"),
        (lambda: as_average("mean"), "average: must be one of ema, swa, lookahead"),
        (lambda: average_from_json({"name": "ema", "x": 1}), "must be its own"),
    ]
    for make, message in cases:
        with pytest.raises(pl.NetworkError, match=message):
            make()
