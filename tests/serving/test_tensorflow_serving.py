"""TensorFlow Serving's REST interface, as its clients write it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from serving_models import png
from starlette.testclient import TestClient

import pellucid as pl

URL = "/v1/models/pets"


def test_rows_give_predictions(
    client: TestClient, model: pl.Model, images: Any
) -> None:
    answer = client.post(f"{URL}:predict", json={"instances": images.tolist()}).json()
    assert list(answer) == ["predictions"]
    np.testing.assert_array_equal(
        np.float32(answer["predictions"]), model.predict(images)
    )


def test_columns_give_outputs(client: TestClient, model: pl.Model, images: Any) -> None:
    body = {"inputs": {"input": images.tolist()}, "signature_name": "serving_default"}
    answer = client.post(f"{URL}/versions/1:predict", json=body).json()
    assert list(answer) == ["outputs"]
    np.testing.assert_array_equal(np.float32(answer["outputs"]), model.predict(images))


def test_pictures_come_as_base64(client: TestClient, model: pl.Model) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    text = base64.b64encode(png(pixels)).decode()
    expected = model.predict(pixels[None, ..., None])
    for row in ({"b64": text}, {"input": {"b64": text}}):
        answer = client.post(f"{URL}:predict", json={"instances": [row]}).json()
        np.testing.assert_array_equal(np.float32(answer["predictions"]), expected)


def test_classify_gives_each_class_its_probability(
    client: TestClient, images: Any
) -> None:
    examples = [{"input": image.tolist()} for image in images]
    answer = client.post(f"{URL}:classify", json={"examples": examples}).json()
    assert len(answer["results"]) == 3
    for row in answer["results"]:
        assert [name for name, _ in row] == ["cat", "dog", "owl"]
        assert sum(share for _, share in row) == pytest.approx(1, abs=1e-6)


def test_status_and_metadata_say_what_there_is(client: TestClient) -> None:
    status = client.get(URL).json()["model_version_status"]
    assert [(s["version"], s["state"]) for s in status] == [("1", "AVAILABLE")]
    assert client.get(f"{URL}/versions/1").status_code == 200
    document = client.get(f"{URL}/metadata").json()
    signature = document["metadata"]["signature_def"]["signature_def"]
    sizes = signature["serving_default"]["inputs"]["input"]["tensor_shape"]["dim"]
    assert [int(size["size"]) for size in sizes] == [-1, 8, 8, 1]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "must have either 'instances' or 'inputs'"),
        ({"instances": [], "inputs": []}, "must have either 'instances' or 'inputs'"),
        ({"instances": 5}, "images must be a list; got 5"),
        ({"instances": [1, 2]}, "images must have shape (N, 8, 8, 1); got shape=(2,)"),
        ({"instances": [{"picture": [1]}]}, "the input's name must be 'input'"),
        ({"instances": [{"b64": "?"}]}, "'b64' must be base64 of a picture"),
        ({"instances": [{"b64": 5}]}, "'b64' must be base64 of a picture"),
        ({"instances": [{"b64": "aGVsbG8="}]}, "must be an image that we can read"),
        ({"instances": [{"b64": ""}, [1.0]]}, "must be all pictures or all numbers"),
        ({"instances": ["a"]}, "images must be numbers; got str"),
        ({"instances": [], "signature_name": "x"}, "must be 'serving_default'"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(
    client: TestClient, body: dict[str, Any], sentence: str
) -> None:
    response = client.post(f"{URL}:predict", json=body)
    assert response.status_code == 400
    assert sentence in response.json()["error"]


def test_no_rows_give_no_predictions(client: TestClient) -> None:
    answer = client.post(f"{URL}:predict", json={"instances": []}).json()
    assert answer == {"predictions": []}
    assert client.post(f"{URL}:classify", json={"examples": []}).json() == {
        "results": []
    }


def test_an_unknown_model_or_version_is_not_found(client: TestClient) -> None:
    for path in ("/v1/models/x", "/v1/models/pets/versions/2", "/v1/models/x/metadata"):
        response = client.get(path)
        assert response.status_code == 404
        assert "model must be one that is loaded (pets)" in response.json()["error"]
