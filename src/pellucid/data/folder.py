"""This file is how a folder or zip of pictures becomes classes and labels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from pellucid.data.archive import open_archive
from pellucid.errors import DataError

_IGNORED: Final = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_PICTURES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
_TRAIN_AND_TEST: Final = frozenset({"train", "test"})


@dataclass(frozen=True, slots=True)
class Part:
    """Name the pictures of one part, and the class of each.

    Parameters
    ----------
    names : tuple of str
        Paths inside the folder or zip, with "/".
    labels : ndarray of int64, shape (N,)
        Positions in the tuple of classes.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Say which pictures and classes a folder or zip holds.

    Parameters
    ----------
    classes : tuple of str
        Names of the subfolders, sorted; as numbers where all are numbers.
    train : Part
        All pictures, or those below ``train``.
    test : Part or None
        Those below ``test``, if there is one.
    """

    classes: tuple[str, ...]
    train: Part
    test: Part | None

    @classmethod
    def of(cls, source: Path) -> Self:
        """Look at the names in a folder or zip; nothing is decoded.

        Parameters
        ----------
        source : Path
            Has one subfolder per class, perhaps below ``train`` and ``test``, and
            perhaps all of it in one outer folder. Hidden files are not looked at.

        Raises
        ------
        DataError
            If there are fewer than two classes, a class without a picture, a picture
            outside of a class, or if train and test have not the same classes.
        """
        tree = _Tree.of(source).without_outer_folders()
        first = tree.first_folders()
        if not first >= _TRAIN_AND_TEST:
            classes, train = tree.part()
            return cls(classes, train, None)
        if first != _TRAIN_AND_TEST:
            raise DataError(
                f"load: beside train and test, {str(source)!r} must have no other "
                f"folder; got {min(first - _TRAIN_AND_TEST)!r}."
            )
        classes, train = tree.below("train").part()
        others, test = tree.below("test").part()
        if classes != others:
            raise DataError(
                f"load: train and test of {str(source)!r} must have the same classes; "
                f"got {min(set(classes) ^ set(others))!r} in one of them only."
            )
        return cls(classes, train, test)


@dataclass(frozen=True, slots=True)
class _Tree:
    """The names of files and folders below one folder of the source."""

    source: Path
    top: str
    files: list[str]
    folders: list[str]

    @classmethod
    def of(cls, source: Path) -> Self:
        """List a folder or zip, without what is hidden."""
        if source.is_dir():
            files, folders = walk(source)
        else:
            with open_archive(source) as archive:
                names = archive.namelist()
            files = [name for name in names if not name.endswith("/")]
            folders = [name[:-1] for name in names if name.endswith("/")]
        files = sorted(filter(is_shown, files))
        above = {name[:i] for name in files for i, c in enumerate(name) if c == "/"}
        return cls(source, "", files, sorted({*filter(is_shown, folders), *above}))

    def first_folders(self) -> set[str]:
        """Return the folders directly below."""
        return {name.split("/", 1)[0] for name in self.folders}

    def below(self, folder: str) -> _Tree:
        """Return the tree of a folder."""
        prefix = f"{folder}/"
        files, folders = (
            [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
            for names in (self.files, self.folders)
        )
        return _Tree(self.source, self.top + prefix, files, folders)

    def without_outer_folders(self) -> _Tree:
        """Descend while there is one folder that only holds folders."""
        first = self.first_folders()
        if len(first) != 1 or self.loose_pictures():
            return self
        inner = self.below(first.pop())
        if not inner.folders or inner.loose_pictures():
            return self
        return inner.without_outer_folders()

    def loose_pictures(self) -> list[str]:
        """Return the pictures that lie in no folder."""
        return [n for n in self.files if "/" not in n and _is_picture(n)]

    def part(self) -> tuple[tuple[str, ...], Part]:
        """Give every file the class whose folder it lies in."""
        where = str(self.source / self.top)
        loose = self.loose_pictures()
        if loose:
            raise DataError(
                f"load: pictures in {where!r} must lie in one subfolder per class; "
                f"got {loose[0]!r} outside of them."
            )
        classes = _sorted(self.first_folders())
        if len(classes) < 2:
            raise DataError(
                f"load: {where!r} must have at least 2 subfolders, one per class; "
                f"got {len(classes)}{f', {classes[0]!r}' if classes else ''}."
            )
        names = [name for name in self.files if "/" in name]
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers[n.split("/", 1)[0]] for n in names], np.int64)
        counts = np.bincount(labels, minlength=len(classes))
        if not counts.all():
            empty = self.top + classes[int(np.argmin(counts))]
            raise DataError(
                "load: every class must have at least one picture; "
                f"got the empty folder {empty!r} in {str(self.source)!r}."
            )
        return classes, Part(tuple(self.top + name for name in names), labels)


def walk(source: Path) -> tuple[list[str], list[str]]:
    """List the files and folders below a folder.

    Links are followed, but no folder is visited twice.

    Parameters
    ----------
    source : Path
        The folder.

    Returns
    -------
    tuple of (list of str, list of str)
        Names of files and of folders, relative to the source, with "/".

    Raises
    ------
    DataError
        If a folder cannot be listed.
    """
    files: list[str] = []
    folders: list[str] = []
    visited: set[tuple[int, int]] = set()
    for at, below, names in os.walk(source, followlinks=True, onerror=_refuse):
        status = os.stat(at)
        if (status.st_dev, status.st_ino) in visited:
            below.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        prefix = Path(at).relative_to(source).as_posix() + "/"
        prefix = prefix.removeprefix("./")
        files.extend(prefix + name for name in names)
        folders.extend(prefix + name for name in below)
    return files, folders


def _refuse(error: OSError) -> None:
    """Say which folder cannot be listed."""
    raise DataError(
        f"load: {str(error.filename)!r} must be a folder that can be read; "
        f"got {error.strerror}."
    ) from error


def _sorted(names: set[str]) -> tuple[str, ...]:
    """Sort names as text; as numbers where all are numbers."""
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def is_shown(name: str) -> bool:
    """Tell whether a file or folder is one that a person means."""
    return not any(p.startswith(".") or p in _IGNORED for p in name.split("/"))


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in _PICTURES
