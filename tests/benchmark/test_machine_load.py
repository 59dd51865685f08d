"""What else runs on the machine is noticed."""

from pellucid.benchmark.machine_load import Calibration


def test_the_same_work_taking_longer_is_a_slowdown(monkeypatch):
    times = iter([0.010] * 10 + [0.020, 0.015] + [0.008, 0.009])
    monkeypatch.setattr(Calibration, "_time_once", lambda self: next(times))
    calibration = Calibration(threads=1)
    assert calibration.best_s == 0.010
    assert abs(calibration.slowdown() - 0.5) < 1e-9  # the better of two tries
    assert calibration.slowdown() == 0  # faster than ever: the new best
    assert calibration.best_s == 0.008


def test_a_real_calibration_takes_milliseconds():
    calibration = Calibration(threads=2)
    assert 0.0005 < calibration.best_s < 1
    assert calibration.slowdown() >= 0
