"""The structure that docs/architecture.md describes, held."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pellucid.engines.registry import ENGINES

SOURCE = Path(__file__).parents[1] / "src" / "pellucid"
FILES = sorted(SOURCE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = ("pellucid", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


TREES = {module_of(path): ast.parse(path.read_text("utf-8")) for path in FILES}


def is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def top_imports(tree: ast.Module) -> Iterator[str]:
    """Give the modules that a module imports when it is imported itself."""
    for node in tree.body:
        if is_type_checking(node):
            continue
        if isinstance(node, ast.FunctionDef):
            continue
        body = node.body if isinstance(node, ast.ClassDef) else [node]
        kept = [n for n in body if not isinstance(n, ast.FunctionDef)]
        for inner in (found for n in kept for found in ast.walk(n)):
            if isinstance(inner, ast.Import):
                yield from (alias.name for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom) and inner.module:
                for alias in inner.names:
                    whole = f"{inner.module}.{alias.name}"
                    yield whole if whole in TREES else inner.module


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: {name for name in top_imports(tree) if name in TREES and name != module}
        for module, tree in TREES.items()
    }
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        if module in path:
            pytest.fail(" → ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for name in sorted(graph[module]):
                visit(name)
            path.pop()
            done.add(module)

    for module in sorted(graph):
        visit(module)


def test_docstrings_of_modules_name_what_they_hold() -> None:
    texts = {module: ast.get_docstring(tree) or "" for module, tree in TREES.items()}
    assert [module for module, text in texts.items() if not text] == []
    bad = [module for module, text in texts.items() if text.startswith("This file")]
    assert bad == []


#: of the former vocabulary: identifiers that must not come back
FORMER = {
    *("World", "Lowering", "Unit", "Phase", "Assembler", "Proof", "Site"),
    *("take_apart", "put_together", "beginning", "pull_through"),
}


def test_no_name_of_the_former_vocabulary_is_defined() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [
        f"{module}: {node.name}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.name in FORMER
    ]
    assert found == []


#: engines are engines; scripts name frameworks, which are called alike
NAMING = ("engines", "code")
#: tables keyed by what is called alike: contenders that are timed, Keras's backends
TABLES = {
    "pellucid.benchmark.contenders.table",
    "pellucid.drop_in.keras.backends",
}
#: results of schema version 1 are corrected by the engine that they were of
READS_OLD_FILES = {"pellucid.compare.results.schema_1"}


def is_engine(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(is_engine, node.elts))
    return isinstance(node, ast.Constant) and node.value in ENGINES


def asks_for_an_engine(node: ast.AST) -> bool:
    """Tell whether a comparison or the keys of a table name an engine."""
    if isinstance(node, ast.Compare):
        is_module = "sys.modules" in ast.unparse(node)
        return not is_module and any(map(is_engine, [node.left, *node.comparators]))
    return isinstance(node, ast.Dict) and sum(map(is_engine, node.keys)) > 1


def test_only_records_know_engines_by_their_names() -> None:
    found = [
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        if module.split(".")[1:2] and module.split(".")[1] not in NAMING
        if module not in TABLES | READS_OLD_FILES
        for node in ast.walk(tree)
        if asks_for_an_engine(node)
    ]
    assert found == []


def test_the_gate_on_engine_names_sees_what_it_must() -> None:
    for text in (
        'engine == "numpy"',
        'e in ("torch", "jax")',
        '{"jax": 1, "torch": 2}',
    ):
        assert any(map(asks_for_an_engine, ast.walk(ast.parse(text)))), text
    for text in ('name == "keras"', "engine == other", '{"torch": 1}'):
        assert not any(map(asks_for_an_engine, ast.walk(ast.parse(text)))), text
