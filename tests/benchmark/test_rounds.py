"""Peers take turns; one that fails is left out and named."""

import pytest

from pellucid.benchmark.case import Case
from pellucid.benchmark.machine_load import Calibration
from pellucid.benchmark.networks import get_network
from pellucid.benchmark.rounds import BenchmarkConfig, BenchmarkRunner

CASE = Case(name="fake", network=get_network("lenet5"))
PACE = BenchmarkConfig(rounds=2, turn_s=0.02, warm_up_s=0.01, rest_s=0, least=2, most=9)


@pytest.fixture
def field(fake):
    """Return a function that makes a field of fake peers."""
    made = []

    def make(said, **sleeps):
        contenders = [fake(name, **options) for name, options in sleeps.items()]
        one = BenchmarkRunner(
            contenders, "trainer", calibration=Calibration(1), say=said.append
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.__exit__(None, None, None)


def test_the_slower_peer_is_found_slower(field):
    said = []
    result = field(said, pellucid={"sleep_s": 0.002}, other={"sleep_s": 0.02}).run(
        CASE, PACE, measures_memory=True
    )
    assert [timing.contender for timing in result.timings] == ["pellucid", "other"]
    assert all(len(timing.rounds) == 2 for timing in result.timings)
    assert len(result.timing("pellucid").rounds[0].times_s) >= PACE.least
    assert result.best_contender.contender == "other"
    assert 1.5 < result.ratio_to("other").median < 30
    assert result.timing("other").peak_bytes > 1 << 20
    assert "fake: round 2 of 2" in said


def test_a_peer_that_fails_is_left_out_and_the_others_go_on(field):
    said = []
    one = field(said, pellucid={}, other={"fails": "dying"}, third={"fails": "making"})
    result = one.run(CASE, PACE)
    timings = {timing.contender: timing for timing in result.timings}
    assert len(timings["pellucid"].rounds) == 2
    assert "exit code 7" in timings["other"].failure
    assert "cannot be made" in timings["third"].failure
    assert result.best_contender is None
    assert any(line.startswith("left out: other") for line in said)


def test_processes_serve_several_cases(field):
    one = field([], pellucid={}, other={"fails": "dying"})
    for _ in range(2):
        result = one.run(CASE, PACE)
        assert result.timing("pellucid") is not None
        assert "exit code 7" in result.timings[1].failure


@pytest.mark.parametrize(
    ("seconds", "calls"), [(1.0, 5), (0.01, 60), (0.0, 500), (1e-5, 500)]
)
def test_a_turn_has_as_many_calls_as_fit(seconds, calls):
    config = BenchmarkConfig()
    assert config.calls(seconds, within=config.turn_s) == calls
