"""Tests of the program of a worker process."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest

from pellucid.data.decode_worker import Wanted, decode, serve
from pellucid.errors import DataError


@pytest.fixture
def wanted(pictures):
    return Wanted(source=pictures, shape=(6, 8, 3))


def ask(wanted, *names):
    request = {"wanted": wanted.to_json(), "names": names}
    return json.dumps(request).encode() + b"\n"


def test_a_description_goes_there_and_back(wanted):
    assert Wanted.from_json(json.loads(json.dumps(wanted.to_json()))) == wanted


def test_requests_are_answered_one_after_the_other(wanted):
    requests = [
        ask(wanted, "dog/2.png", "cat/1.png"),
        ask(wanted, "dog/99.png"),
        ask(wanted, "dog/3.png"),
    ]
    answers = io.BytesIO()
    serve(io.BytesIO(b"".join(requests)), answers)
    answers.seek(0)
    assert json.loads(answers.readline()) == {"broken": {}}
    pixels = np.frombuffer(answers.read(2 * 6 * 8 * 3), np.uint8)
    np.testing.assert_array_equal(
        pixels.reshape(2, 6, 8, 3), decode(wanted, ["dog/2.png", "cat/1.png"])
    )
    assert "dog/99.png" in json.loads(answers.readline())["broken"]
    assert not any(answers.read(6 * 8 * 3))
    assert json.loads(answers.readline()) == {"broken": {}}
    assert len(answers.read()) == 6 * 8 * 3


def test_a_decoder_without_a_parent_ends_in_silence(wanted):
    decoder = subprocess.Popen(
        [sys.executable, "-c", "from pellucid.data.decode_worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    decoder.stdout.close()
    _, errors = decoder.communicate(ask(wanted, "dog/1.png") * 20, timeout=30)
    assert (decoder.returncode, errors) == (0, b"")


def test_a_file_that_is_too_large_is_refused(wanted, monkeypatch):
    monkeypatch.setattr("pellucid.data.decode_worker.ENTRY_LIMIT_BYTES", 10)
    with pytest.raises(
        DataError, match="must be a file that can be read; got more than 10"
    ):
        decode(wanted, ["dog/1.png"])
