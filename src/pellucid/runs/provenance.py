"""Provenance of a run: versions, machine, time."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

from pellucid.engines.registry import ENGINES

_PACKAGES = ("pellucid", "numpy")


def bit_options(engine: object) -> dict[str, int]:
    """Return the options of an engine on which a training's bits depend.

    Sums are added up thread by thread, so their number decides the last bits.

    Parameters
    ----------
    engine : object
        An engine.

    Returns
    -------
    dict of str to int
        ``threads``, where the engine has that option.
    """
    threads = getattr(engine, "threads", None)
    return {} if threads is None else {"threads": int(threads)}


def provenance(engine: str) -> dict[str, str | int]:
    """Return versions, machine and time as plain values.

    Parameters
    ----------
    engine : str
        Its name.

    Returns
    -------
    dict
        Versions, machine, time.
    """
    from importlib import metadata  # slow to import, and seldom asked for

    found: dict[str, str | int] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 1,
    }
    distributions = ENGINES[engine].distributions if engine in ENGINES else ()
    for package in (*_PACKAGES, *distributions):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
