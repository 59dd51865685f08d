"""Texts without the folders of this one machine."""

from __future__ import annotations

import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pellucid
from pellucid.compare.measurement import Measurement


def shorten(text: str, folders: Iterable[Path] = ()) -> str:
    """Return a text, a traceback say, with paths as any machine would have them.

    Paths in the named folders, in pellucid's, Python's and its packages', in the
    current one and in the folder for temporary files begin there.
    """
    known = {Path(path) for path in sysconfig.get_paths().values()}
    known |= {Path(pellucid.__file__).parents[1], Path(tempfile.gettempdir())}
    known.add(Path.cwd())
    ordered = sorted({*folders, *known}, key=lambda path: -len(str(path)))
    for folder in ordered:
        if len(folder.parts) > 1:
            text = text.replace(f"{folder}/", "")
    return text


def remove_folders(
    measurements: list[Measurement], folders: Iterable[Path]
) -> list[Measurement]:
    """Return figures whose words name no folder of this machine."""
    own = tuple(folders)
    return [
        replace(
            measurement,
            value=shorten(measurement.value, own)
            if isinstance(measurement.value, str)
            else measurement.value,
            note=shorten(measurement.note, own),
            detail=shorten(measurement.detail, own),
        )
        for measurement in measurements
    ]
