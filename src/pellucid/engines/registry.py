"""This file is the engines by name; each package is imported when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from pellucid.engines.protocol import Engine
from pellucid.errors import EngineError, EngineUnavailableError, UnsupportedLayerError

#: engine → the packages it stands on, in the order in which they are looked for
NEEDS: dict[str, tuple[str, ...]] = {
    "numpy": (),
    "compiled": ("llvmlite",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow",),
    "jax": ("jax", "optax"),
}
NAMES = tuple(NEEDS)


def missing_package(name: str) -> str | None:
    """Return the first package that an engine lacks here, without importing it."""
    for package in NEEDS[name]:
        if importlib.util.find_spec(package) is None:
            return package
    return None


def make(name: str, **options: Any) -> Engine:
    """Return an engine by name.

    Parameters
    ----------
    name : {"numpy", "compiled", "torch", "tensorflow", "jax"}
    **options
        As the engine says.

    Raises
    ------
    EngineError
        If there is no engine of that name.
    EngineUnavailableError
        If its package cannot be imported.
    """
    if name not in NEEDS:
        raise EngineError(f"engine: must be one of {', '.join(NAMES)}; got {name!r}.")
    package = missing_package(name)
    if package is not None:
        raise unavailable(name, f"No module named '{package}'")
    try:
        module = importlib.import_module(f"pellucid.engines.{name}")
    except ImportError as error:
        raise unavailable(name, str(error)) from error
    engine: Engine = module.make(**options)
    return engine


def reduced(name: str, **options: Any) -> tuple[Any, ...]:
    """Return what an engine is pickled as: its name and what it was asked for.

    Where it is read it is made anew, with the devices, processors and the job there.
    """
    return _remake, (name, options)


def _remake(name: str, options: dict[str, Any]) -> Engine:
    return make(name, **options)


def unavailable(name: str, reason: str) -> EngineUnavailableError:
    """Return the error for an engine whose package cannot be imported."""
    extra = "pellucid" if name in ("numpy", "compiled") else f"pellucid[{name}]"
    return EngineUnavailableError(
        f"engine '{name}' needs a package that cannot be imported; got {reason}. "
        f"Run: pip install '{extra}'."
    )


def as_engine(engine: str | Engine) -> Engine:
    """Return the engine that a name stands for; an engine stands for itself."""
    if isinstance(engine, str):
        return make(engine)
    if not isinstance(engine, Engine):
        raise EngineError(
            f"engine: must be a name or an engine; got {type(engine).__name__}."
        )
    return engine


def unsupported(engine: str, who: str, reason: str) -> UnsupportedLayerError:
    """Return the error for a layer that an engine cannot express exactly."""
    return UnsupportedLayerError(
        f"engine '{engine}': layers must be ones it can express exactly; "
        f"got {who}: {reason}."
    )
