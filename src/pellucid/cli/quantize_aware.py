"""`pellucid train --quantize-aware`: prepare a model to be trained with rounding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.output import DataProgress, say
from pellucid.errors import RunError

if TYPE_CHECKING:
    from pellucid.runs.recipe import DataSection


def refuse_without_model(bits: int | None, *, asked: bool, **given: Any) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    RunError
        If there is no trained model to prepare, or its head is to be another.
    """
    if not asked and bits is not None:
        raise RunError(
            f"train: --weight-bits must go with --quantize-aware; got {bits} alone."
        )
    if not asked:
        return
    if given.pop("start") is None:
        raise RunError(
            "train: --quantize-aware must be given with --from RUN, whose weights and "
            "ranges are rounded; got no trained model. Train one first."
        )
    for key, value in given.items():
        if value:
            raise RunError(
                f"train: --quantize-aware must be given without --{key}; got both. "
                f"Train with --{key} first, then prepare that run."
            )


def prepare(start: str, data: DataSection, *, bits: int | None, quiet: bool) -> Path:
    """Save a model that computes as its int8 form will, and return where.

    Parameters
    ----------
    start : str
        The run or model file.
    data : DataSection
        Of whose training images at most 512 give the ranges of activations.
    bits : int, optional
        Of a weight; 8 if left out.
    quiet : bool
        Whether to show no progress.

    Raises
    ------
    PellucidError
        As `pellucid.exchange.prepare_qat`.
    """
    from pellucid.cli.open_run import open_run
    from pellucid.exchange import prepare_qat
    from pellucid.recipes.calibration import spread
    from pellucid.recipes.datasets import load_examples

    loaded = open_run(start, "compiled")
    shown = None if quiet else DataProgress()
    examples, _ = load_examples(data, loaded.model, progress=shown)
    aware = prepare_qat(loaded.model, spread(examples.images), weight_bits=bits or 8)
    stem = loaded.path.stem if loaded.path.is_file() else loaded.path.name
    path = loaded.folder / f"{stem.removesuffix('.aware')}.aware.pellucid"
    aware.save(path)
    if not quiet:
        say(f"prepared for int8: {path}")
    return path
