"""Folders and zips of pictures with masks: which mask belongs to which picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Self

from pellucid.data.folder import Tree
from pellucid.data.parts import Role, roles_of
from pellucid.errors import DataError

_IMAGES: Final = ("images", "image", "imgs", "img", "pictures")
_MASKS: Final = ("masks", "mask", "segmentations", "segmentation", "annotations")
#: what a mask's name may have behind that of its picture
_ENDING: Final = re.compile(r"[-_. ](mask|masks|seg|segmentation)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Name the pictures of one part, and the mask of each.

    Parameters
    ----------
    images, masks : tuple of str
        Paths inside the folder or zip, with "/"; of one length.
    """

    images: tuple[str, ...]
    masks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaskLayout:
    """Say which pictures and masks a folder or zip holds.

    Parameters
    ----------
    train : Pairs
        All of them, or those of the training part.
    validation, test : Pairs or None
        Those of the other parts, where they are there.
    """

    train: Pairs
    validation: Pairs | None = None
    test: Pairs | None = None

    @property
    def parts(self) -> dict[str, Pairs]:
        """The parts that are there, by role: train, validation, test."""
        roles = {"train": self.train, "validation": self.validation, "test": self.test}
        return {role: part for role, part in roles.items() if part is not None}

    @classmethod
    def find(cls, source: Path) -> Self | None:
        """Look at the names in a folder or zip; None where there are no masks.

        Parameters
        ----------
        source : Path
            Has ``images`` and ``masks``, with one name for both of a pair; or pairs
            ``a.jpg`` and ``a_mask.png`` beside each other; perhaps below folders for
            the parts, or with the parts inside of both.

        Raises
        ------
        DataError
            If a picture has no mask or a mask no picture, or a name stands twice; if
            no part is to be trained on.
        """
        tree = Tree.of(source).without_outer_folders()
        if _has_pairs(tree):
            inner = _parts_inside(tree)
            found = inner if inner is not None else {"train": _pairs(tree)}
        else:
            roles = roles_of(tree.first_folders())
            parts = {name: tree.within_part(name) for name in roles}
            if not roles or not any(map(_has_pairs, parts.values())):
                return None
            tree.check_holds_parts(roles)
            found = {roles[name]: _pairs(part) for name, part in parts.items()}
        return cls(found["train"], found.get("validation"), found.get("test"))


def _has_pairs(tree: Tree) -> bool:
    return _folders(tree) is not None or _loose(tree)[1] != {}


def _folders(tree: Tree) -> tuple[str, str] | None:
    """Return the folders of pictures and masks, if both are there and no other."""
    by_name = {name.lower(): name for name in tree.first_folders()}
    images = [by_name[name] for name in _IMAGES if name in by_name]
    masks = [by_name[name] for name in _MASKS if name in by_name]
    if len(images) != 1 or len(masks) != 1 or len(by_name) != 2:
        return None
    return images[0], masks[0]


def _parts_inside(tree: Tree) -> dict[Role, Pairs] | None:
    """Return the parts of ``images/train`` and ``masks/train``, if there are some."""
    folders = _folders(tree)
    if folders is None:
        return None
    images, masks = (tree.below(name) for name in folders)
    roles = roles_of(images.first_folders())
    if not roles or images.loose_pictures():
        return None
    images.check_holds_parts(roles)
    found: dict[Role, Pairs] = {}
    for name, role in roles.items():
        pictures = _by_stem(images.below(name))
        found[role] = _matched(tree, pictures, _by_stem(masks.below(name)))
    return found


def _pairs(tree: Tree) -> Pairs:
    folders = _folders(tree)
    if folders is None:
        return _matched(tree, *_loose(tree))
    images, masks = (_by_stem(tree.below(name)) for name in folders)
    return _matched(tree, images, masks)


def _loose(tree: Tree) -> tuple[dict[str, str], dict[str, str]]:
    """Return pictures and masks that lie beside each other, by stem."""
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    for name in tree.loose_pictures():
        stem = PurePosixPath(name).stem
        base = _ENDING.sub("", stem)
        _add(tree, images if base == stem else masks, base, name)
    return images, masks if images else {}


def _by_stem(tree: Tree) -> dict[str, str]:
    """Return a folder's files, by their path without suffix and without "_mask"."""
    found: dict[str, str] = {}
    for name in tree.files:
        path = PurePosixPath(name)
        stem = str(path.parent / _ENDING.sub("", path.stem))
        _add(tree, found, stem, name)
    return found


def _add(tree: Tree, found: dict[str, str], stem: str, name: str) -> None:
    if stem in found:
        raise DataError(
            f"load: {str(tree.source)!r} must have one picture and one mask of each "
            f"name; got {found[stem]!r} and {tree.top + name!r}."
        )
    found[stem] = f"{tree.top}{name}"


def _matched(tree: Tree, images: dict[str, str], masks: dict[str, str]) -> Pairs:
    where = str(tree.source)
    if not images:
        raise DataError(f"load: {where!r} must hold pictures; got none in {tree.top}.")
    for what, of, mine, others in (
        ("picture", "mask", images, masks),
        ("mask", "picture", masks, images),
    ):
        lone = sorted(mine.keys() - others.keys())
        if lone:
            more = f" and {len(lone) - 1} more" if len(lone) > 1 else ""
            raise DataError(
                f"load: every {what} in {where!r} must have a {of} of the same name; "
                f"got {mine[lone[0]]!r}{more} without one."
            )
    stems = sorted(images)
    return Pairs(tuple(images[s] for s in stems), tuple(masks[s] for s in stems))
