"""Exports are tried: they work, or say why not."""

from __future__ import annotations

import numpy as np

from pellucid.compare.study.exports import Written
from pellucid.compare.study.exports import table as exports
from pellucid.compare.study.rows import deployment


def _wrong(model, images, folder):
    path = folder / "wrong.bin"
    path.write_bytes(b"12345")
    return Written(path, lambda: lambda x: np.ones((len(x), 10), np.float32))


def _broken(model, images, folder):
    raise ValueError("no such operator\nmore")


def _absent(model, images, folder):
    raise ModuleNotFoundError("No module named 'elsewhere'")


def test_a_format_works_differs_fails_or_is_absent(ask, monkeypatch) -> None:
    ours = exports.exports_of("compiled")
    tried = {
        "kept": ours[".pellucid"],
        "wrong": _wrong,
        "broken": _broken,
        "absent": _absent,
    }
    monkeypatch.setattr(deployment, "exports_of", lambda engine: tried)
    figures = ask("deployment", "compiled")
    assert figures["export kept"].value == "works"
    assert figures["difference kept"].value == 0
    assert figures["latency kept"].value > 0
    assert figures["export wrong"].value == "approximate"
    assert figures["size wrong"].value == 5 / 2**20
    assert figures["export broken"].value == "fails"
    assert figures["export broken"].note == "ValueError: no such operator"
    assert figures["export absent"].value is None
    assert figures["formats that work"].value == 2


def test_every_engine_has_exporters() -> None:
    for engine in ("numpy", "compiled", "torch", "tensorflow", "jax"):
        assert len(exports.exports_of(engine)) >= 4
