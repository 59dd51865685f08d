"""Exports are tried: they work, or say why not."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.compare.criteria import deployment
from pellucid.compare.methods.exports import ExportedFile
from pellucid.compare.methods.exports import table as exports
from pellucid.compare.methods.failure import describe_failure
from pellucid.engines import missing_package
from pellucid.errors import MissingExtraError


def _wrong(model, images, folder):
    path = folder / "wrong.bin"
    path.write_bytes(b"12345")
    return ExportedFile(path, lambda: lambda x: np.ones((len(x), 10), np.float32))


def _broken(model, images, folder):
    raise ValueError("no such operator\nmore")


def _absent(model, images, folder):
    raise ModuleNotFoundError("No module named 'elsewhere'")


def test_a_format_works_differs_fails_or_is_absent(ask, monkeypatch) -> None:
    ours = exports.get_exporters("compiled")
    tried = {
        "kept": ours[".pellucid"],
        "wrong": _wrong,
        "broken": _broken,
        "absent": _absent,
    }
    monkeypatch.setattr(deployment, "get_exporters", lambda engine: tried)
    measurements = ask("deployment", "compiled")
    assert measurements["export kept"].value == "works"
    assert measurements["difference kept"].value == 0
    assert measurements["latency kept"].value > 0
    assert measurements["export wrong"].value == "approximate"
    assert measurements["size wrong"].value == 5 / 2**20
    assert measurements["export broken"].value == "fails"
    assert measurements["export broken"].note == "ValueError: no such operator"
    assert measurements["export absent"].value is None
    assert measurements["formats that work"].value == 2


def test_a_quick_comparison_writes_our_files_once(ask) -> None:
    assert exports.get_exporters("numpy") is exports.get_exporters("compiled")
    measurements = ask("deployment", "numpy")
    assert all(measurement.is_full_only for measurement in measurements.values())
    assert "compiled" in measurements["export .pellucid"].note


def test_every_engine_has_exporters() -> None:
    for engine in ("numpy", "compiled", "torch", "tensorflow", "jax"):
        assert len(exports.get_exporters(engine)) >= 4


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_saves_what_its_own_user_would_have_written(tmp_path) -> None:
    if missing_package("tensorflow") is not None:
        pytest.skip("TensorFlow is not installed")
    network = pl.Sequential(
        pl.Input(6, 6, 1), pl.Conv2D(2, kernel_size=3, padding=1), pl.Flatten()
    )
    model = pl.Model(network, engine="tensorflow")  # padding by numbers is not Keras'
    images = np.ones((2, 6, 6, 1), np.float32)
    written = exports.get_exporters("tensorflow")[".keras"](model, images, tmp_path)
    outputs = written.measure(images, "keras").outputs
    assert np.allclose(outputs, model.predict(images), atol=1e-5)


def test_a_missing_package_is_not_a_failure_of_the_framework() -> None:
    absent = describe_failure("export x", MissingExtraError("must be there."))
    assert (absent.value, absent.note) == (None, "Not tried here: must be there.")
    refused = describe_failure("export x", ValueError("\nno such operator\nmore"))
    assert (refused.value, refused.note) == ("fails", "ValueError: no such operator")
