"""Networks of several inputs and outputs on the command line."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.cli import main
from pellucid.network import dumps


def pairs() -> pl.Network:
    """An encoder called twice: do two pictures show the same?"""
    encoder = pl.Sequential(
        pl.Input(6, 6, 1), pl.Flatten(), pl.Dense(4, activation="tanh"), name="encoder"
    )
    left, right = pl.Input(6, 6, 1, name="left"), pl.Input(6, 6, 1, name="right")
    apart = pl.Subtract()(encoder(left), encoder(right))
    same = pl.Dense(1, name="same", activation="sigmoid")(pl.Multiply()(apart, apart))
    return pl.Network(inputs=[left, right], outputs=same, name="pairs")


def finder() -> pl.Network:
    image = pl.Input(6, 6, 1, name="image")
    x = pl.Dense(8, activation="relu")(pl.Flatten()(image))
    kind = pl.Dense(2, name="kind", activation="softmax")(x)
    outputs = [kind, pl.Dense(2, name="place")(x)]
    return pl.Network(inputs=image, outputs=outputs, name="finder")


def dots(count: int) -> tuple[Any, Any, Any]:
    """Draw pictures of one light dot: their brightness class and the dot's place."""
    random = np.random.default_rng(0)
    kinds, places = random.integers(0, 2, count), random.integers(0, 6, (count, 2))
    images = np.zeros((count, 6, 6, 1), np.uint8)
    images[np.arange(count), places[:, 0], places[:, 1], 0] = 100 + 150 * kinds
    return images, kinds, places / 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train both networks once, in a folder of their own."""
    where = tmp_path_factory.mktemp("several")
    with contextlib.chdir(where):
        images, kinds, places = dots(80)
        Path("finder.json").write_text(dumps(finder()))
        arrays = {"image": images, "kind_softmax": kinds, "place": places}
        divided = {f"{k}_train": v[:60] for k, v in arrays.items()}
        divided |= {f"{k}_test": v[60:] for k, v in arrays.items()}
        np.savez("dots.npz", **divided)
        names = ("kind_softmax.name=cross_entropy", "place.name=mse", "place.weight=4")
        train("finder.json", "dots.npz", *(f"loss.{name}" for name in names))
        Path("pairs.json").write_text(dumps(pairs()))
        other = np.roll(np.arange(60), 7)
        same = (kinds[:60] == kinds[other]).astype(np.float32)
        np.savez("pairs.npz", left=images[:60], right=images[other], same_sigmoid=same)
        train("pairs.json", "pairs.npz", "loss.name=binary_cross_entropy")
    return where


def train(network: str, data: str, *settings: str) -> None:
    given = [s for setting in settings for s in ("--set", setting)]
    how = ("--engine", "numpy", "--epochs", "3", "--quiet")
    assert main(["train", network, "--data", data, *how, *given]) == 0


@pytest.fixture(autouse=True)
def in_folder(here: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_two_outputs_are_trained_tested_and_resumed(
    pellucid: Any,
) -> None:
    model = pl.load("runs/finder/best.pellucid", engine="numpy")
    weights = {t.output: t.weight for t in model.loss.terms}  # type: ignore[union-attr]
    assert weights == {"kind_softmax": 1.0, "place": 4.0}
    images, kinds, places = (a[60:] for a in dots(80))
    answer = pellucid("evaluate", "finder", "--json").json
    expected = model.evaluate((images, {"kind_softmax": kinds, "place": places}))
    assert answer["metrics"] == pytest.approx(expected)
    assert sum(map(sum, answer["outputs"]["kind_softmax"]["confusion"])) == 20
    text = pellucid("evaluate", "finder").out
    assert text.startswith("output kind_softmax\n")
    assert "\naccuracy, 95 % interval: " in text
    error = expected["place_mean_absolute_error"]
    assert f"test place mean absolute error: {error:.4f}" in text
    again = pellucid("train", "--resume", "finder", "--epochs", "4", "--quiet")
    assert again.code == 0, again.err


def test_several_outputs_of_a_picture_are_printed(
    pellucid: Any,
) -> None:
    image = dots(80)[0][0]
    Image.fromarray(image[..., 0]).save("dot.png")
    model = pl.load("runs/finder/best.pellucid", engine="numpy")
    kind, place = model.predict(image[None])
    found = pellucid("predict", "finder", "dot.png", "--json").json["predictions"][0]
    shown = found["outputs"]
    assert shown["kind_softmax"]["output"] == pytest.approx(kind[0].tolist())
    assert shown["kind_softmax"]["top"][0]["probability"] == pytest.approx(kind.max())
    assert shown["place"]["values"] == pytest.approx(
        {"0": place[0, 0], "1": place[0, 1]}
    )
    text = pellucid("predict", "finder", "dot.png").out
    assert "output kind_softmax" in text
    assert "output place" in text
    assert f"{place[0, 1]:.6g}" in text


def test_two_inputs_are_named_or_come_in_an_archive(
    pellucid: Any,
) -> None:
    images, other = dots(80)[0][:60], np.roll(np.arange(60), 7)
    Image.fromarray(images[0, ..., 0]).save("one.png")
    np.save("other.npy", images[other[0]])
    model = pl.load("runs/pairs/best.pellucid", engine="numpy")
    expected = model.predict((images, images[other]))
    named = pellucid("predict", "pairs", "right=other.npy", "left=one.png", "--json")
    found = named.json["predictions"]
    assert found[0]["output"] == pytest.approx(expected[0].tolist())
    assert found[0]["image"] == "right=other.npy left=one.png"
    many = pellucid("predict", "pairs", "pairs.npz", "--json").json["predictions"]
    assert [m["output"][0] for m in many] == pytest.approx(expected[:, 0].tolist())
    assert many[3]["image"] == "pairs.npz 3"
    assert pellucid("evaluate", "pairs").out.splitlines()[-1].startswith("test accur")
    several = pellucid("explain", "pairs", "left=one.png", "right=other.npy")
    assert "prediction: 1, " in several.out or "prediction: 0, " in several.out
    node = ("--node", "same", "--gradient", "--json")
    told = pellucid("explain", "pairs", "test:0", *node).json
    assert told["derivative"]["of"] == "output 0 (1)"
    maps = pellucid("explain", "pairs", "test:1", "--attribution", "saliency")
    assert [line.split(":")[0] for line in maps.out.splitlines()] == [
        "saliency for 1 of left",
        "saliency for 1 of right",
    ]
    assert Path("runs/pairs/saliency-left.png").exists()


def test_an_output_is_named_to_explain_it(
    pellucid: Any,
) -> None:
    node = ("--node", "dense", "--gradient", "--json")
    of = ("--output", "place", "--class", "1")
    told = pellucid("explain", "finder", "test:0", *node, *of).json
    assert told["derivative"]["of"] == "place 1 (1)"
    answer = pellucid("explain", "finder", "test:0", *node)
    assert answer.code == 2
    assert "output must be one of the network's, kind_softmax, place" in answer.err
    overview = pellucid("explain", "finder", "test:0", "--json").json
    assert list(overview["outputs"]) == ["kind_softmax", "place"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["left=pairs.npz"], "must be given as left=FILE right=FILE, or as a .npz"),
        (["one.png"], "must be given as left=FILE right=FILE, or as a .npz"),
        (["left=none.png", "right=none.png"], "none.png"),
        (["wrong.npz"], "must have an array called 'left', as an input is; got x."),
        (["left=three.npy", "right=two.npy"], "must have equally many examples"),
        (["pairs.npz", "--digit"], "--digit must go with pictures of digits"),
        (["uneven.npz"], "must have equally many examples; got (2, 6, 6, 1) of left"),
    ],
)
def test_inputs_are_refused_in_one_sentence(
    pellucid: Any, arguments: list[str], sentence: str
) -> None:
    np.savez("wrong.npz", x=np.zeros(3))
    blank = np.zeros((4, 6, 6, 1), np.uint8)
    np.savez("uneven.npz", left=blank[:2], right=blank)
    np.save("three.npy", blank[:3])
    np.save("two.npy", blank[:2])
    answer = pellucid("predict", "pairs", *arguments)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "loss must name one for each output that is trained, as --set loss.kind_"),
        ({"loss.kind.name": "mse"}, "loss must name outputs, which are kind_softmax"),
        (
            {"loss.place.name": "mse", "data": "pairs.npz"},
            "must have arrays to train on",
        ),
        (
            {"loss.place.name": "mse", "data": "xor"},
            "must be a .npz with arrays called",
        ),
        ({"loss.place.name": "nope"}, "loss: name must be one of"),
        ({"loss.place.name": "mse", "metrics": '["accuracy"]'}, "metrics must be left"),
        (
            {"loss.place.name": "mse", "whiten": "conv2d"},
            "reads an input; got 'conv2d'",
        ),
    ],
)
def test_trainings_are_refused_in_one_sentence(
    pellucid: Any, change: dict[str, str], sentence: str
) -> None:
    data = change.pop("data", "dots.npz") if change else "dots.npz"
    given = [s for k, v in change.items() for s in ("--set", f"{k}={v}")]
    answer = pellucid("train", "finder.json", "--data", data, *given, "--run", "other")
    assert answer.code == 2
    assert sentence in answer.err
    assert not Path("runs/other").exists()


def test_a_file_that_is_divided_must_be_whole(
    pellucid: Any,
) -> None:
    images, kinds, _ = dots(20)
    loss = ("--set", "loss.kind_softmax.name=cross_entropy", "--run", "other")
    for arrays, sentence in (
        ({"image_train": images}, "must have labels, an array 'kind_softmax_train'"),
        ({"kind_softmax_train": kinds}, "must have an array 'image_train' for the"),
        (
            {"image_train": images, "kind_softmax_train": kinds},
            "must have test data, arrays such as 'image_test'",
        ),
        (
            {"image": images, "kind_softmax": kinds[:9]},
            "all inputs and labels must have one length",
        ),
    ):
        np.savez("part.npz", **arrays)
        answer = pellucid("train", "finder.json", "--data", "part.npz", *loss)
        assert answer.code == 2
        assert sentence in answer.err


def test_export_takes_the_run_s_own_examples(
    pellucid: Any,
) -> None:
    answer = pellucid("export", "finder", "--to", "c", "--json")
    assert answer.code == 0, answer.err
    assert "checked on noise" not in answer.err
    assert json.loads(answer.out)["exports"][0]["runtime"]


def test_one_output_s_head_is_replaced(pellucid: Any) -> None:
    images, kinds, places = dots(40)
    np.savez("more.npz", image=images, kind_softmax=kinds + 2, place=places)
    started = ("--from", "finder", "--data", "more.npz", "--engine", "numpy")
    more = ("--epochs", "1", "--quiet", "--run", "more", "--json")
    answer = pellucid("train", *started, "--classes", "kind_softmax=4", *more)
    assert answer.code == 0, answer.err
    model = pl.load("runs/more/best.pellucid", engine="numpy")
    former = pl.load("runs/finder/best.pellucid", engine="numpy")
    assert model.network.shapes["kind_softmax"] == (4,)
    assert model.loss == former.loss
    for name, array in former.weights.items():  # all but the new head is frozen
        if not name.startswith("kind."):
            np.testing.assert_array_equal(model.weights[name], array)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--classes", "3"], "or --classes kind_softmax=3; got 3."),
        (["--classes", "x=3"], "must name outputs, which are kind_softmax, place"),
        (["--classes", "place=none"], "--classes must be a number of at least 1, or"),
        (["--classes", "3", "--classes", "place=3"], "or OUTPUT=N for each of several"),
    ],
)
def test_a_new_head_must_be_an_output_s(
    pellucid: Any, given: list[str], sentence: str
) -> None:
    answer = pellucid("train", "--from", "finder", "--data", "dots.npz", *given)
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_classes_of_one_output_are_drawn_as_often(pellucid: Any) -> None:
    losses = ("--set", "loss.kind_softmax.name=cross_entropy")
    losses += ("--set", "loss.place.name=mse")
    how = ("--data", "dots.npz", *losses, "--epochs", "1", "--quiet", "--run", "even")
    refused = pellucid("train", "finder.json", *how, "--sampler", "balanced")
    assert refused.code == 2
    assert "--sampler kind_softmax=balanced; got 'balanced'." in refused.err
    assert not Path("runs/even").exists()
    balanced = ("--sampler", "kind_softmax=balanced", "--engine", "numpy")
    balanced += ("--class-weight", "kind_softmax=balanced")
    answer = pellucid("train", "finder.json", *how, *balanced)
    assert answer.code == 0, answer.err
    recipe = Path("runs/even/recipe.toml").read_text()
    assert '[sampler]\nkind_softmax = "balanced"' in recipe
    assert '[class_weight]\nkind_softmax = "balanced"' in recipe
    again = pellucid("train", "--resume", "even", "--epochs", "2", "--quiet")
    assert again.code == 0, again.err
