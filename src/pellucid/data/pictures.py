"""This file is a folder or zip of pictures as a dataset, decoded once and kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pellucid.data.cache import cache_folder, new_folder
from pellucid.data.checks import Images, Labels
from pellucid.data.dataset import Dataset
from pellucid.data.decoder import Wanted, decode, first_shape
from pellucid.data.download import Progress
from pellucid.data.folder import Layout, is_shown, walk
from pellucid.data.picture import check_size
from pellucid.data.picture_files import PictureFiles
from pellucid.errors import DataError
from pellucid.network.preprocessing import Colour

FORMAT_VERSION: Final = 1
_IN_THIS_PROCESS = 512
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """Say how a folder or zip of pictures is read.

    Parameters
    ----------
    size : (int, int), optional
        Height and width in pixels that pictures are resized to; without it they
        must all have the size of the first.
    colour : {"grey", "rgb"}, optional
        Without it, that of the first picture.
    cache : bool
        Whether decoded pictures are kept in the user's cache.
    memory_limit_bytes : int, optional
        More decoded bytes than this stay in their files; half of the available
        memory unless given.
    progress : callable, optional
        Called as progress(pictures so far, pictures in all, what).
    """

    size: tuple[int, int] | None = None
    colour: Colour | None = None
    cache: bool = True
    memory_limit_bytes: int | None = None
    progress: Progress | None = None

    def tell(self, done: int, total: int, what: str) -> None:
        """Report progress to whoever wants to know."""
        if self.progress is not None:
            self.progress(done, total, what)


def read_pictures(
    source: Path, options: PictureOptions
) -> tuple[Dataset, Dataset | None]:
    """Read a folder or zip with one subfolder per class.

    Parameters
    ----------
    source : Path
        The folder or zip.
    options : PictureOptions
        Size, colour, cache and limits.

    Returns
    -------
    tuple of (Dataset, Dataset or None)
        (train, test); None where the source does not divide its pictures itself.

    Raises
    ------
    DataError
        If a file is not a picture, or as `Layout.of`.
    """
    source = source.resolve()
    options = replace(options, size=check_size(options.size))
    kept = _cache_entry(source, options) if options.cache else None
    if kept is not None:
        found = _read_kept(kept, options)
        if found is not None:
            return found
    layout = Layout.of(source)
    shape = first_shape(source, layout.train.names[0], options.size, options.colour)
    wanted = Wanted(
        source=source, shape=shape, size=options.size, colour=options.colour
    )
    images = _images(wanted, layout, options)
    if kept is not None and isinstance(images, np.ndarray):
        _keep(kept, images, layout, options)
    labels = layout.train.labels
    if layout.test is not None:
        labels = np.concatenate([labels, layout.test.labels])
    return _divided(images, labels, layout.classes, len(layout.train.names))


def available_memory_bytes() -> int:
    """Return the memory that programs could still take, in bytes."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    if hasattr(os, "sysconf"):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return 4 * 2**30


def _images(wanted: Wanted, layout: Layout, options: PictureOptions) -> Images:
    """Decode all pictures, or leave them in their files if they are too many."""
    names = [*layout.train.names, *(layout.test.names if layout.test else ())]
    limit = options.memory_limit_bytes
    if limit is None:
        limit = available_memory_bytes() // 2
    if len(names) * int(np.prod(wanted.shape)) > limit:
        return PictureFiles(wanted, names)
    what = f"decoding {wanted.source.name}"
    if len(names) <= _IN_THIS_PROCESS:
        images = decode(wanted, names)
        options.tell(len(names), len(names), what)
        return images
    from pellucid.data.workers import Workers

    images = np.empty((len(names), *wanted.shape), np.uint8)
    batches = [names[i : i + _AT_ONCE] for i in range(0, len(names), _AT_ONCE)]
    done = 0
    with Workers(wanted) as workers:
        for pixels in workers.stream(batches):
            images[done : done + len(pixels)] = pixels
            done += len(pixels)
            options.tell(done, len(names), what)
    return images


def _divided(
    images: Images, labels: Labels, classes: tuple[str, ...], train: int
) -> tuple[Dataset, Dataset | None]:
    """Divide what is kept together into train and test, without copying."""
    if train == len(labels):
        return Dataset(images, labels, classes), None
    if isinstance(images, PictureFiles):
        first: Images = images.subset(np.arange(train))
        rest: Images = images.subset(np.arange(train, len(labels)))
    else:
        first, rest = images[:train], images[train:]
    return (
        Dataset(first, labels[:train], classes),
        Dataset(rest, labels[train:], classes),
    )


def _cache_entry(source: Path, options: PictureOptions) -> Path:
    """Name the cache entry by the source, what is wanted, and the source's state."""
    what = [FORMAT_VERSION, str(source), options.size, options.colour]
    digest = hashlib.sha256()
    try:
        for name, status in _states(source):
            line = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DataError(
            f"load: {str(source)!r} must be a folder or zip that can be read; "
            f"got {error.strerror or error}."
        ) from error
    first = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:20]
    return cache_folder() / "pictures" / f"{first}-{digest.hexdigest()[:20]}"


def _states(source: Path) -> list[tuple[str, os.stat_result]]:
    """Return name and state of the source, or of every file in it."""
    if not source.is_dir():
        return [("", source.stat())]
    names = sorted(name for part in walk(source) for name in part if is_shown(name))
    return [(name, os.stat(os.path.join(source, name))) for name in names]


def _read_kept(
    kept: Path, options: PictureOptions
) -> tuple[Dataset, Dataset | None] | None:
    """Map a cache entry into memory; None if there is none that is sound."""
    if not kept.is_dir():
        return None
    try:
        images = np.load(kept / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(kept / "labels.npy", allow_pickle=False)
        about: dict[str, Any] = json.loads((kept / "about.json").read_text("utf-8"))
        found = _divided(
            np.asarray(images), labels, tuple(about["classes"]), int(about["train"])
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        options.tell(0, 0, f"the cache {str(kept)!r} is damaged ({error}); decoding")
        shutil.rmtree(kept, ignore_errors=True)
        return None
    options.tell(len(labels), len(labels), "reading decoded pictures from the cache")
    return found


def _keep(
    kept: Path, images: np.ndarray[Any, Any], layout: Layout, options: PictureOptions
) -> None:
    """Write a cache entry, replacing older ones of the same source."""
    labels = layout.train.labels
    if layout.test is not None:
        labels = np.concatenate([labels, layout.test.labels])
    about = {"classes": layout.classes, "train": len(layout.train.names)}
    try:
        with new_folder(kept) as folder:
            np.save(folder / "images.npy", images, allow_pickle=False)
            np.save(folder / "labels.npy", labels, allow_pickle=False)
            (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        total = len(images)
        options.tell(total, total, f"not kept in {str(kept.parent)!r}: {reason}")
        return
    for other in kept.parent.glob(kept.name.split("-")[0] + "-*"):
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)
