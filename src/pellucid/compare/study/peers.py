"""Contenders: each engine in its fastest documented configuration.

The frameworks are not timed through pellucid: a peer takes the native object and writes
the step around it as the framework's own people do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pellucid.benchmark.peers import Peer
from pellucid.engines.registry import NEEDS

_PEERS = "pellucid.benchmark.peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
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
    peer: Peer
    is_quick: bool = True


def _variant(
    engine: str, word: str, *, is_quick: bool = True, **options: Any
) -> Variant:
    is_ours = engine in ("numpy", "compiled")
    framework = "pellucid" if is_ours else engine
    peer = Peer(
        name=f"{engine} {word}",
        framework=framework,
        module=f"{_PEERS}.{framework}",
        options={**options, **({"engine": engine} if is_ours else {})},
        needs=NEEDS[engine],
    )
    return Variant(engine=engine, word=word, peer=peer, is_quick=is_quick)


# a quick comparison takes every mode that may be an engine's fastest: it leaves out
# only TensorFlow and JAX operation by operation, which people use to debug
TRAINERS: tuple[Variant, ...] = (
    _variant("numpy", "eager"),
    _variant("compiled", "compiled"),
    _variant("torch", "eager", fused=True),
    _variant("torch", "eager, channels last", channels_last=True, fused=True),
    _variant("torch", "compiled", compile=True, fused=True),
    _variant("tensorflow", "eager", is_quick=False, eager=True),
    _variant("tensorflow", "graph"),
    _variant("tensorflow", "compiled", xla=True),
    _variant("jax", "eager", is_quick=False, eager=True),
    _variant("jax", "compiled"),
)

PREDICTORS: tuple[Variant, ...] = (
    _variant("numpy", "eager"),
    _variant("compiled", "compiled"),
    _variant("torch", "eager"),
    _variant("torch", "compiled", compile=True),
    _variant("tensorflow", "graph"),
    _variant("tensorflow", "compiled", xla=True),
    _variant("jax", "compiled"),
)


def variants(
    table: tuple[Variant, ...], engines: tuple[str, ...], *, is_quick: bool
) -> list[Variant]:
    """Return the variants of those engines, the quick ones where it must be quick."""
    return [
        variant
        for variant in table
        if variant.engine in engines and (variant.is_quick or not is_quick)
    ]
