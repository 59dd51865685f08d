"""ONNX's own backend tests: what is read must give what they expect."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import conformance

pytestmark = pytest.mark.filterwarnings("ignore:import. the file ends in a log")


@pytest.fixture(scope="module")
def verdicts():
    return conformance.run("numpy")


def test_no_backend_test_gives_other_numbers(verdicts):
    assert [entry for entry in verdicts if entry.outcome == "failed"] == []


def test_the_count_in_the_repository_is_the_count_measured(verdicts):
    counts = Counter(entry.outcome for entry in verdicts)
    page = conformance.REPORT.read_text(encoding="utf-8")
    assert f"**{counts['passed']} passed, {counts['refused']} refused" in page


def test_each_refusal_has_a_reason_in_one_sentence(verdicts):
    refused = [entry for entry in verdicts if entry.outcome == "refused"]
    assert all("must" in entry.reason and "got" in entry.reason for entry in refused)
