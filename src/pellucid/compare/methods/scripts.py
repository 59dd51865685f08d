"""Reader's network as one script per engine, written and run."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pellucid.code import write_script
from pellucid.compare.methods.pellucid_program import write_pellucid_program
from pellucid.compare.methods.subject import get_network, read_recipe
from pellucid.compare.task import Task
from pellucid.engines.registry import ENGINES, OURS


def write_script_text(task: Task) -> str:
    """Return the idiomatic script of the task's network for the task's engine.

    Raises
    ------
    PellucidError
        If the network cannot be written for that framework.
    """
    network, recipe = get_network(task), read_recipe(task.network, task.data)
    name = script_name(task)
    if task.engine in OURS:
        stem = Path(name).stem
        return write_pellucid_program(network, recipe, stem=stem, engine=task.engine)
    framework = ENGINES[task.engine].script_framework
    data = Path(task.data).name
    return write_script(network, framework, recipe=recipe, data=data, name=name).text


def script_name(task: Task) -> str:
    """Return the script's file name."""
    record = ENGINES[task.engine]
    framework = record.script_framework if record.is_framework else "pellucid"
    stem = "".join(c if c.isalnum() else "_" for c in Path(task.network).stem)
    return f"{stem.lower()}_{framework}.py"


def load_script(text: str, path: Path) -> ModuleType:
    """Write a script and run it as a module, so that tracebacks show its lines."""
    path.write_text(text, encoding="utf-8")
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


@contextlib.contextmanager
def silence() -> Iterator[io.StringIO]:
    """Take what a framework prints, instead of showing it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    spoken = io.StringIO()
    with contextlib.redirect_stdout(spoken), contextlib.redirect_stderr(io.StringIO()):
        yield spoken
