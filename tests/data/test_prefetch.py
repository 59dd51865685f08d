"""Tests of the background thread."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from pellucid.data.prefetch import prefetch


def threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "pellucid-prefetch"]


def numbers(log, stop=10_000):
    try:
        for number in range(stop):
            log.append(number)
            yield number
    finally:
        log.append("closed")


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_items_come_in_order_and_the_thread_ends(ahead):
    log = []
    assert list(prefetch(numbers(log, 20), ahead)) == list(range(20))
    assert log[-1] == "closed"
    assert not threads()


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_is_made_than_there_is_room_for(ahead):
    log = []
    items = prefetch(numbers(log), ahead)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(log) < 1 + ahead and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert log == list(range(1 + ahead))
    items.close()
    assert log[-1] == "closed"
    assert not threads()


def test_nothing_runs_before_the_first_item_is_asked_for():
    log = []
    items = prefetch(numbers(log), 4)
    assert not threads()
    items.close()
    assert log == []


def test_a_forgotten_iterator_ends_its_thread():
    log = []
    items = prefetch(numbers(log), 2)
    next(items)
    assert threads()
    del items
    gc.collect()
    assert not threads()
    assert log[-1] == "closed"


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_exception_comes_out_where_it_belongs(ahead):
    def broken():
        yield 1
        yield 2
        raise KeyError("three")

    items = prefetch(broken(), ahead)
    assert next(items) == 1
    assert next(items) == 2
    with pytest.raises(KeyError, match="three"):
        next(items)
    assert not threads()


def test_an_exception_of_the_reader_ends_the_thread():
    def read():
        for item in prefetch(numbers([]), 2):
            if item == 3:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        read()
    gc.collect()
    assert not threads()


def test_a_program_ends_although_an_iterator_is_still_open():
    program = textwrap.dedent(
        """
        from pellucid.data.prefetch import prefetch
        items = prefetch((n for n in range(10**9)), 2)
        print(next(items))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_ctrl_c_stops_a_reader_that_waits():
    program = textwrap.dedent(
        """
        import os, signal, threading, time
        from pellucid.data.prefetch import prefetch

        def slow():
            yield 0
            time.sleep(5)
            yield 1

        items = prefetch(slow(), 2)
        next(items)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            next(items)
        except KeyboardInterrupt:
            print("stopped", threading.active_count() <= 2)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped True\n", "")
