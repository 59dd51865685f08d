"""A child process that answers: messages, silence, death, and its group."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pellucid.benchmark.child_process import ChildFailure, ChildProcess

_MODULE = """
import os, subprocess, sys, time
from pellucid.benchmark.child_process import answer_requests

def answer(request):
    print("noise on stdout", flush=True)
    if request.get("sleeps"):
        time.sleep(60)
    if request.get("dies"):
        print("these are my last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), request["dies"])
    if request.get("starts"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        return {"pid": child.pid}
    return {"echo": request, "told": os.environ.get("TOLD")}

answer_requests(answer)
"""


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ChildProcess]]:
    (tmp_path / "echoing.py").write_text(_MODULE, encoding="utf-8")
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{path}")
    started: list[ChildProcess] = []

    def begin(**options: object) -> ChildProcess:
        started.append(ChildProcess("echoing", **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for process in started:
        process.close()


def test_a_child_answers_one_request_after_the_other(start) -> None:
    process = start(environment={"TOLD": "so"})
    for i in range(2):
        answer = process.ask({"i": i}, limit_s=60)
        assert answer == {"echo": {"i": i}, "told": "so"}
    assert process.is_alive


def test_a_child_that_is_silent_is_closed(start) -> None:
    process = start(leads_group=True)
    process.ask({}, limit_s=60)
    with pytest.raises(ChildFailure, match="no answer within 1 s") as raised:
        process.ask({"sleeps": True}, limit_s=1)
    assert raised.value.exit_code is None
    assert not process.is_alive
    process.close()


def test_a_child_that_dies_leaves_its_last_words(start) -> None:
    with pytest.raises(ChildFailure, match="SIGABRT") as raised:
        start().ask({"dies": 6}, limit_s=60)
    assert raised.value.exit_code == -6
    assert raised.value.last_words == "these are my last words"


def test_what_the_leader_of_a_group_has_started_ends_with_it(start) -> None:
    process = start(leads_group=True)
    pid = process.ask({"starts": True}, limit_s=60)["pid"]
    process.close()
    state = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + 10
    while _is_running(state) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(state)


def _is_running(state: Path) -> bool:
    try:
        text = state.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
