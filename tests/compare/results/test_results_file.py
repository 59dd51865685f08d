"""Results files: read as written, refused where they are something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from oracles import studies

from pellucid.compare.measurement import Measurement
from pellucid.compare.report import write_report
from pellucid.compare.results import list_left_out, rank, read_results
from pellucid.errors import RunError

#: what version 0.1 wrote
FIRST = Path(__file__).parent / "results-0.1.json"


def test_results_are_read_as_they_were_written(tmp_path):
    results = studies.results(latency=studies.latency(compiled=1.0, torch=2.0))
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results.to_json()), encoding="utf-8")
    assert read_results(path) == results


def test_results_of_the_first_schema_are_read_and_drawn(tmp_path):
    results = read_results(FIRST)
    assert json.loads(FIRST.read_text(encoding="utf-8"))["schema_version"] == 1
    graph = results.get("graph", "numpy")
    assert graph.figure("programs in the freest mode").value == 0
    assert not any("programs that work" in f.name for f in graph.figures)
    assert results.get("train-speed", "torch").figures[0].mode == "eager"
    assert results.get("scale-out", "jax").figure("efficiency, processes: 2").limit
    assert rank(results, None) == []
    whys = {one.figure: one.why for one in list_left_out(results)}
    assert "torch: modes not measured: " in whys["images/s, best, batch 64"]
    assert "something else ran" in whys["efficiency, processes: 2"]
    for path in write_report(tmp_path, results)[1:]:
        said = path.read_text(encoding="utf-8")
        assert "No ranking: not enough measured: 10 of 15 questions." in said
        assert "if on a valu<" not in said
        assert "if on a value" in said


def test_a_figure_that_is_no_number_is_none_in_the_file():
    measurement = Measurement(
        name="loss", value=float("nan"), low=float("inf"), note="A mean."
    )
    written = json.loads(json.dumps(measurement.to_json(), allow_nan=False))
    assert written == {
        "name": "loss",
        "value": None,
        "low": None,
        "note": "It came to nan. A mean.",
    }


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("{", "must be JSON"),
        ("[1]", "got kind=None"),
        ('{"kind": "other", "schema_version": 1}', "got kind='other'"),
        ('{"kind": "pellucid compare", "schema_version": 7}', "got schema_version=7"),
        ('{"kind": "pellucid compare", "schema_version": 2}', "with KeyError"),
        ('{"kind": "pellucid compare", "schema_version": 1}', "with KeyError"),
    ],
)
def test_another_schema_is_one_sentence(text, came, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=came):
        read_results(path)
