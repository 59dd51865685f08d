"""Trainings that start from another model's weights, by Python and by command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import recipes
from pellucid.cli import main
from pellucid.runs.recipe import Recipe


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(5, 5, 1),
        pl.Conv2D(3, kernel_size=3, name="body_conv"),
        pl.BatchNorm(name="body_norm"),
        pl.Flatten(),
        pl.Dense(5, name="head"),
        name="theirs",
        preprocessing=pl.Preprocessing.signed(),
    )


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pl.Model:
    """Return a model that is saved beside data of three classes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (12, 5, 5, 1), np.uint8)
    labels = np.arange(12) % 3
    np.savez("d.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    model = pl.Model(network(), engine="numpy", seed=7)
    model.save("theirs.pellucid")
    return model


def train(*more: str, run: str = "ours") -> int:
    command = ("train", "--data", "d.npz", "--engine", "numpy", "--epochs", "1")
    return main([*command, "--quiet", "--run", run, *more])


def test_a_new_head_is_trained_on_frozen_weights(
    start: pl.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--from", "theirs.pellucid", "--classes", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["test loss", "test accuracy"]
    model = pl.load("runs/ours/best.pellucid", engine="numpy")
    assert model.network.output_shape == (3,)
    assert model.preprocessing.scale == start.preprocessing.scale
    for name, array in start.weights.items():
        if not name.startswith("head."):
            np.testing.assert_array_equal(model.weights[name], array)
    section = Recipe.read(Path("runs/ours/recipe.toml")).start
    assert section is not None
    assert section.weights == "theirs.pellucid"
    assert section.anew == ("head",)


def test_a_run_is_named_after_all_of_the_name_it_starts_from(start: pl.Model) -> None:
    assert train("--from", "theirs.pellucid", run="r0.05") == 0
    command = ("train", "--data", "d.npz", "--engine", "numpy", "--epochs", "1")
    given = ("--classes", "3", "--quiet", "--set", "head.units=3")
    assert main([*command, "--from", "r0.05", *given]) == 0
    assert main([*command, "--from", "theirs.pellucid", *given]) == 0
    assert {p.name for p in Path("runs").iterdir()} == {"r0.05", "r0.05-2", "theirs"}


def test_a_run_that_started_elsewhere_needs_the_file_no_more_to_go_on(
    start: pl.Model,
) -> None:
    assert train("--from", "theirs.pellucid", "--classes", "3") == 0
    Path("theirs.pellucid").unlink()
    assert main(["train", "--resume", "ours", "--epochs", "2", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("freeze", "trained"),
    [
        (["none"], {"body_conv", "body_norm", "head"}),
        (["body"], {"head"}),
        (["body_norm"], {"body_conv", "head"}),
        ([], {"body_conv", "body_norm", "head"}),  # the head stays, nothing is frozen
    ],
)
def test_what_is_frozen_is_told(
    start: pl.Model, freeze: list[str], trained: set[str]
) -> None:
    options = [word for name in freeze for word in ("--freeze", name)]
    # the settings give the head another shape: it is drawn anew
    assert train("--from", "theirs.pellucid", *options, "--set", "head.units=3") == 0
    model = pl.load("runs/ours/last.pellucid", engine="numpy")
    assert {weight.node for weight in model.network.parameters} == trained


def test_the_recipe_is_run_again_with_the_same_file_only(start: pl.Model) -> None:
    recipe = recipes.read_start("theirs.pellucid", classes=3)
    recipe = recipes.override(recipe, {"data.source": "d.npz", "engine": "numpy"})
    one, other = (recipes.train(recipe, progress=False).model for _ in range(2))
    for name, array in one.weights.items():
        np.testing.assert_array_equal(other.weights[name], array)
    pl.Model(network(), engine="numpy", seed=8).save("theirs.pellucid")
    with pytest.raises(pl.RunError, match=r"must be those it names; got another file"):
        recipes.train(recipe, progress=False)
    Path("theirs.pellucid").unlink()
    with pytest.raises(pl.RunError, match=r"must be there; got none at 'theirs"):
        recipes.train(recipe, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "3"], "--classes and --freeze must be given with --from RUN"),
        (["--from", "theirs.pellucid", "lenet5"], "NETWORK must not be given with --f"),
        (["--from", "none.pellucid"], "run: must be a run folder"),
        (
            ["--from", "theirs.pellucid", "--freeze", "all", "--freeze", "body"],
            "--freeze must be all, none or layers; got all, body together",
        ),
        (["--from", "theirs.pellucid", "--freeze", "tail"], "got 'tail'. Nodes: body"),
    ],
)
def test_what_cannot_be_started_from_is_refused(
    start: pl.Model,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(*options) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not Path("runs").exists()
