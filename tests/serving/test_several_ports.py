"""Models with several inputs and outputs over every protocol."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving_models import png
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Batching, Settings, Source
from pellucid.serving.served_model import ServedModel

LENGTH = "Inference-Header-Content-Length"
URL = "/v2/models/pair/infer"


def pair_model() -> pl.Model:
    """Two pictures and three facts in, a class and two values out."""
    left, right = pl.Input(6, 6, 1, name="left"), pl.Input(6, 6, 3, name="right")
    facts = pl.Input(3, name="facts")
    x = pl.Concat()(pl.Flatten()(left), pl.Flatten()(right), facts)
    x = pl.Dense(5, activation="tanh")(x)
    kind = pl.Dense(3, name="kind", activation="softmax")(x)
    network = pl.Network(
        inputs=[left, right, facts], outputs=[kind, pl.Dense(2, name="place")(x)]
    )
    losses = {"kind_softmax": "cross_entropy", "place": "mse"}
    return pl.Model(network, engine="numpy", loss=losses)


def given(count: int = 2) -> dict[str, Any]:
    random = np.random.default_rng(4)
    shapes = {"left": (6, 6, 1), "right": (6, 6, 3), "facts": (3,)}
    return {
        name: random.random((count, *shape), dtype=np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture
def client(make_client: Callable[..., TestClient]) -> TestClient:
    return make_client([Source(name="pair", origin=pair_model())])


@pytest.fixture
def expected() -> dict[str, Any]:
    return dict(pair_model().predict(given()))


def entries(arrays: dict[str, Any], *, is_binary: bool = False) -> list[dict[str, Any]]:
    found = []
    for name, array in arrays.items():
        entry = {"name": name, "shape": list(array.shape), "datatype": "FP32"}
        if is_binary:
            entry["parameters"] = {"binary_data_size": array.nbytes}
        else:
            entry["data"] = array.tolist()
        found.append(entry)
    return found


def test_metadata_name_every_tensor(client: TestClient) -> None:
    body = client.get("/v2/models/pair").json()
    assert [(t["name"], t["shape"]) for t in body["inputs"]] == [
        ("left", [-1, 6, 6, 1]),
        ("right", [-1, 6, 6, 3]),
        ("facts", [-1, 3]),
    ]
    assert [t["name"] for t in body["outputs"]] == ["kind_softmax", "place"]
    config = client.get("/v2/models/pair/config").json()
    assert [t["dims"] for t in config["output"]] == [[3], [2]]
    assert config["parameters"]["classes.kind_softmax"] == {"string_value": "0,1,2"}
    signature = client.get("/v1/models/pair/metadata").json()["metadata"]
    inputs = signature["signature_def"]["signature_def"]["serving_default"]["inputs"]
    assert list(inputs) == ["left", "right", "facts"]
    schema = client.get("/openapi.json").json()["paths"]["/v2/models/{name}/infer"]
    body = schema["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "maxItems" not in body["properties"]["inputs"]


def test_json_tensors_in_any_order(client: TestClient, expected: Any) -> None:
    listed = entries(given())
    body = client.post(URL, json={"inputs": listed[::-1]}).json()
    for output in body["outputs"]:
        values = np.float32(output["data"]).reshape(output["shape"])
        np.testing.assert_allclose(values, expected[output["name"]], rtol=1e-6)
    assert [o["name"] for o in body["outputs"]] == ["kind_softmax", "place"]
    wanted = [{"name": "place"}]
    only = client.post(URL, json={"inputs": listed, "outputs": wanted}).json()
    assert [o["name"] for o in only["outputs"]] == ["place"]


def test_binary_tensors_follow_each_other(client: TestClient, expected: Any) -> None:
    arrays = given()
    outputs = [
        {"name": "place", "parameters": {"binary_data": True}},
        {"name": "kind_softmax", "parameters": {"classification": 2}},
    ]
    head = json.dumps({"inputs": entries(arrays, is_binary=True), "outputs": outputs})
    content = head.encode() + b"".join(a.tobytes() for a in arrays.values())
    answer = client.post(URL, content=content, headers={LENGTH: str(len(head))})
    at = int(answer.headers[LENGTH])
    place, kind = json.loads(answer.content[:at])["outputs"]
    values = np.frombuffer(answer.content[at:], np.float32).reshape(place["shape"])
    np.testing.assert_allclose(values, expected["place"], rtol=1e-6)
    best = int(expected["kind_softmax"][0].argmax())
    assert kind["data"][0].split(":")[1:] == [str(best), str(best)]


def test_tensorflow_s_rows_and_columns(client: TestClient, expected: Any) -> None:
    arrays = {name: array.tolist() for name, array in given().items()}
    rows = [{name: arrays[name][k] for name in arrays} for k in range(2)]
    url = "/v1/models/pair:predict"
    by_row = client.post(url, json={"instances": rows}).json()["predictions"]
    by_column = client.post(url, json={"inputs": arrays}).json()["outputs"]
    for name, values in expected.items():
        np.testing.assert_allclose(by_column[name], values, rtol=1e-6)
        np.testing.assert_allclose([r[name] for r in by_row], values, rtol=1e-6)
    told = client.post("/v1/models/pair:classify", json={"examples": rows})
    assert told.status_code == 400
    assert "classify: the model must have one output; got kind" in told.json()["error"]


def test_pictures_come_in_fields_of_a_form(client: TestClient) -> None:
    random = np.random.default_rng(0)
    left = random.integers(0, 256, (6, 6), np.uint8)
    right = random.integers(0, 256, (6, 6, 3), np.uint8)
    facts = np.float32([1, 2, 3])
    files: dict[str, Any] = {
        "right": ("r.png", png(right), "image/png"),
        "left": ("l.png", png(left), "image/png"),
        "facts": ("facts", facts.tobytes(), "application/octet-stream"),
    }
    body = client.post("/predict", files=files).json()
    kind, place = pair_model().predict(
        (left[None, ..., None], right[None], facts[None])
    )
    (shown,) = body["predictions"]
    assert body["classes"] == {"kind_softmax": ["0", "1", "2"]}
    np.testing.assert_allclose(
        shown["kind_softmax"]["probabilities"], kind[0], rtol=1e-5
    )
    assert shown["kind_softmax"]["index"] == int(kind.argmax())
    np.testing.assert_allclose(shown["place"]["values"], place[0], rtol=1e-4)
    encoded = {"b64": base64.b64encode(png(left)).decode()}
    other = {"b64": base64.b64encode(png(right)).decode()}
    row = {"left": encoded, "right": other, "facts": facts.tolist()}
    told = client.post("/v1/models/pair:predict", json={"instances": [row]}).json()
    np.testing.assert_allclose(told["predictions"][0]["place"], place[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"inputs": entries(given())[:2]}, "must be a list of 3 inputs; got 2"),
        (
            {"inputs": [*entries(given())[:2], entries(given())[0]]},
            "the inputs' names must be left, right, facts, each once; got 'left'",
        ),
        (
            {"inputs": entries({**given(), "facts": given(3)["facts"]})},
            "must have equally many examples; got 2 of left, 2 of right, 3 of facts",
        ),
        (
            {"inputs": entries({**given(), "facts": np.zeros((2, 4))})},
            "Model, input 'facts': images must have shape (N, 3); got shape=(2, 4)",
        ),
        (
            {"inputs": entries(given()), "outputs": [{"name": "kind"}]},
            "the outputs' names must be kind_softmax, place, each once; got 'kind'",
        ),
        (
            {
                "inputs": entries(given()),
                "outputs": [{"name": "place", "parameters": {"classification": 1}}],
            },
            "the output must mean the classes or labels of an image",
        ),
        ({"inputs": entries({**given(), "facts": np.full((2, 3), 1e39)})}, "finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    client: TestClient, document: Any, sentence: str
) -> None:
    answer = client.post(URL, json=document)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("files", "status", "sentence"),
    [
        ({"left": png(np.zeros((6, 6), np.uint8))}, 400, "fields must be left, right,"),
        (None, 415, "must be multipart/form-data with a file for each of the"),
    ],
)
def test_a_body_without_every_input_is_refused(
    client: TestClient, files: Any, status: int, sentence: str
) -> None:
    sent = {"files": files} if files else {"content": b"\x89PNG\r\n\x1a\n"}
    answer = client.post("/predict", **sent)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            {"instances": [{"left": [1], "right": [1]}]},
            "the inputs' names must be left",
        ),
        ({"instances": [[1]]}, "the inputs' names must be left, right, facts"),
        ({"inputs": {"left": []}}, "the inputs' names must be left, right, facts"),
    ],
)
def test_rows_without_every_input_are_refused(
    client: TestClient, value: Any, sentence: str
) -> None:
    answer = client.post("/v1/models/pair:predict", json=value)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_requests_that_wait_run_in_one_batch() -> None:
    async def scenario() -> None:
        sizes: list[int] = []
        settings = Settings(batching=Batching(size=8, delay_s=0.2))
        served = ServedModel(
            "pair", "1", pair_model(), settings, lambda _, n, seconds: sizes.append(n)
        )
        parts = [{n: a[:k] for n, a in given(3).items()} for k in (1, 2, 3)]
        found = await asyncio.gather(*(served.run(part) for part in parts))
        for part, outputs in zip(parts, found, strict=True):
            expected = pair_model().predict(part)
            for name, values in outputs.items():
                np.testing.assert_allclose(values, expected[name], rtol=1e-5)
        assert sizes == [6]
        nothing = await served.run({n: a[:0] for n, a in given().items()})
        assert nothing["place"].shape == (0, 2)
        await served.close()

    asyncio.run(scenario())


def test_grpc_takes_and_gives_several(expected: Any) -> None:
    pytest.importorskip("grpc")
    from pellucid.serving.rpc.inference import infer
    from pellucid.serving.rpc.messages import message

    request_type = message("ModelInferRequest")

    async def scenario() -> None:
        served = ServedModel("pair", "1", pair_model(), Settings(), lambda *_: None)
        raw, typed = request_type(), request_type()
        for name, array in given().items():
            raw.inputs.add(name=name, datatype="FP32", shape=array.shape)
            raw.raw_input_contents.append(array.tobytes())
            entry = typed.inputs.add(name=name, datatype="FP32", shape=array.shape)
            entry.contents.fp32_contents.extend(array.ravel().tolist())
        told = await infer(served, raw)
        for output, content in zip(told.outputs, told.raw_output_contents, strict=True):
            values = np.frombuffer(content, np.float32).reshape(tuple(output.shape))
            np.testing.assert_allclose(values, expected[output.name], rtol=1e-6)
        told = await infer(served, typed)
        values = np.float32(told.outputs[1].contents.fp32_contents).reshape(2, 2)
        np.testing.assert_allclose(values, expected["place"], rtol=1e-6)
        del raw.raw_input_contents[-1]
        with pytest.raises(pl.PellucidError, match="raw_input_contents must be 3, one"):
            await infer(served, raw)
        await served.close()

    asyncio.run(scenario())


def test_a_picture_with_several_outputs_is_a_plain_body(
    make_client: Callable[..., TestClient],
) -> None:
    image = pl.Input(4, 4, 1)
    x = pl.Flatten()(image)
    network = pl.Network(
        inputs=image, outputs=[pl.Dense(2, name="a")(x), pl.Dense(1, name="b")(x)]
    )
    model = pl.Model(network, engine="numpy", loss={"a": "cross_entropy", "b": "mse"})
    client = make_client([Source(name="two", origin=model)])
    buffer = io.BytesIO()
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    Image.fromarray(pixels).save(buffer, "PNG")
    body = client.post("/predict", content=buffer.getvalue()).json()
    a, b = model.predict(pixels[None, ..., None])
    assert body["predictions"][0]["a"]["index"] == int(a.argmax())
    np.testing.assert_allclose(body["predictions"][0]["b"]["values"], b[0], rtol=1e-5)
