"""Folders and zips of pictures as datasets, decoded once and kept."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pellucid.data.broken import Broken, broken_error, describe_broken
from pellucid.data.checks import Images
from pellucid.data.dataset import Dataset
from pellucid.data.decode_worker import Wanted, decode_whole, shape_of
from pellucid.data.download import Progress
from pellucid.data.folder import Layout
from pellucid.data.memory import available_memory_bytes
from pellucid.data.picture import Pixels, check_size
from pellucid.data.picture_cache import Kept, cache_entry, keep, read_cached
from pellucid.data.picture_files import PictureFiles
from pellucid.errors import DataError
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
    skip_broken : bool
        Whether pictures that cannot be read are left out, and named, instead of
        refused.
    progress : callable, optional
        Called as progress(pictures so far, pictures in all, what).
    called : str, optional
        What progress calls the source: a table's name, where pictures lie in folders
        around it. Default: the folder's or zip's name.
    """

    size: tuple[int, int] | None = None
    colour: Colour | None = None
    cache: bool = True
    memory_limit_bytes: int | None = None
    skip_broken: bool = False
    progress: Progress | None = None
    called: str | None = None

    def tell(self, done: int, total: int, what: str) -> None:
        """Report progress to whoever wants to know."""
        if self.progress is not None:
            self.progress(done, total, what)

    def tell_left_out(self, broken: Broken) -> None:
        """Name the pictures that are left out; by a warning if nobody listens."""
        what = f"left out {len(broken)} that cannot be read: {describe_broken(broken)}"
        if self.progress is None:
            warnings.warn(f"load: {what}.", stacklevel=5)
        else:
            self.progress(len(broken), len(broken), what)


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
        (train, test); None where the source has no test part. The training data
        has the validation part as its ``validation``.

    Raises
    ------
    DataError
        If a file is not a picture, or as `Layout.of`.
    """
    source = source.resolve()
    options = replace(options, size=check_size(options.size))
    entry = None
    if options.cache:
        entry = cache_entry(
            source, options.size, options.colour, skip_broken=options.skip_broken
        )
        if entry.is_dir():
            found = _from_cache(entry, options)
            if found is not None:
                return found
    images, layout, broken = _decode(source, Layout.of(source), options)
    if entry is not None and isinstance(images, np.ndarray):
        _to_cache(entry, Kept(images, layout, broken), options)
    return _divided(images, layout)


def read_layout(
    source: Path, layout: Layout, options: PictureOptions
) -> tuple[Dataset, Dataset | None]:
    """Read the pictures of a layout; nothing is kept in the cache.

    Parameters
    ----------
    source : Path
        The folder in which the layout's names are paths.
    layout : Layout
        Pictures, labels and parts.
    options : PictureOptions
        Size, colour and limits.

    Returns
    -------
    tuple of (Dataset, Dataset or None)
        As `read_pictures`.

    Raises
    ------
    DataError
        If a file is not a picture.
    """
    options = replace(options, size=check_size(options.size))
    images, layout, _ = _decode(source, layout, options)
    return _divided(images, layout)


def _decode(
    source: Path, layout: Layout, options: PictureOptions
) -> tuple[Images, Layout, Broken]:
    """Return a layout's pictures, the layout of those that can be read, and others."""
    images, broken = _images(_wanted(source, layout, options), layout, options)
    if broken:
        if not options.skip_broken:
            raise broken_error(broken)
        rows = [i for i, name in enumerate(layout.names) if name not in broken]
        layout = layout.without(broken, source)
        if isinstance(images, PictureFiles):
            images = images.subset(np.array(rows))
        else:
            images = images[rows]
        options.tell_left_out(broken)
    return images, layout, broken


def read_images(source: Path, layout: Layout, options: PictureOptions) -> Images:
    """Decode all pictures of a layout, or leave them in their files.

    Parameters
    ----------
    source : Path
        The folder or zip.
    layout : Layout
        Which ones.
    options : PictureOptions
        Size, colour and limits.

    Returns
    -------
    ndarray of uint8 or PictureFiles, shape (N, H, W, C)
        Part after part.

    Raises
    ------
    DataError
        If a file is not a picture.
    """
    images, broken = _images(_wanted(source, layout, options), layout, options)
    if broken:
        raise broken_error(broken)
    return images


def _wanted(source: Path, layout: Layout, options: PictureOptions) -> Wanted:
    """Take the shape of all pictures from the first one that can be read."""
    broken: dict[str, str] = {}
    for name in layout.names:
        try:
            shape = shape_of(source, name, options.size, options.colour)
        except DataError as error:
            broken[name] = str(error)
            continue
        return Wanted(
            source=source, shape=shape, size=options.size, colour=options.colour
        )
    raise broken_error(broken)


def _images(
    wanted: Wanted, layout: Layout, options: PictureOptions
) -> tuple[Images, Broken]:
    """Decode all pictures, or leave them in their files if they are too many."""
    names = layout.names
    limit = options.memory_limit_bytes
    if limit is None:
        limit = available_memory_bytes() // 2
    is_too_much = len(names) * int(np.prod(wanted.shape)) > limit
    called = options.called or wanted.source.name
    if is_too_much:
        files = PictureFiles(wanted, names)
        return files, _broken(wanted, names, options) if options.skip_broken else {}
    if len(names) <= _IN_THIS_PROCESS:
        images, broken = decode_whole(wanted, names)
        options.tell(len(names), len(names), f"decoding {called}")
        return images, broken
    images, broken = np.empty((len(names), *wanted.shape), np.uint8), {}
    done = 0
    for pixels, wrong in _decoded(wanted, names):
        images[done : done + len(pixels)] = pixels
        done += len(pixels)
        broken.update(wrong)
        options.tell(done, len(names), f"decoding {called}")
    return images, broken


def _broken(wanted: Wanted, names: Sequence[str], options: PictureOptions) -> Broken:
    """Decode pictures that stay in their files once, to find those that are broken."""
    broken: dict[str, str] = {}
    done = 0
    for pixels, wrong in _decoded(wanted, names):
        done += len(pixels)
        broken.update(wrong)
        options.tell(
            done, len(names), f"checking {options.called or wanted.source.name}"
        )
    return broken


def _decoded(wanted: Wanted, names: Sequence[str]) -> Iterator[tuple[Pixels, Broken]]:
    """Decode in worker processes."""
    from pellucid.data.workers import Workers

    batches = [names[i : i + _AT_ONCE] for i in range(0, len(names), _AT_ONCE)]
    with Workers(wanted) as workers:
        yield from workers.stream_whole(batches)


def _divided(images: Images, layout: Layout) -> tuple[Dataset, Dataset | None]:
    """Divide what is kept together into its parts, without copying."""
    made: dict[str, Dataset] = {}
    begin = 0
    for role, part in layout.parts.items():
        end = begin + len(part.names)
        if isinstance(images, PictureFiles):
            own: Images = images.subset(np.arange(begin, end))
        else:
            own = images[begin:end]
        made[role] = Dataset(own, part.labels, layout.classes, files=part.names)
        begin = end
    train = replace(made["train"], validation=made.get("validation"))
    return train, made.get("test")


def _from_cache(
    entry: Path, options: PictureOptions
) -> tuple[Dataset, Dataset | None] | None:
    """Read a cache entry; remove it and return None if it is damaged."""
    import shutil

    try:
        images, layout, broken = read_cached(entry)
        found = _divided(images, layout)
    except Exception as error:  # noqa: BLE001 - whatever is wrong, it is made again
        options.tell(0, 0, f"the cache {str(entry)!r} is damaged ({error}); decoding")
        shutil.rmtree(entry, ignore_errors=True)
        return None
    total = len(layout.names)
    options.tell(total, total, "reading decoded pictures from the cache")
    if broken:
        options.tell_left_out(broken)
    return found


def _to_cache(entry: Path, kept: Kept, options: PictureOptions) -> None:
    """Write a cache entry; that it cannot be written is no error."""
    try:
        keep(entry, kept)
    except OSError as error:
        total = len(kept.images)
        reason = error.strerror or str(error)
        options.tell(total, total, f"not kept in {str(entry.parent)!r}: {reason}")
