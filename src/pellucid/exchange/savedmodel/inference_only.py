"""A SavedModel without the state of its optimizer, which TensorFlow can then load.

Models that Keras 2 has saved hold variables of their optimizer. TensorFlow restores
them only where Keras 2 is installed, and fails otherwise; inference needs none.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pellucid.exchange.disk import read_bytes
from pellucid.exchange.savedmodel.write import silence

MAIN = "saved_model.pb"


@contextlib.contextmanager
def inference_only(folder: Path) -> Iterator[Path]:
    """Give a folder with the same model, and nothing that only training needs.

    Parameters
    ----------
    folder : Path
        Holds a ``saved_model.pb``; it stays as it is.
    """
    changed = _drop_slots(read_bytes(folder / MAIN))
    if changed is None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as place, silence():
        there = Path(place) / folder.name
        there.mkdir()
        (there / MAIN).write_bytes(changed)
        for path in folder.iterdir():
            if path.name != MAIN:
                os.symlink(path.resolve(), there / path.name)
        yield there
        gc.collect()  # what is loaded tells of unused variables when it is freed


def _drop_slots(content: bytes) -> bytes | None:
    """Return the file without an optimizer's variables; None where it has none."""
    protobuf: Any = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    model = protobuf.SavedModel.FromString(content)
    graphs = (graph.object_graph_def for graph in model.meta_graphs)
    nodes = [node for graph in graphs for node in graph.nodes if node.slot_variables]
    for node in nodes:
        del node.slot_variables[:]
    serialized: bytes = model.SerializeToString()
    return serialized if nodes else None
