"""Calls are timed one by one, warm-up apart."""

import gc
import time

from pellucid.benchmark.clock import pause_garbage_collector, time_calls


def test_each_call_is_timed_and_numbered():
    seen = []
    times = time_calls(
        lambda i: (seen.append(i), time.sleep(0.002)), 3, warm=2, start=5
    )
    assert seen == [5, 6, 7, 8, 9]
    assert len(times) == 3
    assert all(0.002 <= t < 0.5 for t in times)


def test_the_collector_rests_meanwhile_and_comes_back():
    assert gc.isenabled()
    with pause_garbage_collector():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with pause_garbage_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
