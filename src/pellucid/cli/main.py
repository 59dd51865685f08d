"""Entry point of the command line: run a command, return its exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from enum import IntEnum

from pellucid.cli.ignore_interrupts import ignore_interrupts
from pellucid.errors import DivergenceError, PellucidError


class ExitCode(IntEnum):
    """Exit codes of commands."""

    DONE = 0
    CHECK_FAILED = 1
    INPUT_ERROR = 2
    DIVERGED = 3
    INTERNAL_ERROR = 70  # sysexits.h: EX_SOFTWARE
    INTERRUPTED = 130  # 128 + SIGINT
    BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after ``pellucid``; the process's own if left out.

    Returns
    -------
    int
        0 success, 1 a check failed, 2 wrong input or environment (one sentence on
        stderr), 3 training diverged, 70 internal error (with its traceback), 130
        Ctrl-C, 141 broken pipe.
    """
    code = _run_guarded(arguments)
    if code == ExitCode.INTERRUPTED and arguments is None:
        ignore_interrupts()  # another Ctrl-C must not change the exit code
    return code


def _run_guarded(arguments: Sequence[str] | None) -> int:
    """Run, and turn exceptions into exit codes."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _discard_stdout()
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except PellucidError as error:
        sys.stderr.write(f"error: {error}\n")
        is_diverged = isinstance(error, DivergenceError)
        return ExitCode.DIVERGED if is_diverged else ExitCode.INPUT_ERROR
    except Exception:  # noqa: BLE001 - outermost handler: report any exception
        traceback.print_exc()
        sys.stderr.write("This is a bug in pellucid. Please report the lines above.\n")
        return ExitCode.INTERNAL_ERROR


def _run(arguments: Sequence[str] | None) -> int:
    """Parse and run with typer, which raises SystemExit at the end."""
    from pellucid.cli.app import command

    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        command().main(given, prog_name="pellucid")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    finally:
        own = sys.modules.get("pellucid.network.registered_layers")
        if own is not None:  # of --layers: another command in this process has its own
            own.forget_layers()
    return ExitCode.DONE


def _discard_stdout() -> None:
    """Redirect stdout to null, so that Python does not report the closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
