"""What else runs on the machine is noticed."""

from itertools import chain, repeat

from pellucid.benchmark.machine_load import Calibration


def _give_times(monkeypatch, *times, then=1.0, settle_s=60.0):
    given = chain(times, repeat(then))
    monkeypatch.setattr(Calibration, "_time_once", lambda self: next(given))
    monkeypatch.setattr("pellucid.benchmark.machine_load._SETTLE_S", settle_s)


def test_the_same_work_taking_longer_is_a_slowdown(monkeypatch):
    _give_times(monkeypatch, *[0.010] * 10, 0.020, 0.012, 0.008, 0.009)
    calibration = Calibration(threads=1)
    assert calibration.best_s == 0.010
    assert abs(calibration.slowdown() - 0.2) < 1e-9  # the better of two tries
    assert calibration.slowdown() == 0  # faster than ever: the new best
    assert calibration.best_s == 0.008


def test_threads_that_spin_before_they_sleep_are_no_load(monkeypatch):
    _give_times(monkeypatch, *[0.010] * 10, 0.020, 0.020, then=0.010)
    assert Calibration(threads=1).slowdown() == 0


def test_what_lasts_is_a_load(monkeypatch):
    _give_times(monkeypatch, *[0.010] * 10, then=0.020, settle_s=0)
    assert Calibration(threads=1).slowdown() == 1


def test_a_real_calibration_takes_milliseconds():
    calibration = Calibration(threads=2)
    assert 0.0005 < calibration.best_s < 1
    assert calibration.slowdown() >= 0
