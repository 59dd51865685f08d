"""The patches of test images that a channel looks for."""

from __future__ import annotations

import base64

import numpy as np
import pytest

import pellucid as pl
from pellucid.studio.examples import examples_for
from pellucid.studio.patches import find_patches, strongest_patches


@pytest.fixture(scope="module")
def model() -> pl.Model:
    network = pl.Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(3, kernel_size=3, padding="same", activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(4),
    )
    return pl.Model(network, engine="numpy", seed=3)


@pytest.mark.parametrize("node", ["conv2d", "max_pool2d", "dense"])
def test_patches_are_where_a_channel_is_largest(model: pl.Model, node: str) -> None:
    images = pl.data.load("mnist")[1].images[:20]
    values = model.activations(images)[node][..., 1].reshape(20, -1)
    found = find_patches(model, images, node, 1)
    best = np.argsort(-values.max(axis=1), kind="stable")[:8]
    assert [patch["index"] for patch in found] == best.tolist()
    for patch in found:
        index, at = patch["index"], tuple(patch["at"])
        assert patch["value"] == pytest.approx(values[index].max(), rel=1e-5)
        one = model.activations(images[index][None])[node][0]
        assert one[at] == patch["value"]
        (top, bottom), (left, right) = patch["field"]
        cut = images[index, top : bottom + 1, left : right + 1]
        assert base64.b64decode(patch["image"]) == cut.tobytes()
        assert tuple(patch["shape"]) == cut.shape
        # what is outside the patch does not matter to the value
        alone = np.zeros_like(images[index])
        alone[top : bottom + 1, left : right + 1] = cut
        again = model.activations(alone[None])[node][0]
        assert again[at] == pytest.approx(patch["value"], rel=1e-5)


def test_a_channel_that_is_not_there_is_refused(model: pl.Model) -> None:
    with pytest.raises(pl.DataError, match="from 0 to 2; got 3"):
        strongest_patches(model, examples_for(model), "conv2d", 3)


def test_without_test_images_there_are_no_patches() -> None:
    network = pl.Sequential(pl.Input(9, 9, 1), pl.Flatten(), pl.Dense(2))
    with pytest.raises(pl.DataError, match="must be test images for the network"):
        strongest_patches(pl.Model(network, engine="numpy"), None, "dense", 0)
