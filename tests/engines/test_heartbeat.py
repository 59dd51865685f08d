"""A process of a job that gives no signs of life is named, by one of the others."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import numpy as np
import pytest

from pellucid.engines import heartbeat
from pellucid.engines.heartbeat import Heartbeat, Silence


def test_a_silent_process_is_named_once_and_welcomed_again() -> None:
    silence = Silence(0, {1: 101, 2: 102}, 30.0)
    for rank in (1, 2):
        silence.hear(rank, 0.0)
    silence.hear(2, 29.0)
    assert silence.sentences(30.0) == []
    (said,) = silence.sentences(31.0)
    assert said.startswith("train: rank 1 (process 101) must give signs of life; got")
    assert "none for 30 s" in said
    assert silence.sentences(32.0) == []
    silence.hear(1, 33.0)
    assert silence.sentences(34.0) == ["train: rank 1 is heard again."]


def test_of_those_that_are_heard_the_first_speaks() -> None:
    for rank, speaks in ((1, True), (2, False)):
        others = {r: r for r in range(3) if r != rank}
        silence = Silence(rank, others, 30.0)
        for other in others:
            silence.hear(other, 0.0 if other == 0 else 20.0)
        assert bool(silence.sentences(40.0)) is speaks


def test_a_process_that_was_never_heard_or_has_ended_is_not_named() -> None:
    silence = Silence(0, {1: 101, 2: 102}, 30.0)
    silence.hear(1, 0.0)
    silence.hear(1, 1.0, has_ended=True)
    assert silence.sentences(1000.0) == []


class PipeWorld:
    """Two processes that add up over pipes."""

    size, is_restarted = 2, False

    def __init__(self, rank: int, reads: int, writes: int) -> None:
        self.rank, self._reads, self._writes = rank, reads, writes

    def sum(self, array: Any) -> Any:
        os.write(self._writes, array.tobytes())
        other = os.read(self._reads, array.nbytes)
        array += np.frombuffer(other, array.dtype).reshape(array.shape)
        return array


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_stopped_process_is_named_with_its_rank(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "SILENCE_S", 0.6)
    monkeypatch.setattr(heartbeat, "_BEAT_S", 0.05)
    there, back = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            Heartbeat(PipeWorld(1, there[0], back[1])).beat()
        finally:
            os._exit(1)
    said: list[str] = []
    named, again = threading.Event(), threading.Event()

    def say(sentence: str) -> None:
        said.append(sentence)
        (again if "heard again" in sentence else named).set()

    try:
        heart = Heartbeat(PipeWorld(0, back[0], there[1]), say)
        thread = threading.Thread(target=heart.beat, daemon=True)
        thread.start()
        while not heart._silence._heard:
            thread.join(0.02)
        os.kill(pid, signal.SIGSTOP)
        assert named.wait(60)
        assert f"rank 1 (process {pid}) must give signs of life" in said[0]
        os.kill(pid, signal.SIGCONT)
        assert again.wait(60)
        assert said[-1] == "train: rank 1 is heard again."
        heart.end()
        thread.join(60)
        assert not thread.is_alive()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for descriptor in (*there, *back):
            os.close(descriptor)
