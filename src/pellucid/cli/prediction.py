"""The prediction for one example as JSON, table rows and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.cli.output import percent
from pellucid.model.ports import output_meaning_of
from pellucid.objectives import OutputMeaning

if TYPE_CHECKING:
    from pellucid.model import Model

Array = npt.NDArray[Any]
_FEW = 10  # values listed in a sentence


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a model in words: what it means, and the classes' names."""

    meaning: OutputMeaning
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: Model, name: str) -> Output:
        """Return a model's output of that name."""
        return cls(output_meaning_of(model, name), model.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class or label."""
        return self.meaning.class_names(self.classes)


def prediction(described: Output, output: Array, *, top: int) -> dict[str, Any]:
    """Return an output's interpretation and the output itself.

    Parameters
    ----------
    described : Output
        What it means.
    output : ndarray, shape (…, columns)
        The output for one example.
    top : int
        Number of classes or labels to return.

    Returns
    -------
    dict
        ``top``: the most probable classes or labels; for independent labels also
        ``labels``, the predicted ones. Per pixel ``pixels``: the share of each class.
        For a regression ``values`` by name, or per pixel nothing but the output.
    """
    meaning, names = described.meaning, described.class_names
    found: dict[str, Any] = {}
    if meaning.kind == "regression" and not meaning.is_per_pixel:
        columns = meaning.column_names(described.classes)
        found["values"] = dict(zip(columns, output.tolist(), strict=True))
    elif meaning.kind != "regression" and meaning.is_per_pixel:
        found["pixels"] = _rank(names, _pixel_shares(meaning, output), top, "share")
    elif meaning.kind != "regression":
        shares = meaning.probabilities(output[None])[0]
        found["top"] = _rank(names, shares, top, "probability")
        if meaning.kind == "labels":
            given = meaning.predict(output[None])[0]
            found["labels"] = [names[k] for k in np.flatnonzero(given)]
    return {**found, "output": output.tolist()}


def prediction_columns(described: Output) -> tuple[str, ...]:
    """Return the headers of `prediction_rows`; all but the first are numeric."""
    meaning = described.meaning
    if meaning.kind == "regression":
        return (
            ("output", "least", "mean", "most")
            if meaning.is_per_pixel
            else ("output", "value")
        )
    what = "label" if meaning.kind == "labels" else "class"
    return (what, "pixels" if meaning.is_per_pixel else "probability")


def prediction_rows(
    described: Output, entry: Mapping[str, Any]
) -> Iterator[tuple[str, ...]]:
    """Yield table rows for the result of `prediction`."""
    if "values" in entry:
        for name, value in entry["values"].items():
            yield name, f"{value:.6g}"
        return
    for key, share in (("top", "probability"), ("pixels", "share")):
        for choice in entry.get(key, ()):
            yield choice["class"], percent(choice[share])
    if "top" in entry or "pixels" in entry:
        return
    output = np.asarray(entry["output"])
    names = described.meaning.column_names(described.classes)
    for k, name in enumerate(names):
        values = output[..., k]
        yield (name, *(f"{v:.6g}" for v in (values.min(), values.mean(), values.max())))


def prediction_sentence(described: Output, output: Array) -> str:
    """Return the prediction for one example as a sentence."""
    meaning, names = described.meaning, described.class_names
    if meaning.kind == "regression":
        if output.size > _FEW:
            return f"output from {output.min():.4g} to {output.max():.4g}"
        return f"output: {_join(f'{v:.4f}' for v in output.ravel())}"
    entry = prediction(described, output, top=1)
    if meaning.is_per_pixel:
        best = entry["pixels"][0]
        return f"prediction: {best['class']} in {percent(best['share'])} of the pixels"
    if meaning.kind == "labels":
        shares = meaning.probabilities(output[None])[0]
        given = [
            f"{names[k]} ({percent(float(shares[k]))})"
            for k in np.flatnonzero(meaning.predict(output[None])[0])
        ]
        return f"prediction: {_join(given) or 'no label'}"
    best = int(meaning.predict(output[None])[0])
    share = float(meaning.probabilities(output[None])[0, best])
    return f"prediction: {names[best]}, {percent(share)}"


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)


def _pixel_shares(meaning: OutputMeaning, output: Array) -> Array:
    """Return each class's share of the pixels, or the share with each label."""
    said = meaning.predict(output[None])[0]
    shares: Array
    if meaning.kind == "labels":
        shares = said.reshape(-1, said.shape[-1]).mean(axis=0)
    else:
        counts = np.bincount(said.ravel(), minlength=meaning.class_count)
        shares = counts / said.size
    return shares


def _rank(
    names: tuple[str, ...], shares: Array, count: int, what: str
) -> list[dict[str, Any]]:
    order = (-shares).argsort(kind="stable")[:count]
    return [{"class": names[k], "label": int(k), what: float(shares[k])} for k in order]
