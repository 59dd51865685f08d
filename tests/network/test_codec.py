"""JSON: there and back, and every kind of wrong document."""

from __future__ import annotations

import json
from typing import Any

import pytest

import pellucid as pl
from pellucid.network import ZOO, dumps, from_json, loads, to_json


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_survives_json(name: str) -> None:
    network = pl.zoo(name)
    assert loads(dumps(network)) == network


def test_every_argument_survives_json() -> None:
    network = pl.Sequential(
        pl.Input(9, 9, 4),
        pl.Conv2D(
            4,
            kernel_size=(3, 1),
            stride=(2, 1),
            padding=((1, 0), (0, 2)),
            groups=2,
            weight_initializer=pl.Normal(0.1),
            bias_initializer=pl.Constant(0.5),
            trainable=False,
        ),
        pl.Upsample2D(2, mode="bilinear"),
        pl.ConvTranspose2D(2, kernel_size=2, stride=2, output_padding=1),
        pl.Flatten(),
        pl.Dense(3, weight_initializer=pl.Uniform(-1, 1), activation="gelu"),
    )
    assert loads(dumps(network)) == network


def document(**changes: Any) -> dict[str, Any]:
    return {**to_json(pl.Sequential(pl.Input(4), pl.Dense(3))), **changes}


def node(**changes: Any) -> list[dict[str, Any]]:
    first, second = document()["nodes"]
    return [first, {**second, **changes}]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "JSON must be an object with 'nodes'"),
        (document(schema_version=2), "schema_version must be 1; got 2"),
        (document(extra=1), "keys must be .*; got 'extra'"),
        (document(nodes={}), "'nodes' must be a list"),
        (document(nodes=[1]), "a node must have name, layer and inputs; got 1"),
        (document(nodes=node(layer="Lstm")), "must be one of .*; got 'Lstm'"),
        (document(nodes=node(layer=[1])), "must be one of"),
        (document(nodes=node(colour=1)), "arguments must be among units, .*'colour'"),
        (document(nodes=node(units="many")), "units must be an int of at least 1"),
        (document(nodes=node(inputs=["x"])), "must read nodes that exist; got 'x'"),
        (document(nodes=node(inputs=["dense"])), "must not form a cycle; got dense →"),
        (
            document(nodes=node(weight_initializer={"initializer": "X"})),
            "must be Uniform",
        ),
        (document(nodes=[{**node()[0], "shape": None}]), "must be a list of sizes"),
        (document(nodes=node() + node()), "names must be unique; got 'input' twice"),
        (document(outputs=True), "'outputs' must be a list of names"),
        (document(outputs={"dense": 1}), "'outputs' must be a list of names"),
        (document(outputs=[["dense"]]), "'outputs' must be a list of names"),
        (document(outputs=["nothing"]), "outputs must name a node; got 'nothing'"),
        (
            document(outputs=["input"]),
            "every node must be read by another or be an out",
        ),
        (document(outputs=[]), "outputs must be at least one; got none"),
        (document(outputs=["dense"] * 2), "outputs must be unique; got 'dense' twice"),
        (document(inputs="input"), "'inputs' must be a list of names"),
        (document(inputs=["dense"]), "inputs must be the Input nodes input; got 'den"),
        (document(inputs=["input"] * 2), "inputs must be unique; got 'input' twice"),
        (document(nodes=node(weights_of=1)), "weights_of of node 'dense' must be a na"),
        (
            document(nodes=node(weights_of="x")),
            "must name a node with weights of its o",
        ),
        (document(nodes=node(weights_of="dense")), "must name a node with weights of"),
        (document(nodes=node(weights_of="input")), "must have the same layer to share"),
        (document(preprocessing=True), "'preprocessing' must be an object"),
        (document(preprocessing={"speed": 1}), "keys must be scale, offset, size"),
        (document(preprocessing={"scale": [1e400]}), "scale and offset must be"),
    ],
)
def test_a_wrong_document_is_refused_with_its_reason(wrong: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        from_json(wrong)


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(pl.NetworkError, match="text must be JSON"):
        loads("{")
    with pytest.raises(pl.NetworkError, match="text must be JSON"):
        loads("[" * 100_000)


def test_nodes_may_come_in_any_order() -> None:
    network = pl.zoo("resnet20")
    shuffled = to_json(network)
    shuffled["nodes"].reverse()
    again = from_json(json.loads(json.dumps(shuffled)))
    assert again.shapes == network.shapes
    assert again.outputs == network.outputs


def test_several_inputs_and_outputs_and_shared_weights_survive_json() -> None:
    one, other = pl.Input(4, name="left"), pl.Input(4)
    dense = pl.Dense(3, activation="relu")
    first, second = dense(one), dense(other)
    total = pl.Add()(first, second)
    network = pl.Network(inputs=[other, one], outputs=[total, second])
    document = to_json(network)
    assert document["inputs"] == ["input", "left"]
    assert document["outputs"] == ["add", "dense_1_relu"]
    shared = [n for n in document["nodes"] if "weights_of" in n]
    assert [(n["name"], n["weights_of"]) for n in shared] == [("dense_1", "dense")]
    assert loads(dumps(network)) == network


def test_a_network_of_one_input_and_output_is_written_as_ever() -> None:
    entry = to_json(pl.Sequential(pl.Input(4), pl.Dense(3)))
    assert entry == {
        "schema_version": 1,
        "name": "network",
        "inputs": ["input"],
        "outputs": ["dense"],
        "nodes": [
            {"name": "input", "layer": "Input", "inputs": [], "shape": [4]},
            {"name": "dense", "layer": "Dense", "inputs": ["input"], "units": 3},
        ],
        "preprocessing": None,
    }
    for name in ("inputs", "outputs"):
        assert from_json({k: v for k, v in entry.items() if k != name}).outputs
