"""A contender's process: answers, noise, failures, silence, death."""

import pytest

from pellucid.benchmark.case import Case
from pellucid.benchmark.contender_process import ContenderFailure, ContenderProcess
from pellucid.benchmark.networks import get_network

CASE = Case(name="fake", network=get_network("lenet5"))


@pytest.fixture
def begin(fake):
    """Return a function that starts a fake peer and prepares it."""
    started = []

    def start(*, timeout_s=30, **options):
        process = ContenderProcess(fake("fake", **options), timeout_s=timeout_s)
        started.append(process)
        return process, process.prepare("trainer", CASE)

    yield start
    for process in started:
        process.close()


def test_a_peer_starts_in_its_environment_and_times_its_calls(begin):
    process, first_s = begin(sleep_s=0.002)
    assert first_s >= 0.002
    times = process.run(4, warm=1)["times_s"]
    assert len(times) == 4
    assert min(times) >= 0.002
    assert process.peak_bytes() > 1 << 20


def test_a_peer_that_cannot_be_made_says_why(begin):
    with pytest.raises(ContenderFailure, match="fake: ValueError: cannot be made"):
        begin(fails="making")


def test_a_call_that_goes_wrong_is_told_and_the_process_lives(begin):
    process, _ = begin(fails="calling")
    with pytest.raises(ContenderFailure, match="RuntimeError: call 3 went wrong"):
        process.run(5)
    assert process.is_alive


def test_a_process_that_dies_leaves_its_last_words(begin):
    process, _ = begin(fails="dying")
    with pytest.raises(ContenderFailure, match=r"exit code 7.*these are my last words"):
        process.run(5)


def test_a_peer_that_says_nothing_is_given_up(begin):
    with pytest.raises(ContenderFailure, match="must answer within 3 s"):
        begin(fails="silence", timeout_s=3)


def test_nothing_can_go_before_it_is_prepared(fake):
    process = ContenderProcess(fake("fake"), timeout_s=30)
    try:
        with pytest.raises(ContenderFailure, match="must be prepared"):
            process.run(1)
    finally:
        process.close()
