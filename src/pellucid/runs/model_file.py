"""Model files: `.pellucid`, one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pellucid.errors import ExchangeError, PellucidError
from pellucid.network import Network, Preprocessing, dumps, loads
from pellucid.objectives import (
    Loss,
    Optimizer,
    OutputMeaning,
    is_built_in,
    loss_from_json,
    optimizer_from_json,
    output_meaning,
)
from pellucid.runs.tensor_file import (
    parse_tensors,
    read_tensors,
    tensor_bytes,
    write_bytes,
)

SCHEMA_VERSION = 1
Array = npt.NDArray[Any]
_Content = tuple[dict[str, Array], dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What a `.pellucid` file holds.

    Parameters
    ----------
    network : Network
        What is computed.
    weights : mapping of str to ndarray
        Every array of the network, in canonical layout.
    preprocessing : Preprocessing
        How pixels become the input.
    classes : tuple of str
        Names of classes or labels.
    loss : Loss, optional
        What it was trained with.
    optimizer : Optimizer, optional
        What it was trained with.
    seed : int
        Of initial weights, order and dropout.
    dtype : {"float32", "float64"}
        Of the engine.
    output_meaning : OutputMeaning, optional
        Derived from network and loss if left out.
    input_range : tuple of float, optional
        Smallest and largest input that was trained on.
    epochs : int
        Epochs trained so far.
    provenance : mapping
        Versions, machine, time; or the file that was imported.
    """

    network: Network
    weights: Mapping[str, Array]
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    seed: int = 0
    dtype: str = "float32"
    #: what the output means where it was given or training has settled it
    output_meaning: OutputMeaning | None = None
    #: smallest and largest input in training, where it is known
    input_range: tuple[float, float] | None = None
    #: epochs that `Model.fit` has begun
    epochs: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def meaning(self) -> OutputMeaning:
        """What the output means: as it is kept, else derived from network and loss."""
        return self.output_meaning or output_meaning(self.network, self.loss)

    def write(self, path: str | Path) -> None:
        """Write the file; RunError if the disk does not take it.

        Parameters
        ----------
        path : Path
            The file; replaced whole, or not at all.
        """
        write_bytes(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return what `write` writes.

        Returns
        -------
        bytes
            A safetensors file.
        """
        document = {
            "schema_version": SCHEMA_VERSION,
            "preprocessing": self.preprocessing.to_json(),
            "classes": list(self.classes),
            # a class of the caller's own stands in no file: it has to be given again
            "loss": _encode_objective(self.loss),
            "optimizer": _encode_objective(self.optimizer),
            "seed": self.seed,
            "dtype": self.dtype,
            "epochs": self.epochs,
            "output_meaning": self.output_meaning and self.output_meaning.to_json(),
            "input_range": self.input_range,
            "provenance": dict(self.provenance),
        }
        metadata = {
            "network.json": dumps(self.network),
            "model.json": json.dumps(document, ensure_ascii=False),
        }
        return tensor_bytes(self.weights, metadata)

    @classmethod
    def read(cls, path: str | Path, *, layers: Iterable[Any] = ()) -> ModelFile:
        """Read a file.

        Parameters
        ----------
        path : Path
            The file.
        layers : iterable of type, optional
            Classes of one's own that its network may name.

        Returns
        -------
        ModelFile
            Its content, checked.

        Raises
        ------
        ExchangeError
            If it is no `.pellucid` file, or one of another version.
        """
        return cls._guard(lambda: read_tensors(Path(path)), f"'{path}'", layers)

    @classmethod
    def from_bytes(cls, content: bytes) -> ModelFile:
        """Read what `to_bytes` returned; raises as `read`.

        Parameters
        ----------
        content : bytes
            A whole file.

        Returns
        -------
        ModelFile
            Its content, checked.
        """
        return cls._guard(lambda: parse_tensors(content), "the content")

    @classmethod
    def _guard(
        cls, read: Callable[[], _Content], origin: str, layers: Iterable[Any] = ()
    ) -> ModelFile:
        """Read; whatever a damaged file does ends in an ExchangeError."""
        try:
            return cls._read(*read(), origin=origin, layers=layers)
        except PellucidError:
            raise
        except MemoryError as error:
            raise ExchangeError(
                f"load: {origin} must fit into memory; got too little for it."
            ) from error
        except Exception as error:
            raise ExchangeError(
                f"load: {origin} must hold a whole model.json; got "
                f"{type(error).__name__}: {str(error)[:200]}."
            ) from error

    @classmethod
    def _read(
        cls,
        tensors: dict[str, Array],
        metadata: dict[str, str],
        *,
        origin: str,
        layers: Iterable[Any],
    ) -> ModelFile:
        if "network.json" not in metadata or "model.json" not in metadata:
            raise ExchangeError(
                f"load: {origin} must be a .pellucid file; got a safetensors file "
                "without a network."
            )
        document = json.loads(metadata["model.json"])
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise ExchangeError(
                f"load: {origin} must be of schema_version {SCHEMA_VERSION}; "
                f"got {version!r}."
            )
        network = loads(metadata["network.json"], layers=layers)
        return cls._decode(tensors, network, document)

    @classmethod
    def _decode(
        cls, weights: dict[str, Array], network: Network, document: Any
    ) -> ModelFile:
        loss, optimizer = document["loss"], document["optimizer"]
        meaning = document.get("output_meaning")  # files of 0.1 have none
        return cls(
            network=network,
            weights=weights,
            preprocessing=Preprocessing.from_json(document["preprocessing"]),
            classes=tuple(str(name) for name in document["classes"]),
            loss=loss_from_json(loss) if loss else None,
            optimizer=optimizer_from_json(optimizer) if optimizer else None,
            seed=int(document["seed"]),
            dtype=str(document["dtype"]),
            epochs=int(document.get("epochs", 0)),
            output_meaning=OutputMeaning.from_json(meaning) if meaning else None,
            input_range=_range(document.get("input_range")),
            provenance=dict(document.get("provenance", {})),
        )


def _encode_objective(objective: Loss | Optimizer | None) -> dict[str, Any] | None:
    is_ours = objective is not None and is_built_in(objective)
    return objective.to_json() if objective is not None and is_ours else None


def _range(values: Any) -> tuple[float, float] | None:
    """Return the two ends of a range; files of 0.1 have none."""
    if values is None:
        return None
    low, high = (float(value) for value in values)
    if not low <= high:
        raise ValueError(f"input_range of {values}")
    return low, high
