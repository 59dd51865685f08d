"""Folders and zips of pictures: their classes, labels and parts."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from pellucid.data.archive import open_archive
from pellucid.data.parts import Role, is_wrapping, mentions_part, roles_of
from pellucid.data.stray import is_shown, may_be_picture
from pellucid.errors import DataError

_PICTURES: Final = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jfif",
        ".png",
        ".apng",
        ".gif",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".avif",
        ".jp2",
        ".j2k",
        ".jpx",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".pfm",
        ".ico",
        ".mpo",
        ".qoi",
    ]
)


@dataclass(frozen=True, slots=True)
class Part:
    """Name the pictures of one part, and the class of each.

    Parameters
    ----------
    names : tuple of str
        Paths inside the folder or zip, with "/".
    labels : ndarray, shape (N,) or (N, 1)
        Positions in the tuple of classes; of a regression, float32 numbers.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[Any]

    def without(self, names: Container[str]) -> Part:
        """Return the part without some pictures."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        return Part(tuple(self.names[i] for i in kept), self.labels[kept])


@dataclass(frozen=True, slots=True)
class Layout:
    """Say which pictures and classes a folder or zip holds.

    Parameters
    ----------
    classes : tuple of str
        Names of the subfolders, sorted; as numbers where all are numbers. None of a
        regression.
    train : Part
        All pictures, or those of the training part.
    validation, test : Part or None
        Those of the other parts, where they are there.
    """

    classes: tuple[str, ...]
    train: Part
    validation: Part | None = None
    test: Part | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that are there, by role: train, validation, test."""
        roles = {"train": self.train, "validation": self.validation, "test": self.test}
        return {role: part for role, part in roles.items() if part is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of all pictures, part after part."""
        return tuple(name for part in self.parts.values() for name in part.names)

    @property
    def labels(self) -> npt.NDArray[Any]:
        """Labels of all pictures, part after part."""
        return np.concatenate([part.labels for part in self.parts.values()])

    def without(self, names: Container[str], source: Path) -> Layout:
        """Return the layout without some pictures.

        Raises
        ------
        DataError
            If a class has no picture left.
        """
        kept = {role: part.without(names) for role, part in self.parts.items()}
        for role, part in kept.items():
            if not self.classes:
                continue
            counts = np.bincount(part.labels, minlength=len(self.classes))
            if not counts.all():
                raise DataError(
                    "load: every class must have a picture that can be read; got none "
                    f"of {self.classes[int(np.argmin(counts))]!r} in the {role} data "
                    f"of {str(source)!r}."
                )
        return Layout(self.classes, **kept)

    @classmethod
    def of(cls, source: Path) -> Self:
        """Look at the names in a folder or zip; nothing is decoded.

        Parameters
        ----------
        source : Path
            Has one subfolder per class, perhaps below folders for the parts, such as
            ``train``, ``val`` and ``test``, and perhaps all of it in one outer
            folder. Hidden and stray files are not looked at.

        Raises
        ------
        DataError
            If there are fewer than two classes, a class without a picture or a
            picture outside of a class; if the parts have not the same classes; or if
            it is not clear whether folders are classes or parts.
        """
        tree = Tree.of(source).without_outer_folders()
        roles = roles_of(tree.first_folders())
        if roles.keys() == {"valid"} and "invalid" in tree.first_folders():
            roles = {}  # a class and its counterpart
        if not roles:
            tree.check_holds_classes()
            return cls(*tree.part())
        tree.check_holds_parts(roles)
        found = {role: tree.within_part(name).part() for name, role in roles.items()}
        classes, train = found["train"]
        names = {role: name for name, role in roles.items()}
        for role, (others, _) in found.items():
            if others != classes:
                lone = min(set(classes) ^ set(others))
                raise DataError(
                    f"load: {names['train']} and {names[role]} of {str(source)!r} must "
                    f"have the same classes; got {lone!r} in one of them only."
                )
        parts = {role: part for role, (_, part) in found.items()}
        return cls(classes, train, parts.get("validation"), parts.get("test"))


@dataclass(frozen=True, slots=True)
class Tree:
    """The names of files and folders below one folder of the source.

    Parameters
    ----------
    source : Path
        A folder or zip.
    top : str
        The folder below it, with "/" at its end; empty for the source itself.
    files, folders : list of str
        Names below that folder, with "/".
    """

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
        files = sorted(n for n in files if is_shown(n) and may_be_picture(n))
        above = {name[:i] for name in files for i, c in enumerate(name) if c == "/"}
        return cls(source, "", files, sorted({*filter(is_shown, folders), *above}))

    def first_folders(self) -> set[str]:
        """Return the folders directly below."""
        return {name.split("/", 1)[0] for name in self.folders}

    def below(self, folder: str) -> Tree:
        """Return the tree of a folder."""
        prefix = f"{folder}/"
        files, folders = (
            [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
            for names in (self.files, self.folders)
        )
        return Tree(self.source, self.top + prefix, files, folders)

    def without_outer_folders(self) -> Tree:
        """Descend while there is one folder that only holds folders.

        Not into one that is called as validation or test data: those are not to be
        trained on.
        """
        first = self.first_folders()
        if len(first) != 1 or self.loose_pictures():
            return self
        if not {*roles_of(first).values()} <= {"train"}:
            return self
        inner = self.below(first.pop())
        if not inner.folders or inner.loose_pictures():
            return self
        return inner.without_outer_folders()

    def within_part(self, name: str) -> Tree:
        """Return the tree of a part, without ``train/train`` or ``train/images``."""
        tree = self.below(name)
        first = tree.first_folders()
        while len(first) == 1 and is_wrapping(only := first.pop()):
            inner = tree.below(only)
            if not inner.folders or tree.loose_pictures() or inner.loose_pictures():
                break
            tree, first = inner, inner.first_folders()
        return tree

    def check_holds_parts(self, roles: dict[str, Role]) -> None:
        """Refuse folders of which only some are parts, or which are no whole."""
        where, names = str(self.source / self.top), sorted(roles)
        others = sorted(self.first_folders() - roles.keys())
        if others:
            raise DataError(
                f"load: the folders of {where!r} must be classes, or parts called "
                f"train, val and test; got {others[0]!r} beside {names[0]!r}. "
                f"Rename {names[0]!r} if it is a class; else move {others[0]!r} away."
            )
        for one, other in pairwise(sorted(names, key=lambda name: roles[name])):
            if roles[one] == roles[other]:
                raise DataError(
                    f"load: {where!r} must have one folder of {roles[one]} data; got "
                    f"{one!r} and {other!r}. Join them, or move one away."
                )
        if "train" not in roles.values():
            raise DataError(
                f"load: {where!r} must have a folder of training data; "
                f"got {' and '.join(map(repr, names))} only. If that is what to train "
                "on, give the path of the folder itself."
            )

    def check_holds_classes(self) -> None:
        """Refuse classes that look as if they were parts, or had parts inside."""
        where, first = str(self.source / self.top), sorted(self.first_folders())
        if len(first) < 2 or self.loose_pictures():
            return
        advice = "Call parts train, val and test, with a subfolder for each class."
        if all(map(mentions_part, first)):
            raise DataError(
                f"load: the folders of {where!r} must be classes or parts; got "
                f"{first[0]!r} and {first[1]!r}, which could be either. {advice}"
            )
        inner = [self.below(name) for name in first]
        below = [tree.first_folders() for tree in inner]
        for name, folders in zip(first, below, strict=True):
            if folders and roles_of(folders).keys() == folders:
                raise DataError(
                    f"load: parts must lie outside of the classes, as in train/{name}; "
                    f"got {name}/{min(folders)} in {where!r}. {advice}"
                )
        common = set.intersection(*below)
        if len(common) > 1 and not any(tree.loose_pictures() for tree in inner):
            shared = " and ".join(map(repr, sorted(common)[:2]))
            raise DataError(
                f"load: the folders of {where!r} must be classes or parts; got "
                f"{first[0]!r} and {first[1]!r}, which both hold {shared}. {advice} If "
                "they are classes, put their pictures into one folder each."
            )

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


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in _PICTURES
