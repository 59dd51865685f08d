"""`pellucid data`: the named datasets, their location, size and licence."""

from __future__ import annotations

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table


def data(json: options.Json = False) -> None:
    """List the named datasets with size, location and licence.

    You can also train on a folder or .zip of images with one subfolder per class:
    [bold]pellucid train mnist-torch --data photos/[/bold].

    \b
    [bold]Examples[/bold]
    pellucid data
    pellucid data --json | jq '.sources[].name'
    """
    from pellucid.data import sources

    found = sources()
    if json:
        emit({"sources": [source.to_json() for source in found]})
        return
    rows = [
        (
            source.name,
            f"{source.train:,}",
            f"{source.test:,}",
            "×".join(map(str, source.shape)),
            str(len(source.classes) or ""),
            _megabytes(source.size_bytes),
            source.location,
            source.licence,
        )
        for source in found
    ]
    headers = (
        "name",
        "train",
        "test",
        "shape",
        "classes",
        "size",
        "location",
        "licence",
    )
    answer(table(headers, rows, numbers=("train", "test", "classes", "size")))
    for source in found:
        if not source.available:
            say(f"{source.name}: {source.how_to_get}")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes else ""
