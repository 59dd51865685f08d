"""Public docstrings have numpydoc's sections: parameters, results, what is raised."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import pellucid as pl

numpydoc = pytest.importorskip("numpydoc.validate", reason="numpydoc is not installed")

#: packages whose public names are documented in full
PACKAGES = (
    "data",
    "exchange",
    "explain",
    "network",
    "objectives",
    "recipes",
    "runs",
    "training",
    "verify",
)
#: numpydoc's codes of what must not be missing
CODES = {
    "GL08": "no docstring",
    "PR01": "parameters that are not documented",
    "PR02": "documented parameters that there are not",
    "PR07": "a parameter without description",
    "RT01": "no section Returns",
    "RT03": "a result without description",
    "SS03": "a summary that does not end with a period",
    "YD01": "no section Yields",
}


def public() -> Iterator[tuple[str, Any]]:
    """Yield the public functions, classes and methods, each once, by full name."""
    found: dict[str, Any] = {}
    for package in ("pellucid", *(f"pellucid.{name}" for name in PACKAGES)):
        module = importlib.import_module(package)
        names = [name for name in dir(module) if not name.startswith("_")]
        for name in getattr(module, "__all__", names):
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "") or ""
            if home.startswith("pellucid") and callable(thing):
                found[f"{home}.{thing.__qualname__}"] = thing
    parts = [(f"{c.__module__}.{c.__name__}", c) for c in pl.Model.__mro__[1:-1]]
    for path, thing in (*sorted(found.items()), *parts):  # a model is made of parts
        if (path, thing) not in parts:
            yield path, thing
        if inspect.isclass(thing):
            for name in vars(thing):
                if not name.startswith("_") and not _is_inherited(thing, name):
                    yield f"{path}.{name}", getattr(thing, name)


def _is_inherited(kind: type, name: str) -> bool:
    """Return whether a method overrides one that is documented, or is no method."""
    if any(hasattr(base, name) for base in kind.__mro__[1:-1]):
        return True
    method = inspect.getattr_static(kind, name)
    return not (inspect.isroutine(method) or isinstance(method, property))


PUBLIC = dict(public())


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_docstring_is_complete(path: str) -> None:
    if getattr(PUBLIC[path], "_is_protocol", False):
        return
    errors = {
        code: text
        for code, text in numpydoc.validate(path)["errors"]
        if code in CODES and "{'name'}" not in text  # a layer's: see `Layer`
    }
    assert not errors, errors
