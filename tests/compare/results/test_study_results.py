"""Results files: read as written, refused where they are something else."""

from __future__ import annotations

import json

import pytest
from oracles import studies

from pellucid.compare.results import read_results
from pellucid.errors import RunError


def test_results_are_read_as_they_were_written(tmp_path):
    results = studies.results(latency=studies.latency(compiled=1.0, torch=2.0))
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results.to_json()), encoding="utf-8")
    assert read_results(path) == results


@pytest.mark.parametrize(
    ("text", "came"),
    [
        ("{", "must be JSON"),
        ("[1]", "got kind=None"),
        ('{"kind": "other", "schema_version": 1}', "got kind='other'"),
        ('{"kind": "pellucid compare", "schema_version": 7}', "got schema_version=7"),
        ('{"kind": "pellucid compare", "schema_version": 1}', "with KeyError"),
    ],
)
def test_another_schema_is_one_sentence(text, came, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=came):
        read_results(path)
