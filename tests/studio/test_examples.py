"""The studio on a run's own test images and data."""

from __future__ import annotations

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import pellucid as pl
from pellucid.network import to_json
from pellucid.runs.recipe import Recipe
from pellucid.serving import Log, Settings, create_app
from pellucid.studio import SharedModel
from pellucid.studio.examples import OpenedRun, examples_for


@pytest.fixture
def photos(tmp_path):
    """Pictures of two classes, half of them in a folder of tests."""
    draws = np.random.default_rng(0)
    for part in ("train", "test"):
        for place, name in enumerate(("day", "night")):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for i in range(6):
                pixels = draws.integers(0, 80, (8, 8, 3)) + 160 * (1 - place)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def opened(photos):
    network = pl.Sequential(
        pl.Input(8, 8, 3), pl.Conv2D(4, 3), pl.ReLU(), pl.Flatten(), pl.Dense(2)
    )
    document = {"network": to_json(network), "data": {"source": str(photos)}}
    run = OpenedRun("sky", Recipe.parse(document, origin="a test"))
    model = pl.Model(network, engine="numpy", classes=("day", "night"))
    return SharedModel(model, "sky", run)


@pytest.fixture
def client(opened):
    app = create_app([], settings=Settings(), log=Log("none"), bench=opened)
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


def test_samples_and_patches_are_of_the_runs_test_images(client, photos):
    assert client.get("/studio/model").json()["has_samples"]
    found = client.get("/studio/sample?index=7").json()
    assert found["label"] == 1
    (said,) = found["done"]
    assert said.startswith(f"test image 7 of {photos}, ")
    assert said.endswith("night/1.png; it is: night")
    asked = {"node": "conv2d", "channel": 2}
    patches = client.post("/studio/patches", json=asked).json()
    assert patches["data"] == str(photos)
    assert patches["looked_at"] == 12
    assert patches["patches"]


def test_the_runs_network_trains_on_its_data(client, opened):
    run = client.get("/studio/choices").json()["run"]
    assert run["title"] == "sky"
    assert run["wish"]["data"] == "run"
    wish = {"network": "run", "data": "run", "engines": ["numpy"], "images": 8}
    assert (
        client.post("/studio/training", json={**wish, "epochs": 2}).status_code == 200
    )
    (lane,) = client.app.studio.current().lanes
    lane.thread.join(60)
    assert lane.status == "finished", lane.error
    assert lane.snapshot["classes"] == ["day", "night"]
    assert lane.snapshot["looked_at"] == 12
    assert opened.examples.name == opened.run.recipe.data.source


def test_without_a_run_its_data_cannot_be_asked_for(opened):
    app = create_app(
        [],
        settings=Settings(),
        log=Log("none"),
        bench=SharedModel(opened.model, "sky"),
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/studio/choices").json()["run"] is None
        for wish in ({"network": "run"}, {"data": "run"}):
            refused = client.post("/studio/training", json=wish)
            assert refused.status_code == 400
            assert "must be one of" in refused.text


def test_a_named_dataset_must_have_the_models_classes():
    digits = pl.Model(pl.zoo("mnist-torch"), engine="numpy")
    found = examples_for(digits)
    assert found is not None
    assert found.name == "mnist"
    digits.classes = tuple("abcdefghij")
    assert examples_for(digits) is None
