"""What a small machine must have."""

from __future__ import annotations

import shutil

import pytest

from pellucid.compare.criteria import devices
from pellucid.compare.methods.exports import get_exporters


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_our_c_asks_for_no_memory_and_keeps_the_accuracy(ask, monkeypatch) -> None:
    only = [("c (.c)", "", get_exporters("compiled")["c (.c)"])]
    monkeypatch.setattr(devices, "_list_routes", lambda engine: only)
    measurements = ask("devices", "compiled")
    assert measurements["runs c (.c)"].value is True
    assert measurements["needs malloc c (.c)"].value is False
    assert (
        measurements["accuracy c (.c)"].value
        == measurements["accuracy before"].value
        > 60
    )
    assert measurements["object c (.c)"].value > 100


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_an_allocator_is_seen_in_an_objects_symbols(tmp_path) -> None:
    source = tmp_path / "model.c"
    source.write_text("#include <stdlib.h>\nvoid *f(void) { return malloc(4); }\n")
    source.with_suffix(".h").write_text("#define MODEL_WORKSPACE 2\n")
    measurements = {f.name: f.value for f in devices._measure_c("it", source)}
    assert measurements["needs malloc it"] is True
    assert measurements["working memory it"] == 8 / 1024
