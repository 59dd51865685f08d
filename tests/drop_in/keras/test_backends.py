"""Keras on its other backends, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.sweep(every=2)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_of_keras(backend: str) -> None:
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    script = Path(__file__).with_name("other_backend.py")
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": backend},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == backend
    assert "optimizer Adagrad: must be one of" in done.stderr
