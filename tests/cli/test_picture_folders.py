"""Training on, measuring and predicting folders of pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pellucid as pl

GIVEN = ("--engine", "numpy", "--batch-size", "8", "--epochs", "2", "--quiet")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def photos(here):
    """Return a function that makes photos/<part>/<class>/<n>.png of three classes."""

    def make(*parts, count=6):
        random = np.random.default_rng(0)
        for part in parts:
            for label, name in enumerate(("dark", "left", "right")):
                folder = Path("photos", part, name)
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = random.integers(0, 60, (8, 8)).astype(np.uint8)
                    if label:
                        pixels[:, 4 * label - 4 : 4 * label] += 150
                    Image.fromarray(pixels).save(folder / f"{number}.png")
        return "photos"

    return make


def epochs(answer):
    return [line for line in answer.lines if line["event"] == "epoch"]


def test_validation_data_is_validated_with_and_never_trained_on(pellucid, photos):
    source = photos("Training", "Validation", "Testing")
    answer = pellucid("train", "tiny.json", "--data", source, "--json", *GIVEN)
    assert answer.code == 0, answer.err
    assert all("val_loss" in line for line in epochs(answer))
    result = answer.lines[-1]
    assert result["tested_on"] == "test"
    model = pl.load("runs/tiny/best.pellucid", engine="numpy")
    train, test = pl.data.load(source)
    assert result["test"]["loss"] == pytest.approx(model.evaluate(test)["loss"])
    best = min(epochs(answer), key=lambda line: line["val_loss"])
    held_out = model.evaluate(train.validation)["loss"]
    assert best["val_loss"] == pytest.approx(held_out)


def test_validation_data_alone_is_not_called_a_test(pellucid, photos):
    source = photos("train", "val")
    answer = pellucid("train", "tiny.json", "--data", source, *GIVEN)
    assert answer.code == 0, answer.err
    assert "validation accuracy: " in answer.out
    assert "test accuracy: " not in answer.out
    answer = pellucid("evaluate", "tiny")
    assert "validation accuracy: " in answer.out
    assert pellucid("evaluate", "tiny", "--json").json["tested_on"] == "validation"


def test_a_split_beside_validation_data_is_refused(pellucid, photos):
    source = photos("train", "val")
    given = ("--data", source, "--validation-split", "0.2", *GIVEN)
    answer = pellucid("train", "tiny.json", *given)
    assert answer.code == 2
    assert "validation_split must be 0 where the data has validation" in answer.err


def test_a_limit_leaves_the_validation_data_whole(pellucid, photos):
    source = photos("train", "val")
    given = ("--data", source, "--limit", "9", "--json", *GIVEN)
    answer = pellucid("train", "tiny.json", *given)
    assert answer.code == 0, answer.err
    assert all("val_loss" in line for line in epochs(answer))
    assert answer.lines[-1]["tested_on"] == "validation"


def test_broken_pictures_are_named_and_left_out_on_request(pellucid, photos):
    source = photos("train", "test")
    for name in ("0.png", "3.png"):
        Path(source, "train", "left", name).write_bytes(b"text")
    command = ("train", "tiny.json", "--data", source, *GIVEN)
    answer = pellucid(*command)
    assert answer.code == 2
    for words in ("left/0.png", "left/3.png", "--skip-broken"):
        assert words in answer.err
    with pytest.warns(UserWarning, match="left out 2 that cannot be read"):
        answer = pellucid(*command, "--skip-broken")
    assert answer.code == 0, answer.err
    answer = pellucid("evaluate", "tiny")  # the recipe remembers
    assert "left out 2 that cannot be read: 'train/left/0.png'" in answer.err


def test_mistakes_name_their_files(pellucid, photos):
    source = photos("train", "test")
    command = ("train", "tiny.json", "--data", source, *GIVEN)
    pellucid(*command, "--learning-rate", "0")
    document = pellucid("evaluate", "tiny", "--json").json
    _, test = pl.data.load(source)
    assert document["mistakes"]
    for mistake in document["mistakes"]:
        assert mistake["file"] == test.files[mistake["index"]]
    answer = pellucid("evaluate", "tiny")
    assert document["mistakes"][0]["file"] in answer.out
    answer = pellucid("explain", "tiny", "test:3", "--node", "dense", "--json")
    assert answer.code == 0, answer.err
    assert f"test:3 is {test.files[3]}" in answer.err


def test_a_folder_is_predicted_file_by_file(pellucid, trained, photos):
    source = Path(photos("new", count=2))
    (source / "new" / ".DS_Store").write_bytes(b"x")
    (source / "README.txt").write_text("words")
    answer = pellucid("predict", "tiny", str(source), "--json")
    assert answer.code == 0, answer.err
    names = [entry["image"] for entry in answer.json["predictions"]]
    assert names == sorted(map(str, source.rglob("*.png")))
    assert answer.json["errors"] == []


def test_one_bad_file_stops_no_other(pellucid, trained, photos):
    source = Path(photos("new", count=2)) / "new"
    (source / "left" / "bad.png").write_bytes(b"text")
    os.mkfifo(source / "right" / "pipe.png")
    answer = pellucid("predict", "tiny", str(source), "gone.png", "--json")
    assert answer.code == 2
    assert len(answer.json["predictions"]) == 6
    wrong = [entry["image"] for entry in answer.json["errors"]]
    assert wrong == [f"{source}/left/bad.png", f"{source}/right/pipe.png", "gone.png"]
    assert answer.err.count("error: picture: ") == 3
    answer = pellucid("predict", "tiny", str(source), "--top", "1")
    assert answer.code == 2
    assert len(answer.out.splitlines()) == 2 + 6
    assert "bad.png' must be an image that we can read" in answer.err


def test_a_folder_without_pictures_is_refused(pellucid, trained, here):
    (here / "nothing").mkdir()
    (here / "nothing" / "README").write_text("words")
    answer = pellucid("predict", "tiny", "nothing")
    assert answer.code == 2
    assert "'nothing' must hold pictures; got a folder without." in answer.err
