"""The studio on a run's own test images and data."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from studio_pages import served

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


@pytest.fixture
def analogue(tmp_path):
    """A run whose test pictures have floating-point pixels."""
    draws = np.random.default_rng(1)
    arrays = {
        "x_train": draws.normal(0, 2, (6, 8, 8, 1)).astype(np.float32),
        "y_train": np.arange(6) % 2,
        "x_test": draws.normal(0, 2, (4, 8, 8, 1)).astype(np.float32),
        "y_test": np.arange(4) % 2,
    }
    np.savez(tmp_path / "signals.npz", **arrays)
    network = pl.Sequential(
        pl.Input(8, 8, 1), pl.Conv2D(3, 3, activation="relu"), pl.Flatten(), pl.Dense(2)
    )
    source = {"source": str(tmp_path / "signals.npz")}
    document = {"network": to_json(network), "data": source}
    run = OpenedRun("signals", Recipe.parse(document, origin="a test"))
    model = pl.Model(network, engine="numpy", classes=("0", "1"))
    return SharedModel(model, "signals", run), arrays["x_test"]


def test_pictures_of_floating_point_pixels_are_looked_into(analogue):
    bench, images = analogue
    app = create_app([], settings=Settings(), log=Log("none"), bench=bench)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        seen = client.get("/studio/sample?index=1").json()
        held = np.frombuffer(base64.b64decode(seen["image"]), "<f8")
        np.testing.assert_array_equal(held, images[1].ravel())
        expected = f"from {images[1].min():.4g} to {images[1].max():.4g}"
        assert seen["done"][1].endswith(expected)
        asked = {"image": seen["image"], "node": "conv2d", "at": [2, 3, 1]}
        shown = client.post("/studio/arithmetic", json=asked).json()
        weight = bench.model.weights["conv2d.weight"].astype(np.float64)
        window = images[1][2:5, 3:6, 0].astype(np.float64)
        assert shown["steps"][-1]["value"] == pytest.approx(
            (window * weight[:, :, 0, 1]).sum(), rel=1e-9
        )
        walked = client.post("/studio/walk", json={"image": seen["image"]}).json()
        assert np.isin(walked["pixels"]["values"], images[1].astype(np.float64)).all()
        for kind in ("occlusion", "integrated-gradients", "grad-cam"):
            asked = {"image": seen["image"], "kind": kind}
            assert client.post("/studio/map", json=asked).json()["largest"] > 0
        patches = client.post("/studio/patches", json={"node": "conv2d", "channel": 0})
        cut = patches.json()["patches"][0]
        (top, bottom), (left, right) = cut["field"]
        part = images[cut["index"], top : bottom + 1, left : right + 1]
        held = np.frombuffer(base64.b64decode(cut["image"]), "<f8")
        np.testing.assert_array_equal(held, part.ravel())


@pytest.fixture
def address(analogue):
    bench, _ = analogue
    with served(bench.model, bench.run) as url:
        yield url


def test_the_page_paints_floating_point_pixels_and_offers_the_run(open_page, analogue):
    from playwright.sync_api import expect

    page = open_page(viewport={"width": 360, "height": 800})
    page.click("#sample")
    expect(page.locator("#done")).to_contain_text("floating-point")
    painted = page.locator("#seen").evaluate(
        "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, 8, 8).data]"
    )
    values = analogue[1][0].ravel().astype(np.float64)
    expected = 255 * (values - values.min()) / np.ptp(values)
    np.testing.assert_allclose(painted[::4], expected, atol=0.51)
    page.goto("/#walk")
    expect(page.locator("#walk-steps[aria-busy=false] .walk-pixels td")).to_have_count(
        64
    )
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    page.goto("/#train")
    expect(page.locator("[name=network]")).to_have_value("run")
    expect(page.locator("[name=data]")).to_have_value("run")
