"""The tree of exceptions, and what importing pellucid costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pellucid as pl


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (pl.NetworkError, (pl.PellucidError, ValueError)),
        (pl.ShapeError, (pl.NetworkError,)),
        (pl.DataError, (pl.PellucidError, ValueError)),
        (pl.EngineError, (pl.PellucidError, RuntimeError)),
        (pl.EngineUnavailableError, (pl.EngineError, ImportError)),
        (pl.UnsupportedLayerError, (pl.EngineError,)),
        (pl.UnsupportedObjectiveError, (pl.EngineError,)),
        (pl.DivergenceError, (pl.EngineError,)),
        (pl.MissingExtraError, (pl.PellucidError, ImportError)),
        (pl.ExchangeError, (pl.PellucidError, ValueError)),
        (pl.RunError, (pl.PellucidError,)),
    ],
)
def test_the_tree_of_exceptions(kind: type, parents: tuple[type, ...]) -> None:
    for parent in parents:
        assert issubclass(kind, parent)


def test_public_names_exist_and_are_listed() -> None:
    for name in pl.__all__:
        assert getattr(pl, name) is not None


def test_importing_loads_no_framework_no_compiler_no_plotting() -> None:
    heavy = (
        "torch",
        "tensorflow",
        "keras",
        "jax",
        "numba",
        "llvmlite",
        "matplotlib",
        "PIL",
        "pydantic",
        "typer",
        "rich",
        "onnx",
        "scipy",
    )
    script = (
        "import sys, pellucid; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
