"""Scripts judge outputs by their meaning, as the library does, in each framework."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.code import FRAMEWORKS, write_script
from pellucid.objectives import loss_from_json
from pellucid.runs.recipe import Recipe

NEEDS = {"numpy": "numpy", "torch": "torch", "keras": "keras", "jax": "optax"}
INSTALLED = tuple(f for f in FRAMEWORKS if importlib.util.find_spec(NEEDS[f]))

#: end of the network, loss, and the score of the library
MEANINGS = {
    "one sigmoid": ("sigmoid", "binary_cross_entropy", "accuracy"),
    "one logit": (None, "binary_cross_entropy", "accuracy"),
    "a sigmoid's error": ("sigmoid", "mse", "accuracy"),
    "a sigmoid's half error": ("sigmoid", "half_squared_error_sum", "accuracy"),
    "a regression": (None, "mse", "mean_absolute_error"),
    "a regression by sums": (None, "half_squared_error_sum", "mean_absolute_error"),
}


def weights(network: pl.Network) -> dict[str, np.ndarray]:
    """Weights whose logits lie around 0.25: above 0 and below ½ are other classes."""
    rng = np.random.default_rng(3)
    found = {
        name: 0.2 * rng.standard_normal(array.shape).astype("f")
        for name, array in network.initial_weights(0).items()
    }
    last = network.weights[-1].name
    found[last] = found[last] * 0 + np.float32(0.25)
    return found


def said(
    network: pl.Network, framework: str, recipe: Recipe, folder: Path, run_script: Any
) -> str:
    """Return what the script prints last, which begins with the weights."""
    script = write_script(
        network,
        framework,
        recipe=recipe,
        data=recipe.data.source,
        weights=weights(network),
        name="judged.py",
    )
    path, _ = script.write(folder / "judged.py")
    return str(run_script(path, "--epochs", "0").splitlines()[-1])


def judged(network: pl.Network, loss: str, score: str, data: Any) -> str:
    """Return the line that a script must print, by the library."""
    model = pl.Model(network, engine="numpy", loss=loss_from_json({"name": loss}))
    model.load_weights(weights(network))
    value = model.evaluate(data, metrics=(score,))[score]
    if score == "accuracy":
        return f"test accuracy: {100 * value:.2f} %"
    return f"test mean absolute error: {value:.4g}"


@pytest.mark.parametrize("framework", INSTALLED)
@pytest.mark.parametrize("meaning", MEANINGS)
def test_a_script_s_score_is_the_library_s(meaning, framework, tmp_path, run_script):
    end, loss, score = MEANINGS[meaning]
    network = pl.Sequential(
        pl.Input(2), pl.Dense(4, activation="tanh"), pl.Dense(1, activation=end)
    )
    document = {
        "network": "xor-one-hidden",
        "data": {"source": "xor"},
        "loss": {"name": loss},
    }
    recipe = Recipe.parse(document, origin="test")
    found = said(network, framework, recipe, tmp_path, run_script)
    _, test = pl.data.load("xor")
    assert found == judged(network, loss, score, test)


def two_classes(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("10", "9"):
        (folder / name).mkdir(parents=True)
        for i in range(15):
            pixels = rng.integers(0, 256, (6, 6)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


@pytest.mark.parametrize("framework", INSTALLED)
@pytest.mark.parametrize("end", ["sigmoid", None])
def test_two_classes_of_pictures_may_have_one_output(
    end, framework, tmp_path, run_script
):
    photos = tmp_path / "photos"
    two_classes(photos)
    network = pl.Sequential(
        pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(1, activation=end)
    )
    document = {
        "network": "lenet5",
        "data": {"source": str(photos)},
        "loss": {"name": "binary_cross_entropy"},
    }
    recipe = Recipe.parse(document, origin="test")
    found = said(network, framework, recipe, tmp_path, run_script)
    _, test = pl.data.load(photos, size=(6, 6), colour="grey", cache=False)
    assert found == judged(network, "binary_cross_entropy", "accuracy", test)
    with pytest.raises(pl.RunError, match="where the network has one output"):
        write_script(
            pl.Sequential(pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(2)),
            framework,
            recipe=recipe,
            data="",
        )
