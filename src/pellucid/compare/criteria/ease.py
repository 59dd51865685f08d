"""Criterion "How easy is it?": the script, its lines and its names."""

from __future__ import annotations

import ast

from pellucid.compare.criteria.criterion import Chart, Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.scripts import write_script_text
from pellucid.compare.task import Task

#: modules whose names belong to every Python programmer, not to a framework
_COMMON = {"argparse", "gzip", "PIL", "pathlib", "math", "__future__"}


#: functions of the scripts that read files and divide what they hold
_READING = (
    "read_idx",
    "load",
    "prepare",
    "read_binary",
    "held_out",
    "roles",
    "folders",
    "has_pictures",
    "only_folder",
    "is_unclear",
    "parts_of",
    "classes_of",
    "pictures_of",
    "eight_bits",
    "read_picture",
)


def measure(task: Task) -> list[Measurement]:
    """Write the script, and count."""
    text = write_script_text(task)
    tree = ast.parse(text)
    names = list_api_names(drop_reading(tree))
    return [
        Measurement(
            name="lines",
            value=count_code_lines(text, tree),
            note="Without blank lines, comments and docstrings.",
            detail=text,
        ),
        Measurement(
            name="lines without reading files",
            value=count_code_lines(text, tree) - _count_lines(tree, _READING),
            note="Our program has the data at hand, the others open the files.",
        ),
        Measurement(
            name="API names",
            value=len(names),
            note="Distinct names of the framework and NumPy that it uses, but to read "
            "files.",
            detail="\n".join(sorted(names)),
        ),
        Measurement(
            name="lines of the model",
            value=_count_lines(tree, ("make_model", "make_network", "forward")),
            note="From the first layer to the last: what describes the network.",
        ),
        Measurement(
            name="lines of a training step",
            value=_count_lines(tree, ("train", "train_step", "update", "backward"))
            or _count_call_lines(tree, "fit"),
            note="The loop, the update and the derivatives, as far as one writes them.",
        ),
    ]


def drop_reading(tree: ast.Module) -> ast.Module:
    """Return a script without the functions that read files."""
    kept = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and node.name in _READING)
    ]
    return ast.Module(kept, tree.type_ignores)


def count_code_lines(text: str, tree: ast.AST) -> int:
    """Return how many lines hold code."""
    documented: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            is_text = isinstance(first, ast.Expr) and isinstance(
                first.value, ast.Constant
            )
            if first is not None and is_text:
                documented |= set(range(first.lineno, (first.end_lineno or 0) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and n not in documented
        for n, line in lines
    )


def list_api_names(tree: ast.AST) -> set[str]:
    """Return the distinct dotted names that a script takes from its imports.

    Methods of what these return (``loss.backward``, ``model.fit``) are counted by
    their name where no function or variable of the script has it.

    Examples
    --------
    >>> script = "import numpy as np\\nnp.random.rand(3).mean()"
    >>> sorted(list_api_names(ast.parse(script)))
    ['.mean', 'np.random.rand']
    """
    imported = _list_imported_names(tree)
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = _dotted_name(node)
            root = name.partition(".")[0] if name else ""
            if name and root in imported:
                found.add(name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = _dotted_name(node.func)
            root = name.partition(".")[0] if name else ""
            if root not in imported | _COMMON and not _is_builtin_method(
                node.func.attr
            ):
                found.add(f".{node.func.attr}")
        if isinstance(node, ast.Name) and node.id in imported and node.id not in own:
            found.add(node.id)
    return {n for n in found if not any(o.startswith(f"{n}.") for o in found)}


def _list_imported_names(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            kept = [a for a in node.names if a.name.partition(".")[0] not in _COMMON]
            names |= {a.asname or a.name.partition(".")[0] for a in kept}
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").partition(".")[0] not in _COMMON
        ):
            names |= {a.asname or a.name for a in node.names}
    return names


def _is_builtin_method(name: str) -> bool:
    """Return whether a method is one of Python's own or of the common modules."""
    kinds = (str, dict, list, tuple, bytes, set)
    common = {"add_argument", "parse_args", "glob", "read", "get", "items"}
    return name in common or any(hasattr(kind, name) for kind in kinds)


def _dotted_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted_name(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _count_lines(tree: ast.AST, functions: tuple[str, ...]) -> int:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in functions
    ]
    return sum((n.end_lineno or 0) - n.body[0].lineno for n in found)


def _count_call_lines(tree: ast.AST, method: str) -> int:
    """Return the lines of the calls of a method."""
    return sum(
        (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in (method, "compile")
    )


ROW = Criterion(
    name="ease",
    question="How easy is it?",
    how="The script that a person of that community would write for this very network "
    "(pellucid code NETWORK --framework …; for our own engines the pellucid program) "
    "is generated, shown, and counted: its lines, and the distinct names of libraries "
    "one must know to write it.",
    measure=measure,
    is_timed=False,
    charts=(
        Chart(
            title="What one writes and must know",
            figures=("lines without reading files", "API names"),
        ),
    ),
    aspects=(
        ScoredMetric.lower("ease", "lines without reading files"),
        ScoredMetric.lower("ease", "API names"),
    ),
)
