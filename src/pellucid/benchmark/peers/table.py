"""Contenders: framework, options, environment."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from pellucid.errors import EngineError

_HERE = "pellucid.benchmark.peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
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
    """

    name: str
    framework: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether all that it needs can be imported."""
        return all(importlib.util.find_spec(name) for name in self.needs)


def _peer(framework: str, *switches: str, **options: Any) -> Peer:
    bound = {"OMP_PROC_BIND": "true"} if "bound" in switches else {}
    return Peer(
        name=" ".join((framework, *switches)),
        framework=framework,
        module=f"{_HERE}.{framework}",
        options=options,
        environment=bound,
        needs=_NEEDS[framework],
    )


_NEEDS: dict[str, tuple[str, ...]] = {
    "pellucid": ("llvmlite",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow",),
    "jax": ("jax", "optax"),
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "litert": ("ai_edge_litert", "tensorflow"),
}

#: package → the name it is installed by
_DISTRIBUTIONS = {"ai_edge_litert": "ai-edge-litert"}


def _torch_trainers() -> Iterable[Peer]:
    """PyTorch with what may make it faster, threads bound to cores or not."""
    for bound in ((), ("bound",)):
        yield _peer("torch", *bound)
        yield _peer("torch", "channels_last", *bound, channels_last=True)
        yield _peer("torch", "fused", *bound, fused=True)
        yield _peer(
            "torch", "channels_last fused", *bound, channels_last=True, fused=True
        )
        yield _peer("torch", "compile", *bound, compile=True, fused=True)


#: who trains
TRAINERS: tuple[Peer, ...] = (
    _peer("pellucid"),
    *_torch_trainers(),
    _peer("tensorflow"),
    _peer("tensorflow", "xla", xla=True),
    _peer("jax"),
)


def _predictors() -> Iterable[Peer]:
    for threads in (1, None):
        word = f"{threads} thread" if threads else "all threads"
        for framework in ("pellucid", "onnxruntime", "openvino", "litert", "torch"):
            yield _peer(framework, word, threads=threads)


#: who predicts: each with one thread, and with as many as there are
PREDICTORS: tuple[Peer, ...] = tuple(_predictors())


def _passes(name: str, module: str, **options: Any) -> Peer:
    """Return a peer whose call is a pass of another's steps."""
    return Peer(
        name=name,
        framework=name.split(maxsplit=1)[0],
        module=f"{_HERE}.passes",
        options={"of": f"{_HERE}.{module}", **options},
    )


#: engine → itself, and its bare framework as an expert writes it
TAXED: dict[str, tuple[Peer, ...]] = {
    "torch": (
        _passes("pellucid torch", "pellucid", engine="torch"),
        _passes("torch fused", "torch", fused=True),
        _passes("torch channels_last fused", "torch", fused=True, channels_last=True),
    ),
    "tensorflow": (
        _passes("pellucid tensorflow", "pellucid", engine="tensorflow"),
        Peer(name="keras fit", framework="tensorflow", module=f"{_HERE}.keras"),
        _passes("tensorflow", "tensorflow"),
    ),
    "jax": (
        _passes("pellucid jax", "pellucid", engine="jax"),
        _passes("jax", "jax"),
    ),
}


def installed_frameworks(names: Sequence[str] | None) -> list[str]:
    """Return the frameworks of `TAXED` that are installed, or those named.

    Raises
    ------
    EngineError
        If a name is none of theirs, or one that was named is not installed.
    """
    there = {f: all(importlib.util.find_spec(p) for p in _NEEDS[f]) for f in TAXED}
    if names is None:
        return [framework for framework, is_there in there.items() if is_there]
    for name in names:
        if name not in TAXED:
            raise EngineError(
                f"benchmark: peers must be among {', '.join(TAXED)}; got {name!r}."
            )
        if not there[name]:
            raise _missing(name, _NEEDS[name])
    return [framework for framework in TAXED if framework in names]


def _missing(name: str, needs: Sequence[str]) -> EngineError:
    return EngineError(
        f"benchmark: peers must be installed; got {name!r}. "
        f"Run: pip install {' '.join(needs)}"
    )


def chosen(table: Sequence[Peer], names: Sequence[str] | None) -> list[Peer]:
    """Return the installed peers of those names or frameworks; pellucid always.

    Raises
    ------
    EngineError
        If a name is nobody's, or a peer that was named is not installed.
    """
    if names is None:
        return [peer for peer in table if peer.is_installed]
    for name in names:
        found = [peer for peer in table if name in (peer.name, peer.framework)]
        if not found:
            known = dict.fromkeys(peer.framework for peer in table)
            raise EngineError(
                f"benchmark: peers must be among {', '.join(known)}, or one of their "
                f"full names; got {name!r}."
            )
        missing = [peer for peer in found if not peer.is_installed]
        if missing:
            raise _missing(name, missing[0].needs)
    return [
        peer
        for peer in table
        if peer.framework == "pellucid" or {peer.name, peer.framework} & set(names)
    ]


def versions_installed() -> dict[str, str]:
    """Return the version of each package that a peer stands on."""
    packages = dict.fromkeys(("numpy", *(p for ps in _NEEDS.values() for p in ps)))
    found = {}
    for package in packages:
        name = _DISTRIBUTIONS.get(package, package)
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
