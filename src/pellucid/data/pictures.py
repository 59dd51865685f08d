"""This file is a folder or zip of pictures as a dataset, decoded once and kept."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pellucid.data.checks import Images, Labels
from pellucid.data.dataset import Dataset
from pellucid.data.decoder import Wanted, decode, first_shape
from pellucid.data.download import Progress
from pellucid.data.folder import Layout
from pellucid.data.picture import check_size
from pellucid.data.picture_cache import Kept, cache_entry, keep, read_kept
from pellucid.data.picture_files import PictureFiles
from pellucid.network.preprocessing import Colour

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
    entry = None
    if options.cache:
        entry = cache_entry(source, options.size, options.colour)
        if entry.is_dir():
            found = _from_cache(entry, options)
            if found is not None:
                return found
    layout = Layout.of(source)
    shape = first_shape(source, layout.train.names[0], options.size, options.colour)
    images = _images(
        Wanted(source=source, shape=shape, size=options.size, colour=options.colour),
        layout,
        options,
    )
    labels = layout.train.labels
    if layout.test is not None:
        labels = np.concatenate([labels, layout.test.labels])
    train = len(layout.train.names)
    if entry is not None and isinstance(images, np.ndarray):
        _to_cache(entry, Kept(images, labels, layout.classes, train), options)
    return _divided(images, labels, layout.classes, train)


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


def _from_cache(
    entry: Path, options: PictureOptions
) -> tuple[Dataset, Dataset | None] | None:
    """Read a cache entry; remove it and return None if it is damaged."""
    import shutil

    try:
        found = _divided(*read_kept(entry))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        options.tell(0, 0, f"the cache {str(entry)!r} is damaged ({error}); decoding")
        shutil.rmtree(entry, ignore_errors=True)
        return None
    total = sum(len(part) for part in found if part is not None)
    options.tell(total, total, "reading decoded pictures from the cache")
    return found


def _to_cache(entry: Path, kept: Kept, options: PictureOptions) -> None:
    """Write a cache entry; that it cannot be written is no error."""
    try:
        keep(entry, kept)
    except OSError as error:
        total = len(kept.labels)
        reason = error.strerror or str(error)
        options.tell(total, total, f"not kept in {str(entry.parent)!r}: {reason}")
