"""Examples of any number of inputs: pictures, arrays in .npy files, .npz files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pellucid.cli.pictures import read_picture, read_picture_of_shape
from pellucid.data.damage import damage_of
from pellucid.data.named_arrays import read_inputs
from pellucid.data.npy import read_npy
from pellucid.errors import DataError
from pellucid.model import Model
from pellucid.network.ports import has_several

Array = npt.NDArray[Any]
_ARRAYS = (".npy", ".npz")


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples that were named, and their inputs by name.

    Parameters
    ----------
    names : tuple of str
        What each is called in the answer.
    inputs : dict of str to ndarray, shape (N, …)
        An array for each input of the network.
    """

    names: tuple[str, ...]
    inputs: dict[str, Array]


def are_arrays(model: Model, items: Sequence[str]) -> bool:
    """Return whether what is named are no plain pictures."""
    named = any(item.lower().endswith(_ARRAYS) for item in items)
    return named or len(model.network.inputs) > 1


def read_examples(model: Model, items: Sequence[str]) -> Examples:
    """Read a .npz with an array for each input, or NAME=FILE for each input.

    Parameters
    ----------
    model : Model
        Whose inputs they are.
    items : sequence of str
        As typed. A FILE is a picture, or a .npy of one example or several; with one
        input it may stand alone.

    Raises
    ------
    DataError
        If an input is missing, a file cannot be read, or lengths differ.
    """
    inputs = model.network.inputs
    is_named = items[0].partition("=")[0] in inputs and not Path(items[0]).exists()
    if len(items) == 1 and items[0].lower().endswith(".npz") and not is_named:
        return _of_archive(items[0], inputs)
    if len(inputs) == 1 and len(items) == 1 and "=" not in items[0]:
        items = [f"{inputs[0]}={items[0]}"]
    files = dict(item.partition("=")[::2] for item in items if "=" in item)
    if sorted(files) != sorted(inputs) or len(files) != len(items):
        wanted = " ".join(f"{name}=FILE" for name in inputs)
        raise DataError(
            f"picture: the network's inputs must be given as {wanted}, or as a .npz "
            f"with arrays called so; got {' '.join(items)}."
        )
    arrays = {name: _read(model, name, files[name]) for name in inputs}
    count = max(len(array) for array in arrays.values())
    for name, array in arrays.items():
        if len(array) != count:
            raise DataError(
                "picture: all inputs must have equally many examples; got "
                f"{len(array)} of {name} and {count} of another."
            )
    called = " ".join(items)
    if count == 1:
        return Examples((called,), arrays)
    return Examples(tuple(f"{called} {k}" for k in range(count)), arrays)


def read_example(model: Model, items: Sequence[str], *, is_digit: bool = False) -> Any:
    """Return one example as `explain` takes it: a picture, or a dict by input.

    Raises
    ------
    DataError
        If it cannot be read, or there is more than one.
    """
    if not are_arrays(model, items):
        if len(items) != 1:
            raise DataError(f"picture: must be one; got {len(items)}.")
        return read_picture(model, items[0], is_digit=is_digit)
    found = read_examples(model, items)
    if len(found.names) != 1:
        raise DataError(
            f"picture: the inputs must be of one example; got {len(found.names)}."
        )
    one = {name: array[0] for name, array in found.inputs.items()}
    return one if has_several(model.network) else next(iter(one.values()))


def _of_archive(path: str, inputs: Sequence[str]) -> Examples:
    arrays = read_inputs(Path(path), inputs)
    counts = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(counts) != 1:
        listed = ", ".join(f"{a.shape} of {name}" for name, a in arrays.items())
        raise DataError(
            f"picture: arrays in {path!r} must have equally many examples; got "
            f"{listed}."
        )
    return Examples(tuple(f"{path} {k}" for k in range(counts.pop())), arrays)


def _read(model: Model, name: str, file: str) -> Array:
    """Return an input's examples from a file, shape (N, …)."""
    shape = model.network.shapes[name]
    if not file.lower().endswith(".npy"):
        model.preprocessing.check_pictures()
        return read_picture_of_shape(file, shape)[None]
    path = Path(file)
    with damage_of(path, "a whole .npy file"), path.open("rb") as stream:
        array = read_npy(stream, path.stat().st_size, file)
    return array[None] if array.shape == shape else array
