"""Every number that the page writes is the engine's own, or null."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from serving_models import small_model
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Log, create_app
from pellucid.serving.pages import STATIC
from pellucid.studio import SharedModel
from pellucid.studio.events import stream_events
from pellucid.studio.live_training import TrainingRequest

PIXELS = np.random.default_rng(3).integers(0, 255, (8, 8, 1)).astype(np.uint8)
SEEN = {"image": base64.b64encode(PIXELS.tobytes()).decode()}


@pytest.fixture
def open_studio() -> Iterator[Any]:
    opened: list[TestClient] = []

    def open_(model: pl.Model) -> TestClient:
        app = create_app([], log=Log("none"), bench=SharedModel(model, "m"))
        client = TestClient(app, base_url="http://127.0.0.1")
        opened.append(client.__enter__())
        return client

    yield open_
    for client in opened:
        client.__exit__(None, None, None)


def diverged(model: pl.Model) -> pl.Model:
    weights = {name: np.full_like(a, np.nan) for name, a in model.weights.items()}
    model.load_weights(weights)
    return model


def strict(response: Any) -> Any:
    """Return an answer's JSON, which must be JSON."""
    return json.loads(response.content, parse_constant=pytest.fail)


def test_the_units_of_a_vector_are_its_floats(open_studio: Any) -> None:
    wide = pl.Sequential(pl.Input(8, 8, 1), pl.Flatten(), pl.Dense(300), pl.Dense(3))
    for model in (small_model(), pl.Model(wide, engine="numpy")):
        client = open_studio(model)
        activations = model.activations(PIXELS[None])
        vectors = {name: a[0] for name, a in activations.items() if a.ndim == 2}
        assert vectors
        for node, values in vectors.items():
            found = strict(client.post("/studio/node", json={**SEEN, "node": node}))
            assert len(found["units"]) == min(len(values), 200)
            for unit, value in found["units"]:
                assert np.float32(value) == values[unit]
            at = tuple(found["largest_at"])
            assert abs(values[at]) == np.abs(values).max() == found["largest"]
            body = {**SEEN, "node": node, "at": list(at)}
            shown = strict(client.post("/studio/arithmetic", json=body))
            assert np.float32(shown["activation"]) == values[at]


def test_gradients_of_units_are_floats_too(open_studio: Any) -> None:
    client = open_studio(small_model())
    body = {**SEEN, "node": "flatten", "of_class": 1}
    found = strict(client.post("/studio/gradient", json=body))
    weight = small_model().weights["dense.weight"].astype(np.float64)
    expected = weight[:, 1]
    for unit, value in found["units"]:
        assert value == pytest.approx(expected[unit], rel=1e-12)


def test_the_page_never_writes_a_level_as_a_number() -> None:
    for script in (STATIC / "studio").rglob("*.js"):
        text = script.read_text("utf-8")
        if script.name != "paint.js":
            assert "/ 127" not in text
            assert "- 128" not in text


def test_after_a_divergence_there_are_words_or_null(open_studio: Any) -> None:
    client = open_studio(diverged(small_model()))
    refused = client.post("/studio/draw?side=4", content=bytes([9] * 16))
    assert refused.status_code == 422
    assert "the output must be finite" in strict(refused)["error"]
    body = {**SEEN, "node": "dense"}
    found = strict(client.post("/studio/node", json=body))
    assert [value for _, value in found["units"]] == [None] * 3
    assert strict(client.post("/studio/arithmetic", json=body))["activation"] is None
    for path, more in (
        ("gradient", {}),
        ("derivative", {"at": [1]}),
        ("map", {"kind": "saliency"}),
    ):
        given = {**SEEN, **more} if path == "map" else {**body, **more}
        response = client.post(f"/studio/{path}", json=given)
        assert response.status_code < 500
        strict(response)


def test_the_events_of_a_training_are_json_whatever_happens(
    open_studio: Any,
) -> None:
    studio = open_studio(small_model()).app.studio
    wish = TrainingRequest(
        network="xor-one-hidden", data="xor", engines=["numpy"], images=4, epochs=3
    )
    studio.start(wish)
    lane = studio.lesson.lanes[0]
    lane.thread.join(60)
    lane.points.append((4, float("nan"), float("inf")))
    lane.snapshot["metrics"]["loss"] = float("inf")

    async def first_events() -> list[str]:
        events = stream_events(studio)
        return [await anext(events), await anext(events)]

    begin, news = asyncio.run(first_events())
    for text in (begin, news):
        json.loads(text.partition("data: ")[2], parse_constant=pytest.fail)
    (shown,) = json.loads(news.partition("data: ")[2])["lanes"]
    assert shown["points"][-1] == [4, None, None]
    assert (shown["loss"], shown["unit"]) == ("half_squared_error_sum", "")


def test_vectors_are_given_as_numbers(open_studio: Any) -> None:
    model = pl.Model(pl.zoo("xor-one-hidden"), engine="numpy", dtype="float64")
    client = open_studio(model)
    sample = strict(client.get("/studio/sample?index=1"))
    assert sample["values_in"] == [0.0, 1.0]
    assert sample["done"] == ["test example 1 of xor; it is: 1"]
    values = [0.1, -2.5]
    seen = strict(client.post("/studio/values", json={"values": values}))
    p = float(model.predict(np.array([values]))[0, 0])
    assert seen["probabilities"] == [1 - p, p]
    assert seen["says"] == str(int(p > 0.5))
    for node in ("input", "dense", "dense_1_sigmoid"):
        body = {"image": seen["image"], "node": node}
        found = strict(client.post("/studio/node", json=body))
        expected = model.activations(np.array([values]))[node][0]
        assert [value for _, value in found["units"]] == expected.tolist()
        assert client.post("/studio/arithmetic", json=body).status_code == 200
        for of_class in (0, 1):
            more = {**body, "at": [0], "of_class": of_class}
            assert client.post("/studio/derivative", json=more).status_code == 200
    refused = client.post("/studio/values", json={"values": [1.0]})
    assert refused.status_code == 400
    assert "the input must have 2 numbers" in strict(refused)["error"]


@pytest.mark.parametrize("kind", ["logit", "labels", "regression", "pixels"])
def test_what_it_says_follows_from_what_the_output_means(
    open_studio: Any, kind: str
) -> None:
    image = pl.Input(8, 8, 1)
    flat = pl.Flatten()(image)
    ends: dict[str, tuple[Any, str | None]] = {
        "logit": (pl.Dense(1)(flat), "binary_cross_entropy"),
        "labels": (pl.Sigmoid()(pl.Dense(3)(flat)), "binary_cross_entropy"),
        "regression": (pl.Dense(1)(flat), "mse"),
        "pixels": (pl.Softmax()(pl.Conv2D(3, kernel_size=1)(image)), None),
    }
    end, loss = ends[kind]
    network = pl.Network(inputs=image, outputs=end)
    model = pl.Model(network, engine="numpy", loss=loss)
    client = open_studio(model)
    drawn = np.random.default_rng(1).integers(0, 255, (16, 16)).astype(np.uint8)
    seen = strict(client.post("/studio/draw?side=16", content=drawn.tobytes()))
    pixels = np.frombuffer(base64.b64decode(seen["image"]), np.uint8)
    output = model.predict(pixels.reshape(1, 8, 8, 1))
    meaning = model.output_meaning
    if kind == "regression":
        assert seen["values"] == [float(output[0, 0])]
        assert seen["best"] is None
        return
    given = meaning.predict(output)[0]
    if kind == "pixels":
        shares = [float((given == k).mean()) for k in range(3)]
        assert seen["probabilities"] == pytest.approx(shares)
        assert seen["is_of_pixels"]
        return
    shares = meaning.probabilities(output)[0].tolist()
    assert seen["probabilities"] == pytest.approx(shares)
    if kind == "logit":
        assert seen["best"] == int(output[0, 0] > 0)
    else:
        names = [str(i) for i in np.flatnonzero(given)]
        assert seen["says"] == (", ".join(names) or "none of them")


def test_shared_weights_are_counted_once_and_shown_at_every_use(
    open_studio: Any,
) -> None:
    image = pl.Input(8, 8, 1)
    conv = pl.Conv2D(1, kernel_size=3, padding="same", name="twice")
    x = conv(pl.Tanh()(conv(image)))
    network = pl.Network(inputs=image, outputs=pl.Dense(2)(pl.Flatten()(x)))
    model = pl.Model(network, engine="numpy")
    client = open_studio(model)
    nodes = {n["name"]: n for n in client.get("/studio/model").json()["nodes"]}
    assert (nodes["twice"]["parameters"], nodes["twice_1"]["parameters"]) == (10, 0)
    assert sum(n["parameters"] for n in nodes.values()) == network.parameter_count
    document = client.get("/studio/network").json()
    rows = client.post("/studio/build", json={"network": document}).json()["rows"]
    assert [r["parameters"] for r in rows] == [n["parameters"] for n in nodes.values()]
    kernels = [
        client.post("/studio/node", json={**SEEN, "node": name}).json()["kernels"]
        for name in ("twice", "twice_1")
    ]
    assert kernels[0] == kernels[1]
    place = {**SEEN, "node": "twice_1", "at": [3, 4, 0]}
    shown = client.post("/studio/arithmetic", json=place).json()
    assert shown["value"] == pytest.approx(shown["activation"], rel=1e-5)
    flow = client.post("/studio/derivative", json={**place, "of_class": 0}).json()
    (share,) = (
        s
        for s in flow["parameters"]
        if s["name"] == "twice.weight" and s["at"][0] == 0 and s["at"][1] == 0
    )
    grads = model.to("numpy").vjp(PIXELS[None], np.array([[1.0, 0]]), training=False)[1]
    assert share["total"] == pytest.approx(grads["twice.weight"][0, 0, 0, 0], rel=1e-4)
