"""Whole benchmarks in small, and the command."""

from __future__ import annotations

import json

import pytest

from pellucid.benchmark import Setting, benchmark
from pellucid.benchmark import busy as busy_module
from pellucid.benchmark import scaling as scaling_module
from pellucid.benchmark import train_step as train_step_module
from pellucid.benchmark.busy import compute_slowdowns, occupy_core
from pellucid.benchmark.contender_process import ContenderFailure
from pellucid.benchmark.contenders import Contender
from pellucid.benchmark.fit import fit
from pellucid.benchmark.results import CaseResult, Round, Timing
from pellucid.benchmark.rounds import BenchmarkConfig
from pellucid.benchmark.scaling import fit_growth
from pellucid.benchmark.scripts import Script, run_script
from pellucid.benchmark.setting import Record
from pellucid.benchmark.start_up import SCRIPTS, measure_installed
from pellucid.cli import main
from pellucid.errors import EngineError

SHORT = BenchmarkConfig(
    rounds=2, turn_s=0.02, warm_up_s=0.01, rest_s=0, least=2, most=5
)
MODULE = "pellucid.benchmark.contenders.pellucid"
OURS = Contender(name="pellucid", framework="pellucid", module=MODULE)
NUMPY = Contender(
    name="numpy", framework="numpy", module=MODULE, options={"engine": "numpy"}
)


@pytest.fixture
def short(monkeypatch):
    """Make benchmarks short, with two engines of our own as the peers."""
    monkeypatch.setattr(Setting, "make_config", lambda self, **changes: SHORT)
    for module in (train_step_module, busy_module, scaling_module):
        monkeypatch.setattr(
            module, "select_contenders", lambda table, names: [OURS, NUMPY]
        )


def test_a_training_step_is_timed_end_to_end(short):
    setting = Setting(network="lenet5", batch_sizes=(4,), trained=(0,))
    report = benchmark("train-step", setting)
    (case,) = report.cases
    assert case.name == "lenet5, batch 4, initial weights"
    assert case.facts["images"] == "MNIST"
    assert {t.contender: len(t.rounds) for t in case.timings} == {
        "pellucid": 2,
        "numpy": 2,
    }
    assert case.ratio_to("numpy").median > 0
    assert report.settings["rounds"] == 2
    assert report.quiet["turns"] == 4
    assert "numpy" in report.versions


def test_a_busy_core_is_compared_with_a_free_one(short):
    setting = Setting(
        network="lenet5", batch_sizes=(4,), trained=(0,), peers=("numpy",)
    )
    report = benchmark("busy", setting)
    assert [case.name.rpartition(", ")[2] for case in report.cases] == [
        "as it is",
        "one core taken",
    ]
    assert set(report.facts["slower_when_busy"]) == {"pellucid", "numpy"}


def test_the_process_that_keeps_a_core_busy_ends():
    with occupy_core() as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_slower_leaves_out_who_failed():
    quiet = CaseResult(
        name="q",
        timings=(
            Timing(contender="a", rounds=(Round(times_s=(1.0,)),)),
            Timing(contender="b", rounds=(Round(times_s=(1.0,)),)),
        ),
    )
    busy = CaseResult(
        name="b",
        timings=(
            Timing(contender="a", rounds=(Round(times_s=(3.0,)),)),
            Timing(contender="b", failure="no"),
        ),
    )
    assert compute_slowdowns(quiet, busy) == {"a": 3.0}


def test_scaling_finds_the_line():
    cases = [
        CaseResult(
            name=str(n),
            timings=(
                Timing(
                    contender="pellucid",
                    rounds=(Round(times_s=(n**1.5,)),),
                    peak_bytes=10_000 + 7 * n,
                ),
            ),
            facts={"axis": "batch size", "value": n},
        )
        for n in (1, 4, 16)
    ]
    assert fit_growth(cases) == {
        "batch size": {
            "pellucid": {
                "time_exponent": 1.5,
                "memory_bytes_per_unit": 7,
                "memory_base_bytes": 10_000,
                "memory_correlation": 1.0,
            }
        }
    }


def test_a_script_reports_and_its_failure_is_told(tmp_path):
    ends = tmp_path / "ends.py"
    ends.write_text("import sys; print('{\"fit_s\": 2}')", encoding="utf-8")
    assert run_script(Script(contender="a", file=str(ends)))["fit_s"] == 2
    ends.write_text("raise SystemExit('no such luck')", encoding="utf-8")
    with pytest.raises(ContenderFailure, match="a: must end well; got no such luck"):
        run_script(Script(contender="a", file=str(ends)))


def test_a_script_keeps_its_bytecode_whatever_the_caller_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    told = tmp_path / "told.py"
    words = "import sys; print('{\"keeps\": %d}' % (not sys.dont_write_bytecode))"
    told.write_text(words, encoding="utf-8")
    assert run_script(Script(contender="a", file=str(told)))["keeps"] == 1


def test_our_own_script_takes_its_first_step():
    report = run_script(SCRIPTS[0])
    assert 0 < report["import_s"] < report["process_s"]
    assert 0 < report["first_step_s"] < report["process_s"]


def test_a_fit_is_timed_with_its_memory(monkeypatch):
    from pellucid.benchmark import fit as fit_module

    answers = {"pellucid": (2.0, 300), "torch": (9.0, 900), "torch bound": (8.0, 950)}

    def answer(script, epochs):
        assert epochs == "3"
        seconds, peak = answers[script.contender]
        return {
            "fit_s": seconds,
            "peak_bytes": peak,
            "accuracy": 0.9,
            "process_s": seconds + 1,
        }

    monkeypatch.setattr(fit_module, "run_script", answer)
    report = fit(Setting(rounds=2, epochs=3))
    (case,) = report.cases
    assert case.best_contender.contender == "torch bound"
    assert case.ratio_to("torch bound").median == 4
    assert report.facts["peak_memory_of_torch"] == 0.333


def test_installed_sizes_hold_what_is_required():
    sizes = measure_installed()
    assert sizes["pellucid"] > 50 << 20  # NumPy and LLVM alone


def test_an_unknown_benchmark_is_refused():
    with pytest.raises(EngineError, match=r"must be one of train-step.*'speed'"):
        benchmark("speed", Setting())


def test_the_record_notes_what_a_reader_asks():
    report = Record("fit", Setting(seed=4)).report([])
    assert report.settings["seed"] == 4
    assert set(report.quiet) >= {"load_before", "load_after", "disturbed_turns"}


def test_the_command_writes_table_json_and_picture(short, tmp_path, capsys):
    options = ["--network", "lenet5", "--batch", "4", "--out", str(tmp_path / "new")]
    assert main(["benchmark", "train-step", *options, "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["schema_version"] == 1
    assert document["machine"]["usable_cpus"] >= 1
    kept = json.loads((tmp_path / "new" / "train-step.json").read_text("utf-8"))
    assert kept == document
    table = (tmp_path / "new" / "train-step.txt").read_text("utf-8")
    assert "lenet5, batch 4, initial weights" in table
    assert (tmp_path / "new" / "train-step.png").read_bytes()[:4] == b"\x89PNG"
    assert "round 2 of 2" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["speed"], "must be one of train-step"),
        (["train-step", "--batch", "0"], "whole numbers of at least 1"),
        (["train-step", "--trained", "x"], "whole numbers of at least 0"),
        (["train-step", "--peers", "caffe", "--trained", "0"], "must be among"),
        (["train-step", "--network", "nothing"], "name must be one of"),
    ],
)
def test_wrong_input_is_told_in_a_sentence(arguments, words, capsys):
    assert main(["benchmark", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in " ".join(captured.err.replace("│", " ").split())
    assert "Traceback" not in captured.err


def test_each_point_of_a_sweep_is_a_case_with_its_memory(short, monkeypatch):
    monkeypatch.setattr(
        scaling_module, "select_contenders", lambda table, names: [OURS]
    )
    for name, values in (("_BATCHES", (2, 4)), ("_SIZES_PX", (8,)), ("_CHANNELS", ())):
        monkeypatch.setattr(scaling_module, name, values)
    monkeypatch.setattr(scaling_module, "count_usable_cpus", lambda: 1)
    report = benchmark("scaling", Setting(network="lenet5"))
    found = [(case.facts["axis"], case.facts["value"]) for case in report.cases]
    assert found == [
        ("batch size", 2),
        ("batch size", 4),
        ("image area in pixels", 64),
        ("threads", 1),
    ]
    assert all(case.timings[0].peak_bytes > 1 << 20 for case in report.cases)
    assert set(report.facts["growth"]) == {"batch size"}
