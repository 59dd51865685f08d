"""This file is `pellucid export`: a model for other programs, each file proven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table

if TYPE_CHECKING:
    from pellucid.exchange import Proof

_IMAGES = 32  # that a file is checked on


def export(
    run: options.Run,
    to: Annotated[
        str, typer.Option("--to", help="Formats, with commas between: onnx,c,…")
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--out", help="Folder to write into. Else the run's own."),
    ] = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Write a model for another program, and prove each file in its own runtime.

    Each file is run where it is meant to run, on real images, and compared with the
    model; where that runtime is not installed, the row says so.

    \b
    [bold]Examples[/bold]
    pellucid export mnist-torch --to onnx
    pellucid export digits.pellucid --to onnx,c,javascript --out exported/
    """
    from pellucid.cli.models import open_run
    from pellucid.exchange import formats, write

    names = [name.strip() for name in to.split(",") if name.strip()]
    entries = [formats.named(name) for name in names]
    opened = open_run(run, "numpy")
    folder = out or opened.folder
    folder.mkdir(parents=True, exist_ok=True)
    images = sample(opened, data)
    stem = opened.path.stem if opened.path.is_file() else opened.path.name
    rows = []
    for entry in entries:
        calibration = images if entry.is_calibrated else None
        path = write(
            opened.model,
            folder / f"{stem}{entry.suffix}",
            format=entry.name,
            calibration=calibration,
        )
        rows.append(checked(opened.model, path, images, entry.name))
    if json:
        emit({"exports": rows})
    else:
        report(rows)


def sample(opened: Any, data: str | None) -> Any:
    """Return real images: of the data named, of the run's, of MNIST; else noise."""
    import numpy as np

    from pellucid.cli.models import data_source
    from pellucid.data import load
    from pellucid.errors import PellucidError

    shape = opened.model.network.input_shape
    source = data
    if source is None:
        try:
            source = data_source(opened, None)
        except PellucidError:
            source = "mnist" if shape == (28, 28, 1) else None
    if source is not None:
        dataset = load(source)[1]
        if dataset.image_shape == shape:
            return np.asarray(dataset.images[:_IMAGES])
    say(f"no images of shape {shape} are at hand: files are checked on noise")
    random = np.random.default_rng(0)
    return random.normal(size=(_IMAGES, *shape)).astype(np.float32)


def checked(model: Any, path: Path, images: Any, name: str) -> dict[str, Any]:
    """Return a file's proof as JSON values; the reason where it could not be run."""
    from pellucid.errors import MissingExtraError
    from pellucid.exchange import prove
    from pellucid.exchange.proof import size_of

    try:
        proof: Proof = prove(model, path, images, format=name)
    except MissingExtraError as error:
        return {
            "format": name,
            "path": str(path),
            "size_bytes": size_of(path, name),
            "runtime": None,
            "reason": str(error),
        }
    return proof.to_json()


def report(rows: list[dict[str, Any]]) -> None:
    """Print proofs as a table, and the reasons of what was not run."""
    headers = ("format", "file", "bytes", "checked in")
    numbers = ("bytes", "largest difference", "load ms", "latency ms")
    cells = [
        (
            row["format"],
            row["path"],
            f"{row['size_bytes']:,}",
            row["runtime"] or "not checked",
            *(
                _number(row, "difference", 1, ".1e"),
                _number(row, "load_s", 1000, ".1f"),
            ),
            _number(row, "latency_s", 1000, ".3f"),
        )
        for row in rows
    ]
    answer(table((*headers, *numbers[1:]), cells, numbers=numbers))
    for row in rows:
        if row["runtime"] is None:
            say(f"{row['format']}: {row['reason']}")


def _number(row: dict[str, Any], key: str, factor: float, shown: str) -> str:
    return format(row[key] * factor, shown) if key in row else ""
