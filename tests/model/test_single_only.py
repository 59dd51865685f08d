"""What takes one input and one output only, and says so by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import detector, recurrent, two_branches

import pellucid as pl
from pellucid import explain
from pellucid.compare.methods.subject import read_recipe
from pellucid.errors import NetworkError
from pellucid.network import dumps
from pellucid.sklearn import CNNClassifier


def model_of(network: pl.Network) -> pl.Model:
    return pl.Model(network, engine="numpy")


def _estimator(network: pl.Network) -> Any:
    images = np.zeros((4, *network.input_shape), np.float32)
    return CNNClassifier(network=network).fit(images, np.arange(4) % 2)


ALL: dict[str, Callable[[pl.Network], Any]] = {
    "sklearn": _estimator,
}


@pytest.mark.parametrize("what", ALL)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (two_branches, "the network must have one input; got 2: vector, image"),
        (detector, "the network must have one output; got 2: kind_softmax, box"),
    ],
)
def test_several_are_refused_by_name(
    what: str, make: Callable[[], pl.Network], message: str
) -> None:
    with pytest.raises(NetworkError, match=f"{what}: {message}"):
        ALL[what](make())


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_nodes() -> None:
    model, vector = model_of(recurrent()), np.linspace(-1, 1, 6)
    parts, totals = 0.0, set[float | None]()
    for node in ("step", "step_1", "step_2"):
        shown = explain.derivative(model, vector, node, (2,))
        (share,) = (
            share
            for share in shown.parameters
            if (share.name, share.at) == ("step.weight", (0, 2))
        )
        parts += share.value
        totals.add(share.total)
    assert len(totals) == 1
    assert parts == pytest.approx(totals.pop(), rel=1e-6)


def test_arithmetic_shows_a_shared_weight_at_each_of_its_nodes() -> None:
    model, vector = model_of(recurrent()), np.linspace(-1, 1, 6)
    for node in ("step", "step_1", "step_2"):
        shown = explain.arithmetic(model, vector, node, (2,))
        assert shown.value == pytest.approx(shown.activation, abs=1e-6)


@pytest.mark.parametrize("make", [two_branches, detector])
def test_compare_refuses_files_of_such_networks(
    make: Callable[[], pl.Network], tmp_path: Path
) -> None:
    path = tmp_path / "network.json"
    path.write_text(dumps(make()))
    with pytest.raises(NetworkError, match="one input and one output, for the"):
        read_recipe(str(path), None)


def test_views_of_an_image_are_averaged_where_weights_are_shared() -> None:
    image, conv = pl.Input(6, 6, 1), pl.Conv2D(2, kernel_size=3, padding="same")
    x = conv(pl.Conv2D(2, kernel_size=1)(image))
    network = pl.Network(inputs=image, outputs=pl.Flatten()(conv(x)))
    images = np.random.default_rng(0).random((3, 6, 6, 1), np.float32)
    model = model_of(network)
    views = pl.TestTimeAugment(flip=True)
    mean = (model.predict(images) + model.predict(images[:, :, ::-1])) / 2
    np.testing.assert_allclose(model.predict(images, tta=views), mean, rtol=1e-5)
