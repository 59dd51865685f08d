"""Light models of the onnx package, which give what they gave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import light_models

#: of 60 to 140 million weights: ``python light_models.py`` runs them
LARGE = {"bvlc_alexnet", "vgg19", "zfnet512"}


@pytest.mark.parametrize("name", sorted(set(light_models.NAMES) - LARGE))
def test_a_light_model_gives_the_original_s_outputs(name):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    verdict = light_models.verdict(name, "numpy")
    assert verdict.reason == ""
    assert verdict.spread > 0.1  # the classes come out apart: a wrong layer would show
    assert verdict.passed


def test_the_page_in_the_repository_names_every_model():
    page = light_models.REPORT.read_text(encoding="utf-8")
    count = len(light_models.NAMES)
    assert f"**{count} of {count} within" in page
    assert all(f"| {name} |" in page for name in light_models.NAMES)
