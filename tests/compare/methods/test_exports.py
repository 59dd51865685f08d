"""Exporters of frameworks whose runtimes would round or refuse by default."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import pellucid as pl
from pellucid.compare.methods.exports import get_exporters

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporters' own


@pytest.mark.parametrize(
    ("engine", "name", "package"),
    [
        ("torch", "OpenVINO", "openvino"),
        ("torch", "ExecuTorch (.pte)", "executorch"),
        ("tensorflow", "OpenVINO (Model.export)", "openvino"),
        ("tensorflow", "OpenVINO (convert_model)", "openvino"),
    ],
)
def test_what_is_exported_gives_the_same_in_float32(
    engine: str, name: str, package: str, tmp_path
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    importlib.import_module(engine)
    model = pl.Model(pl.zoo("mnist-keras"), engine=engine, seed=1)
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    written = get_exporters(engine)[name](model, images, tmp_path)
    outputs = written.measure(images, name).outputs
    np.testing.assert_allclose(outputs, model.predict(images), rtol=0, atol=1e-6)
