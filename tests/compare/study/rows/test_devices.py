"""What a small machine must have."""

from __future__ import annotations

import shutil

import pytest

from pellucid.compare.study.exports import exports_of
from pellucid.compare.study.rows import devices


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_our_c_asks_for_no_memory_and_keeps_the_accuracy(ask, monkeypatch) -> None:
    only = [("c (.c)", "", exports_of("compiled")["c (.c)"])]
    monkeypatch.setattr(devices, "_routes", lambda engine: only)
    figures = ask("devices", "compiled")
    assert figures["runs c (.c)"].value is True
    assert figures["needs malloc c (.c)"].value is False
    assert figures["accuracy c (.c)"].value == figures["accuracy before"].value > 60
    assert figures["object c (.c)"].value > 100


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_an_allocator_is_seen_in_an_objects_symbols(tmp_path) -> None:
    source = tmp_path / "model.c"
    source.write_text("#include <stdlib.h>\nvoid *f(void) { return malloc(4); }\n")
    source.with_suffix(".h").write_text("#define MODEL_WORKSPACE 2\n")
    figures = {f.name: f.value for f in devices._compiled_c("it", source)}
    assert figures["needs malloc it"] is True
    assert figures["working memory it"] == 8 / 1024
