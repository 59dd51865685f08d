"""Modules on their way to object code, in this process and in others beside it.

llvmlite holds one lock around every call, so threads do not help. While this process
still writes the text of one kernel, others compile those before it; in the end it
compiles what they have not begun.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

import llvmlite

from pellucid.engines.compiled.codegen import emit
from pellucid.engines.compiled.codegen.cpu import Target, default_threads
from pellucid.engines.compiled.codegen.emit import Effort, Emitter

#: compiling that takes longer than this many seconds says so
QUIET_S = 0.3
#: seconds between two words on how much is left
SPOKEN_S = 1.0
#: lines of text from which another process is worth its start
WORTH_LINES = 3000
#: other processes at most
MOST = 15


class _Task(NamedTuple):
    name: str
    text: str
    effort: Effort


class Compilation:
    """Object code of many modules.

    Parameters
    ----------
    target : Target
    what : str
        Named in the line that says what is being compiled.
    """

    def __init__(self, target: Target, *, what: str) -> None:
        self._target = target
        self._emitter = Emitter(target.cpu, target.features)
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._objects: dict[str, bytes] = {}
        self._errors: list[BaseException] = []
        self._helpers: list[threading.Thread] = []
        self._running: list[subprocess.Popen[bytes]] = []
        self._has_started = False
        self._added, self._expected, self._lines = 0, 0, 0
        self._progress = _Progress(what)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, name: str, text: str, effort: Effort) -> None:
        """Compile a module under a name, sooner or later."""
        self._added += 1
        self._lines += text.count("\n")
        self._waiting.put(_Task(name, text, effort))
        if not self._has_started and self._lines > WORTH_LINES:
            self._start()
        self._show()

    def expect(self, more: int) -> None:
        """Say how many modules are still to be added, as far as that is known."""
        self._expected = self._added + more

    def finish(self) -> dict[str, bytes]:
        """Return the object files by the modules' names.

        Raises
        ------
        RuntimeError
            If one of them was no module.
        """
        self._compile_the_rest()
        for _ in self._helpers:
            self._waiting.put(None)
        for helper in self._helpers:
            while helper.is_alive():
                helper.join(SPOKEN_S / 4)
                self._show()
        self._compile_the_rest()  # of processes that ended early
        if self._errors:
            raise self._errors[0]
        return self._objects

    def close(self) -> None:
        """End the other processes and the line on the terminal."""
        for process in self._running:
            process.kill()
        for helper in self._helpers:
            self._waiting.put(None)
            helper.join()
        for process in self._running:
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    cast(BinaryIO, pipe).close()
            process.wait()
        self._running.clear()
        self._helpers.clear()
        self._progress.end()

    def _show(self) -> None:
        self._progress.show(max(self._added, self._expected) - len(self._objects))

    def _compile_the_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._waiting.get_nowait()
                if task is not None:
                    self._objects[task.name] = self._emitter.emit(
                        task.text, task.effort
                    )
                    self._show()

    def _start(self) -> None:
        self._has_started = True
        for _ in range(min(default_threads() - 1, MOST)):
            process = _open(self._target)
            if process is None:
                return
            self._running.append(process)
            helper = threading.Thread(
                target=self._serve,
                args=(process,),
                name="pellucid-compile",
                daemon=True,
            )
            helper.start()
            self._helpers.append(helper)

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Hand tasks to a process until there are no more, or it has ended."""
        to, source = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        while (task := self._waiting.get()) is not None:
            try:
                emit.write_task(to, task.text, task.effort)
                self._objects[task.name] = emit.read_object(source)
            except (OSError, EOFError, ValueError):
                self._waiting.put(task)  # for somebody who lives
                return
            except RuntimeError as error:
                self._errors.append(error)


def _open(target: Target) -> subprocess.Popen[bytes] | None:
    """Start a process that compiles; None where that cannot be done."""
    if not Path(sys.executable or "").name.lower().startswith(("python", "pypy")):
        return None  # the program that Python is a part of
    folder = str(Path(llvmlite.__file__).parents[1])
    command = [sys.executable, "-I", "-S", emit.__file__, folder]
    try:
        return subprocess.Popen(
            [*command, target.cpu, target.features],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
        )
    except (OSError, ValueError):
        return None


class _Progress:
    """One line on stderr, of compiling that takes long: more seldom, the longer."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begin = self._spoken = time.perf_counter()
        self._is_open, self._pause = False, SPOKEN_S

    def show(self, left: int) -> None:
        """Say what is compiled, and from time to time how many kernels are left."""
        now = time.perf_counter()
        if not self._is_open and now - self._begin > QUIET_S:
            self._is_open, self._spoken = True, now
            _say(f"compiling {self._what} …")
        elif self._is_open and now - self._spoken > self._pause:
            self._spoken, self._pause = now, 2 * self._pause
            _say(f" {left} left …")

    def end(self) -> None:
        """Say how long it took."""
        if self._is_open:
            _say(f" {time.perf_counter() - self._begin:.1f} s\n")
            self._is_open = False


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
