"""One image on several workers: what it is, and that timing does not show."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines import make
from pellucid.engines.compiled.lowering import context
from pellucid.engines.state import initial_state


def everything() -> pl.Network:
    """Return a network with a layer of each kind that is cut into parts."""
    image = pl.Input(13, 11, 3)
    x = pl.Conv2D(20, kernel_size=3, padding=1, activation="relu")(image)
    x = pl.Conv2D(20, kernel_size=3, padding=1, groups=20)(x)
    wide = pl.Conv2D(160, kernel_size=3, padding=1, bias=False)(x)
    wide = pl.ReLU()(pl.BatchNorm()(wide))
    wide = pl.ReLU()(pl.BatchNorm()(pl.Conv2D(96, kernel_size=3, padding=1)(wide)))
    small = pl.MaxPool2D(3, stride=2, padding=1)(wide)
    small = pl.BatchNorm()(pl.Conv2D(96, kernel_size=3, padding=1)(small))
    small = pl.AvgPool2D(2)(pl.ReLU()(pl.BatchNorm()(small)))
    large = pl.Upsample2D(2)(small)
    strided = pl.Conv2D(96, kernel_size=3, stride=2, padding=1)(wide)
    strided = pl.ZeroPad2D(((0, 1), (1, 1)))(pl.Conv2D(96, kernel_size=2)(strided))
    both = pl.Concat()(pl.SiLU()(large), pl.MaxPool2D(2, stride=1)(strided))
    both = pl.Conv2D(32, kernel_size=1, groups=2)(both)
    summed = pl.Add()(both, pl.Conv2D(32, kernel_size=1)(both))
    y = pl.Dense(200)(pl.GlobalAvgPool2D()(summed))
    return pl.Network(inputs=image, outputs=y, name="everything")


@pytest.fixture(scope="module")
def network() -> pl.Network:
    return everything()


def images(count: int) -> np.ndarray:
    shape = (count, 13, 11, 3)
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def test_workers_on_one_image_agree_with_numpy_whatever_the_timing(
    network: pl.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "SHARED_WORK", 0)
    state = initial_state(network, seed=3, dtype="float32")
    wanted = make("numpy").build(network, state=state).predict(images(5))
    session = make("compiled", threads=3).build(network, state=state)
    for count in (1, 2, 3, 5):
        for _ in range(2):  # the first prepares the weights
            found = session.predict(images(count))
            error = np.abs(found - wanted[:count]).max() / np.abs(wanted).max()
            assert error < 1e-5
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        first = session.predict(images(1))
        for _ in range(100):
            assert np.array_equal(session.predict(images(1)), first)
    finally:
        stop.set()
        thread.join()
    alone = make("compiled", threads=1).build(network, state=state)
    alone.predict(images(1))
    assert np.array_equal(alone.predict(images(1)), first)


def test_not_a_number_spreads_as_in_numpy(
    network: pl.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "SHARED_WORK", 0)
    state = initial_state(network, seed=3, dtype="float32")
    session = make("compiled", threads=2).build(network, state=state)
    x = images(1)
    session.predict(x)
    x[0, 4, 4, 1] = np.nan
    assert np.isnan(session.predict(x)).all()


def test_a_small_network_stays_with_one_worker() -> None:
    session = make("compiled", threads=2).build(
        pl.zoo("lenet5"), state=initial_state(pl.zoo("lenet5"), seed=0, dtype="float32")
    )
    assert not session.native.shares_images
