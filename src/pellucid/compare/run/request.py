"""Request of a comparison, and what its results depend on."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid import __version__
from pellucid.compare.criteria.criterion import Criterion
from pellucid.engines.registry import ENGINES, NEEDS
from pellucid.machine import list_versions
from pellucid.network import codec, load_network

#: distributions that engines stand on
_DISTRIBUTIONS = ("numpy", *(d for e in ENGINES.values() for d in e.distributions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is compared.

    Attributes
    ----------
    network, data : str
        As `subject.check_subject` returns them.
    engines, rows : tuple of str
    is_quick : bool
    seed : int
    machine : dict
    """

    network: str
    data: str
    engines: tuple[str, ...]
    rows: tuple[str, ...]
    is_quick: bool = True
    seed: int = 0
    machine: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Return what the results keep."""
        return {
            "network": self.network,
            "data": self.data,
            "engines": list(self.engines),
            "is_quick": self.is_quick,
            "seed": self.seed,
        }

    def fingerprint(self, row: Criterion, engines: tuple[str, ...]) -> str:
        """Return a digest of all that a cell's figures depend on.

        The network and the state of the data, the seed, quick or full, the versions of
        pellucid and of the packages of those engines, the machine, the row's code.
        """
        packages = {"numpy", *(name for engine in engines for name in NEEDS[engine])}
        depends = {
            "row": row.name,
            "engines": engines,
            "network": codec.dumps(load_network(self.network)),
            "data": (self.data, _describe_state(Path(self.data))),
            "how": (self.is_quick, self.seed),
            "versions": _versions(sorted(packages | {*row.needs})),
            "pellucid": __version__,
            "machine": self.machine,
            "code": _digest_code(row),
        }
        text = json.dumps(depends, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages, "" for one that is not installed."""
    return dict.fromkeys(packages, "") | list_versions(packages)


def installed_versions() -> dict[str, str]:
    """Return the version of pellucid and of what its engines stand on here."""
    return {"pellucid": __version__, **list_versions(_DISTRIBUTIONS)}


def utc_now() -> str:
    """Return the time in UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


def _describe_state(path: Path) -> list[Any]:
    """Return what tells one state of a file or folder from another."""
    if not path.is_absolute() or not path.exists():
        return []
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*"))
    return [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]


def _digest_code(row: Criterion) -> str:
    """Return a digest of the file that describes how the row is measured."""
    function = row.measure_together or row.measure
    file = inspect.getsourcefile(function) if function else None
    if file is None:
        return ""
    return hashlib.blake2b(Path(file).read_bytes(), digest_size=8).hexdigest()
