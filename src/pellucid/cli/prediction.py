"""The prediction for one example as JSON, table rows and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.cli.output import percent
from pellucid.model import Model

Array = npt.NDArray[Any]
_FEW = 10  # values listed in a sentence


def prediction(model: Model, output: Array, *, top: int) -> dict[str, Any]:
    """Return an output's interpretation and the output itself.

    Parameters
    ----------
    model : Model
        The model that predicted it.
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
    meaning, names = model.output_meaning, model.class_names
    found: dict[str, Any] = {}
    if meaning.kind == "regression" and not meaning.is_per_pixel:
        columns = meaning.column_names(model.classes)
        found["values"] = dict(zip(columns, output.tolist(), strict=True))
    elif meaning.kind != "regression" and meaning.is_per_pixel:
        found["pixels"] = _rank(names, _pixel_shares(model, output), top, "share")
    elif meaning.kind != "regression":
        shares = meaning.probabilities(output[None])[0]
        found["top"] = _rank(names, shares, top, "probability")
        if meaning.kind == "labels":
            given = meaning.predict(output[None])[0]
            found["labels"] = [names[k] for k in np.flatnonzero(given)]
    return {**found, "output": output.tolist()}


def prediction_columns(model: Model) -> tuple[str, ...]:
    """Return the headers of `prediction_rows`; all but the first are numeric."""
    meaning = model.output_meaning
    if meaning.kind == "regression":
        return (
            ("output", "least", "mean", "most")
            if meaning.is_per_pixel
            else ("output", "value")
        )
    what = "label" if meaning.kind == "labels" else "class"
    return (what, "pixels" if meaning.is_per_pixel else "probability")


def prediction_rows(
    model: Model, entry: Mapping[str, Any]
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
    names = model.output_meaning.column_names(model.classes)
    for k, name in enumerate(names):
        values = output[..., k]
        yield (name, *(f"{v:.6g}" for v in (values.min(), values.mean(), values.max())))


def prediction_sentence(model: Model, output: Array) -> str:
    """Return the prediction for one example as a sentence."""
    meaning, names = model.output_meaning, model.class_names
    if meaning.kind == "regression":
        if output.size > _FEW:
            return f"output from {output.min():.4g} to {output.max():.4g}"
        return f"output: {_join(f'{v:.4f}' for v in output.ravel())}"
    entry = prediction(model, output, top=1)
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


def _pixel_shares(model: Model, output: Array) -> Array:
    """Return each class's share of the pixels, or the share with each label."""
    meaning = model.output_meaning
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
