"""The lesson without a server: its answers in Node beside those of the studio."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_lesson import Written, network

import pellucid as pl
from pellucid.data import prepare_digit
from pellucid.studio import inspection
from pellucid.studio.images import encode, prepare_drawing
from pellucid.studio.offline import Recipe, write_lesson
from pellucid.studio.patches import find_patches
from pellucid.studio.walk import walk

pytestmark = pytest.mark.skipif(
    shutil.which("wasm-ld") is None or shutil.which("node") is None,
    reason="there is no wasm-ld or no Node",
)
DRIVER = """
import { readFileSync } from "node:fs";
import * as code from "./model.wasm.mjs";
import { Local } from "./local.js";
import { prepareDigit } from "./digit.js";
import { unpack } from "./unpack.js";
const about = JSON.parse(readFileSync("model.json"));
const load = async (name) =>
  unpack(new Uint8Array(readFileSync(`${name}.bin.gz`)), about.files[name]);
let ended; const end = new Promise((done) => { ended = done; });
const news = [];
const local = new Local(code, about, load, (kind, document) => {
  news.push([kind, document]);
  if (kind === "news" && !document.running) ended();
});
const asked = JSON.parse(readFileSync("questions.json")), said = {};
said.drawn = asked.drawings.map(([side, bytes]) =>
  prepareDigit(Uint8Array.from(bytes), side, side)).map((found) =>
  found && { image: [...found.image], done: found.done });
const bytes = (value) => (Array.isArray(value) ? Uint8Array.from(value) : value);
said.answers = [];
for (const [method, ...values] of asked.questions)
  said.answers.push(await local[method](...values.map(bytes)));
said.refused = [];
for (const [method, ...values] of asked.refused)
  try { await local[method](...values); said.refused.push(null); }
  catch (error) { said.refused.push(error.message); }
await local.train(asked.wish);
await end;
said.news = news;
said.steps = local.model().steps;
console.log(JSON.stringify(said));
"""
QUESTIONS = (
    ("input", (14, 13, 0)),
    ("conv2d", (3, 4, 2)),
    ("conv2d", (0, 0, 1)),
    ("conv2d_relu", (9, 9, 0)),
    ("max_pool2d", (3, 4, 2)),
    ("flatten", (17,)),
    ("dense", (3,)),
    ("softmax", (7,)),
)


def scribbles() -> list[np.ndarray[Any, Any]]:
    """Return drawings of several sizes, light on dark and dark on light."""
    random = np.random.default_rng(0)
    found = []
    for side in (20, 28, 61, 112):
        image = np.zeros((side, side), np.uint8)
        top, left = random.integers(0, side // 2, 2)
        shape = random.integers(3, side // 2 + 1, 2)
        part = random.integers(0, 256, tuple(shape), np.uint8)
        image[top : top + shape[0], left : left + shape[1]] = part
        found += [image, 255 - image]
    return found


@pytest.fixture(scope="module")
def lesson(written: Written) -> tuple[pl.Model, Any, Any]:
    """Return the model, its test images, and what the lesson said."""
    model, test, folder = written
    image = encode(test.images[4])
    places = [{"image": image, "node": n, "at": at} for n, at in QUESTIONS]
    drawing = scribbles()[-2]
    asked = {
        "drawings": [(len(a), a.ravel().tolist()) for a in scribbles()],
        "questions": [
            ["draw", len(drawing), drawing.ravel().tolist()],
            *(["arithmetic", place] for place in places),
            ["arithmetic", {"image": image, "node": "dense"}],
            *(["derivative", {**place, "of_class": 3}] for place in places),
            *(["node", {"image": image, "node": n.name}] for n in model.network.nodes),
            *(
                ["gradient", {"image": image, "node": n.name, "of_class": None}]
                for n in model.network.nodes
            ),
            ["map", {"image": image, "kind": "saliency", "of_class": 2}],
            ["walk", {"image": image, "label": None}],
            ["walk", {"image": image, "label": 7}],
            ["maps", {"image": image, "nodes": ["flatten", "conv2d"], "channels": 3}],
            ["node", {"image": image, "node": "loss", "of_class": None}],
            ["node", {"image": image, "node": "loss", "of_class": 7}],
            ["arithmetic", {"image": image, "node": "loss", "of_class": 7}],
            ["patches", {"node": "conv2d", "channel": 2}],
            ["patches", {"node": "max_pool2d", "channel": 0}],
            ["patches", {"node": "dense", "channel": 9}],
        ],
        "refused": [
            ["patches", {"node": "dense", "channel": 10}],
            ["arithmetic", {"image": image, "node": "none"}],
            ["arithmetic", {"image": image, "node": "dense", "at": [10]}],
            ["node", {"image": "AAAA", "node": "dense"}],
            ["draw", 2, [0, 0, 0, 0]],
            ["act", "pause"],
            ["train", {"batch_size": 65, "images": 9, "epochs": 1, "learning_rate": 1}],
        ],
        "wish": {"batch_size": 32, "images": 320, "epochs": 3, "learning_rate": 0.01},
    }
    (folder / "questions.json").write_text(json.dumps(asked))
    (folder / "driver.mjs").write_text(DRIVER)
    (folder / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        ["node", "driver.mjs"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    said["asked"] = asked["questions"]
    return model, test, said


def agree(found: Any, expected: Any, where: str = "") -> None:
    """Compare two documents, numbers to float32's precision."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), where
        for key, value in expected.items():
            agree(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for i, value in enumerate(expected):
            agree(found[i], value, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=2e-4, abs=2e-5), where
    elif where.endswith(".levels"):
        ours, theirs = (np.frombuffer(_bytes(t), np.uint8) for t in (found, expected))
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1, where
    elif not where.endswith(".formula"):  # its numbers are rounded
        assert found == expected, where


def _bytes(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


def test_a_drawing_is_prepared_to_the_pixel(lesson: Any) -> None:
    _, _, said = lesson
    for drawing, found in zip(scribbles(), said["drawn"], strict=True):
        image, _ = prepare_digit(drawing)
        np.testing.assert_array_equal(found["image"], image.ravel())


def test_answers_are_those_of_the_studio(lesson: Any) -> None:
    model, test, said = lesson
    ask = {
        "patches": lambda q: {
            **q,
            "data": "MNIST",
            "looked_at": 100,
            "patches": find_patches(model, test.images[:100], **q),
        },
        "arithmetic": lambda q: inspection.explain_element(
            model, q["image"], q["node"], q.get("at"), q.get("of_class")
        ),
        "derivative": lambda q: inspection.trace_gradient(
            model, q["image"], q["node"], q["at"], q["of_class"]
        ),
        "node": lambda q: inspection.inspect_node(
            model, q["image"], q["node"], q.get("of_class")
        ),
        "gradient": lambda q: inspection.flow(
            model, q["image"], q["node"], q["of_class"]
        ),
        "maps": lambda q: inspection.feature_maps(
            model, q["image"], q["nodes"], q["channels"]
        ),
        "walk": lambda q: walk(model, q["image"], q["label"]),
        "map": lambda q: inspection.attribute_pixels(
            model, q["image"], q["kind"], q["of_class"]
        ),
    }
    for (method, *values), found in zip(said["asked"], said["answers"], strict=True):
        if method == "draw":
            side, pixels = values
            image, done = prepare_drawing(model, bytes(pixels), side)
            expected = {**inspection.describe_prediction(model, image), "done": done}
        else:
            expected = ask[method](values[0])
        agree(found, json.loads(json.dumps(expected)), f"{method} {values[0]!s:.90}")


def test_what_does_not_fit_is_refused_in_a_sentence(lesson: Any) -> None:
    _, _, said = lesson
    assert said["refused"] == [
        "studio: a channel of 'dense' must be from 0 to 9; got 10.",
        "studio: there is no node 'none'.",
        "explain: a place in 'dense' must lie in 10; got 10.",
        "studio: the image must have 784 bytes; got 3.",
        "digit: the picture must show a digit; got 0 in every pixel.",
        "studio: there must be a training; got none. Start one.",
        "studio: batch must be 1 to 64, for which the kernels were made; got 65.",
    ]


def test_it_trains_from_the_engines_start_and_tells_the_page(lesson: Any) -> None:
    _, test, said = lesson
    kinds = [kind for kind, _ in said["news"]]
    assert kinds[0] == "begin"
    lanes = [document["lanes"][0] for kind, document in said["news"] if kind == "news"]
    points = [point for lane in lanes for point in lane["points"]]
    losses = [loss for _, loss, _ in points if loss is not None]
    assert len(losses) == said["steps"] == 30
    begun = pl.Model(network(), engine="numpy", seed=0, loss="cross_entropy")
    train, _ = pl.data.load("mnist")
    first = begun.evaluate(train.subset(range(320))).get("loss")
    assert losses[0] == pytest.approx(first, abs=0.3)  # a batch of the same start
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    last = lanes[-1]
    assert last["status"] == "finished"
    assert last["snapshot"]["looked_at"] == len(test)
    confusion = np.array(last["snapshot"]["confusion"])
    np.testing.assert_array_equal(
        confusion.sum(axis=1), np.bincount(test.labels, minlength=10)
    )
    right = confusion.trace() / len(test)
    assert last["snapshot"]["metrics"]["accuracy"] == pytest.approx(right)
    assert right > 0.5
    assert last["snapshot"]["mistakes"]


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(3)), "end in Softm"),
        (
            pl.Sequential(
                pl.Input(28, 28, 1), pl.AvgPool2D(2), pl.Flatten(), pl.Dense(3)
            ),
            r"of Conv2D, Dense, .*; got AvgPool2D 'avg_pool2d'",
        ),
    ],
)
def test_other_networks_are_refused(made: Any, match: str, tmp_path: Path) -> None:
    train, test = pl.data.load("mnist")
    model = pl.Model(made, engine="numpy", loss="cross_entropy", optimizer="adam")
    recipe = Recipe(learning_rate=0.01, epochs=1, images=9)
    with pytest.raises(pl.NetworkError, match=match):
        write_lesson(
            model, tmp_path / "x", train=train, test=test, recipe=recipe, home=""
        )
    assert not (tmp_path / "x").exists()
