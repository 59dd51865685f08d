"""Pages of the reference: every public name once, by package."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pellucid.model import Model

#: package → what its page is called; the first one that has a name documents it
PACKAGES = {
    "pellucid": "What `import pellucid as pl` gives",
    "pellucid.data": "Data",
    "pellucid.network": "Networks",
    "pellucid.objectives": "Losses, optimizers, schedules, metrics",
    "pellucid.training": "Training",
    "pellucid.engines": "Engines",
    "pellucid.runs": "Runs",
    "pellucid.recipes": "Recipes",
    "pellucid.search": "Search",
    "pellucid.explain": "Explain",
    "pellucid.verify": "Verify",
    "pellucid.exchange": "Exchange",
    "pellucid.serving": "Serving",
    "pellucid.sklearn": "scikit-learn",
    "pellucid.benchmark": "Benchmark",
}
_CLASS = """
.. autoclass:: {path}
   :members:
"""
#: a model is made of classes that are documented as one
_MODEL = f"{_CLASS.rstrip()}\n   :inherited-members: object\n"
_FUNCTION = """
.. autofunction:: {path}
"""


def write_reference(folder: Path) -> None:
    """Write a page for each package, and one that lists them."""
    folder.mkdir(parents=True)
    seen: set[int] = set()
    rows = []
    for package, title in PACKAGES.items():
        title = title.replace("`", "``")
        found = list(_names(package, seen))
        lines = [title, "=" * len(title), "", f".. currentmodule:: {package}"]
        for name, thing in found:
            form = _CLASS if inspect.isclass(thing) else _FUNCTION
            form = _MODEL if thing is Model else form
            lines.append(form.format(path=f"{package}.{name}"))
        (folder / f"{package}.rst").write_text("\n".join(lines), encoding="utf-8")
        rows.append(f"   {package}")
    head = ["Reference", "=========", "", "All public names, by package.", ""]
    toc = [".. toctree::", "   :maxdepth: 1", "", *rows, ""]
    (folder / "index.rst").write_text("\n".join([*head, *toc]), encoding="utf-8")


def _names(package: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield the functions and classes that no page has documented."""
    module = importlib.import_module(package)
    names = [name for name in vars(module) if not name.startswith("_")]
    public = getattr(module, "__all__", names)
    for name in sorted(public, key=str.lower):
        thing = getattr(module, name)
        home = getattr(thing, "__module__", "") or ""
        is_ours = home.startswith("pellucid") and hasattr(thing, "__name__")
        if is_ours and callable(thing) and id(thing) not in seen:
            seen.add(id(thing))
            yield name, thing
