"""Arrays by name in a .npz file: examples of several inputs or outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.archive import open_archive
from pellucid.data.damage import damage_of
from pellucid.data.npy import read_npy
from pellucid.data.several import SeveralDataset
from pellucid.errors import DataError

Array = npt.NDArray[Any]
Names = Sequence[str]
_PARTS: Final = ("train", "val", "test")


def read_arrays(path: Path, wanted: Names) -> tuple[dict[str, Array], list[str]]:
    """Return the wanted arrays that a .npz file has, and the names of all it has.

    Nothing in it is ever executed.

    Raises
    ------
    DataError
        If the file is damaged, or a wanted array holds Python objects.
    """
    with open_archive(path) as archive, damage_of(path, "a whole .npz file"):
        entries = {
            entry.filename.removesuffix(".npy"): entry for entry in archive.filelist
        }
        found = {}
        for name in wanted:
            if name not in entries:
                continue
            with archive.open(entries[name]) as stream:
                size = entries[name].file_size
                found[name] = read_npy(stream, size, f"{path}/{name}")
    return found, sorted(entries)


def read_inputs(path: Path, inputs: Names) -> dict[str, Array]:
    """Return the array of each input, from a file that may have others.

    Raises
    ------
    DataError
        If the array of an input is missing, or the file cannot be read.
    """
    found, names = read_arrays(path, inputs)
    for name in inputs:
        if name not in found:
            raise DataError(
                f"load: {str(path)!r} must have an array called {name!r}, as an input "
                f"is; got {_listed(names)}."
            )
    return {name: _pictures(array) for name, array in found.items()}


def load_several(
    source: str | Path,
    inputs: Names,
    outputs: Names,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> tuple[SeveralDataset, SeveralDataset]:
    """Return training and test data from arrays called as inputs and outputs are.

    Parameters
    ----------
    source : path
        A .npz with an array for each input and for each output that has labels.
        Where it is divided already, their names end in ``_train``, ``_test`` and
        perhaps ``_val``.
    inputs, outputs : sequence of str
        Names of a network's.
    test_fraction : float
        Part that becomes the test set where the file is not divided.
    seed : int
        Of that split.

    Returns
    -------
    tuple of SeveralDataset
        (train, test); the former with the validation data of the file.

    Raises
    ------
    DataError
        If the source is no .npz, an array is missing, lengths differ, or the file
        cannot be read.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() != ".npz" or not path.exists():
        got = "nothing there"
        if path.exists():
            got = "a folder" if path.is_dir() else "another file"
        raise DataError(
            "load: data of a network with several inputs or outputs must be a .npz "
            f"with arrays called {', '.join((*inputs, *outputs))}; got "
            f"{str(source)!r}, {got}."
        )
    names = (*inputs, *outputs)
    endings = ("", *(f"_{part}" for part in _PARTS))
    wanted = [f"{name}{end}" for end in endings for name in names]
    arrays, there = read_arrays(path, wanted)

    def part(end: str) -> SeveralDataset | None:
        if not any(f"{name}{end}" in arrays for name in names):
            return None
        for name in inputs:
            if f"{name}{end}" not in arrays:
                raise DataError(
                    f"load: {str(path)!r} must have an array {f'{name}{end}'!r} for "
                    f"the input {name!r}; got {_listed(there)}."
                )
        labels = tuple(arrays.get(f"{name}{end}") for name in outputs)
        if all(array is None for array in labels):
            raise DataError(
                f"load: {str(path)!r} must have labels, an array "
                f"{f'{outputs[0]}{end}'!r} or one of another output; got "
                f"{_listed(there)}."
            )
        return SeveralDataset(
            tuple(_pictures(arrays[f"{name}{end}"]) for name in inputs), labels
        )

    train, validation, test = (part(f"_{name}") for name in _PARTS)
    if train is None:
        whole = part("")
        if whole is None:
            raise DataError(
                f"load: {str(path)!r} must have arrays to train on, called "
                f"{', '.join(names)}, or the same with _train and _test; got "
                f"{_listed(there)}."
            )
        rest, held_out = whole.split_positions(test_fraction, seed=seed)
        return whole.subset(rest), whole.subset(held_out)
    if test is None:
        raise DataError(
            f"load: {str(path)!r} must have test data, arrays such as "
            f"{f'{inputs[0]}_test'!r}, beside {f'{inputs[0]}_train'!r}; got "
            f"{_listed(there)}."
        )
    return replace(train, validation=validation), test


def _listed(names: Names) -> str:
    return ", ".join(names) or "none"


def _pictures(array: Array) -> Array:
    """Give grey images their channel axis."""
    return array[..., None] if array.dtype == np.uint8 and array.ndim == 3 else array
