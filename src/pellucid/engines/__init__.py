"""How it is computed: the contract, the registry, and one package per engine."""

import sys
from types import ModuleType
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


class _EnginePackage(ModuleType):
    """An engine's package that can be called as the function above it."""

    def __call__(self, **options: Any) -> Engine:
        """Return the engine."""
        return make(self.__name__.rpartition(".")[2], **options)


class _EnginesPackage(ModuleType):
    """This package: an import puts an engine's package where its function stood."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in NAMES and isinstance(value, ModuleType):
            value.__class__ = _EnginePackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _EnginesPackage
