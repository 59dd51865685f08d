"""Processes that die, are interrupted or meet a full disk at a chosen file event."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

_CHANGES = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
#: long works are ended at some events only, unless this is set
_THOROUGH = "PELLUCID_THOROUGH"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def find_the_disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def nothing_is_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk: what a power cut leaves is not looked at here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Events:
    """Counts a process's changes to files under a folder, and acts before one."""

    def __init__(self, root: Path, at: int, act: Callable[[], None]) -> None:
        self.root, self.at, self.act, self.count = str(root), at, act, 0
        sys.addaudithook(self.see)
        os.fsync = lambda descriptor: self.pass_one()

    def see(self, event: str, arguments: tuple[object, ...]) -> None:
        is_change = event in _CHANGES or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        )
        if is_change and self.is_here(arguments):
            self.pass_one()

    def is_here(self, arguments: tuple[object, ...]) -> bool:
        path = arguments[0]
        if not isinstance(path, str | os.PathLike):
            return False
        text = os.fspath(path)
        # shutil.rmtree names what it removes by a folder's descriptor
        is_relative = not os.path.isabs(text) and -1 not in arguments[-1:]
        return text.startswith(self.root) or is_relative

    def pass_one(self) -> None:
        self.count += 1
        if self.count == self.at:
            self.act()


def run(
    root: Path, work: Callable[[], object], at: int, act: Callable[[], None] = die
) -> tuple[int, str, int]:
    """Return exit status, what was raised, and the events counted, of a child."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads of other tests do not matter
        pid = os.fork()
    if pid == 0:
        said = ""
        events = Events(root, at, act)
        try:
            work()
        except KeyboardInterrupt:
            said = "KeyboardInterrupt"
        except BaseException as error:  # noqa: BLE001 - it is told to the parent
            said = f"{type(error).__name__}: {error}"
            if not type(error).__module__.startswith("pellucid"):
                traceback.print_exc()
        os.write(writer, f"{events.count} {said}".encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        count, _, said = file.read().decode().partition(" ")
    status = os.waitpid(pid, 0)[1]
    return status, said, int(count or 0)


def each_event(
    root: Path,
    prepare: Callable[[], object],
    work: Callable[[], object],
    act: Callable[[], None] = die,
    *,
    first: int = 1,
    stride: int = 1,
) -> Iterator[str]:
    """Let a child do the work once for each event of it; yield what it raised.

    ``prepare`` sets the stage each time. The last that is yielded has done all. Of a
    long work only every ``stride``-th event is taken, from the ``first`` on; all of
    them where PELLUCID_THOROUGH is set.
    """
    if os.environ.get(_THOROUGH):
        first = stride = 1
    at = first
    while True:
        prepare()
        status, said, count = run(root, work, at, act)
        if act is die:
            assert status in (0, signal.SIGKILL), said
        else:
            assert status == 0, said
        yield said
        if status == 0 and count < at:
            return
        at += stride
        assert at < 2000, "the work does not end"
