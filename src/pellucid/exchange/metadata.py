"""Metadata of a model beside network and weights: preprocessing, classes, dtype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.network import Network, Preprocessing
from pellucid.objectives import OutputMeaning, output_meaning
from pellucid.runs import ModelFile

_DTYPES = ("float32", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """Travels as JSON in every format that has a place for text.

    Parameters
    ----------
    preprocessing : Preprocessing
        How uint8 pixels become input; unknown where a file does not say it.
    classes : tuple of str
        Names of the outputs; empty if they have none.
    dtype : {"float32", "float64"}
        Of the arithmetic.
    output_meaning : OutputMeaning, optional
        What the output means, where the network does not say so by itself: a file of
        another program has no loss.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing.unknown)
    classes: tuple[str, ...] = ()
    dtype: str = "float32"
    output_meaning: OutputMeaning | None = None

    @classmethod
    def of(cls, file: ModelFile) -> ModelMetadata:
        """Return a model's card; of several outputs it says nothing of a meaning."""
        if len(file.network.outputs) > 1:
            return cls(preprocessing=file.preprocessing, dtype=file.dtype)
        meaning = file.meaning
        is_plain = meaning == output_meaning(file.network)
        return cls(
            preprocessing=file.preprocessing,
            classes=file.classes,
            dtype=file.dtype,
            output_meaning=None if is_plain else meaning,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        document: dict[str, Any] = {
            "preprocessing": self.preprocessing.to_json(),
            "classes": list(self.classes),
            "dtype": self.dtype,
        }
        if self.output_meaning is not None:
            document["output_meaning"] = self.output_meaning.to_json()
        return document

    @classmethod
    def named(cls, file: ModelFile) -> dict[str, Any]:
        """Return plain JSON values, with the inputs' names where there are several.

        For formats that keep neither their names nor their order.
        """
        inputs = file.network.inputs
        more = {"inputs": list(inputs)} if len(inputs) > 1 else {}
        return cls.of(file).to_json() | more

    @classmethod
    def from_json(cls, document: Any) -> ModelMetadata:
        """Read what `to_json` made; ExchangeError if it is something else."""
        try:
            how = Preprocessing.from_json(document["preprocessing"])
            classes = tuple(str(name) for name in document["classes"])
            dtype = document["dtype"]
            given = document.get("output_meaning")
            meaning = OutputMeaning.from_json(given) if given else None
        except (KeyError, TypeError, ValueError) as error:
            raise ExchangeError(
                "import: the model's card must have preprocessing, classes and dtype; "
                f"got {error!r}."
            ) from error
        if dtype not in _DTYPES:
            raise ExchangeError(
                f"import: dtype must be one of {', '.join(_DTYPES)}; got {dtype!r}."
            )
        return cls(
            preprocessing=how, classes=classes, dtype=dtype, output_meaning=meaning
        )

    @classmethod
    def of_network(cls, network: Network) -> Self:
        """Return what is known of weights alone: the network's own preprocessing."""
        how = network.preprocessing or Preprocessing.unknown()
        return cls(preprocessing=how)

    def file(
        self, network: Network, weights: Mapping[str, npt.NDArray[Any]]
    ) -> ModelFile:
        """Return the model that network, weights and card make.

        Raises
        ------
        ExchangeError
            If the weights are not the network's.
        """
        expected = {weight.name: weight.shape for weight in network.weights}
        kinds = {weight.name: weight.dtype or self.dtype for weight in network.weights}
        got = {name: array.shape for name, array in weights.items()}
        wrong = [n for n in {**expected, **got} if expected.get(n) != got.get(n)]
        if wrong:
            name = wrong[0]
            raise ExchangeError(
                f"import: weight '{name}' must have shape {expected.get(name, 'none')};"
                f" got {got.get(name, 'none')}."
            )
        arrays = {name: np.asarray(weights[name], kinds[name]) for name in expected}
        return ModelFile(
            network=network,
            weights=arrays,
            preprocessing=self.preprocessing,
            classes=self.classes,
            dtype=self.dtype,
            output_meaning=self.output_meaning,
        )


def read_inputs(document: Any, otherwise: Sequence[str]) -> tuple[str, ...]:
    """Return the inputs' names of a card, if it has as many; else the others."""
    found = document.get("inputs") if isinstance(document, dict) else None
    is_whole = isinstance(found, list) and len(found) == len(otherwise)
    return tuple(map(str, found if is_whole and found else otherwise))
