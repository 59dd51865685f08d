"""This file is TensorFlow's SavedModels, loaded as TensorFlow loads them."""

from __future__ import annotations

import json

import networks
import pytest

from pellucid import exchange
from pellucid.exchange import prove

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own

CASES = ("avg_pool_uneven", "branches", "conv_transpose_extended", "vectors")


@pytest.mark.parametrize("name", CASES)
def test_tensorflow_gives_the_same(name, model_of, images_of, tmp_path):
    case_model = model_of(networks.CASES[name]())
    path = exchange.write(case_model, tmp_path / "model.savedmodel")
    proof = prove(case_model, path, images_of(case_model))
    assert proof.relative <= 1e-5
    assert proof.runtime.startswith("tensorflow")


def test_classes_lie_beside_the_model(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.savedmodel")
    card = json.loads((path / "assets.extra/pellucid_card.json").read_text())
    assert card["classes"] == ["a", "b", "c"]
