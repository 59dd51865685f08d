"""The program of a worker process: names in, pixels out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from pellucid.data.archive import ENTRY_LIMIT_BYTES, open_archive, read_entry
from pellucid.data.broken import broken_error
from pellucid.data.picture import Pixels, picture
from pellucid.errors import DataError
from pellucid.network.preprocessing import Colour
from pellucid.regular_file import read_regular_file

if TYPE_CHECKING:
    import zipfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Say where pictures lie and what each must become.

    Parameters
    ----------
    source : Path
        A folder or a zip.
    shape : (int, int, int)
        Height, width and channels of every decoded picture.
    size : (int, int), optional
        Given: pictures are resized. Not given: all must have that height and width.
    colour : {"grey", "rgb"}, optional
        Given: pictures are converted. Not given: none may lose its colour.
    """

    source: Path
    shape: tuple[int, int, int]
    size: tuple[int, int] | None = None
    colour: Colour | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return {
            "source": str(self.source),
            "shape": self.shape,
            "size": self.size,
            "colour": self.colour,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        height, width, depth = document["shape"]
        return cls(
            source=Path(document["source"]),
            shape=(height, width, depth),
            size=document["size"],
            colour=document["colour"],
        )


def decode(wanted: Wanted, names: Sequence[str]) -> Pixels:
    """Decode some pictures of a folder or zip.

    Parameters
    ----------
    wanted : Wanted
        Where they lie and what they become.
    names : sequence of str
        Paths inside the folder or zip, with "/".

    Returns
    -------
    ndarray of uint8, shape (len(names), H, W, C)

    Raises
    ------
    DataError
        If some are not pictures, all of which are named; or if one has another size
        or colour than it must have.
    """
    pixels, broken = decode_whole(wanted, names)
    if broken:
        raise broken_error(broken)
    return pixels


def decode_whole(wanted: Wanted, names: Sequence[str]) -> tuple[Pixels, dict[str, str]]:
    """Decode the pictures that are whole, and say of the others what is wrong.

    Returns
    -------
    tuple of (ndarray of uint8, shape (len(names), H, W, C); dict of str to str)
        Pixels, 0 where a picture cannot be read; and by its name the reason.

    Raises
    ------
    DataError
        If one has another size or colour than it must have: that is for whoever
        loads them to decide.
    """
    out = np.zeros((len(names), *wanted.shape), np.uint8)
    broken: dict[str, str] = {}
    for row, name in zip(out, names, strict=True):
        try:
            pixels = picture(
                read_content(wanted.source, name),
                size=wanted.size,
                colour=wanted.colour,
                name=name,
            )
        except DataError as error:
            broken[name] = str(error)
            continue
        _check_shape(wanted, pixels, name)
        row[...] = pixels
    return out, broken


def shape_of(
    source: Path, name: str, size: tuple[int, int] | None, colour: Colour | None
) -> tuple[int, int, int]:
    """Return the shape of a picture once it is decoded."""
    pixels = picture(read_content(source, name), size=size, colour=colour, name=name)
    height, width, depth = pixels.shape
    return height, width, depth


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests, one line of JSON each, until there are no more.

    An answer is a line of JSON: an "error", or the "broken" pictures with reasons,
    followed by the pixels of all.
    """
    for line in requests:
        request = json.loads(line)
        wanted = Wanted.from_json(request["wanted"])
        try:
            pixels, broken = decode_whole(wanted, request["names"])
        except DataError as error:
            answers.write(json.dumps({"error": str(error)}).encode() + b"\n")
        else:
            answers.write(json.dumps({"broken": broken}).encode() + b"\n")
            answers.write(pixels.data.cast("B"))
        answers.flush()


def main() -> None:
    """Serve whoever started this process, over its standard input and output."""
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # nobody reads any more; nor when Python flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check_shape(wanted: Wanted, pixels: Pixels, name: str) -> None:
    """Hold a decoded picture against the wanted shape."""
    if pixels.shape[:2] != wanted.shape[:2]:
        raise DataError(
            f"load: pictures must have one size; got {pixels.shape[:2]} in {name!r} "
            f"and {wanted.shape[:2]} before. Give size=(height, width)."
        )
    if pixels.shape[2] > wanted.shape[2]:
        raise DataError(
            f"load: pictures must all be grey like the first; got colours in {name!r}. "
            "Give colour='grey' or colour='rgb'."
        )


def read_content(source: Path, name: str) -> bytes:
    """Return the bytes of one picture of a folder or zip.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    if not source.is_dir():
        return read_entry(_opened(source, source.stat().st_mtime_ns), name)
    path = source / name
    try:
        return read_regular_file(path, ENTRY_LIMIT_BYTES)
    except OSError as error:
        raise DataError(
            f"load: {str(path)!r} must be a file that can be read; "
            f"got {error.strerror or error}."
        ) from error


@lru_cache(maxsize=2)
def _opened(source: Path, changed_ns: int) -> zipfile.ZipFile:
    """Keep a zip open between pictures, until the file changes."""
    return open_archive(source)
