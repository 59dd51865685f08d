"""The gate that trainings pass at each step."""

from __future__ import annotations

import threading

from pellucid.studio.pause_control import PauseControl


def passing(gate: PauseControl) -> tuple[threading.Thread, list[bool]]:
    """Pass the gate in a thread; the list has the answer when it is through."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(gate.passes()))
    thread.start()
    return thread, answers


def test_an_open_gate_lets_pass() -> None:
    assert PauseControl().passes()


def test_a_paused_gate_holds_until_it_goes_on() -> None:
    gate = PauseControl()
    gate.pause()
    assert gate.holds(0)
    thread, answers = passing(gate)
    while not gate.holds(1):  # until it waits
        assert thread.is_alive()
    gate.resume()
    assert not gate.holds(1)
    thread.join(5)
    assert answers == [True]


def test_a_step_lets_each_lane_pass_once() -> None:
    gate = PauseControl()
    gate.step(2)
    assert gate.passes()
    assert gate.passes()
    thread, answers = passing(gate)
    thread.join(0.05)
    assert thread.is_alive()
    gate.end()
    thread.join(5)
    assert answers == [False]


def test_an_end_ends_all() -> None:
    gate = PauseControl()
    gate.end()
    assert not gate.passes()
    gate.pause()
    assert not gate.passes()
