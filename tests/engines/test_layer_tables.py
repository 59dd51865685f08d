"""Every table that is keyed by layer has an entry for every layer.

The tables are found in the source, so that no framework is imported. A new layer
fails here once for each table that does not know it, with the layer and the table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid.network.layers import INTEGER_LAYERS, LAYERS, kinds_of

SOURCE = Path(__file__).parents[2] / "src/pellucid"
#: layers that compute something
NAMES = frozenset(LAYERS) - {"Input"}
#: layers of integer networks, which frameworks and other formats refuse as a whole
INTEGERS = {kind.__name__ for kind in INTEGER_LAYERS}
#: rounds weights in training: most engines know the layer inside alone, formats write
#: it rounded, scripts refuse it
FAKE = {"FakeQuantized"}
OF_FAKE = ("engines/jax/layers.py:_FUNCTIONS",)
#: tables of the engines that run them
OF_INTEGERS = ("engines/compiled/lowering/layers/__init__.py:LOWER",)
#: layers and families → the layers that an entry for it stands for
MEMBERS: dict[str, set[str]] = {}
for layer_name, layer_kind in LAYERS.items():
    for family in kinds_of(layer_kind):
        MEMBERS.setdefault(family.__name__, set()).add(layer_name)
POINTWISE = MEMBERS["Pointwise"]

#: table → layers that stand elsewhere, with the reason
ELSEWHERE = {
    # operators, which code/torch/operators.py writes
    "engines/framework_layers/torch.py:CALLS": {
        "Add",
        "Concat",
        "GRU",
        "LSTM",
        "MatMul",
        "Maximum",
        "Multiply",
        "Parameter",
        "Permute",
        "Reshape",
        "SimpleRNN",
        "Slice",
        "Subtract",
    },
    "engines/jax/layers.py:_FUNCTIONS": {"BatchNorm", "Dropout"},  # need the mode
    # Keras has no such layers; rearrangements are written by their steps
    "engines/framework_layers/keras.py:CALLS": {
        "ChannelShuffle",
        "DepthToSpace",
        "GRU",
        "LSTM",
        "LocalResponseNorm",
        "MatMul",
        "PadChannels",
        "Parameter",
        "Resize",
        "SimpleRNN",
        "Slice",
        "SpaceToDepth",
    },
    # which are written out step by step
    "exchange/codegen/kernel_calls.py:_WRITERS": {"GRU", "LSTM", "SimpleRNN"},
    "exchange/litert/layers.py:WRITERS": {"GRU", "LSTM", "SimpleRNN"},
    "code/functional.py:OPERATORS": None,  # what has a sign
    "code/numpy/forward.py:_SIMPLE": None,  # one-line layers; the others are calls
    "code/numpy/backward.py:_SLOPES": None,
    "code/jax/network.py:_SIMPLE": None,
    "code/torch/layers.py:MODULES": None,  # modules with initialisers
    "code/torch/operators.py:OPERATORS": None,  # beside the table of PyTorch's
    "engines/compiled/lowering/layers/arithmetic.py:OPERATIONS": None,
    # what has an integer form
    "engines/compiled/lowering/layers/quantized.py:_OPERATIONS": None,
    "engines/numpy/layers/quantized.py:_OPERATIONS": None,
    "engines/torch/layers.py:_OWN_BUILDERS": None,  # beside the table of PyTorch's
    "engines/tensorflow/layers.py:_OWN_BUILDERS": None,  # beside the table of Keras'
}
#: what frameworks have of their own; engines and scripts write the others out
FRAMEWORKS = (
    "engines/framework_layers/keras.py:CALLS",
    "engines/framework_layers/torch.py:CALLS",
)


def tables() -> Iterator[tuple[str, set[str]]]:
    """Yield each table, as path:name, and the layers that it has."""
    for folder in ("engines", "code", "exchange"):
        for path in sorted((SOURCE / folder).rglob("*.py")):
            for name, keys in _tables_of(path):
                if folder != "exchange" or name.endswith("WRITERS"):
                    yield f"{path.relative_to(SOURCE)}:{name}", keys


def _tables_of(path: Path) -> Iterator[tuple[str, set[str]]]:
    for statement in ast.parse(path.read_text()).body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys)) if (
                name.strip("_").isupper()
            ):
                layers = {_layer(key) for key in keys} - {""}
                if len(layers) == len(keys) > 1:
                    yield name, layers


def _layer(key: ast.expr | None) -> str:
    """Return the layer that a key names: ``pl.ReLU``, ``ReLU`` or ``"ReLU"``."""
    match key:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=name):
            return name if name in MEMBERS else ""
    return ""


TABLES = dict(tables())


@pytest.mark.parametrize("table", TABLES)
def test_every_layer_is_in_the_table(table: str) -> None:
    elsewhere = ELSEWHERE.get(table, set())
    if elsewhere is None:
        return
    if table.startswith("exchange/"):  # files hold inference: dropout is nothing there
        elsewhere = elsewhere | {"Dropout"}
    if table in FRAMEWORKS:
        elsewhere = elsewhere | POINTWISE
    if table not in OF_FAKE:
        elsewhere = elsewhere | FAKE
    if table not in OF_INTEGERS:
        elsewhere = elsewhere | INTEGERS
    entered = set[str]().union(*(MEMBERS[kind] for kind in TABLES[table]))
    missing = sorted(NAMES - entered - elsewhere)
    assert not missing, f"{', '.join(missing)} must be in {table}"


def test_the_tables_of_engines_and_scripts_are_found() -> None:
    found = {table.rpartition("/")[0].split("/")[-1] for table in TABLES}
    assert {"framework_layers", "jax"} <= found
    assert "engines/compiled/lowering/layers/__init__.py:LOWER" in TABLES
