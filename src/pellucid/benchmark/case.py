"""Case: what every contender does, in a form that processes exchange."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from pellucid.network import Network, codec
from pellucid.network.ports import has_several


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One network, one size of batch, one set of weights.

    Attributes
    ----------
    name : str
        As the tables show it.
    network : Network
    batch_size : int
    seed : int
        Decides the weights and which images are taken.
    batches : int
        Different batches that are gone through in turn, all in memory.
    trained_epochs : int
        What the weights have been through.
    weights : str, optional
        The ``.pellucid`` file that holds them; initial weights without one.
    data : str
        Where the images come from, as `pellucid.data.load` takes it.
    files : str, optional
        A folder for what contenders convert, ONNX and LiteRT.
    """

    name: str
    network: Network
    batch_size: int = 64
    seed: int = 0
    batches: int = 32
    trained_epochs: int = 0
    weights: str | None = None
    data: str = "mnist"
    files: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the case as plain values."""
        document = {
            name: getattr(self, name) for name in self.__slots__ if name != "network"
        }
        return document | {"network": codec.to_json(self.network)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{**document, "network": codec.from_json(document["network"])})

    def with_weights(self, path: str | None, epochs: int) -> Self:
        """Return the case with weights that have been trained so long."""
        return replace(self, weights=path, trained_epochs=epochs)

    def facts(self) -> dict[str, Any]:
        """Return what a reader must know of the case."""
        nodes = [node for node in self.network.nodes if node.name]
        return {
            "network": self.network.name,
            "batch_size": self.batch_size,
            "trained_epochs": self.trained_epochs,
            "seed": self.seed,
            "batches": self.batches,
            "images": self.images,
            "parameters": self.network.parameter_count,
            "nodes": len(nodes),
        }

    @property
    def images(self) -> str:
        """What the images are."""
        if has_several(self.network):
            return "random numbers"
        if self.data != "mnist":
            return self.data
        shape = self.network.input_shape
        if shape == (28, 28, 1):
            return "MNIST"
        return f"MNIST, brought to {describe_inputs(self.network)} by repeating pixels"


def describe_inputs(network: Network) -> str:
    """Return the shape of each input."""
    shapes = (network.shapes[name] for name in network.inputs)
    return ", ".join("×".join(map(str, shape)) for shape in shapes)
