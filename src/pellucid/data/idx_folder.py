"""This file is a dataset of four IDX files: images and labels, train and test."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.idx import parse, read_bytes, unpack
from pellucid.errors import DataError

Part: TypeAlias = Literal["train", "t10k"]
Kind: TypeAlias = Literal["images-idx3-ubyte", "labels-idx1-ubyte"]

PARTS: Final[tuple[Part, Part]] = ("train", "t10k")
FILES: Final = tuple(
    f"{part}-{kind}.gz"
    for part in PARTS
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)


def holds_idx(folder: Path) -> bool:
    """Tell whether a folder has the four files, gzipped or plain."""
    return all(_find(folder, name) is not None for name in FILES)


def read_idx_folder(
    folder: Path,
    *,
    classes: tuple[str, ...] = (),
    sha256: dict[str, str] | None = None,
) -> tuple[Dataset, Dataset]:
    """Read the four files of a folder.

    Parameters
    ----------
    folder : Path
        Holds ``train-images-idx3-ubyte.gz`` and its three siblings, or the same
        files without ``.gz``.
    classes : tuple of str, optional
        Names of the labels.
    sha256 : dict of str to str, optional
        By file name, the checksum of the unpacked content.

    Returns
    -------
    tuple of Dataset
        (train, test); images uint8 of shape (N, H, W, 1).

    Raises
    ------
    DataError
        If a file is missing, damaged, has another checksum, or holds something else.
    """
    train, test = (_part(folder, part, classes, sha256 or {}) for part in PARTS)
    return train, test


def _part(
    folder: Path, part: Part, classes: tuple[str, ...], sha256: dict[str, str]
) -> Dataset:
    """Read the images and the labels of one part."""
    arrays = []
    for kind, axes, what in (
        ("images-idx3-ubyte", 3, "images"),
        ("labels-idx1-ubyte", 1, "labels"),
    ):
        name = f"{part}-{kind}.gz"
        path = _find(folder, name)
        if path is None:
            raise DataError(
                f"load: {str(folder)!r} must hold {name!r}; got no such file."
            )
        content = unpack(read_bytes(path), str(path))
        array = parse(content, str(path))
        if array.dtype != np.uint8 or array.ndim != axes:
            raise DataError(
                f"load: {str(path)!r} must hold {what}, uint8 with {axes} "
                f"{'axes' if axes > 1 else 'axis'}; got {array.dtype} of shape "
                f"{array.shape}. Are images and labels swapped?"
            )
        check_sha256(content, sha256.get(name), str(path))
        arrays.append(array)
    images, labels = arrays
    return Dataset(images[..., None], labels, classes)


def check_sha256(content: bytes, expected: str | None, name: str) -> None:
    """Refuse content whose SHA-256 is not the expected one, if there is one."""
    if expected is None:
        return
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise DataError(
            f"load: {name!r} must have SHA-256 {expected}; got {got}. "
            "The file is damaged or another one."
        )


def _find(folder: Path, name: str) -> Path | None:
    """Return the gzipped or the plain file, whichever there is."""
    candidates = (folder / name, folder / name.removesuffix(".gz"))
    return next((path for path in candidates if path.is_file()), None)
