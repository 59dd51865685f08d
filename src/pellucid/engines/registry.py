"""Registry of the engines: one record each, and its package imported on demand.

What other packages must know about an engine (packages, title, launcher, extra) is a
field of its record, so that none of them compares engine names.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pellucid.engines import launchers
from pellucid.engines.protocol import Engine
from pellucid.errors import EngineError, EngineUnavailableError, UnsupportedLayerError


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """What the rest of pellucid knows about an engine without importing it.

    Parameters
    ----------
    name : str
        As in ``engine="torch"``; also the name of the engine's package.
    title : str
        As reports and charts call it.
    summary : str
        One line for ``pellucid engines``.
    packages : tuple of str
        Modules that it imports, in the order in which they are looked for.
    distributions : tuple of str
        Distributions whose versions a run records.
    extra : str or None
        The extra of pellucid that installs it; None: it comes with pellucid.
    script_framework : str
        What ``pellucid code --framework`` calls its framework.
    launcher : {"mpiexec", "torchrun", "environment"}
        What starts a job of several processes; ``"environment"``: each process is
        started by itself, with `process_environment`.
    process_environment : callable, optional
        ``(workers, rank) -> {variable: value}``: what tells a process of a job its
        rank and where the others are.
    devices : tuple of str
        The kinds of device it runs on.
    source_folder : str
        The folder of its package where layers are computed.
    is_framework : bool
        True where the arithmetic is a framework's, not pellucid's own.
    is_reference : bool
        True for the engine that the others are compared with.
    is_default : bool
        True for the engine of a model that names none.
    dtypes : tuple of str
        Element types that it computes in.
    """

    name: str
    title: str
    summary: str
    packages: tuple[str, ...]
    distributions: tuple[str, ...]
    extra: str | None = None
    script_framework: str = "numpy"
    launcher: Literal["mpiexec", "torchrun", "environment"] = "mpiexec"
    process_environment: Callable[[Sequence[str], int], dict[str, str]] | None = None
    devices: tuple[str, ...] = ("cpu",)
    source_folder: str = "layers"
    is_framework: bool = True
    is_reference: bool = False
    is_default: bool = False
    dtypes: tuple[str, ...] = ("float32", "float64")

    @property
    def requirement(self) -> str:
        """What pip installs for it: ``pellucid`` or ``pellucid[torch]``."""
        return "pellucid" if self.extra is None else f"pellucid[{self.extra}]"


_RECORDS = (
    EngineRecord(
        name="numpy",
        title="pellucid numpy",
        summary="to be read: every layer's equation and derivative",
        packages=(),
        distributions=(),
        is_framework=False,
        is_reference=True,
    ),
    EngineRecord(
        name="compiled",
        title="pellucid compiled",
        summary="to be fast: our own kernels through LLVM",
        packages=("llvmlite",),
        distributions=("llvmlite",),
        source_folder="kernels",
        is_framework=False,
        is_default=True,
        dtypes=("float32",),
    ),
    EngineRecord(
        name="torch",
        title="PyTorch",
        summary="PyTorch, native",
        packages=("torch",),
        distributions=("torch",),
        extra="torch",
        script_framework="torch",
        launcher="torchrun",
        process_environment=launchers.torchrun_environment,
        devices=("cpu", "cuda", "mps"),
    ),
    EngineRecord(
        name="tensorflow",
        title="TensorFlow",
        summary="TensorFlow and Keras, native",
        packages=("tensorflow",),
        distributions=("tensorflow", "keras"),
        extra="tensorflow",
        script_framework="keras",
        launcher="environment",
        process_environment=launchers.tensorflow_environment,
        devices=("cpu", "cuda", "tpu"),
    ),
    EngineRecord(
        name="jax",
        title="JAX",
        summary="JAX, native",
        packages=("jax", "optax"),
        distributions=("jax", "optax"),
        extra="jax",
        script_framework="jax",
        launcher="environment",
        process_environment=launchers.jax_environment,
        devices=("cpu", "cuda", "tpu"),
    ),
)
#: name → record, in the order in which engines are listed
ENGINES: dict[str, EngineRecord] = {record.name: record for record in _RECORDS}
NAMES = tuple(ENGINES)
(REFERENCE,) = (record.name for record in _RECORDS if record.is_reference)
(DEFAULT,) = (record.name for record in _RECORDS if record.is_default)
#: pellucid's own engines, the default first
OURS = (DEFAULT, *(r.name for r in _RECORDS if not (r.is_framework or r.is_default)))
#: engine → the packages that it imports
NEEDS: dict[str, tuple[str, ...]] = {r.name: r.packages for r in _RECORDS}


def missing_package(name: str) -> str | None:
    """Return the first package that an engine lacks here, without importing it.

    Parameters
    ----------
    name : str
        An engine's name.

    Returns
    -------
    str or None
        None where nothing is missing.
    """
    for package in ENGINES[name].packages:
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

    Returns
    -------
    Engine
        A new one.

    Raises
    ------
    EngineError
        If there is no engine of that name.
    EngineUnavailableError
        If its package cannot be imported.
    """
    if name not in ENGINES:
        raise EngineError(f"engine: must be one of {', '.join(NAMES)}; got {name!r}.")
    package = missing_package(name)
    if package is not None:
        raise unavailable_error(name, f"No module named '{package}'")
    try:
        module = importlib.import_module(f"pellucid.engines.{name}")
    except ImportError as error:
        raise unavailable_error(name, str(error)) from error
    engine: Engine = module.make(**options)
    return engine


def reduce_engine(name: str, **options: Any) -> tuple[Any, ...]:
    """Return what an engine is pickled as: its name and what it was asked for.

    Where it is read it is made anew, with the devices, processors and the job there.
    """
    return _remake, (name, options)


def _remake(name: str, options: dict[str, Any]) -> Engine:
    return make(name, **options)


def unavailable_error(name: str, reason: str) -> EngineUnavailableError:
    """Return the error for an engine whose package cannot be imported."""
    return EngineUnavailableError(
        f"engine '{name}' needs a package that cannot be imported; got {reason}. "
        f"Run: pip install '{ENGINES[name].requirement}'."
    )


def as_engine(engine: str | Engine) -> Engine:
    """Return the engine that a name stands for; an engine stands for itself.

    Parameters
    ----------
    engine : str or Engine
        A name as in `make`, or an engine.

    Returns
    -------
    Engine
        The engine.
    """
    if isinstance(engine, str):
        return make(engine)
    if not isinstance(engine, Engine):
        raise EngineError(
            f"engine: must be a name or an engine; got {type(engine).__name__}."
        )
    return engine


def unsupported_layer(engine: str, who: str, reason: str) -> UnsupportedLayerError:
    """Return the error for a layer that an engine cannot express exactly."""
    return UnsupportedLayerError(
        f"engine '{engine}': layers must be ones it can express exactly; "
        f"got {who}: {reason}."
    )
