"""What an engine costs over its framework: the benchmark in small."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pellucid.benchmark import Setting, benchmark
from pellucid.benchmark import fit as fit_module
from pellucid.benchmark import overhead as tax_module
from pellucid.benchmark import overhead_fit as tax_fit_module
from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders import OVERHEAD, Contender, select_frameworks
from pellucid.benchmark.contenders import pellucid as ours
from pellucid.benchmark.networks import get_network
from pellucid.benchmark.overhead import compute_overhead
from pellucid.benchmark.results import CaseResult, Round, Timing
from pellucid.benchmark.rounds import BenchmarkConfig, BenchmarkRunner
from pellucid.benchmark.scripts import Script, run_script
from pellucid.cli import main
from pellucid.errors import EngineError

SHORT = BenchmarkConfig(
    rounds=2, turn_s=0.02, warm_up_s=0.01, rest_s=0, least=1, most=2
)
PASSES = "pellucid.benchmark.contenders.passes"


def numpy_as(name: str) -> Contender:
    """Passes of the numpy engine, under another's name."""
    options = {"of": "pellucid.benchmark.contenders.pellucid", "engine": "numpy"}
    return Contender(name=name, framework=name, module=PASSES, options=options)


def test_steps_and_fits_are_reported_with_what_the_engine_costs(monkeypatch):
    monkeypatch.setattr(Setting, "make_config", lambda self: SHORT)
    contenders = numpy_as("pellucid torch"), numpy_as("torch")
    monkeypatch.setattr(tax_module, "OVERHEAD", {"torch": contenders})
    monkeypatch.setattr(tax_module, "select_frameworks", lambda names: ["torch"])
    seen = []

    def answer(script):
        seen.append((script.contender, *script.arguments[2:]))
        seconds = 2.2 if script.file == "fit_engine.py" else 2.0
        return {"fit_s": seconds, "peak_bytes": 1, "accuracy": 0.9, "process_s": 3.0}

    monkeypatch.setattr(fit_module, "run_script", answer)
    setting = Setting(network="lenet5", batch_sizes=(4,), rounds=2, is_quick=True)
    report = benchmark("tax", setting)
    step, whole = report.cases
    assert step.name == "a step on torch: lenet5, batch 4"
    assert step.facts["steps_a_call"] == 32
    assert step.facts["processes"] == 2
    assert [len(timing.rounds) for timing in step.timings] == [2, 2]
    assert 0.2 < step.ratio_to("torch").median < 5  # the same engine twice
    assert whole.name == "a fit on torch: lenet5, epochs 1, images 6400 of MNIST"
    assert report.facts["tax"][whole.name] == {"torch script": 0.1}
    mine, theirs = ("pellucid torch", "torch script")
    assert [contender for contender, *_ in seen] == [mine, theirs, theirs, mine]
    assert json.loads(seen[0][1]) == {"epochs": 1, "data.limit": 6400}
    assert seen[1][1:] == ("--epochs", "1", "--limit", "6400")


def test_the_rounds_are_dealt_out_to_processes(monkeypatch):
    begun = []

    class Counted(BenchmarkRunner):
        def __init__(self, contenders, *arguments, **options):
            begun.append([contender.name for contender in contenders])
            super().__init__(contenders, *arguments, **options)

    config = replace(SHORT, rounds=7)
    monkeypatch.setattr(Setting, "make_config", lambda self: config)
    monkeypatch.setattr(tax_module, "BenchmarkRunner", Counted)
    contenders = numpy_as("pellucid torch"), numpy_as("torch")
    monkeypatch.setattr(tax_module, "OVERHEAD", {"torch": contenders})
    monkeypatch.setattr(tax_module, "select_frameworks", lambda names: ["torch"])
    monkeypatch.setattr(tax_module, "time_fits", lambda *_: [])
    (step,) = benchmark("tax", Setting(network="lenet5", batch_sizes=(4,))).cases
    mine, theirs = "pellucid torch", "torch"
    assert begun == [[mine, theirs], [theirs, mine]] * 2 + [[mine, theirs]]
    assert [timing.contender for timing in step.timings] == [mine, theirs]
    assert [len(timing.rounds) for timing in step.timings] == [7, 7]


def test_the_cost_is_by_how_much_longer_the_engine_takes():
    def timing(contender: str, *seconds: float) -> Timing:
        return Timing(
            contender=contender, rounds=tuple(Round(times_s=(s,)) for s in seconds)
        )

    case = CaseResult(
        name="x",
        timings=(
            timing("pellucid jax", 1.05, 1.05, 1.05),
            timing("jax", 1.0, 1.0, 1.1),
            Timing(contender="keras fit", failure="no"),
        ),
    )
    assert compute_overhead(case) == {"jax": 0.05}


def test_a_pass_is_all_batches_in_their_order():
    from pellucid.benchmark.contenders import passes

    case = Case(name="x", network=get_network("lenet5"), batch_size=4, batches=3)
    step = ours.trainer(case, engine="numpy")
    whole = passes.trainer(case, of=ours.__name__, engine="numpy")
    last = [[step(i) for i in range(j, j + 3)][-1] for j in (0, 3)]
    assert [whole(0), whole(1)] == last


def test_keras_fit_takes_the_same_steps():
    pytest.importorskip("tensorflow")
    from pellucid.benchmark.contenders import keras

    case = Case(name="x", network=get_network("lenet5"), batch_size=8, batches=3)
    step = ours.trainer(case, engine="numpy")
    expected = np.mean([step(i) for i in range(3)])
    # Keras' Adam places epsilon elsewhere
    assert keras.trainer(case)(0) == pytest.approx(expected, rel=2e-3)


def test_a_fit_and_its_script_are_run_with_the_same_epochs_and_images(tmp_path):
    path = tmp_path / "written.py"
    assert main(["code", "lenet5", "--framework", "numpy", "-o", str(path)]) == 0
    changes = json.dumps({"epochs": 1, "data.limit": 64})
    by_engine = Script(
        contender="a", file="fit_engine.py", arguments=("lenet5", "numpy", changes)
    )
    options = (str(path), "numpy", "--epochs", "1", "--limit", "64")
    by_script = Script(contender="b", file="fit_generated.py", arguments=options)
    for script in (by_engine, by_script):
        report = run_script(script)
        assert 0 < report["fit_s"] < report["process_s"]
        assert 0.05 < report["accuracy"] < 0.9
        assert report["peak_bytes"] > 1 << 20


def test_a_network_without_a_recipe_has_steps_only():
    said = []
    found = tax_fit_module.time_fits(
        Setting(say=said.append), None, ["torch"], "absent"
    )
    assert list(found) == []
    assert "torch: the script must be written; got" in said[0]


def test_every_engine_stands_first_beside_its_framework():
    for framework, (engine, *bare) in OVERHEAD.items():
        assert engine.name == f"pellucid {framework}"
        assert {contender.framework for contender in bare} == {framework}


@pytest.mark.parametrize("name", ["onnxruntime", "torch compile"])
def test_frameworks_without_an_engine_are_refused(name):
    with pytest.raises(EngineError, match="among torch, tensorflow, jax; got"):
        select_frameworks([name])


def test_a_framework_that_is_not_installed_is_named(monkeypatch):
    from pellucid.benchmark.contenders import table

    monkeypatch.setitem(table._NEEDS, "jax", ("no_such_package",))
    assert "jax" not in select_frameworks(None)
    with pytest.raises(EngineError, match="pip install no_such_package"):
        select_frameworks(["jax"])
