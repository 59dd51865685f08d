"""Contenders: framework, options, environment."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.engines.registry import DEFAULT, ENGINES, NEEDS, OURS
from pellucid.errors import EngineError

_HERE = "pellucid.benchmark.contenders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way of running a network.

    Attributes
    ----------
    name : str
        As the tables show it: the framework and what is switched on.
    framework : str
        Who computes.
    module : str
        The module whose ``trainer(case, **options)`` or ``predictor`` makes the call.
    options : dict
    environment : dict
        Variables that its process starts with.
    needs : tuple of str
        Packages without which it is left out.
    engine : str
        The engine that it stands for, where engines are compared.
    mode : str
        How that engine runs: "eager", "graph", "compiled", …
    is_quick : bool
        Whether a quick run takes it.
    """

    name: str
    framework: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    engine: str = ""
    mode: str = ""
    is_quick: bool = True

    @property
    def is_installed(self) -> bool:
        """Whether all that it needs can be imported."""
        return all(importlib.util.find_spec(name) for name in self.needs)


def _contender(
    framework: str, *switches: str, is_quick: bool = True, **options: Any
) -> Contender:
    bound = {"OMP_PROC_BIND": "true"} if "bound" in switches else {}
    return Contender(
        name=" ".join((framework, *switches)),
        framework=framework,
        module=f"{_HERE}.{framework}",
        options=options,
        environment=bound,
        needs=_NEEDS[framework],
        is_quick=is_quick,
    )


_NEEDS: dict[str, tuple[str, ...]] = {
    "pellucid": NEEDS[DEFAULT],
    **{name: NEEDS[name] for name, record in ENGINES.items() if record.is_framework},
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "litert": ("ai_edge_litert", "tensorflow"),
}

#: package → the name it is installed by
_DISTRIBUTIONS = {"ai_edge_litert": "ai-edge-litert"}


def _list_torch_trainers() -> Iterable[Contender]:
    """PyTorch with what may make it faster, threads bound to cores or not."""
    for bound in ((), ("bound",)):
        yield _contender("torch", *bound)
        yield _contender(
            "torch", "channels_last", *bound, is_quick=False, channels_last=True
        )
        yield _contender("torch", "fused", *bound, is_quick=False, fused=True)
        yield _contender(
            "torch", "channels_last fused", *bound, channels_last=True, fused=True
        )
        yield _contender("torch", "compile", *bound, compile=True, fused=True)


#: who trains
TRAINERS: tuple[Contender, ...] = (
    _contender("pellucid"),
    *_list_torch_trainers(),
    _contender("tensorflow"),
    _contender("tensorflow", "xla", xla=True),
    _contender("jax"),
)


def _list_predictors() -> Iterable[Contender]:
    for threads in (1, None):
        word = f"{threads} thread" if threads else "all threads"
        for framework in ("pellucid", "onnxruntime", "openvino", "litert", "torch"):
            yield _contender(framework, word, threads=threads)


#: who predicts: each with one thread, and with as many as there are
PREDICTORS: tuple[Contender, ...] = tuple(_list_predictors())


def _mode(
    engine: str, mode: str, *, is_quick: bool = True, **options: Any
) -> Contender:
    """Return a mode of an engine, as its own people write it."""
    framework = "pellucid" if engine in OURS else engine
    return Contender(
        name=f"{engine} {mode}",
        framework=framework,
        module=f"{_HERE}.{framework}",
        options={**options, **({"engine": engine} if engine in OURS else {})},
        needs=NEEDS[engine],
        engine=engine,
        mode=mode,
        is_quick=is_quick,
    )


#: every engine's modes of training. A quick comparison takes every mode that may be an
#: engine's fastest: it leaves out only TensorFlow and JAX operation by operation, which
#: people use to debug
TRAINING_MODES: tuple[Contender, ...] = (
    _mode("numpy", "eager"),
    _mode("compiled", "compiled"),
    _mode("torch", "eager", fused=True),
    _mode("torch", "eager, channels last", channels_last=True, fused=True),
    _mode("torch", "compiled", compile=True, fused=True),
    _mode("tensorflow", "eager", is_quick=False, eager=True),
    _mode("tensorflow", "graph"),
    _mode("tensorflow", "compiled", xla=True),
    _mode("jax", "eager", is_quick=False, eager=True),
    _mode("jax", "compiled"),
)

#: every engine's modes of inference
INFERENCE_MODES: tuple[Contender, ...] = (
    _mode("numpy", "eager"),
    _mode("compiled", "compiled"),
    _mode("torch", "eager"),
    _mode("torch", "compiled", compile=True),
    _mode("tensorflow", "graph"),
    _mode("tensorflow", "compiled", xla=True),
    _mode("jax", "compiled"),
)


def select_modes(
    table: Sequence[Contender], engines: Sequence[str], *, is_quick: bool
) -> list[Contender]:
    """Return the modes of those engines, the quick ones where it must be quick."""
    return [
        mode
        for mode in table
        if mode.engine in engines and (mode.is_quick or not is_quick)
    ]


def _over_passes(name: str, module: str, **options: Any) -> Contender:
    """Return a contender whose call is a pass of another's steps."""
    return Contender(
        name=name,
        framework=name.split(maxsplit=1)[0],
        module=f"{_HERE}.passes",
        options={"of": f"{_HERE}.{module}", **options},
    )


#: engine → itself, and its bare framework as an expert writes it
OVERHEAD: dict[str, tuple[Contender, ...]] = {
    "torch": (
        _over_passes("pellucid torch", "pellucid", engine="torch"),
        _over_passes("torch fused", "torch", fused=True),
        _over_passes(
            "torch channels_last fused", "torch", fused=True, channels_last=True
        ),
    ),
    "tensorflow": (
        _over_passes("pellucid tensorflow", "pellucid", engine="tensorflow"),
        Contender(name="keras fit", framework="tensorflow", module=f"{_HERE}.keras"),
        _over_passes("tensorflow", "tensorflow"),
    ),
    "jax": (
        _over_passes("pellucid jax", "pellucid", engine="jax"),
        _over_passes("jax", "jax"),
    ),
}


def select_frameworks(names: Sequence[str] | None) -> list[str]:
    """Return the frameworks of `OVERHEAD` that are installed, or those named.

    Raises
    ------
    EngineError
        If a name is none of theirs, or one that was named is not installed.
    """
    there = {f: all(importlib.util.find_spec(p) for p in _NEEDS[f]) for f in OVERHEAD}
    if names is None:
        return [framework for framework, is_there in there.items() if is_there]
    for name in names:
        if name not in OVERHEAD:
            raise EngineError(
                f"benchmark: peers must be among {', '.join(OVERHEAD)}; got {name!r}."
            )
        if not there[name]:
            raise _missing_error(name, _NEEDS[name])
    return [framework for framework in OVERHEAD if framework in names]


def _missing_error(name: str, needs: Sequence[str]) -> EngineError:
    return EngineError(
        f"benchmark: peers must be installed; got {name!r}. "
        f"Run: pip install {' '.join(needs)}"
    )


def select_contenders(
    table: Sequence[Contender], names: Sequence[str] | None
) -> list[Contender]:
    """Return the installed contenders of those names or frameworks; pellucid always.

    Raises
    ------
    EngineError
        If a name is nobody's, or a contender that was named is not installed.
    """
    if names is None:
        return [contender for contender in table if contender.is_installed]
    for name in names:
        found = [
            contender
            for contender in table
            if name in (contender.name, contender.framework)
        ]
        if not found:
            known = dict.fromkeys(contender.framework for contender in table)
            raise EngineError(
                f"benchmark: peers must be among {', '.join(known)}, or one of their "
                f"full names; got {name!r}."
            )
        missing = [contender for contender in found if not contender.is_installed]
        if missing:
            raise _missing_error(name, missing[0].needs)
    return [
        contender
        for contender in table
        if contender.framework == "pellucid"
        or {contender.name, contender.framework} & set(names)
    ]


def list_distributions() -> list[str]:
    """Return the distributions that contenders stand on."""
    packages = ("numpy", *(p for needed in _NEEDS.values() for p in needed))
    return [_DISTRIBUTIONS.get(package, package) for package in packages]
