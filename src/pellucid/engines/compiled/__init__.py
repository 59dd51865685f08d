"""The engine that is meant to be fast: kernels written in Python, compiled by LLVM."""

from __future__ import annotations

from typing import Any

from pellucid.engines import mpi
from pellucid.engines.compiled.engine import CompiledEngine
from pellucid.engines.compiled.session import CompiledSession
from pellucid.engines.protocol import Engine
from pellucid.errors import EngineError

OPTIONS = (
    "lanes",
    "fuse",
    "winograd",
    "sparse",
    "amx",
    "tiny",
    "profile",
    "unbiased_variance",
    "decays_all",
    "keras_rules",
    "precision",
)


def make(*, threads: int | None = None, **options: Any) -> Engine:
    """Return the engine; see `CompiledEngine` for the options.

    Under mpiexec it joins the job.

    Raises
    ------
    EngineError
        If there is no option of that name.
    """
    for name in options:
        if name not in OPTIONS:
            raise EngineError(
                f"engine 'compiled': options must be threads, {', '.join(OPTIONS)}; "
                f"got {name!r}."
            )
    return CompiledEngine(threads=threads, world=mpi.world("compiled"), **options)


__all__ = ["CompiledEngine", "CompiledSession", "make"]
