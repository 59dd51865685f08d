"""Datasets of four IDX files: images and labels, train and test."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from pellucid.data.checks import Labels
from pellucid.data.dataset import Dataset
from pellucid.data.emnist import classes_of, to_mnist_form
from pellucid.data.idx import parse, read_bytes, unpack
from pellucid.data.picture import Pixels
from pellucid.errors import DataError

Part: TypeAlias = Literal["train", "test"]
Kind: TypeAlias = Literal["images", "labels"]

_NAME: Final = re.compile(
    r"(?:(?P<prefix>.+)-)?(?P<part>train|test|t10k)-"
    r"(?P<kind>images[-.]idx3|labels[-.]idx1)-ubyte(?:\.gz)?",
    re.IGNORECASE,
)
_PARTS: Final[tuple[Part, Part]] = ("train", "test")
_KINDS: Final[tuple[tuple[Kind, int], ...]] = (("images", 3), ("labels", 1))


@dataclass(frozen=True, slots=True)
class IdxFiles:
    """The four files of one dataset.

    Parameters
    ----------
    folder : Path
        Where they lie.
    prefix : str
        What their names begin with: "" for MNIST, "emnist-letters" for one of
        EMNIST's splits.
    paths : dict of (part, kind) to Path
        The files that are there, gzipped or plain.
    """

    folder: Path
    prefix: str
    paths: dict[tuple[Part, Kind], Path]

    @property
    def is_whole(self) -> bool:
        """Whether all four files are there."""
        return len(self.paths) == 4

    def path(self, part: Part, kind: Kind) -> Path:
        """Return a file; DataError if it is not there."""
        found = self.paths.get((part, kind))
        if found is None:
            name = _own_name(self.prefix, part, kind)
            raise DataError(
                f"load: {str(self.folder)!r} must hold {name!r}; got no such file."
            )
        return found


def find_idx(path: Path) -> IdxFiles | None:
    """Return the IDX files that a path means, if any.

    Parameters
    ----------
    path : Path
        A folder with the four files of a dataset; or of several datasets, such as
        EMNIST's splits: then the path goes on with the one that is meant, as in
        ``EMNIST/emnist-letters``.

    Raises
    ------
    DataError
        If there are several datasets, or some files of one are missing.
    """
    if not path.is_dir():
        named = _datasets(path.parent).get(path.name.lower())
        return _whole(named) if named is not None else None
    found = _datasets(path)
    if not found:
        inner = [child for child in path.iterdir() if child.is_dir()]
        found = _datasets(inner[0]) if len(inner) == 1 else {}
    if len(found) > 1 and "" not in found:
        folder = next(iter(found.values())).folder
        listed = ", ".join(sorted(found))
        raise DataError(
            f"load: {str(path)!r} must hold the IDX files of one dataset; got those of "
            f"{listed}. Name one: load({str(folder / min(found))!r})."
        )
    if not found:
        return None
    return _whole(found.get("", next(iter(found.values()))))


def holds_idx(folder: Path) -> bool:
    """Return whether a folder has MNIST's four files, gzipped or plain."""
    found = _datasets(folder).get("")
    return found is not None and found.is_whole


def read_idx_folder(
    folder: Path,
    *,
    classes: tuple[str, ...] = (),
    sha256: dict[str, str] | None = None,
) -> tuple[Dataset, Dataset]:
    """Read MNIST's four files, or others of the same names.

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
    found = _datasets(folder).get("", IdxFiles(folder, "", {}))
    return read_idx_files(found, classes=classes, sha256=sha256)


def read_idx_files(
    files: IdxFiles,
    *,
    classes: tuple[str, ...] = (),
    sha256: dict[str, str] | None = None,
) -> tuple[Dataset, Dataset]:
    """Read the four files of a dataset; EMNIST's are brought to MNIST's form.

    Parameters
    ----------
    files : IdxFiles
        As `find_idx` returns them.
    classes, sha256
        As `read_idx_folder` takes them.

    Returns
    -------
    tuple of Dataset
        (train, test).

    Raises
    ------
    DataError
        As `read_idx_folder`.
    """
    names = classes or classes_of(files.prefix)
    train, test = (_part(files, part, sha256 or {}) for part in _PARTS)
    return (
        Dataset(*to_mnist_form(files.prefix, *train), names),
        Dataset(*to_mnist_form(files.prefix, *test), names),
    )


def _part(files: IdxFiles, part: Part, sha256: dict[str, str]) -> tuple[Pixels, Labels]:
    """Read the images and the labels of one part."""
    arrays = []
    for kind, axes in _KINDS:
        path = files.path(part, kind)
        content = unpack(read_bytes(path), str(path))
        array = parse(content, str(path))
        if array.dtype != np.uint8 or array.ndim != axes:
            raise DataError(
                f"load: {str(path)!r} must hold {kind}, uint8 with {axes} "
                f"{'axes' if axes > 1 else 'axis'}; got {array.dtype} of shape "
                f"{array.shape}. Are images and labels swapped?"
            )
        expected = sha256.get(_own_name(files.prefix, part, kind))
        check_sha256(content, expected, str(path))
        arrays.append(array)
    images, labels = arrays
    return images[..., None], labels


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


def _datasets(folder: Path) -> dict[str, IdxFiles]:
    """Return the datasets whose files lie in a folder, by what they begin with."""
    found: dict[str, IdxFiles] = {}
    try:
        paths = sorted(folder.iterdir(), reverse=True)  # of two, the gzipped one
    except OSError:
        return found
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        prefix = (match["prefix"] or "").lower()
        part: Part = "train" if match["part"].lower() == "train" else "test"
        kind: Kind = "images" if match["kind"].lower().startswith("im") else "labels"
        files = found.setdefault(prefix, IdxFiles(folder, prefix, {}))
        files.paths.setdefault((part, kind), path)
    return found


def _whole(files: IdxFiles) -> IdxFiles:
    """Refuse a dataset that misses a file."""
    for part in _PARTS:
        for kind, _ in _KINDS:
            files.path(part, kind)
    return files


def _own_name(prefix: str, part: Part, kind: Kind) -> str:
    """Return the name that a file has in MNIST, or in EMNIST."""
    first = f"{prefix}-" if prefix else ""
    own = "t10k" if part == "test" and not prefix else part
    return f"{first}{own}-{kind}-idx{dict(_KINDS)[kind]}-ubyte.gz"
