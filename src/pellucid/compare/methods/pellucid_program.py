"""Network as the program that a user of pellucid would write."""

from __future__ import annotations

import dataclasses
from typing import Any

from pellucid.engines.registry import DEFAULT
from pellucid.network import Network, Node, Preprocessing
from pellucid.network.initializers import Initializer
from pellucid.network.layers import Input, Layer, SameShape
from pellucid.objectives import loss_from_json, optimizer_from_json
from pellucid.runs.recipe import Recipe

#: what is said by its place
_FIRST = ("out_channels", "units", "rate")
_TEXT = '''"""{name} in pellucid: {count:,} parameters.

Run: python {stem}.py [--epochs N]
"""

import argparse

import pellucid as pl

BATCH_SIZE = {batch_size}
LEARNING_RATE = {rate!r}


def make_network() -> pl.Network:
    """Take images (N, H, W, C)."""
{network}


def make_model() -> pl.Model:
    """Return the network with loss and optimizer."""
    return pl.Model(
        make_network(),
        loss="{loss}",
        optimizer=pl.{optimizer},{engine}{preprocessing}
    )


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default={epochs})
    options = parser.parse_args()
    train, test = pl.data.load("{data}")
    model = make_model()
    model.fit(train, epochs=options.epochs, batch_size=BATCH_SIZE)
    print(f"test accuracy: {{100 * model.evaluate(test)['accuracy']:.2f}} %")


if __name__ == "__main__":
    main()
'''


def write_pellucid_program(
    network: Network, recipe: Recipe, *, stem: str, engine: str = DEFAULT
) -> str:
    """Return a program that describes, trains and tests a network.

    Parameters
    ----------
    network : Network
    recipe : Recipe
        Gives the hyperparameters and the data.
    stem : str
        The file's name, without its ending.
    engine : str
        The engine that the program names.
    """
    optimizer = optimizer_from_json(recipe.optimizer)
    given = [
        f"{key}={value!r}"
        for key, value in _list_changed_fields(optimizer, "learning_rate")
    ]
    return _TEXT.format(
        name=network.name or stem,
        count=sum(_count_elements(w.shape) for w in network.parameters),
        stem=stem,
        engine="" if engine == DEFAULT else f'\n        engine="{engine}",',
        batch_size=recipe.batch_size,
        rate=optimizer.learning_rate,
        network="\n".join(_write_network(network)),
        optimizer=f"{type(optimizer).__name__}({', '.join(['LEARNING_RATE', *given])})",
        loss=loss_from_json(recipe.loss).to_json()["name"],
        preprocessing=_write_preprocessing(network),
        epochs=recipe.epochs,
        data=recipe.data.source,
    )


def _write_preprocessing(network: Network) -> str:
    how = network.preprocessing
    if how is None or how == Preprocessing():
        return ""
    given = [f"{key}={value!r}" for key, value in _list_changed_fields(how, "")]
    return f"\n        preprocessing=pl.Preprocessing({', '.join(given)}),"


def _write_network(network: Network) -> list[str]:
    nodes, sugar = _fold_activations(network)
    names = [node.name for node in nodes]
    is_chain = all(
        node.inputs == (before,) or sugar.get(node.inputs[0]) == before
        for before, node in zip(names, nodes[1:], strict=False)
    )
    calls = [
        _write_call(node.layer, sugar_of)
        for node, sugar_of in _pair_activations(nodes, network)
    ]
    if is_chain:
        lines = [f"        pl.{call}," for call in calls]
        return ["    return pl.Sequential(", *lines, "    )"]
    return _write_branching(nodes, calls, sugar, network)


def _write_branching(
    nodes: list[Node], calls: list[str], sugar: dict[str, str], network: Network
) -> list[str]:
    lines = []
    for node, call in zip(nodes, calls, strict=True):
        inputs = ", ".join(sugar.get(name, name) for name in node.inputs)
        lines.append(f"    {node.name} = pl.{call}" + (f"({inputs})" if inputs else ""))
    last = network.outputs[0]
    ends = f"inputs={network.inputs[0]}, outputs={sugar.get(last, last)}"
    return [*lines, f"    return pl.Network({ends})"]


def _fold_activations(network: Network) -> tuple[list[Node], dict[str, str]]:
    """Return the nodes that are written, and which node stands for a folded one."""
    sugar = {
        node.name: node.inputs[0]
        for node in network.nodes
        if isinstance(node.layer, SameShape)
        and node.inputs
        and node.name == f"{node.inputs[0]}_{node.layer.stem}"
        and _can_fold(network, node)
    }
    return [node for node in network.nodes if node.name not in sugar], sugar


def _can_fold(network: Network, node: Node) -> bool:
    """Return whether a layer takes activation=, and nothing else reads its output."""
    before = next(n for n in network.nodes if n.name == node.inputs[0])
    readers = [n for n in network.nodes if before.name in n.inputs]
    return hasattr(before.layer, "activation") and len(readers) == 1


def _pair_activations(
    nodes: list[Node], network: Network
) -> list[tuple[Node, Layer | None]]:
    after = {node.inputs[0]: node for node in network.nodes if node.inputs}
    kept = {node.name for node in nodes}
    found = []
    for node in nodes:
        follower = after.get(node.name)
        is_folded = follower is not None and follower.name not in kept
        found.append((node, follower.layer if is_folded and follower else None))
    return found


def _write_call(layer: Layer, activation: Layer | None) -> str:
    kind = type(layer).__name__
    if isinstance(layer, Input):
        return f"Input({', '.join(map(str, layer.shape))})"
    parts: list[str] = []
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        is_usual = _simplify(value) == field.default and field.name != "kernel_size"
        if field.name in ("name", "activation") or is_usual:
            continue
        if field.name == "stride" and value == getattr(layer, "kernel_size", None):
            continue  # a pool's own default
        is_first = not parts and field.name in _FIRST
        parts.append(
            _write_argument(_simplify(value), "" if is_first else f"{field.name}=")
        )
    if activation is not None:
        parts.append(f'activation="{activation.stem}"')
    return f"{kind}({', '.join(parts)})"


def _write_argument(value: Any, prefix: str) -> str:
    if isinstance(value, Initializer) and not isinstance(value, str):
        return f"{prefix}pl.{value!r}"
    return f'{prefix}"{value}"' if isinstance(value, str) else f"{prefix}{value!r}"


def _simplify(value: Any) -> Any:
    """Return (3, 3) as 3."""
    is_pair = isinstance(value, tuple) and len(value) == 2
    return value[0] if is_pair and value[0] == value[1] else value


def _list_changed_fields(described: Any, but: str) -> list[tuple[str, Any]]:
    """Return the fields of a description that are not as they always are."""
    return [
        (field.name, getattr(described, field.name))
        for field in dataclasses.fields(described)
        if field.name not in (but, "clip_norm")
        and getattr(described, field.name) != field.default
    ]


def _count_elements(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
