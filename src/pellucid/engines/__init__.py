"""How it is computed: the contract, the registry, and one package per engine."""

from typing import Any

from pellucid.engines.protocol import Engine, Session, StepResult
from pellucid.engines.registry import NAMES, as_engine, make, missing_package


def numpy() -> Engine:
    """Return the engine that is meant to be read."""
    return make("numpy")


def compiled(*, threads: int | None = None, **options: Any) -> Engine:
    """Return the engine that is meant to be fast; ``threads`` None: all cores."""
    return make("compiled", threads=threads, **options)


def torch(**options: Any) -> Engine:
    """Return PyTorch: ``device="cpu"``, ``compile=False``, ``precision="float32"``."""
    return make("torch", **options)


def tensorflow(**options: Any) -> Engine:
    """Return TensorFlow: ``device``, ``compile`` (XLA), ``precision``."""
    return make("tensorflow", **options)


def jax(**options: Any) -> Engine:
    """Return JAX: ``device``, ``precision``."""
    return make("jax", **options)


__all__ = [
    "NAMES",
    "Engine",
    "Session",
    "StepResult",
    "as_engine",
    "compiled",
    "jax",
    "make",
    "missing_package",
    "numpy",
    "tensorflow",
    "torch",
]
