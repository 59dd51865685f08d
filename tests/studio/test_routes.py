"""What the page asks, and what it is told when that does not fit."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from serving_models import png, small_model
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.network import ZOO, to_json
from pellucid.serving import Limits, Log, Settings, create_app
from pellucid.studio import SharedModel


@pytest.fixture
def make_studio() -> Iterator[Any]:
    opened: list[TestClient] = []

    def make(model: pl.Model, **how: Any) -> TestClient:
        app = create_app(
            [],
            settings=Settings(**how),
            log=Log("none"),
            bench=SharedModel(model, model.network.name),
        )
        opened.append(TestClient(app, base_url="http://127.0.0.1").__enter__())
        return opened[-1]

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def studio(make_studio: Any, model: pl.Model) -> TestClient:
    client: TestClient = make_studio(model)
    return client


def encoded(shape: tuple[int, ...] = (8, 8, 1)) -> tuple[Any, str]:
    pixels = np.random.default_rng(3).integers(0, 255, shape).astype(np.uint8)
    return pixels, base64.b64encode(pixels.tobytes()).decode()


@pytest.mark.parametrize("named", [(), tuple("0123456789"), tuple("abcdefghij")])
def test_test_images_are_of_the_networks_own_classes(
    make_studio: Any, named: tuple[str, ...]
) -> None:
    network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(10))
    studio = make_studio(pl.Model(network, engine="numpy", classes=named))
    is_there = "a" not in named
    assert studio.get("/studio/model").json()["has_samples"] == is_there
    found = studio.get("/studio/sample?index=3")
    if is_there:
        assert found.json()["done"] == ["test image 3 of mnist; it is: 0"]
        assert found.json()["label"] == 0
    else:
        assert found.status_code == 404
        assert "input shape and classes; got none" in found.json()["error"]


def test_the_page_and_its_files_are_there(studio: TestClient) -> None:
    page = studio.get("/")
    assert "pellucid studio" in page.text
    for name in ("main.js", "studio.css", "inside.js"):
        assert studio.get(f"/static/studio/{name}").status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_a_drawing_becomes_the_networks_input(
    studio: TestClient, model: pl.Model
) -> None:
    pixels = np.zeros((16, 16), np.uint8)
    pixels[4:12, 7:9] = 255
    seen = studio.post("/studio/draw?side=16", content=pixels.tobytes()).json()
    image = np.frombuffer(base64.b64decode(seen["image"]), np.uint8).reshape(8, 8, 1)
    output = model.predict(image[None])[0]
    assert seen["best"] == output.argmax()
    assert sum(seen["probabilities"]) == pytest.approx(1)
    assert seen["done"] == ["brought from 16×16 to 8×8 pixels, grey"]


def test_colour_pictures_and_any_layer_are_shown(make_studio: Any) -> None:
    image = pl.Input(6, 6, 3)
    x = pl.ReLU()(pl.BatchNorm()(pl.Conv2D(4, kernel_size=3, padding="same")(image)))
    y = pl.Conv2D(4, kernel_size=1)(image)
    merged = pl.Concat()(pl.Add()(x, y), pl.Upsample2D(2)(pl.AvgPool2D(2)(x)))
    network = pl.Network(
        inputs=image, outputs=pl.Softmax()(pl.Dense(3)(pl.Flatten()(merged)))
    )
    model = pl.Model(network, engine="numpy")
    client = make_studio(model)
    content = png(np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8))
    seen = client.post("/studio/drop", content=content).json()
    assert seen["shape"] == [6, 6, 3]
    for node in client.get("/studio/model").json()["nodes"]:
        body = {"image": seen["image"], "node": node["name"]}
        assert client.post("/studio/node", json=body).json()["shape"] == node["shape"]
        shown = client.post("/studio/arithmetic", json=body).json()
        assert shown["value"] == pytest.approx(shown["activation"], abs=1e-5)
        flow = client.post("/studio/gradient", json={**body, "of_class": 1}).json()
        assert flow["shape"] == node["shape"]
        place = {**body, "at": shown["at"], "of_class": 1}
        assert client.post("/studio/derivative", json=place).status_code == 200


def test_small_maps_are_the_activations_of_several_nodes(
    studio: TestClient, model: pl.Model
) -> None:
    pixels, image = encoded()
    names = [node.name for node in model.network.nodes]
    body = {"image": image, "nodes": names, "channels": 2}
    found = studio.post("/studio/maps", json=body).json()
    assert [one["node"] for one in found] == names
    activations = model.activations(pixels[None])
    for one in found:
        values = activations[one["node"]][0]
        assert one["channels"] == values.shape[-1]
        shown = values[..., :2] if values.ndim == 3 else values[:128]
        levels = np.frombuffer(base64.b64decode(one["levels"]), np.uint8)
        back = (levels.astype(float) - 128) / 127 * one["largest"]
        half = one["largest"] / 254 + 1e-6
        np.testing.assert_allclose(back, shown.ravel(), atol=half)
    refused = studio.post("/studio/maps", json={**body, "nodes": ["nothing"]})
    assert refused.status_code == 400


def test_softmax_and_loss_are_nodes_of_the_page(
    studio: TestClient, model: pl.Model
) -> None:
    pixels, image = encoded()
    described = studio.get("/studio/model").json()
    *_, loss = described["ends"]
    assert loss["name"] == "loss"
    body = {"image": image, "node": "loss", "of_class": 1}
    p = model.output_meaning.probabilities(model.predict(pixels[None]))[0]
    shown = studio.post("/studio/node", json=body).json()
    assert shown["units"][0][1] == pytest.approx(-np.log(p[1]), rel=1e-4)
    lost = studio.post("/studio/arithmetic", json=body).json()
    assert lost["value"] == pytest.approx(-np.log(p[1]), rel=1e-4)


def test_what_pages_load_may_be_kept_for_it_is_named_by_its_content(
    studio: TestClient,
) -> None:
    page = studio.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    path = next(t for t in page.text.split('"') if t.endswith("/studio/main.js"))
    kept = studio.get(path)
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"] == "text/javascript; charset=utf-8"
    again = studio.get("/static/studio/main.js")
    assert again.headers["cache-control"] == "no-cache"
    assert again.content == kept.content
    for wrong in ("/static/nothing.js", "/static/../app.py", "/static/%2e%2e/app.py"):
        assert studio.get(wrong).status_code == 404


def test_a_script_is_written_or_refused_with_a_sentence(studio: TestClient) -> None:
    network = to_json(ZOO["lenet5"]())
    body = {"network": network, "framework": "keras", "recipe": "lenet5"}
    assert "import keras" in studio.post("/studio/code", json=body).json()["script"]
    refused = studio.post("/studio/code", json={**body, "recipe": "nope"})
    assert refused.status_code in (400, 503)
    assert "nope" in refused.json()["error"]


def test_a_network_for_other_images_has_code_that_reads_a_folder(
    studio: TestClient,
) -> None:
    network = pl.Sequential(pl.Input(32, 32, 1), pl.Flatten(), pl.Dense(10))
    body = {"network": pl.network.to_json(network), "recipe": "mnist-torch"}
    answer = studio.post("/studio/code", json={**body, "framework": "torch"})
    assert 'default=Path("images")' in answer.json()["script"]
    smooth = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(1))
    body = {"network": pl.network.to_json(smooth), "recipe": "xor-one-hidden"}
    refused = studio.post("/studio/code", json={**body, "framework": "torch"})
    assert refused.status_code == 400
    assert "loss must be 'cross_entropy'" in refused.json()["error"]


def test_the_flow_of_the_derivative_is_the_derivative(
    studio: TestClient, model: pl.Model
) -> None:
    pixels, text = encoded()
    body = {"image": text, "node": "input", "of_class": 2}
    flow = studio.post("/studio/gradient", json=body).json()
    expected, _ = model.vjp(pixels[None], np.eye(3)[[2]], training=False)
    levels = np.frombuffer(base64.b64decode(flow["levels"]), np.uint8).astype(float)
    values = (levels - 128) / 127 * flow["largest"]
    assert flow["largest"] == pytest.approx(np.abs(expected).max(), rel=1e-5)
    np.testing.assert_allclose(values, expected.ravel(), atol=flow["largest"] / 200)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("node", {"node": "nope"}, "node must be one of"),
    ("node", {"image": "!"}, "the image must be base64"),
    ("node", {"image": "AAAA"}, "the image must have 64 bytes"),
    ("arithmetic", {"at": [99, 0, 0]}, "a place in 'conv2d' must be 3 whole numbers"),
    ("arithmetic", {"at": "x"}, "'body.at' must fit"),
    ("gradient", {"of_class": 7}, "class must be from 0 to 2; got 7"),
    ("derivative", {"at": [0, 0, 0], "of_class": 7}, "class"),
    ("compare", {"engine": "nope"}, "'body.engine' must fit"),
]


@pytest.mark.parametrize(("path", "changes", "sentence"), BAD)
def test_what_does_not_fit_is_refused_with_a_sentence(
    studio: TestClient, path: str, changes: dict[str, Any], sentence: str
) -> None:
    body = {"image": encoded()[1], "node": "conv2d", **changes}
    if path == "compare":
        del body["node"]
    response = studio.post(f"/studio/{path}", json=body)
    assert response.status_code == 400
    assert sentence in response.json()["error"]


def test_a_drawing_of_another_size_is_refused(studio: TestClient) -> None:
    response = studio.post("/studio/draw?side=16", content=b"12")
    assert response.status_code == 400
    assert "side × side bytes; got 2 for side=16" in response.json()["error"]


def test_a_network_without_pictures_says_so(make_studio: Any) -> None:
    model = pl.Model(pl.zoo("xor-one-hidden"), engine="numpy")
    client = make_studio(model)
    assert client.get("/studio/model").json()["takes_pictures"] is False
    response = client.post("/studio/draw?side=1", content=b"1")
    assert "the network must take pictures" in response.json()["error"]


def test_a_network_that_does_not_fit_has_its_rows_so_far(studio: TestClient) -> None:
    document = to_json(small_model().network)
    document["nodes"][1]["kernel_size"] = [9, 9]
    found = studio.post("/studio/build", json={"network": document}).json()
    assert found["fits"] is False
    assert found["error"].startswith("Conv2D 'conv2d'")
    assert [row["name"] for row in found["rows"]] == ["input"]


@pytest.mark.parametrize("name", sorted(ZOO))
def test_python_of_each_network_describes_the_same(
    studio: TestClient, name: str
) -> None:
    document = studio.get(f"/studio/example/{name}").json()
    found = studio.post("/studio/build", json={"network": document}).json()
    space: dict[str, Any] = {}
    exec(found["python"].replace("print(network)", ""), space)
    network = pl.zoo(name)
    assert space["network"] == network
    assert found["parameters"] == network.parameter_count


def test_a_script_prepares_pixels_as_the_network_that_was_built_says(
    studio: TestClient,
) -> None:
    how = pl.Preprocessing(scale=(0.0625,), offset=(-0.5,))
    network = pl.Network.from_nodes(pl.zoo("mnist-torch").nodes, preprocessing=how)
    asked = {"framework": "numpy", "recipe": "mnist-torch"}
    found = studio.post("/studio/code", json={"network": to_json(network), **asked})
    text = found.json()["script"]
    assert "scale = np.float32(0.0625)" in text
    assert "offset = np.float32(-0.5)" in text


def test_training_must_have_begun_to_be_held(studio: TestClient) -> None:
    response = studio.post("/studio/training/pause")
    assert response.status_code == 409
    assert "a training must have begun" in response.json()["error"]
    refused = studio.post("/studio/training", json={"network": "nope"})
    assert refused.status_code == 400
    assert "nope" in refused.json()["error"]
    refused = studio.post("/studio/training", json={"epochs": 0})
    assert "'body.epochs' must fit" in refused.json()["error"]


def test_the_model_is_saved_as_a_file(
    studio: TestClient, model: pl.Model, tmp_path: Any
) -> None:
    path = tmp_path / "small.pellucid"
    path.write_bytes(studio.get("/studio/file").content)
    saved = pl.load(path, engine="numpy")
    for name, array in model.weights.items():
        np.testing.assert_array_equal(saved.weights[name], array)


@pytest.mark.parametrize("title", ["网络", 'a"b', "a\r\nX-Evil: 1", "../x"])
def test_any_networks_name_makes_a_files_name(studio: TestClient, title: str) -> None:
    bench = studio.app.studio.bench
    bench.shown = bench.shown._replace(title=title)
    response = studio.get("/studio/file")
    assert response.status_code == 200
    assert "x-evil" not in response.headers
    said = response.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', said)


@pytest.mark.parametrize(
    "wish",
    [
        {"network": "/tmp/own.py"},
        {"network": "own.json"},
        {"network": "../mnist-torch"},
        {"data": "/etc"},
        {"data": "../pictures"},
        {"data": "digits.npz"},
    ],
)
def test_no_path_of_a_training_reaches_the_disk(
    studio: TestClient, wish: dict[str, str]
) -> None:
    refused = studio.post("/studio/training", json=wish)
    assert refused.status_code == 400
    assert f"studio: {next(iter(wish))} must be one of" in refused.json()["error"]
    assert studio.app.studio.lesson is None


def test_bodies_of_the_studio_have_the_servers_limits(
    make_studio: Any, model: pl.Model
) -> None:
    client = make_studio(model, limits=Limits(body_bytes=2000, json_depth=9))
    large = client.post("/studio/build", json={"network": {"x": "a" * 3000}})
    assert large.status_code == 413
    chunks = client.post(
        "/studio/build",
        content=(b"a" * 500 for _ in range(9)),
        headers={"content-type": "application/json"},
    )
    assert chunks.status_code == 413
    deep = client.post(
        "/studio/build",
        content=b'{"network":' + b'{"a":' * 20 + b"1" + b"}" * 21,
        headers={"content-type": "application/json"},
    )
    assert deep.status_code == 400
    assert "nested at most 9 deep" in deep.json()["error"]


def test_the_token_in_the_address_opens_the_page(
    make_studio: Any, model: pl.Model
) -> None:
    client = make_studio(model, token="open & sesame")
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    entered = client.get("/?token=open%20%26%20sesame", follow_redirects=False)
    assert entered.status_code == 303
    assert "HttpOnly; SameSite=Strict" in entered.headers["set-cookie"]
    assert "pellucid studio" in client.get("/").text


def test_a_training_by_a_recipe_of_another_kind_is_told(make_studio: Any) -> None:
    client = make_studio(small_model())
    wishes = client.get("/studio/choices").json()["wishes"]
    wish = {**wishes["xor-one-hidden"], "network": "xor-one-hidden", "epochs": 30}
    wish["engines"] = [wish.pop("engine")]
    assert client.post("/studio/training", json=wish).status_code == 200
    lesson = client.app.studio.lesson
    lesson.lanes[0].thread.join(60)
    lane = lesson.lanes[0]
    assert (lane.status, lane.error) == ("finished", "")
    assert len(lane.points) == 30
    assert client.get("/studio/model").json()["title"] == "xor-one-hidden"
    told = json.dumps(lane.points, allow_nan=False)
    assert json.loads(told)[0][0] == 1
