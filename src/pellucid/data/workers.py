"""Worker processes that decode pictures while others train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Self, TypeAlias

import numpy as np

from pellucid.data.broken import Broken, broken_error
from pellucid.data.decode_worker import Wanted
from pellucid.data.picture import Pixels
from pellucid.errors import DataError

_Answer: TypeAlias = tuple[Pixels, Broken]

_PICTURES_AT_ONCE = 64
_PROGRAM = "from pellucid.data.decode_worker import main; main()"


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Run decoder processes as long as a ``with`` block lasts.

    They are plain child processes that talk over pipes, because a child of
    `multiprocessing` runs the main script again, and a script without
    ``if __name__ == "__main__"`` would never come to its end.

    Parameters
    ----------
    wanted : Wanted
        Where the pictures lie and what they become.
    count : int, optional
        Number of processes; one per processor unless given.
    """

    def __init__(self, wanted: Wanted, count: int | None = None) -> None:
        self._wanted = wanted
        self._count = count or processors()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(self._count, "pellucid-decoder")

    def __enter__(self) -> Self:
        """Start the processes."""
        try:
            for _ in range(self._count):
                process = _start()
                self._processes.append(process)
                self._idle.put(process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes and wait until they are gone."""
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            _close(process)

    def stream(self, batches: Iterable[Sequence[str]]) -> Iterator[Pixels]:
        """Decode batches of names in order, some of them ahead.

        As `stream_whole`, but a broken picture is an error.

        Yields
        ------
        ndarray of uint8, shape (len(batch), H, W, C)

        Raises
        ------
        DataError
            As `decoder.decode`; or if a process ended on its own.
        """
        for pixels, broken in self.stream_whole(batches):
            if broken:
                raise broken_error(broken)
            yield pixels

    def stream_whole(
        self, batches: Iterable[Sequence[str]]
    ) -> Iterator[tuple[Pixels, Broken]]:
        """Decode batches of names in order, and say which pictures are broken.

        Parameters
        ----------
        batches : iterable of sequence of str
            The names of each batch.

        Yields
        ------
        tuple of (ndarray of uint8, shape (len(batch), H, W, C); mapping of str to str)
            As `decoder.decode_whole`.

        Raises
        ------
        DataError
            As `decoder.decode_whole`; or if a process ended on its own.
        """
        pending: deque[list[Future[_Answer]]] = deque()
        for names in batches:
            pending.append(self._submit(names))
            if sum(map(len, pending)) > 2 * self._count:
                yield _join(pending.popleft(), self._wanted)
        while pending:
            yield _join(pending.popleft(), self._wanted)

    def _submit(self, names: Sequence[str]) -> list[Future[_Answer]]:
        """Hand a batch to the processes in pieces."""
        starts = range(0, len(names), _PICTURES_AT_ONCE)
        pieces = [list(names[i : i + _PICTURES_AT_ONCE]) for i in starts]
        return [self._threads.submit(self._decode, piece) for piece in pieces]

    def _decode(self, names: list[str]) -> _Answer:
        """Let one idle process decode one piece."""
        process = self._idle.get()
        try:
            return _ask(process, self._wanted, names)
        finally:
            self._idle.put(process)


def _start() -> subprocess.Popen[bytes]:
    """Start a decoder that finds the packages this process finds."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is for the parent, which then ends us
    )


def _ask(process: subprocess.Popen[bytes], wanted: Wanted, names: list[str]) -> _Answer:
    """Send one request and read its answer."""
    stdin, stdout = _pipes(process)
    request = {"wanted": wanted.to_json(), "names": names}
    out = np.empty((len(names), *wanted.shape), np.uint8)
    try:
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise EOFError
        answer = json.loads(line)
        if "error" not in answer:
            _read_into(stdout, out.data.cast("B"))
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            "load: a process that decodes pictures must answer; "
            f"got exit code {process.poll()} while it decoded {names[0]!r}."
        ) from error
    if "error" in answer:
        raise DataError(answer["error"])
    return out, answer["broken"]


def _read_into(source: IO[bytes], target: memoryview) -> None:
    """Fill the target, or raise EOFError."""
    done = 0
    while done < len(target):
        data = source.read(len(target) - done)
        if not data:
            raise EOFError
        target[done : done + len(data)] = data
        done += len(data)


def _join(pieces: list[Future[_Answer]], wanted: Wanted) -> _Answer:
    """Wait for the pieces of a batch and put them together."""
    if not pieces:
        return np.empty((0, *wanted.shape), np.uint8), {}
    if len(pieces) == 1:
        return pieces[0].result()
    answers = [piece.result() for piece in pieces]
    broken = {name: why for _, part in answers for name, why in part.items()}
    return np.concatenate([pixels for pixels, _ in answers]), broken


def _close(process: subprocess.Popen[bytes]) -> None:
    """Wait for an ended process and close its pipes."""
    process.wait()
    stdin, stdout = _pipes(process)
    stdout.close()
    with suppress(OSError):  # a request that it never read was still in the pipe
        stdin.close()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return stdin and stdout, which `_start` always opens."""
    if process.stdin is None or process.stdout is None:
        raise EOFError
    return process.stdin, process.stdout
