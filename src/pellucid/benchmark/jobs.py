"""Launch jobs of several processes, for each engine.

On this machine, or on places that a command leads to (network namespaces, machines).
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pellucid.engines.registry import ENGINES
from pellucid.errors import EngineError

_HERE = "127.0.0.1"


class Launch(NamedTuple):
    """A command and what its environment has besides: a launcher, or one process."""

    command: list[str]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where one process runs.

    Attributes
    ----------
    address : str
        By which the other processes reach it.
    prefix : tuple of str
        A command that runs another one there.
    interface : str, optional
        Its network interface, for gloo, which would go by the host's name.
    remote_shell : str, optional
        A program that is called as ``ssh HOST COMMAND``, for mpiexec.
    """

    address: str = _HERE
    prefix: tuple[str, ...] = ()
    interface: str | None = None
    remote_shell: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A script of Python that several processes run together on one engine.

    Attributes
    ----------
    engine : str
    script : tuple of str
        The script and its arguments, or ``-m`` and a module.
    places : tuple of Place
        One a process.
    """

    engine: str
    script: tuple[str, ...]
    hosts: tuple[Host, ...] = field(default=(Host(), Host()))

    @classmethod
    def on_this_machine(cls, engine: str, script: Sequence[str], count: int) -> Job:
        """Return a job of so many processes on this machine."""
        return cls(engine, tuple(script), (Host(),) * count)

    def launches(self) -> list[Launch]:
        """Return all that has to be started.

        Raises
        ------
        EngineError
            If mpiexec is needed and not installed.
        """
        table = {
            "mpiexec": self._launch_mpiexec,
            "torchrun": self._launch_torchrun,
            "environment": self._launch_each,
        }
        return table[ENGINES[self.engine].launcher]()

    def _launch_torchrun(self) -> list[Launch]:
        """One launcher a machine; all processes of this one share theirs."""
        port = str(find_free_port())
        launcher = [sys.executable, "-m", "torch.distributed.run"]
        if self._is_here:
            each = ["--nproc-per-node", str(len(self.hosts)), "--master-port", port]
            return [Launch([*launcher, *each, *self._torch_script], {})]
        shared = ["--nnodes", str(len(self.hosts)), "--nproc-per-node", "1"]
        shared += ["--master-addr", self.hosts[0].address, "--master-port", port]
        script = self._torch_script
        return [
            Launch(
                [*place.prefix, *launcher, *shared, f"--node-rank={rank}", *script],
                {"GLOO_SOCKET_IFNAME": place.interface} if place.interface else {},
            )
            for rank, place in enumerate(self.hosts)
        ]

    @property
    def _torch_script(self) -> list[str]:
        # -- ends the launcher's own options: it would read --run as --run-path
        is_module = self.script[0] == "-m"
        return ["-m", "--", *self.script[1:]] if is_module else list(self.script)

    @property
    def _is_here(self) -> bool:
        return all(place.address == _HERE for place in self.hosts)

    def _launch_each(self) -> list[Launch]:
        told = rank_environments(self.engine, [host.address for host in self.hosts])
        return [
            Launch([*host.prefix, sys.executable, *self.script], environment)
            for host, environment in zip(self.hosts, told, strict=True)
        ]

    def _launch_mpiexec(self) -> list[Launch]:
        first, count = self.hosts[0], str(len(self.hosts))
        options = ["-n", count]
        if not self._is_here:
            hosts = ",".join(place.address for place in self.hosts)
            options += ["-hosts", hosts, "-localhost", first.address]
        if first.remote_shell:
            options += ["-launcher", "ssh", "-launcher-exec", first.remote_shell]
        command = [
            *first.prefix,
            find_mpiexec(),
            *options,
            sys.executable,
            *self.script,
        ]
        return [Launch(command, {})]


def rank_environments(engine: str, addresses: Sequence[str]) -> list[dict[str, str]]:
    """Return what tells each process of a job its rank, and where the others are.

    ``addresses`` are those of the processes, to which free ports are added.
    """
    tell = ENGINES[engine].process_environment
    workers = [f"{address}:{find_free_port()}" for address in addresses]
    return [tell(workers, rank) if tell else {} for rank in range(len(workers))]


def find_free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((_HERE, 0))
        return int(probe.getsockname()[1])


def find_mpiexec() -> str:
    """Return where mpiexec is: beside this Python, or on the path.

    Raises
    ------
    EngineError
        If it is not installed.
    """
    beside = Path(sys.executable).parent
    found = shutil.which("mpiexec", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise EngineError(
            "mpiexec: must be installed; got no such program. "
            "Run: pip install 'pellucid[mpi]' mpich"
        )
    return found
