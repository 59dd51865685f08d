"""Peers that do nothing, or fail in every way, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pellucid.benchmark.contenders import Contender

_MODULE = """
import os, sys, time

def trainer(case, *, sleep_s=0.001, fails=""):
    if os.environ.get("FAKE_VERSION") != "3":
        raise ValueError("not in its environment")
    if fails == "making":
        raise ValueError("cannot be made")
    if fails == "silence":
        time.sleep(60)
    def call(i):
        if fails == "dying" and i > 2:
            print("these are my last words", file=sys.stderr, flush=True)
            os._exit(7)
        if fails == "calling" and i > 2:
            raise RuntimeError(f"call {i} went wrong")
        time.sleep(sleep_s)
        return float(i)
    print("noise on stdout", flush=True)
    return call

predictor = trainer
"""


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Contender]:
    """Return a function that makes a peer whose calls only sleep."""
    (tmp_path / "fake_peer.py").write_text(_MODULE, encoding="utf-8")

    path = [str(tmp_path), os.environ.get("PYTHONPATH", "")]

    def make(name: str, **options: object) -> Contender:
        return Contender(
            name=name,
            framework=name.split(maxsplit=1)[0],
            module="fake_peer",
            options=options,
            environment={"PYTHONPATH": os.pathsep.join(path), "FAKE_VERSION": "3"},
        )

    return make
