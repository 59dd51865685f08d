"""Decoded pictures kept on disk, so that the next start is instant."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from pellucid.data.broken import Broken
from pellucid.data.cache import cache_folder, new_folder
from pellucid.data.folder import Layout, Part, walk
from pellucid.data.picture import Pixels
from pellucid.data.stray import is_shown
from pellucid.errors import DataError
from pellucid.network.preprocessing import Colour

FORMAT_VERSION: Final = 2


class Kept(NamedTuple):
    """What a cache entry holds.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W, C)
        Training, validation and test images.
    layout : Layout
        Their names, labels and classes.
    broken : mapping of str to str
        Pictures that were left out, with reasons.
    """

    images: Pixels
    layout: Layout
    broken: Broken = MappingProxyType({})


def cache_entry(
    source: Path,
    size: tuple[int, int] | None,
    colour: Colour | None,
    *,
    skip_broken: bool = False,
) -> Path:
    """Name the entry by the source, what is wanted of it, and its present state.

    Parameters
    ----------
    source : Path
        A folder or zip, resolved.
    size, colour, skip_broken
        As `load` takes them.

    Returns
    -------
    Path
        A folder that need not exist.

    Raises
    ------
    DataError
        If the source cannot be looked at.
    """
    wanted = json.dumps([FORMAT_VERSION, str(source), size, colour, skip_broken])
    state = hashlib.sha256()
    try:
        for name, status in _states(source):
            line = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
            state.update(line.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DataError(
            f"load: {str(source)!r} must be a folder or zip that can be read; "
            f"got {error.strerror or error}."
        ) from error
    first = hashlib.sha256(wanted.encode()).hexdigest()[:20]
    return cache_folder() / "pictures" / f"{first}-{state.hexdigest()[:20]}"


def read_cached(entry: Path) -> Kept:
    """Map an entry into memory.

    Raises
    ------
    Exception
        Of any kind, if the entry is damaged.
    """
    images = np.load(entry / "images.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(entry / "labels.npy", allow_pickle=False)
    about: dict[str, Any] = json.loads((entry / "about.json").read_text("utf-8"))
    names, parts, begin = [str(name) for name in about["names"]], {}, 0
    if not len(images) == len(labels) == len(names):
        raise ValueError(f"{len(images)} images, {len(names)} names")
    for part, count in about["parts"].items():
        end = begin + int(count)
        parts[part] = Part(tuple(names[begin:end]), labels[begin:end])
        begin = end
    layout = Layout(tuple(map(str, about["classes"])), **parts)
    return Kept(np.asarray(images), layout, dict(about["broken"]))


def keep(entry: Path, kept: Kept) -> None:
    """Write an entry, all at once, in place of older ones of the same source.

    Raises
    ------
    OSError
        If the disk is full or the cache must not be written to.
    """
    import shutil

    layout = kept.layout
    about = {
        "classes": layout.classes,
        "names": layout.names,
        "parts": {name: len(part.names) for name, part in layout.parts.items()},
        "broken": dict(kept.broken),
    }
    with new_folder(entry) as folder:
        np.save(folder / "images.npy", kept.images, allow_pickle=False)
        np.save(folder / "labels.npy", layout.labels, allow_pickle=False)
        (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    source = entry.name.split("-")[0]
    for pattern in (f"{source}-*", f".{source}-*"):  # the second: cut off, by 0.1
        for other in entry.parent.glob(pattern):
            if other != entry:
                shutil.rmtree(other, ignore_errors=True)


def _states(source: Path) -> list[tuple[str, os.stat_result]]:
    """Return name and state of the source, or of every file in it."""
    if not source.is_dir():
        return [("", source.stat())]
    names = sorted(name for part in walk(source) for name in part if is_shown(name))
    return [(name, _state(os.path.join(source, name))) for name in names]


def _state(path: str) -> os.stat_result:
    """Return the state of a file; of a link that leads nowhere, its own."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return os.lstat(path)
