"""Texts without the folders of this one machine."""

from __future__ import annotations

import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pellucid
from pellucid.compare.study.figure import Figure


def shortened(text: str, folders: Iterable[Path] = ()) -> str:
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


def without_folders(figures: list[Figure], folders: Iterable[Path]) -> list[Figure]:
    """Return figures whose words name no folder of this machine."""
    own = tuple(folders)
    return [
        replace(
            figure,
            value=shortened(figure.value, own)
            if isinstance(figure.value, str)
            else figure.value,
            note=shortened(figure.note, own),
            detail=shortened(figure.detail, own),
        )
        for figure in figures
    ]
