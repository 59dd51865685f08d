"""Real networks beside every peer, in small."""

from __future__ import annotations

import json

import pytest

from pellucid.benchmark import Setting, benchmark
from pellucid.benchmark.networks import resize_input
from pellucid.benchmark.real_networks import Part, list_parts
from pellucid.benchmark.rounds import BenchmarkConfig
from pellucid.cli import main
from pellucid.errors import EngineError
from pellucid.network import zoo

SHORT = BenchmarkConfig(
    rounds=2, turn_s=0.02, warm_up_s=0.01, rest_s=0, least=2, most=5
)


def test_predictions_and_steps_are_timed(monkeypatch):
    monkeypatch.setattr(Setting, "make_config", lambda self, **changes: SHORT)

    def ours(setting):
        return [
            Part(
                title=part.title,
                role=part.role,
                contenders=part.contenders[:1],
                batch_sizes=part.batch_sizes,
            )
            for part in list_parts(setting)[1:]
        ]

    monkeypatch.setattr("pellucid.benchmark.real_networks.list_parts", ours)
    report = benchmark("networks", Setting(network="lenet5", batch_sizes=(3,)))
    assert [case.name for case in report.cases] == [
        "lenet5, 28×28, batch 3, prediction, all threads",
        "lenet5, 28×28, batch 3, training step",
    ]
    for case in report.cases:
        (timing,) = case.timings
        assert timing.contender.startswith("pellucid")
        assert len(timing.rounds) == 2
    assert json.dumps(report.to_json())


def test_peers_that_only_predict_are_among_predictions_alone():
    pytest.importorskip("onnxruntime")
    one, every, step = list_parts(Setting(peers=("onnxruntime",)))
    for part in (one, every):
        names = [contender.framework for contender in part.contenders]
        assert names == ["pellucid", "onnxruntime"]
        assert part.batch_sizes == (1, 8, 32)
    assert [contender.name for contender in step.contenders] == ["pellucid"]


def test_a_peer_that_nobody_knows_is_refused():
    with pytest.raises(EngineError, match=r"peers must be among .*; got 'caffe'"):
        list_parts(Setting(peers=("caffe",)))


def test_trained_weights_are_refused(capsys):
    assert main(["benchmark", "networks", "--trained", "1,5"]) == 2
    said = capsys.readouterr().err
    assert "'networks' must have initial weights; got --trained 1,5." in said


def test_an_input_of_another_size_changes_the_images_alone():
    network = resize_input(zoo("resnet18"), 64)
    assert network.input_shape == (64, 64, 3)
    assert network.name == "resnet18"
    assert network.output_shape == zoo("resnet18").output_shape
