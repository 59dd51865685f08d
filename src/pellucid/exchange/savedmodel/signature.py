"""Serving signature of a SavedModel: its ports in order, and TensorFlow to run it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange.graph.tensor import Array
from pellucid.exchange.metadata import read_inputs
from pellucid.exchange.savedmodel.write import silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A folder's ``serving_default``.

    TensorFlow keeps inputs and outputs by name, without an order. Inputs are in that
    of our own card, else by their names, as outputs are: output_2 before output_10.
    """

    folder: Path
    loaded: Any  # owns the variables
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path, card: Any) -> Signature:
        """Load a folder.

        Raises
        ------
        ExchangeError
            If there is no such signature.
        """
        from pellucid.engines.tensorflow.imports import tf

        with silence():
            loaded = tf.saved_model.load(str(folder))
        if "serving_default" not in loaded.signatures:
            raise ExchangeError(
                f"import: '{folder}' must have a signature serving_default; got "
                f"{', '.join(loaded.signatures) or 'none'}."
            )
        signature = loaded.signatures["serving_default"]
        inputs = _sort(signature.structured_input_signature[1])
        named = read_inputs(card, inputs)
        return cls(
            folder=folder,
            loaded=loaded,
            inputs=named if set(named) == set(inputs) else inputs,
            outputs=_sort(signature.structured_outputs),
        )

    @property
    def function(self) -> Any:
        """TensorFlow's function of the inputs by name."""
        return self.loaded.signatures["serving_default"]

    @property
    def specs(self) -> list[Any]:
        """Shape and type of each input."""
        given = self.function.structured_input_signature[1]
        return [given[name] for name in self.inputs]

    def run(self, x: Mapping[str, Array]) -> dict[str, Array]:
        """Return what TensorFlow gives for arrays by the inputs' names."""
        from pellucid.engines.tensorflow.imports import tf

        with silence():
            given = {name: tf.constant(array) for name, array in x.items()}
            return {name: y.numpy() for name, y in self.function(**given).items()}

    def run_in_order(self, x: Sequence[Array]) -> list[Array]:
        """Return all outputs in order, for all inputs in order."""
        found = self.run(dict(zip(self.inputs, x, strict=True)))
        return [found[name] for name in self.outputs]


def _sort(names: Mapping[str, Any]) -> tuple[str, ...]:
    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts]

    return tuple(sorted(names, key=key))
