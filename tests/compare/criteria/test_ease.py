"""Scripts are counted as a person counts them."""

from __future__ import annotations

import ast
import inspect

import pytest

from pellucid.compare.criteria.ease import (
    count_code_lines,
    drop_reading,
    list_api_names,
)

_SCRIPT = '''"""A script."""

import argparse
import numpy as np
from torch import nn


def make_model():
    """Return it."""
    # a comment
    return nn.Sequential(nn.Linear(2, 3))


make_model().forward(np.zeros(2))
argparse.ArgumentParser()
", ".join([])
'''


def test_names_are_those_of_libraries_each_once() -> None:
    names = list_api_names(ast.parse(_SCRIPT))
    assert names == {"nn.Sequential", "nn.Linear", "np.zeros", ".forward"}


def test_lines_leave_out_blanks_comments_and_docstrings() -> None:
    assert count_code_lines(_SCRIPT, ast.parse(_SCRIPT)) == 8


@pytest.mark.parametrize("engine", ["numpy", "compiled", "torch", "tensorflow", "jax"])
def test_every_engine_has_a_script_to_show(ask, engine) -> None:
    measurements = ask("ease", engine)
    text = measurements["lines"].detail
    compile(text, "script.py", "exec")
    assert measurements["lines"].value > measurements["lines of the model"].value > 5
    names = set(measurements["API names"].detail.split())
    assert names == list_api_names(drop_reading(ast.parse(text)))
    assert "np.frombuffer" not in names  # what reads files is nobody's burden


def test_a_framework_takes_more_lines_than_a_program_of_ours(ask) -> None:
    lines = {e: ask("ease", e)["lines"].value for e in ("numpy", "compiled", "torch")}
    assert lines["torch"] > lines["numpy"] == lines["compiled"] + 1  # engine="numpy"


def test_what_reads_files_is_known_to_the_count() -> None:
    from pellucid.code import reader

    text = inspect.getsource(reader)
    kept = drop_reading(ast.parse(text))
    assert not [n for n in kept.body if isinstance(n, ast.FunctionDef)]
