"""Write files with one sentence where the disk does not take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pellucid.errors import RunError
from pellucid.storage.commit import Stage, open_stage
from pellucid.storage.interrupts import defer_interrupts


@contextmanager
def writing(folder: Path, *, at: Path | None = None) -> Iterator[Stage]:
    """Open a stage; raise the disk's refusal as RunError and hold Ctrl-C to the end.

    Parameters
    ----------
    folder : Path
        As `open_stage`.
    at : Path, optional
        What the sentence names where nothing was written yet.

    Raises
    ------
    RunError
        If the disk is full or the folder cannot be written; nothing is lost.
    """
    stage: Stage | None = None
    try:
        with defer_interrupts(), open_stage(folder) as stage:
            yield stage
    except OSError as error:
        place = stage.at if stage is not None else at or folder
        what = "What was there before is unchanged."
        if stage is not None and stage.is_committed:
            what = "All is written; the next start puts the rest in its place."
        raise RunError(
            f"save: '{place}' must be writable; got {error.strerror or error}. {what}"
        ) from error


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of a folder whole or not at all; RunError as `writing`.

    Parameters
    ----------
    folder : Path
    contents : mapping of str to bytes
        By file name.
    """
    with writing(folder, at=folder / next(iter(contents))) as stage:
        for name, content in contents.items():
            stage.write(name, content)
