"""Saying what pictures show."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import pellucid as pl


@pytest.fixture
def light_left(here):
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :20] = 200
    Image.fromarray(pixels).save("left.png")
    return "left.png"


def test_each_picture_gets_its_classes(pellucid, trained, light_left):
    answer = pellucid("predict", "tiny", light_left, light_left, "--json")
    assert answer.code == 0, answer.err
    first, second = answer.json["predictions"]
    assert first == second
    model = pl.load(trained / "best.pellucid", engine="numpy")
    pixels = pl.data.picture(light_left, size=(8, 8), colour="grey")
    output = model.predict(pixels[None])[0]
    np.testing.assert_allclose(first["output"], output, rtol=1e-6)
    best = first["top"][0]
    assert best["label"] == output.argmax()
    assert best["class"] == model.classes[output.argmax()]
    np.testing.assert_allclose(sum(t["probability"] for t in first["top"]), 1)


def test_the_table_shows_as_many_classes_as_asked_for(pellucid, trained, light_left):
    answer = pellucid("predict", "tiny", light_left, "--top", "2")
    rows = answer.out.splitlines()[2:]
    assert len(rows) == 2
    assert rows[0].startswith("left.png")
    assert rows[0].endswith("%")


def test_a_dash_reads_one_picture_from_stdin(pellucid, trained, light_left):
    command = [sys.executable, "-m", "pellucid", "predict", "tiny", "-", "--json"]
    with open(light_left, "rb") as file:
        piped = subprocess.run(command, stdin=file, capture_output=True, check=True)
    named = pellucid("predict", "tiny", light_left, "--json").out
    assert piped.stdout.decode() == named.replace('"left.png"', '"-"')


def test_a_drawn_digit_is_prepared_as_mnist_is(pellucid):
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(10))
    model = pl.Model(network, engine="numpy")
    model.save("digits.pellucid")
    paper = np.full((90, 60, 3), 250, np.uint8)
    paper[20:70, 25:32] = 10
    Image.fromarray(paper).save("one.png")
    given = ("predict", "digits.pellucid", "one.png", "--engine", "numpy", "--json")
    answer = pellucid(*given, "--digit")
    prepared = pl.data.digit(paper)
    np.testing.assert_allclose(
        answer.json["predictions"][0]["output"],
        model.predict(prepared[None])[0],
        rtol=1e-6,
    )
    assert pellucid(*given).json != answer.json


def test_a_digit_needs_a_network_for_digits(pellucid, trained, light_left):
    answer = pellucid("predict", "tiny", light_left, "--digit")
    assert answer.code == 2
    assert "--digit must go with a network for 28×28 grey images" in answer.err


def bytes_of_a_cut_picture():
    buffer = io.BytesIO()
    Image.fromarray(np.arange(3000, dtype=np.uint8).reshape(50, 60)).save(buffer, "PNG")
    return buffer.getvalue()[:-40]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello", "must be an image that we can read"),
        (b"", "must be an image that we can read"),
        (bytes_of_a_cut_picture(), "must be a whole picture"),
        (None, "must be a file; got a path where nothing is"),
    ],
    ids=["text", "empty", "cut", "missing"],
)
def test_what_is_no_picture_is_refused(pellucid, trained, here, content, sentence):
    if content is not None:
        (here / "wrong.png").write_bytes(content)
    answer = pellucid("predict", "tiny", "wrong.png")
    assert answer.code == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_a_network_without_images_is_refused(pellucid, light_left):
    pellucid("train", "xor-one-hidden", "--epochs", "1", "--quiet")
    answer = pellucid("predict", "xor-one-hidden", light_left)
    assert answer.code == 2
    assert "must take grey or rgb images; got input (2,)" in answer.err
