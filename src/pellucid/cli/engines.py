"""`pellucid engines`: installed engines and the machine's features."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from pellucid.cli import options
from pellucid.cli.output import answer, emit, table
from pellucid.machine import describe_machine


def engines(json: options.Json = False) -> None:
    """List the engines: versions, and how to install missing ones.

    An engine runs a network; every engine runs the same weights.

    \b
    [bold]Examples[/bold]
    pellucid engines
    pellucid train mnist-torch --engine torch
    """
    from pellucid.engines import NAMES

    found = [describe_engine(name) for name in NAMES]
    here = describe_machine()
    if json:
        emit({"engines": found, "machine": here})
        return
    rows = [
        (
            entry["name"],
            "yes" if entry["installed"] else "no",
            ", ".join(f"{k} {v}" for k, v in entry["versions"].items()),
            entry["what"] if entry["installed"] else entry["install"],
        )
        for entry in found
    ]
    answer(
        table(
            ("engine", "installed", "version", "description, or how to install"), rows
        )
    )
    answer("")
    answer(f"processor  {here['processor']}, {here['system']}")
    answer(f"features   {' '.join(here['features']) or 'unknown'}")
    answer(f"threads    {here['usable_cpus']} of {here['cpus']} CPUs usable")


def describe_engine(name: str) -> dict[str, Any]:
    """Return one engine as plain values, without importing its framework."""
    from pellucid.engines import missing_package
    from pellucid.engines.registry import ENGINES

    is_available = missing_package(name) is None
    record = ENGINES[name]
    packages = record.packages or ("numpy",)
    return {
        "name": name,
        "installed": is_available,
        "versions": {p: metadata.version(p) for p in packages} if is_available else {},
        "install": "" if is_available else f"pip install '{record.requirement}'",
        "what": record.summary,
    }
