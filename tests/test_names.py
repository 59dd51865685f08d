"""The public names of pellucid: all there, each read when it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid as pl


def test_every_public_name_is_there():
    for name in pl.__all__:
        assert getattr(pl, name) is not None
    assert set(pl.__all__) <= set(dir(pl))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Modell'"):
        pl.Modell  # noqa: B018


def test_what_types_see_is_what_is_public():
    tree = ast.parse(Path(pl.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {name for _, name in seen} == set(pl.__all__) - {"__version__"}


def test_importing_pellucid_reads_nothing_heavy():
    probe = (
        "import sys, pellucid\n"
        "heavy = {'numpy', 'numba', 'llvmlite', 'torch', 'tensorflow', 'jax',"
        " 'matplotlib', 'PIL', 'pydantic', 'typer', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
