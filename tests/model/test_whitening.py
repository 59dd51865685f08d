"""Whitening: the outputs' covariance, their negatives, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid import recipes
from pellucid.model import whitening
from pellucid.network import to_json

RANDOM = np.random.default_rng(0)
#: grey values whose neighbours are alike
IMAGES = RANDOM.random((300, 9, 9, 1)).astype(np.float32)
IMAGES = (IMAGES + np.roll(IMAGES, 1, 1) + np.roll(IMAGES, 1, 2)) / 3


def model(outputs: int = 8, **given: Any) -> pl.Model:
    network = pl.Sequential(
        pl.Input(9, 9, 1),
        pl.Conv2D(outputs, kernel_size=2, trainable=False, name="white", **given),
        pl.Flatten(),
        pl.Dense(2),
    )
    return pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")


def test_outputs_are_white_and_the_second_half_their_negatives() -> None:
    m = model(10)
    before = m.weights["white.weight"]
    pl.whiten(m, IMAGES, "white")
    outputs = m.activations(IMAGES)["white"].reshape(-1, 10)
    products = outputs[:, :4].T @ outputs[:, :4] / len(outputs)
    np.testing.assert_allclose(products, np.eye(4), atol=5e-2)
    np.testing.assert_allclose(outputs[:, 4:8], -outputs[:, :4], atol=1e-4)
    # more outputs than eigenvectors: the rest is as it was
    rest = m.weights["white.weight"][..., 8:]
    np.testing.assert_array_equal(rest, before[..., 8:])
    assert not m.weights["white.bias"].any()


def test_images_at_even_distances_are_whitened_of_a_folder_as_well(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whitening, "_IMAGES", 100)
    m, part = model(), model()
    pl.whiten(m, IMAGES, "white")
    pl.whiten(part, IMAGES[::3], "white")
    np.testing.assert_array_equal(
        m.weights["white.weight"], part.weights["white.weight"]
    )
    for i, image in enumerate(IMAGES[:4]):
        folder = tmp_path / str(i % 2)
        folder.mkdir(exist_ok=True)
        pixels = (255 * image[..., 0]).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    data, _ = pl.data.load(tmp_path, memory_limit_bytes=1, cache=False)
    assert not isinstance(data.images, np.ndarray)
    pl.whiten(m, data.images, "white")
    pl.whiten(part, data.images[np.arange(len(data))], "white")
    np.testing.assert_array_equal(
        m.weights["white.weight"], part.weights["white.weight"]
    )


@pytest.mark.parametrize(
    ("node", "outputs", "message"),
    [
        ("dense", 8, "must be a convolution without groups that reads an input"),
        ("nowhere", 8, "that reads an input; got 'nowhere'"),
        ("white", 7, "'white' must have at least 8 outputs"),
    ],
)
def test_wrong_nodes_are_refused(node: str, outputs: int, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        pl.whiten(model(outputs), IMAGES, node)


def test_a_recipe_whitens_looks_twice_and_resumes(tmp_path: Any) -> None:
    images = RANDOM.integers(0, 256, (60, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(60) % 10
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    image = pl.Input(32, 32, 3)
    x = pl.Conv2D(24, kernel_size=2, trainable=False, name="whiten")(image)
    small = pl.Network(
        inputs=image, outputs=pl.Dense(10)(pl.GlobalAvgPool2D()(x)), name="small"
    )
    changes = {
        "network": to_json(small),
        "data.source": str(tmp_path / "data.npz"),
        "engine": "numpy",
        "epochs": 1,
        "batch_size": 20,
    }
    recipe = recipes.override(recipes.read("cifar10-fast"), changes)
    recipe = recipe.model_copy(update={"optimizer": {"name": "sgd"}})
    outcome = recipes.train(recipe, run=tmp_path / "run", progress=False)
    weights = outcome.model.weights["whiten.weight"]
    np.testing.assert_allclose(weights[..., :12], -weights[..., 12:], atol=1e-6)
    tta = pl.TestTimeAugment(shift=1)
    expected = outcome.model.evaluate(outcome.test, tta=tta)
    assert outcome.metrics["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    longer = recipes.override(recipe, {"epochs": 2})
    resumed = recipes.train(longer, run=tmp_path / "run", resume=True, progress=False)
    np.testing.assert_array_equal(resumed.model.weights["whiten.weight"], weights)


def test_of_several_inputs_the_one_that_the_node_reads_is_whitened() -> None:
    left, facts = pl.Input(9, 9, 1, name="left"), pl.Input(3, name="facts")
    x = pl.Conv2D(8, kernel_size=2, name="white")(left)
    joined = pl.Concat()(pl.Flatten()(x), facts)
    network = pl.Network(inputs=[facts, left], outputs=[pl.Dense(2)(joined), x])
    m, one = pl.Model(network, engine="numpy"), model()
    pl.whiten(m, {"left": IMAGES, "facts": np.zeros((len(IMAGES), 3))}, "white")
    pl.whiten(one, IMAGES, "white")
    np.testing.assert_array_equal(
        m.weights["white.weight"], one.weights["white.weight"]
    )
