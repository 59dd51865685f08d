"""What the page never sends: odd numbers, names and bytes are refused in words."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from serving_models import small_model
from starlette.testclient import TestClient

from pellucid.network import to_json
from pellucid.serving import Log, create_app
from pellucid.studio import SharedModel

IMAGE = base64.b64encode(np.arange(64, dtype=np.uint8).tobytes()).decode()
NETWORK = to_json(small_model().network)
SEEN = {"image": IMAGE}
BODIES: dict[str, dict[str, Any]] = {
    "node": {**SEEN, "node": "conv2d"},
    "arithmetic": {**SEEN, "node": "conv2d", "at": [1, 1, 0]},
    "gradient": {**SEEN, "node": "conv2d", "of_class": 1},
    "derivative": {**SEEN, "node": "conv2d", "at": [1, 1, 0], "of_class": 1},
    "map": {**SEEN, "kind": "occlusion", "of_class": 0},
    "patches": {"node": "conv2d", "channel": 0},
    "excite": {"node": "conv2d", "channel": 0},
    "build": {"network": NETWORK},
    "code": {"network": NETWORK, "framework": "torch", "recipe": "mnist-torch"},
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-9, 9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["same", "input", "Conv2D", "Concat", "dense", IMAGE[:-4], "AAA"]),
    st.lists(st.integers(-3, 9), max_size=5),
    st.just({}),
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = create_app([], log=Log("none"), bench=SharedModel(small_model(), "pets"))
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        yield opened


def places(document: Any) -> list[tuple[Any, Any]]:
    """Return every place of a JSON document: its container and its key."""
    found = []
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in pairs:
            found += [(document, key), *places(value)]
    return found


@settings(max_examples=examples(150), derandomize=True, database=None)
@given(st.data())
def test_no_odd_body_brings_the_studio_down(client: TestClient, data: Any) -> None:
    path = data.draw(st.sampled_from(sorted(BODIES)))
    body = copy.deepcopy(BODIES[path])
    for _ in range(data.draw(st.integers(1, 2))):
        container, key = data.draw(st.sampled_from(places(body)))
        container[key] = data.draw(ODD)
    response = client.post(f"/studio/{path}", json=body)
    assert response.status_code < 500, response.text
    if response.status_code != 200:
        assert " must " in response.json()["error"]


@settings(max_examples=examples(40), derandomize=True, database=None)
@given(st.binary(max_size=200), st.integers(-5, 20))
def test_no_bytes_bring_the_studio_down(
    client: TestClient, junk: bytes, side: int
) -> None:
    for path in (f"draw?side={side}", "drop"):
        response = client.post(f"/studio/{path}", content=junk)
        assert response.status_code in (200, 400, 415, 422), response.text
    assert client.get(f"/studio/sample?index={side}").status_code in (200, 404)
