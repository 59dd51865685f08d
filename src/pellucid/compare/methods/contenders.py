"""Contenders: each engine in its fastest documented configuration.

The frameworks are not timed through pellucid: a peer takes the native object and writes
the step around it as the framework's own people do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pellucid.benchmark.contenders import Contender
from pellucid.engines.registry import NEEDS

_CONTENDERS = "pellucid.benchmark.contenders"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContender:
    """One way of running an engine.

    Attributes
    ----------
    engine : str
    word : str
        As the report calls it: "eager", "graph", "compiled", …
    peer : Peer
    is_quick : bool
        Whether a quick comparison takes it.
    """

    engine: str
    word: str
    contender: Contender
    is_quick: bool = True


def _make_contender(
    engine: str, word: str, *, is_quick: bool = True, **options: Any
) -> EngineContender:
    is_ours = engine in ("numpy", "compiled")
    framework = "pellucid" if is_ours else engine
    peer = Contender(
        name=f"{engine} {word}",
        framework=framework,
        module=f"{_CONTENDERS}.{framework}",
        options={**options, **({"engine": engine} if is_ours else {})},
        needs=NEEDS[engine],
    )
    return EngineContender(engine=engine, word=word, contender=peer, is_quick=is_quick)


# a quick comparison takes every mode that may be an engine's fastest: it leaves out
# only TensorFlow and JAX operation by operation, which people use to debug
TRAINERS: tuple[EngineContender, ...] = (
    _make_contender("numpy", "eager"),
    _make_contender("compiled", "compiled"),
    _make_contender("torch", "eager", fused=True),
    _make_contender("torch", "eager, channels last", channels_last=True, fused=True),
    _make_contender("torch", "compiled", compile=True, fused=True),
    _make_contender("tensorflow", "eager", is_quick=False, eager=True),
    _make_contender("tensorflow", "graph"),
    _make_contender("tensorflow", "compiled", xla=True),
    _make_contender("jax", "eager", is_quick=False, eager=True),
    _make_contender("jax", "compiled"),
)

PREDICTORS: tuple[EngineContender, ...] = (
    _make_contender("numpy", "eager"),
    _make_contender("compiled", "compiled"),
    _make_contender("torch", "eager"),
    _make_contender("torch", "compiled", compile=True),
    _make_contender("tensorflow", "graph"),
    _make_contender("tensorflow", "compiled", xla=True),
    _make_contender("jax", "compiled"),
)


def select_contenders(
    table: tuple[EngineContender, ...], engines: tuple[str, ...], *, is_quick: bool
) -> list[EngineContender]:
    """Return the variants of those engines, the quick ones where it must be quick."""
    return [
        variant
        for variant in table
        if variant.engine in engines and (variant.is_quick or not is_quick)
    ]
