"""`pellucid profile`: shares of the peaks by layer, and memory."""

import json
from pathlib import Path

import pytest

import pellucid as pl
from pellucid import engines
from pellucid.network import dumps


@pytest.fixture
def network(tmp_path):
    small = pl.Sequential(
        pl.Input(12, 12, 16),
        pl.Conv2D(16, 3),
        pl.ReLU(),
        pl.GlobalAvgPool2D(),
        pl.Dense(3),
    )
    file = tmp_path / "small.json"
    file.write_text(dumps(small))
    return str(file)


@pytest.mark.parametrize("options", [(), ("--batch", "3", "--train")])
def test_every_layer_has_its_share(pellucid, network, options):
    answer = pellucid("profile", network, "--rounds", "3", "--json", *options)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    layers = {layer["node"]: layer for layer in found["layers"]}
    assert {"conv2d", "global_avg_pool2d", "dense"} <= layers.keys()
    assert sum(layer["share"] for layer in layers.values()) == pytest.approx(1)
    assert all(layer["seconds"] > 0 for layer in layers.values())
    assert layers["conv2d"]["arithmetic"] > 0
    assert layers["input"]["arithmetic"] == 0 < layers["input"]["bandwidth"]
    assert found["peaks"]["multiply_adds"] > 0 < found["peaks"]["read_bytes"]
    assert found["peak_bytes"] > 0


def test_the_table_ends_with_peaks_and_memory(pellucid, network):
    answer = pellucid("profile", network, "--rounds", "1", "--size", "14")
    assert answer.out.startswith("layer")
    assert "peaks of one core: " in answer.out
    assert "peak memory of the plan: " in answer.out.splitlines()[-1]


def test_a_network_without_images_is_refused(pellucid):
    answer = pellucid("profile", "xor-one-hidden")
    assert answer.code == 2
    assert "network must take images (height, width, channels)" in answer.err


def test_a_run_is_profiled_too(pellucid, network, tmp_path):
    model = pl.Model(pl.load_network(network), engine="numpy")
    model.save(tmp_path / "small.pellucid")
    answer = pellucid("profile", str(tmp_path / "small.pellucid"), "--rounds", "1")
    assert answer.code == 0, answer.err
    assert "global_avg_pool2d" in answer.out


def test_a_run_is_profiled_with_its_engine_s_options(pellucid, trained, monkeypatch):
    asked = {}
    recipe = trained / "recipe.toml"
    text = recipe.read_text().replace('engine = "numpy"', 'engine = "compiled"')
    text = text.replace("[engine_options]\n", "")
    recipe.write_text(text + '\n[engine_options]\nprecision = "bfloat16"\n')
    make = engines.make
    monkeypatch.setattr(engines, "make", lambda n, **o: asked.update(o) or make(n, **o))
    answer = pellucid("profile", "tiny", "--rounds", "1")
    assert answer.code == 0, answer.err
    assert asked == {"precision": "bfloat16", "threads": 1, "profile": True}
    assert answer.out.endswith("for 1 image\n")


def test_a_network_of_several_outputs_is_profiled(pellucid):
    image = pl.Input(4, 4, 1)
    network = pl.Network(inputs=image, outputs=[pl.ReLU()(image), pl.Tanh()(image)])
    Path("two.json").write_text(dumps(network))
    answer = pellucid("profile", "two.json", "--rounds", "1", "--json")
    assert answer.code == 0, answer.err
    assert {layer["node"] for layer in answer.json["layers"]} >= {"relu", "tanh"}


def test_an_unknown_name_is_told_what_there_may_be(pellucid):
    answer = pellucid("profile", "nosuch")
    assert answer.code == 2
    assert "must be a name of pl.zoo, a .py or .json file, or a run" in answer.err
