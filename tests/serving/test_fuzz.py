"""Mutated requests of every route: refused in words, never by 500."""

from __future__ import annotations

import base64
import copy
import json
import random
from typing import Any

import numpy as np
import pytest
from serving_models import png, small_model
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Source

IMAGE = np.random.default_rng(2).random((1, 8, 8, 1)).round(3)
PNG = png(np.arange(64, dtype=np.uint8).reshape(8, 8))
PICTURE = {"b64": base64.b64encode(PNG).decode()}
pytestmark = pytest.mark.filterwarnings("ignore:Model. float images:UserWarning")
_ENTRY = {"name": "input", "shape": [1, 8, 8, 1], "datatype": "FP32"}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/models/pets:predict", {"instances": IMAGE.tolist()}),
    ("/v1/models/pets:predict", {"inputs": {"input": IMAGE.tolist()}}),
    ("/v1/models/pets:predict", {"instances": [{"input": PICTURE}, PICTURE]}),
    ("/v1/models/pets:classify", {"examples": [{"input": IMAGE[0].tolist()}]}),
    ("/v1/models/value:regress", {"examples": [[0.5, 1]], "signature_name": ""}),
    ("/v2/models/pets/infer", {"inputs": [{**_ENTRY, "data": IMAGE.tolist()}]}),
    (
        "/v2/models/pets/versions/1/infer",
        {
            "id": "x",
            "parameters": {"binary_data_output": False},
            "inputs": [
                {**_ENTRY, "datatype": "UINT8", "data": [7] * 64, "parameters": {}}
            ],
            "outputs": [{"name": "dense", "parameters": {"classification": 2}}],
        },
    ),
    ("/v2/repository/index", {"ready": True}),
    ("/v2/repository/models/pets/load", {"parameters": {}}),
]
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    10**18,
    2**70,
    0.5,
    1e300,
    "",
    "²",
    "UINT8",
    "FP16",
    "BYTES",
    "input",
    "\ud800",
    [],
    [[]],
    [1],
    [0, 8, 8, 1],
    [[1], [2, 3]],
    {},
    {"b64": "AAAA"},
    {"b64": 5},
    {"input": {"x": 1}},
    {"input": [{}]},
    IMAGE.tolist(),
]
HEADERS = [
    ("content-type", ["image/png", "multipart/form-data; boundary=x", "", "a/b;c"]),
    ("inference-header-content-length", ["²", "0", "10", "9" * 5000, "-1", "1e3"]),
    ("content-encoding", ["gzip", "deflate", "identity", "br"]),
    ("x-request-id", ["\xff", "a b", "x" * 100]),
    ("origin", ["null", "http://", "://"]),
    ("authorization", ["Bearer", "\xff"]),
    ("cookie", ['pellucid_token="', "\x01=\xff"]),
]


@pytest.fixture
def fuzzed(make_client: Any) -> TestClient:
    value = pl.Model(pl.Sequential(pl.Input(2), pl.Dense(1)), engine="numpy")
    client: TestClient = make_client(
        [
            Source(name="pets", origin=small_model()),
            Source(name="value", origin=value),
        ]
    )
    return client


def places(document: Any) -> list[tuple[Any, Any]]:
    """Return every place of a JSON document: its container and its key."""
    found = []
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in list(pairs)[:40]:
            found += [(document, key), *places(value)]
    return found


def mutated(chance: random.Random, body: Any) -> bytes:
    """Return a body with odd values, or odd bytes, in a few places."""
    body = copy.deepcopy(body)
    for _ in range(chance.randint(1, 3)):
        found = places(body)
        if not found:
            break
        container, key = chance.choice(found)
        if chance.random() < 0.2:
            del container[key]
        else:
            container[key] = copy.deepcopy(chance.choice(ODD))
    text = bytearray(json.dumps(body).encode())
    for _ in range(chance.choice([0, 0, 0, 1, 4])):
        at = chance.randrange(len(text) + 1)
        text[at : at + chance.randint(0, 3)] = chance.choice(
            [b"", b"[", b"}", b'"', b"\\", b"\xff", b"NaN", b"1e999", b"\0", b","]
        )
    return bytes(text)


def refused_in_words(response: Any) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert " must " in response.json()["error"]
    elif "json" in response.headers["content-type"]:
        json.loads(response.content, parse_constant=pytest.fail)


@pytest.mark.parametrize("seed", range(6))
def test_no_mutated_json_brings_the_server_down(fuzzed: TestClient, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        path, body = chance.choice(BODIES)
        if chance.random() < 0.1:
            path = path.replace("pets", chance.choice(["value", "²", "a%00", "-"]))
        headers = {"content-type": "application/json"}
        if chance.random() < 0.3:
            name, values = chance.choice(HEADERS)
            headers[name] = chance.choice(values)
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        content = mutated(chance, body)
        refused_in_words(fuzzed.post(path, content=content, headers=raw))


@pytest.mark.parametrize("seed", range(3))
def test_no_mutated_bytes_bring_the_server_down(fuzzed: TestClient, seed: int) -> None:
    chance = random.Random(seed)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n'
        b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--x--\r\n"
    )
    header = json.dumps(
        {
            "inputs": [
                {
                    **_ENTRY,
                    "datatype": "BYTES",
                    "shape": [1],
                    "parameters": {"binary_data_size": len(PNG) + 4},
                }
            ]
        }
    ).encode()
    binary = header + len(PNG).to_bytes(4, "little") + PNG
    kinds = [
        ("/predict?model=pets", PNG, {"content-type": "image/png"}),
        ("/predict?model=pets", PNG, {}),
        (
            "/predict?model=pets",
            form,
            {"content-type": "multipart/form-data;boundary=x"},
        ),
        (
            "/predict?model=pets&version=1",
            IMAGE.astype("<f4").tobytes(),
            {"content-type": "application/octet-stream"},
        ),
        (
            "/v2/models/pets/infer",
            binary,
            {"inference-header-content-length": str(len(header))},
        ),
    ]
    for _ in range(60):
        path, body, headers = chance.choice(kinds)
        content = bytearray(body)
        for _ in range(chance.randint(0, 4)):
            at = chance.randrange(len(content))
            content[at : at + chance.randint(0, 9)] = chance.randbytes(
                chance.randint(0, 9)
            )
        if chance.random() < 0.2:
            content = content[: chance.randrange(len(content) + 1)]
        refused_in_words(fuzzed.post(path, content=bytes(content), headers=headers))
