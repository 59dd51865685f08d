"""Every kind of output through every protocol that names classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import pellucid as pl
from pellucid.serving import Source

ROWS = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
RAW = {"Content-Type": "application/octet-stream"}


def with_end(*layers: Any, loss: str | None = None, classes: Any = ()) -> pl.Model:
    network = pl.Sequential(pl.Input(3), *layers)
    return pl.Model(network, engine="numpy", loss=loss, classes=classes, seed=3)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(z, np.float64)))


#: name → a model, and the probabilities of its classes by hand
KINDS: dict[str, tuple[pl.Model, Any]] = {
    "softmax": (with_end(pl.Dense(3), pl.Softmax()), lambda y: y),
    "logits": (
        with_end(pl.Dense(3), loss="cross_entropy", classes=("a", "b", "c")),
        lambda y: np.exp(y) / np.exp(y).sum(axis=1, keepdims=True),
    ),
    "one sigmoid": (
        with_end(pl.Dense(1), pl.Sigmoid(), loss="binary_cross_entropy"),
        lambda y: np.concatenate([1 - y, y], axis=1),
    ),
    "one named sigmoid": (
        with_end(pl.Dense(1), pl.Sigmoid(), classes=("cat", "dog")),
        lambda y: np.concatenate([1 - y, y], axis=1),
    ),
    "one logit": (
        with_end(pl.Dense(1), loss="binary_cross_entropy", classes=("cat", "dog")),
        lambda y: np.concatenate([sigmoid(-y), sigmoid(y)], axis=1),
    ),
}
LABELS: dict[str, tuple[pl.Model, Any]] = {
    "labels": (with_end(pl.Dense(3), pl.Sigmoid(), classes="xyz"), lambda y: y),
    "label logits": (with_end(pl.Dense(3), loss="binary_cross_entropy"), sigmoid),
}
VALUE = with_end(pl.Dense(1), loss="mse")
VALUES = with_end(pl.Dense(2), loss="mse")
_IMAGE = pl.Input(4, 4, 1)
MAP = pl.Model(
    pl.Network(
        inputs=_IMAGE,
        outputs=pl.Softmax()(pl.Conv2D(3, kernel_size=3, padding="same")(_IMAGE)),
    ),
    engine="numpy",
)
MAPS = np.random.default_rng(6).normal(size=(2, 4, 4, 1)).astype(np.float32)


@pytest.fixture
def ask(make_client: Any) -> Any:
    def ask_(model: pl.Model) -> TestClient:
        client: TestClient = make_client([Source(name="m", origin=model)])
        return client

    return ask_


def predicted(client: TestClient, images: Any = ROWS) -> Any:
    answer = client.post("/predict", content=images.tobytes(), headers=RAW)
    assert answer.status_code == 200, answer.text
    return answer.json()


def best(client: TestClient, model: pl.Model, count: int, rows: Any = ROWS) -> Any:
    """What Triton's classification extension answers."""
    body = {
        "inputs": [
            {
                "name": model.network.inputs[0],
                "shape": list(rows.shape),
                "datatype": "FP32",
                "data": rows.tolist(),
            }
        ],
        "outputs": [
            {
                "name": model.network.outputs[0],
                "parameters": {"classification": count},
            }
        ],
    }
    return client.post("/v2/models/m/infer", json=body)


@pytest.mark.parametrize("kind", KINDS)
def test_each_protocol_names_the_same_class(ask: Any, kind: str) -> None:
    model, probabilities = KINDS[kind]
    client = ask(model)
    shares = probabilities(model.predict(ROWS))
    classes = shares.argmax(axis=1)
    assert len(set(classes.tolist())) > 1
    names = model.class_names
    answer = predicted(client)
    assert answer["classes"] == list(names)
    for row, share, k in zip(answer["predictions"], shares, classes, strict=True):
        assert (row["index"], row["label"]) == (k, names[k])
        np.testing.assert_allclose(row["probabilities"], share, rtol=1e-5, atol=1e-7)
    examples = {"examples": [{"input": row.tolist()} for row in ROWS]}
    found = client.post("/v1/models/m:classify", json=examples).json()["results"]
    for row, share in zip(found, shares, strict=True):
        assert [name for name, _ in row] == list(names)
        np.testing.assert_allclose([p for _, p in row], share, rtol=1e-5, atol=1e-7)
    entry = best(client, model, 2).json()["outputs"][0]
    assert entry["shape"] == [4, 2]
    first = [text.split(":") for text in entry["data"][::2]]
    assert [int(index) for _, index, _ in first] == classes.tolist()
    assert [name for _, _, name in first] == [names[k] for k in classes]


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_answered_one_by_one(ask: Any, kind: str) -> None:
    model, probabilities = LABELS[kind]
    client = ask(model)
    shares = probabilities(model.predict(ROWS))
    for row, share in zip(predicted(client)["predictions"], shares, strict=True):
        assert row["indices"] == np.flatnonzero(share > 0.5).tolist()
        assert row["labels"] == [model.class_names[i] for i in row["indices"]]
        np.testing.assert_allclose(row["probabilities"], share, rtol=1e-5)
    examples = {"examples": [{"input": row.tolist()} for row in ROWS]}
    found = client.post("/v1/models/m:classify", json=examples).json()["results"]
    np.testing.assert_allclose([[p for _, p in row] for row in found], shares, 1e-5)


def test_a_regression_gives_its_values_and_names_no_class(ask: Any) -> None:
    examples = {"examples": [{"input": row.tolist()} for row in ROWS]}
    for model in (VALUE, VALUES):
        client, output = ask(model), model.predict(ROWS)
        answer = predicted(client)
        assert "classes" not in answer
        found = [row["values"] for row in answer["predictions"]]
        np.testing.assert_array_equal(np.float32(found), output)
        for refused in (
            client.post("/v1/models/m:classify", json=examples),
            best(client, model, 1),
        ):
            assert refused.status_code == 400
            assert "must mean the classes or labels of an" in refused.json()["error"]
    found = ask(VALUE).post("/v1/models/m:regress", json=examples).json()["results"]
    np.testing.assert_array_equal(np.float32(found), VALUE.predict(ROWS).ravel())
    for model in (VALUES, KINDS["logits"][0], KINDS["one logit"][0]):
        refused = ask(model).post("/v1/models/m:regress", json=examples)
        assert refused.status_code == 400
        assert "must be one value of a regression" in refused.json()["error"]


def test_an_answer_for_each_pixel_is_a_map(ask: Any) -> None:
    client, output = ask(MAP), MAP.predict(MAPS)
    rows = predicted(client, MAPS)["predictions"]
    for row, one in zip(rows, output, strict=True):
        assert row["indices"] == one.argmax(axis=-1).tolist()
        np.testing.assert_array_equal(np.float32(row["probabilities"]), one)
    for refused in (
        client.post("/v1/models/m:classify", json={"examples": MAPS.tolist()}),
        best(client, MAP, 1, MAPS),
    ):
        assert refused.status_code == 400
        assert "per pixel" in refused.json()["error"]


def test_an_output_that_is_not_finite_is_refused_and_never_bare(ask: Any) -> None:
    for model in (KINDS["one logit"][0], VALUE, KINDS["logits"][0]):
        broken = model.to("numpy")
        broken.load_weights(
            {name: np.full_like(a, np.nan) for name, a in model.weights.items()}
        )
        client = ask(broken)
        examples = {"examples": ROWS.tolist()}
        answers = [
            client.post("/predict", content=ROWS.tobytes(), headers=RAW),
            client.post("/v1/models/m:predict", json={"instances": ROWS.tolist()}),
        ]
        if model is not VALUE:
            answers.append(client.post("/v1/models/m:classify", json=examples))
            answers.append(best(client, broken, 1))
        for answer in answers:
            assert answer.status_code == 422
            assert "the output must be finite" in answer.json()["error"]
