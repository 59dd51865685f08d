"""Memory that this process may still take: the machine's, its container's, its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_UNKNOWN: Final = 4 * 2**30
_UNLIMITED: Final = 2**60  # version 1 writes a number near 2⁶³ where there is no limit


def available_memory_bytes(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Return the memory that this process could still take, in bytes.

    The least of what the machine has available, of what every control group above
    the process leaves (versions 1 and 2, as containers set them), and of its limits
    on address space and data.

    Parameters
    ----------
    proc, cgroups : Path
        Where Linux shows processes and control groups.
    """
    found = [_machine_bytes(proc), *_group_bytes(proc, cgroups), *_limit_bytes(proc)]
    return max(0, min(found))


def _machine_bytes(proc: Path) -> int:
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf"):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return _UNKNOWN


def _group_bytes(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yield what each group that the process is in leaves, and each group above it."""
    for line in _lines(proc / "self" / "cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root, names = cgroups, ("memory.max", "memory.high", "memory.current")
            prefix = ""
        elif "memory" in controllers.split(","):
            root, prefix = cgroups / "memory", "total_"
            names = ("memory.limit_in_bytes", "", "memory.usage_in_bytes")
        else:
            continue
        inside = PurePosixPath(path.strip().lstrip("/"))
        for group in (inside, *inside.parents):
            yield from _left(root / group, names, prefix)


def _left(folder: Path, names: tuple[str, str, str], prefix: str) -> Iterator[int]:
    """Yield limit − usage of one group; cached files count as free."""
    limits = [_number(folder / name) for name in names[:2] if name]
    used = _number(folder / names[2])
    known = [limit for limit in limits if limit is not None and limit < _UNLIMITED]
    if used is None or not known:
        return
    for line in _lines(folder / "memory.stat"):
        if line.startswith(f"{prefix}inactive_file "):
            used -= int(line.split()[1])
    yield min(known) - max(used, 0)


def _limit_bytes(proc: Path) -> Iterator[int]:
    """Yield what the process's own limits leave (setrlimit, ulimit)."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    pages = [int(n) for line in _lines(proc / "self" / "statm") for n in line.split()]
    if len(pages) < 6:
        return
    page = resource.getpagesize()
    for kind, used in (
        (resource.RLIMIT_AS, pages[0]),
        (resource.RLIMIT_DATA, pages[5]),
    ):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit - used * page


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
