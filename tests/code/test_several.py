"""Scripts of several inputs and outputs train and judge as the library does."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.cli import main
from pellucid.code import write_script
from pellucid.data.named_arrays import load_several
from pellucid.network import codec
from pellucid.runs.recipe import Recipe
from tests.code.test_script import INSTALLED, check

LOSSES = {
    "kind": {"name": "cross_entropy", "label_smoothing": 0.1},
    "other_softmax": {"name": "cross_entropy", "weight": 0.5},
    "place": {"name": "mse", "weight": 5.0},
    "same": {"name": "binary_cross_entropy"},
}


def pairs(*, free: bool = False, norm: bool = False) -> pl.Network:
    """Two images through one encoder and a vector; four outputs, or a fifth, free."""
    encoder = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(3, kernel_size=3, activation="relu"),
        *([pl.BatchNorm(momentum=0.8)] if norm else []),
        pl.Flatten(),
        pl.Dense(4, activation="tanh"),
        name="encoder",
    )
    left, right = pl.Input(6, 6, 1, name="left"), pl.Input(6, 6, 1, name="right")
    facts = pl.Input(3, name="class")  # a word of Python
    x = pl.Concat()(encoder(left), encoder(right), pl.Dense(2)(facts))
    place = pl.Dense(2, name="place")(x)
    outputs = [
        pl.Dense(3, name="kind")(x),
        pl.Dense(2, name="other", activation="softmax")(place),
        place,
        pl.Sigmoid(name="same")(pl.Dense(1)(x)),
    ]
    given = [left, right, facts]
    free_outputs = [pl.Tanh(name="free")(x)] if free else []
    return pl.Network(inputs=given, outputs=[*outputs, *free_outputs], name="pairs")


def arrays(count: int = 60) -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    return {
        "left": random.integers(0, 256, (count, 6, 6), dtype=np.uint8),
        "right": random.random((count, 6, 6, 1), "f"),
        "class": random.random((count, 3)),
        "kind": random.integers(0, 3, count),
        "other_softmax": random.integers(0, 2, count),
        "place": random.random((count, 2)),
        "same": random.integers(0, 2, count),
    }


def recipe(source: Path, **changes: Any) -> Recipe:
    document = {
        "network": "lenet5",
        "data": {"source": str(source)},
        "loss": LOSSES,
        "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
        "batch_size": 8,
        "epochs": 2,
        "shuffle": False,
    }
    return Recipe.parse(document | changes, origin="test")


def loss_of(found: Recipe, network: pl.Network) -> pl.Loss:
    return recipes.builders.build_loss(found, network)


@pytest.mark.parametrize("framework", INSTALLED)
def test_a_script_trains_and_judges_as_the_library(
    framework: str, tmp_path: Path, run_script: Any
) -> None:
    network, data = pairs(free=framework != "keras"), tmp_path / "pairs.npz"
    np.savez(data, **arrays())
    model = pl.Model(
        network,
        engine="numpy",
        loss=loss_of(recipe(data), network),
        optimizer=pl.SGD(0.05, momentum=0.9),
        seed=3,
    )
    script = write_script(
        network,
        framework,
        recipe=recipe(data),
        data=str(data),
        weights=model.weights,
        name="made.py",
    )
    path, _ = script.write(tmp_path / "made.py")
    check(["check", "--extend-ignore", "T20"], tmp_path)
    train, test = load_several(data, network.inputs, network.outputs)
    model.fit(train, epochs=2, batch_size=8, shuffle=False, progress=False)
    lines = run_script(path, "--epochs", "2").splitlines()
    said = dict(line.split(": ") for line in lines if line.startswith("test "))
    wanted = model.evaluate(test)
    for name in ("kind", "other_softmax", "same"):
        (shown,) = (
            value
            for key, value in said.items()
            if key.startswith(f"test {name}") and key.endswith("accuracy")
        )
        assert float(shown) == pytest.approx(wanted[f"{name}_accuracy"], abs=1e-3)
    shown = said.get("test place mean absolute error")
    shown = shown or said["test place_mean_absolute_error"]
    error = wanted["place_mean_absolute_error"]
    assert float(shown) == pytest.approx(error, rel=1e-3)


def test_the_numpy_script_s_derivatives_are_those_of_all_losses(tmp_path: Path) -> None:
    network, data = pairs(free=True, norm=True), tmp_path / "pairs.npz"
    model = pl.Model(
        network, engine="numpy", loss=loss_of(recipe(data), network), dtype="float64"
    )
    text = write_script(network, "numpy", recipe=recipe(data), data=str(data)).text
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(text, "script", "exec"), names)
    given = arrays(5)
    images = {
        name: names["to_input"](given[name]).astype("f8") for name in names["INPUTS"]
    }
    labels = names["as_targets"]({name: given[name] for name in names["LABELS"]})
    weights = {key: np.array(array) for key, array in model.weights.items()}
    statistics = {key: array for key, array in weights.items() if "running" in key}
    v = names["forward"](weights, statistics, images, np.random.default_rng(0))
    value, grad = names["loss_and_grad"](v, labels)
    found = names["backward"](weights, v, grad)
    loss, wanted = model.gradients(images, labels)
    assert value == pytest.approx(loss, rel=1e-6)  # labels are float32 in the script
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-8)


def test_the_command_writes_a_script_for_a_network_of_a_file(
    tmp_path: Path, capsys: Any
) -> None:
    file, out, data = (tmp_path / name for name in ("pairs.json", "p.py", "pairs.npz"))
    file.write_text(codec.dumps(pairs()))
    np.savez(
        data,
        **{
            f"{k}_{part}": a
            for part in ("train", "test")
            for k, a in arrays(20).items()
        },
    )
    settings = [
        f"loss.{output}.{key}={value}"
        for output, table in LOSSES.items()
        for key, value in table.items()
    ]
    words = [word for setting in settings for word in ("--set", setting)]
    given = ["--framework", "numpy", "--data", str(data), "--output", str(out)]
    assert main(["code", str(file), *given, *words]) == 0
    names = runpy.run_path(str(out), run_name="script")
    images, labels = names["load"](data, "test")
    assert len(images["left"]) == len(labels["place"]) == 20
    capsys.readouterr()
    assert main(["code", str(file), "--framework", "numpy", "--data", str(data)]) == 2
    assert "loss must name one for each output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("framework", "changes", "message"),
    [
        (
            "numpy",
            {"data": {"source": "mnist"}},
            "must be a .npz with arrays called left",
        ),
        ("torch", {"augment": {"flip": True}}, "augment must be left out"),
        ("jax", {"loss": {"place": {"name": "mse"}}}, "'kind': none of the losses"),
        ("keras", {}, "every output must have a loss for keras.*'free'"),
        ("numpy", {"loss": {**LOSSES, "place": {"name": "huber"}}}, "loss must be one"),
    ],
)
def test_what_scripts_have_not_is_refused_by_name(
    framework: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    given = recipe(tmp_path / "pairs.npz", **changes)
    with pytest.raises(pl.PellucidError, match=message):
        write_script(pairs(free=True), framework, recipe=given, data="x.npz")


def test_an_image_that_is_joined_flat_keeps_its_channels_last(
    tmp_path: Path, run_script: Any
) -> None:
    """Only one dense layer alone can take its rows in another order."""
    pytest.importorskip("torch")
    image, facts = pl.Input(6, 6, 1, name="left"), pl.Input(3, name="class")
    flat = pl.Flatten()(pl.Conv2D(3, kernel_size=3, activation="relu")(image))
    place = pl.Dense(2, name="place")(pl.Concat()(flat, facts))
    outputs = [pl.Dense(3, name="kind")(flat), place]
    network = pl.Network(inputs=[image, facts], outputs=outputs, name="joined")
    data = tmp_path / "pairs.npz"
    np.savez(data, **arrays())
    losses = {name: LOSSES[name] for name in ("kind", "place")}
    wanted = recipe(data, loss=losses, epochs=1)
    model = pl.Model(
        network,
        engine="numpy",
        loss=loss_of(wanted, network),
        optimizer=pl.SGD(0.05, momentum=0.9),
        seed=3,
    )
    script = write_script(
        network,
        "torch",
        recipe=wanted,
        data=str(data),
        weights=model.weights,
        name="made.py",
    )
    path, _ = script.write(tmp_path / "made.py")
    train, test = load_several(data, network.inputs, network.outputs)
    model.fit(train, epochs=1, batch_size=8, shuffle=False, progress=False)
    lines = run_script(path, "--epochs", "1").splitlines()
    said = dict(line.split(": ") for line in lines if line.startswith("test "))
    found = model.evaluate((test.images, test.labels))
    assert float(said["test place mean absolute error"]) == pytest.approx(
        found["place_mean_absolute_error"], abs=1e-4
    )
    assert float(said["test kind accuracy"]) == pytest.approx(found["kind_accuracy"])
