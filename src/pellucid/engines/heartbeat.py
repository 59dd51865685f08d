"""Signs of life between the processes of a job, so that a silent one is named.

A process that has died is noticed by the launcher, or as a lost connection. One that
was stopped, or whose machine hangs, is not: the others would wait in their next sum
without a word. So each process sends the others a datagram every few seconds from a
thread of its own, and the first of those that are heard says who is not. A network
that lets no datagrams through costs only that sentence.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import secrets
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from pellucid.engines.distributed import ProcessGroup

#: seconds without a sign of life after which a process is named
SILENCE_S = 30.0
_BEAT_S = 2.0
_BEAT = struct.Struct("!QI?")  # token of the job, rank, whether it has ended
_started: list[Heartbeat] = []


def start(world: ProcessGroup) -> None:
    """Begin to listen and to send; all processes of a job call this together."""
    if world.size > 1 and not _started:
        heart = Heartbeat(world)
        _started.append(heart)
        threading.Thread(target=heart.beat, name="heartbeat", daemon=True).start()
        atexit.register(heart.end)


class Silence:
    """When each process was last heard, and what there is to say of it.

    Parameters
    ----------
    rank : int
        This process's.
    processes : dict of int to int
        The other ranks with their process numbers.
    limit_s : float
        How long a process may be silent.
    """

    def __init__(self, rank: int, processes: dict[int, int], limit_s: float) -> None:
        self._rank = rank
        self._processes = processes
        self._limit_s = limit_s
        self._heard: dict[int, float] = {}
        self._told: set[int] = set()

    def hear(self, rank: int, now: float, *, has_ended: bool = False) -> None:
        """Note a sign of life; one that has ended is not waited for."""
        if rank in self._processes and not has_ended:
            self._heard[rank] = now
        else:
            self._heard.pop(rank, None)
            self._told.discard(rank)

    def sentences(self, now: float) -> list[str]:
        """Return what is new: who fell silent, and who is heard again.

        Of the processes that are heard the first one speaks, the others return
        nothing.
        """
        silent = {r for r, at in self._heard.items() if now - at > self._limit_s}
        new, again = sorted(silent - self._told), sorted(self._told - silent)
        self._told = silent
        heard = {self._rank, *self._heard} - silent
        if self._rank != min(heard):
            return []
        return [
            *(
                f"train: rank {rank} (process {self._processes[rank]}) must give signs "
                f"of life; got none for {self._limit_s:.0f} s, and the others wait for "
                "it. Let it go on, or end the job and start it again with --resume."
                for rank in new
            ),
            *(f"train: rank {rank} is heard again." for rank in again),
        ]


class Heartbeat:
    """The socket on which the processes of a job hear each other."""

    def __init__(
        self, world: ProcessGroup, say: Callable[[str], None] | None = None
    ) -> None:
        self._rank = world.rank
        self._say = say or _say
        self._is_over = threading.Event()
        self._token, is_one_host = _introduction(world)
        self._socket, address, port = _opened(is_one_host)
        table = np.zeros((world.size, 3), np.int64)
        table[world.rank] = address, port, os.getpid()
        rows = world.sum(table).tolist()
        others = {rank: row for rank, row in enumerate(rows) if rank != world.rank}
        self._addresses = [
            (socket.inet_ntoa(struct.pack("!I", row[0])), int(row[1]))
            for row in others.values()
            if row[1]
        ]
        self._silence = Silence(
            world.rank, {r: int(row[2]) for r, row in others.items()}, SILENCE_S
        )

    def beat(self) -> None:
        """Send and listen, to the end."""
        slept = time.monotonic()
        while self._socket is not None and not self._is_over.is_set():
            self._send(has_ended=False)
            self._listen(time.monotonic() + _BEAT_S)
            now = time.monotonic()
            if now - slept < SILENCE_S / 2:  # else this process itself was stopped
                for sentence in self._silence.sentences(now):
                    self._say(sentence)
            slept = now

    def end(self) -> None:
        """Tell the others not to wait for a sign any more."""
        self._is_over.set()
        self._send(has_ended=True)
        if self._socket is not None:
            self._socket.close()

    def _send(self, *, has_ended: bool) -> None:
        message = _BEAT.pack(self._token, self._rank, has_ended)
        for address in self._addresses:
            try:
                if self._socket is not None:
                    self._socket.sendto(message, address)
            except OSError:  # no way there now; the next one may arrive
                continue

    def _listen(self, end: float) -> None:
        while self._socket is not None and (left := end - time.monotonic()) > 0:
            try:
                self._socket.settimeout(left)
                message = self._socket.recv(64)
            except OSError:  # nothing within the time, or a way that is closed
                if self._is_over.wait(0.01):
                    return
                continue
            if len(message) == _BEAT.size:
                token, rank, has_ended = _BEAT.unpack(message)
                if token == self._token:
                    self._silence.hear(rank, time.monotonic(), has_ended=has_ended)


def _introduction(world: ProcessGroup) -> tuple[int, bool]:
    """Return the job's token, and whether all processes are on one machine."""
    own = hashlib.blake2b(socket.gethostname().encode(), digest_size=6).digest()
    table = np.zeros(world.size + 1, np.int64)
    table[world.rank] = int.from_bytes(own, "big")
    if world.rank == 0:
        table[-1] = secrets.randbits(48)
    *hosts, token = world.sum(table).tolist()
    return int(token), len(set(hosts)) == 1


def _opened(is_one_host: bool) -> tuple[socket.socket | None, int, int]:
    """Return a socket with its address and port; port 0 where there is none."""
    try:
        host = "127.0.0.1" if is_one_host else _outward_address()
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((host, 0))
        (address,) = struct.unpack("!I", socket.inet_aton(host))
        return made, int(address), int(made.getsockname()[1])
    except OSError:
        return None, 0, 0


def _outward_address() -> str:
    """Return the address from which this machine speaks to others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # RFC 5737: an example's; nothing is sent
        return str(probe.getsockname()[0])


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
