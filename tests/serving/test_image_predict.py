"""A picture in, what it shows out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from serving_models import png, small_model
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Limits, Source

PNG = {"Content-Type": "image/png"}
RAW = {"Content-Type": "application/octet-stream"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}  # curl's own


def test_a_picture_gives_its_class(client: TestClient, model: pl.Model) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)
    answer = client.post("/predict", content=png(pixels), headers=PNG).json()
    output = model.predict(pixels[None, ..., None])[0]
    (found,) = answer["predictions"]
    assert found["index"] == output.argmax()
    assert found["label"] == model.classes[output.argmax()]
    shares = np.exp(output) / np.exp(output).sum()
    np.testing.assert_allclose(found["probabilities"], shares, rtol=1e-5)


def test_a_picture_of_another_size_and_colour_is_brought_to_the_input(
    client: TestClient,
) -> None:
    wide = np.zeros((30, 50, 3), np.uint8)
    assert client.post("/predict", content=png(wide), headers=PNG).status_code == 200


def test_raw_numbers_are_one_or_more_images(
    client: TestClient, model: pl.Model, images: Any
) -> None:
    answer = client.post("/predict", content=images.tobytes(), headers=RAW).json()
    found = [row["index"] for row in answer["predictions"]]
    assert found == model.predict(images).argmax(axis=1).tolist()


PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)
#: how clients send a file: curl's two ways, a form of any field, a wrong type
SENT = {
    "--data-binary": {"content": png(PIXELS), "headers": FORM},
    "no type": {"content": png(PIXELS), "headers": {}},
    "a wrong type": {"content": png(PIXELS), "headers": {"Content-Type": "text/plain"}},
    "as bytes": {"content": png(PIXELS), "headers": RAW},
    "-F file": {"files": {"file": ("seven.png", png(PIXELS), "image/png")}},
    "-F of any name": {"files": {"x y": ("seven", png(PIXELS), RAW["Content-Type"])}},
    "a form without a type": {"files": {"a": ("seven", png(PIXELS), "")}},
}


@pytest.mark.parametrize("how", SENT)
def test_a_picture_is_taken_by_its_content(
    client: TestClient, model: pl.Model, how: str
) -> None:
    answer = client.post("/predict", **SENT[how])
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["predictions"]
    assert answer.json()["classes"] == list(model.classes)
    assert found["index"] == model.predict(PIXELS[None, ..., None]).argmax()


@pytest.mark.parametrize(
    ("body", "kind", "sentence"),
    [
        (b"--x\r\n\r\nabc", "multipart/form-data; boundary=x", "must be whole"),
        (
            b"--x--",
            "multipart/form-data; boundary=x",
            "one part, a picture's file; got",
        ),
        (b"--x--", "multipart/form-data", "must come with its boundary"),
        (b"--x\r\nabc\r\n--x--", "multipart/form-data; boundary=x", "have a head"),
        (
            2 * b"--x\r\n\r\nabc\r\n" + b"--x--",
            'multipart/form-data; boundary="x"',
            "must have one part, a picture's file; got 2",
        ),
        (b"a=1", FORM["Content-Type"], "or the body a picture; got"),
    ],
)
def test_a_form_that_is_none_is_refused(
    client: TestClient, body: bytes, kind: str, sentence: str
) -> None:
    response = client.post("/predict", content=body, headers={"Content-Type": kind})
    assert response.status_code in (400, 415)
    assert sentence in response.json()["error"]


def test_numbers_that_fit_are_numbers_whatever_they_begin_with(
    client: TestClient, model: pl.Model
) -> None:
    body = b"MM\x00*" + bytes(252)  # a small float that a TIFF's file begins with
    found = client.post("/predict", content=body, headers=RAW).json()["predictions"]
    images = np.frombuffer(body, "<f4").reshape(1, 8, 8, 1)
    assert found[0]["index"] == model.predict(images).argmax()


def test_of_several_models_one_must_be_named(make_client: Any, images: Any) -> None:
    sources = [
        Source(name="a", origin=small_model(1)),
        Source(name="a", version="2", origin=small_model(2)),
        Source(name="b", origin=small_model(3)),
    ]
    client = make_client(sources)
    body = images.tobytes()
    refused = client.post("/predict", content=body, headers=RAW)
    assert refused.status_code == 400
    assert "'model' must say which one (a, b)" in refused.json()["error"]
    newest = client.post("/predict?model=a", content=body, headers=RAW).json()
    assert newest["version"] == "2"
    url = "/predict?model=a&version=1"
    assert client.post(url, content=body, headers=RAW).json()["version"] == "1"


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        (b"hello", PNG, 400, "must be an image that we can read"),
        (b"", PNG, 400, "must be an image that we can read"),
        (png(np.zeros((9, 9), np.uint8))[:45], PNG, 400, "must be a whole picture"),
        (b"abc", RAW, 400, "must have 256 bytes for each image"),
        (b"", RAW, 400, "must have 256 bytes for each image"),
        (b"abc", {"Content-Type": "text/plain"}, 415, "Content-Type must be image/png"),
        (b"abc", {}, 415, "Content-Type must be image/png"),
        (b"x", {**PNG, "Content-Encoding": "br"}, 415, "must be gzip, deflate or"),
        (b"x", {**PNG, "Content-Encoding": "gzip"}, 400, "the body must be whole gzip"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_sentence(
    client: TestClient,
    body: bytes,
    headers: dict[str, str],
    status: int,
    sentence: str,
) -> None:
    response = client.post("/predict", content=body, headers=headers)
    assert response.status_code == status
    assert sentence in response.json()["error"]


def test_an_unknown_query_is_refused(client: TestClient) -> None:
    response = client.post("/predict?modell=pets", content=b"", headers=RAW)
    assert "the query must have model and version; got 'modell'" in response.text


def test_a_large_picture_is_refused_before_it_is_decoded(make_client: Any) -> None:
    limits = Limits(pixels=100)
    client = make_client([Source(name="pets", origin=small_model())], limits=limits)
    content = png(np.zeros((20, 20), np.uint8))
    response = client.post("/predict", content=content, headers=PNG)
    assert response.status_code == 400
    assert "must have at most 100 pixels; got 20 × 20 = 400" in response.json()["error"]


def test_a_network_that_takes_no_pictures_says_so(make_client: Any) -> None:
    network = pl.Sequential(pl.Input(2), pl.Dense(1))
    client = make_client([Source(name="xor", origin=pl.Model(network, engine="numpy"))])
    content = png(np.zeros((20, 20), np.uint8))
    response = client.post("/predict", content=content, headers=PNG)
    assert "must take pictures for this" in response.json()["error"]
