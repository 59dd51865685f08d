"""Commands on networks of every kind of output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.network import dumps

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 6, 6, 1)).astype(np.uint8)
DENSE = (pl.Flatten(), pl.Dense(1, activation="sigmoid"))
KINDS: dict[str, tuple[Any, str, Any, list[str], str]] = {
    "binary": (DENSE, "binary_cross_entropy", X.mean((1, 2, 3)) > 127, [], "accuracy"),
    "logit": (
        (pl.Flatten(), pl.Dense(1)),
        "binary_cross_entropy",
        (X.mean((1, 2, 3)) > 127).astype(np.float32),
        [],
        "accuracy",
    ),
    "labels": (
        (pl.Flatten(), pl.Dense(3, activation="sigmoid")),
        "binary_cross_entropy",
        RNG.integers(0, 2, (60, 3)),
        ["sun", "sea", "sky"],
        "accuracy",
    ),
    "masks": (
        (pl.Conv2D(2, 1),),
        "cross_entropy",
        (X > 127).astype(int),
        [],
        "accuracy",
    ),
    "values": (
        (pl.Flatten(), pl.Dense(2)),
        "mse",
        RNG.random((60, 2)),
        [],
        "mean absolute error",
    ),
    "pixel-values": (
        (pl.Conv2D(1, 1),),
        "mse",
        X.astype(np.float32) / 255,
        [],
        "mean absolute error",
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: Any) -> str:
    """A network and its data in this folder, and a picture."""
    layers, _, labels, classes, _ = KINDS[request.param]
    network = pl.Sequential(pl.Input(6, 6, 1), *layers, name=request.param)
    Path(f"{request.param}.json").write_text(dumps(network))
    parts = {"x_train": X[:40], "y_train": labels[:40]}
    parts |= {"x_test": X[40:], "y_test": labels[40:]}
    np.savez("data.npz", **parts, classes=np.array(classes, str))
    Image.fromarray(X[0, ..., 0]).save("one.png")
    return str(request.param)


def train(pellucid: Any, kind: str, *more: str) -> Any:
    given = ("--data", "data.npz", "--engine", "numpy", "--epochs", "1")
    loss = f"loss.name={KINDS[kind][1]}"
    return pellucid("train", f"{kind}.json", *given, "--set", loss, "--quiet", *more)


def test_every_kind_is_trained_measured_predicted_and_explained(
    pellucid: Any, kind: str
) -> None:
    trained = train(pellucid, kind)
    assert trained.code == 0, trained.err
    last = trained.out.splitlines()[-1]
    assert last.startswith(f"test {KINDS[kind][-1]}: ")
    evaluated = pellucid("evaluate", kind)
    assert evaluated.code == 0, evaluated.err
    assert evaluated.out.splitlines()[-1] == last
    model = pl.load(Path("runs", kind, "best.pellucid"), engine="numpy")
    _, test = pl.data.load("data.npz")
    figure = model.evaluate(test)[KINDS[kind][-1].replace(" ", "_")]
    assert last.split(": ")[1] in (f"{100 * figure:.2f} %", f"{figure:.4f}")
    predicted = pellucid("predict", kind, "one.png", "--json")
    assert predicted.code == 0, predicted.err
    (entry,) = predicted.json["predictions"]
    np.testing.assert_allclose(entry["output"], model.predict(X[:1])[0], rtol=1e-5)
    assert pellucid("predict", kind, "one.png").code == 0
    explained = pellucid("explain", kind, "one.png")
    assert explained.code == 0, explained.err
    assert explained.out.splitlines()[-1].startswith(("prediction: ", "output"))


@pytest.mark.parametrize("kind", ["binary"], indirect=True)
def test_one_output_names_both_classes_and_explains_either(
    pellucid: Any, kind: str
) -> None:
    train(pellucid, kind)
    (entry,) = pellucid("predict", kind, "one.png", "--json").json["predictions"]
    p = entry["output"][0]
    found = {choice["label"]: choice["probability"] for choice in entry["top"]}
    assert found == pytest.approx({1: p, 0: 1 - p})
    node = ("one.png", "--node", "dense", "--gradient", "--json")
    for label in ("0", "1"):
        answer = pellucid("explain", kind, *node, "--label", label)
        assert answer.code == 0, answer.err
        reaches = answer.json["derivative"]["reaches"]
        assert reaches == pytest.approx(p - int(label), rel=1e-4)
    refused = pellucid("explain", kind, *node, "--label", "2")
    assert refused.code == 2
    assert "class must be from 0 to 1; got 2" in refused.err


@pytest.mark.parametrize("kind", ["labels"], indirect=True)
def test_several_labels_are_named_and_counted(pellucid: Any, kind: str) -> None:
    train(pellucid, kind)
    (entry,) = pellucid("predict", kind, "one.png", "--json").json["predictions"]
    given = {c["class"]: c["probability"] for c in entry["top"]}
    assert set(entry["labels"]) == {name for name, p in given.items() if p > 0.5}
    document = pellucid("evaluate", kind, "--json").json
    assert np.shape(document["confusion"]) == (3, 2, 2)
    assert list(document["class_accuracy"]) == ["sun", "sea", "sky"]
    assert "sun" in pellucid("evaluate", kind).out


@pytest.mark.parametrize(
    ("kind", "wish", "sentence"),
    [
        ("values", 'metrics=["accuracy"]', "accuracy must be of classes or labels"),
        ("binary", 'metrics=["top5_accuracy"]', "must be of more than 5 classes"),
        ("masks", 'metrics=["mean_absolute_error"]', "must be of values, or of the"),
        ("values", "early_stopping.monitor=accuracy", "one of loss, mean_absolute_er"),
        ("binary", "early_stopping.monitor=val_accuracy", "one of loss, accuracy; got"),
    ],
    indirect=["kind"],
)
def test_figures_that_do_not_fit_are_refused_before_training(
    pellucid: Any, kind: str, wish: str, sentence: str
) -> None:
    answer = train(pellucid, kind, "--set", wish)
    assert answer.code == 2
    assert sentence in answer.err
    assert not Path("runs", kind).exists()


def test_two_classes_of_pictures_are_learned_by_one_output(pellucid: Any) -> None:
    for i in range(24):
        name, part = ("cat", "dog")[i % 2], "test" if i > 15 else "train"
        folder = Path("photos", part, name)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 100, (6, 6)) + 150 * (i % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    network = pl.Sequential(pl.Input(6, 6, 1), *DENSE, name="pets")
    Path("pets.json").write_text(dumps(network))
    given = ("train", "pets.json", "--data", "photos", "--engine", "numpy", "--quiet")
    refused = pellucid(*given)
    assert refused.code == 2
    assert "or --set loss.name=binary_cross_entropy." in refused.err
    rate = ("--epochs", "30", "--learning-rate", "0.1")
    answer = pellucid(*given, *rate, "--set", "loss.name=binary_cross_entropy")
    assert answer.out.endswith("test accuracy: 100.00 %\n"), answer.err
    document = pellucid("evaluate", "pets", "--json").json
    assert document["classes"] == ["cat", "dog"]
    assert document["confusion"] == [[4, 0], [0, 4]]
    (entry,) = pellucid("predict", "pets", "photos/test/dog/17.png", "--json").json[
        "predictions"
    ]
    assert entry["top"][0]["class"] == "dog"
