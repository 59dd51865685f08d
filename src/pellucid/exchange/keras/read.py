"""Read a .keras or .h5 file as a network."""

from __future__ import annotations

from pathlib import Path

from pellucid.data.archive import open_archive, read_entry
from pellucid.errors import ExchangeError
from pellucid.exchange.disk import check_size, read_bytes
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.keras import store
from pellucid.exchange.keras.build import build_model
from pellucid.exchange.keras.for_keras import is_hdf5
from pellucid.exchange.keras.topology import Topology, read_topology
from pellucid.exchange.keras.weights import read_weights
from pellucid.exchange.keras.write import CARD
from pellucid.network import Network
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile


def read(
    path: Path, *, input_shape: Shape | None = None, network: Network | None = None
) -> ModelFile:
    """Read a file; nothing in it is run.

    ``input_shape`` names sizes that the file leaves free; a ``network`` is what the
    file's weights are put on, instead of the model in it.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds a layer that cannot be represented exactly.
    """
    if network is not None:
        return read_weights(path, network)
    check_size(path)
    with translate_errors(path, "Keras file"):
        read_parts = _read_legacy if is_hdf5(path) else _read_zip
        topology, card, version = read_parts(path)
        topology.close_input(input_shape)
        return build_model(topology, card, version=version)


Parts = tuple[Topology, str | None, str]


def _read_zip(path: Path) -> Parts:
    with open_archive(path) as archive:
        config = store.parse_json(read_entry(archive, "config.json").decode())
        metadata = store.parse_json(read_entry(archive, "metadata.json").decode())
        topology = read_topology(config)
        store.read_weights(read_entry(archive, "model.weights.h5"), topology)
    return topology, metadata.get(CARD), str(metadata.get("keras_version", ""))


def _read_legacy(path: Path) -> Parts:
    file = store.open_hdf5(read_bytes(path))
    text = file.text("model_config")
    if text is None:
        raise ExchangeError(
            f"import: '{path}' must hold a whole model; got weights alone. Save "
            "with model.save, or give the network that they belong to: --network NAME "
            "(network=…)."
        )
    topology = read_topology(store.parse_json(text))
    store.read_legacy_weights(file, topology)
    return topology, file.text(CARD), file.text("keras_version") or ""
