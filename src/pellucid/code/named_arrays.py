"""Data section of a script with several inputs or outputs: arrays by name."""

from __future__ import annotations

import json

from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call
from pellucid.errors import RunError

_FUNCTIONS = '''def take(arrays: Arrays, chosen: np.ndarray | slice) -> Arrays:
    """Return some examples of every array."""
    return {{name: array[chosen] for name, array in arrays.items()}}


def count(arrays: Arrays) -> int:
    """Return the number of examples."""
    return len(next(iter(arrays.values())))


def to_input(array: np.ndarray) -> np.ndarray:
    """Return pixels as the network takes them, and other numbers as they are."""
    if array.dtype != np.uint8:
        return array.astype(np.{dtype})
    return prepare(array[..., None] if array.ndim == 3 else array)


def load(path: Path, part: str) -> tuple[Arrays, Arrays]:
    """Return inputs and labels of "train" or "test", by name.

    Names in the file end in _train and _test, or a fifth of the examples is the test.
    """
    with np.load(path) as file:
        arrays = dict(file)
    is_divided = f"{{INPUTS[0]}}_train" in arrays
    ending = f"_{{part}}" if is_divided else ""
    names = [name + ending for name in (*INPUTS, *LABELS)]
    if missing := [name for name in names if name not in arrays]:
        raise SystemExit(f"{{path}} must have arrays {{names}}; it lacks {{missing}}")
    images = {{name: to_input(arrays[name + ending]) for name in INPUTS}}
    labels = {{name: arrays[name + ending] for name in LABELS}}
    if not is_divided:
        is_test = held_out(labels[LABELS[0]], 0.2, SPLIT_SEED)
        chosen = is_test if part == "test" else ~is_test
        images, labels = take(images, chosen), take(labels, chosen)
    return images, labels


def as_targets(labels: Arrays) -> Arrays:
    """Return labels as the losses take them."""
    return {{
{targets}
    }}
'''


def check(spec: ScriptSpec) -> list[str]:
    """Return the lines that refuse a path that is no .npz file, given ``options``.

    Raises
    ------
    RunError
        If the recipe's data is no .npz file.
    """
    source = spec.recipe.data.source
    if not source.endswith(".npz"):
        names = (*spec.network.inputs, *(head.name for head in spec.heads))
        raise RunError(
            "code: data of a network with several inputs or outputs must be a .npz "
            f"with arrays called {', '.join(names)}; got '{source}'. Name one: --data."
        )
    return [
        "    if not options.data.is_file():",
        '        parser.error(f"--data must be a .npz file; got {options.data}")',
    ]


def constants(spec: ScriptSpec) -> list[str]:
    """Return what a script says of its arrays, before its functions."""
    rows = {
        "INPUTS": spec.network.inputs,
        "LABELS": [head.name for head in spec.heads],
    }
    lines = [f"SPLIT_SEED = {spec.recipe.data.seed}"]
    for name, entries in rows.items():
        row = f"{name} = [{', '.join(map(json.dumps, entries))}]"
        if len(row) > 88:
            row = "\n".join(
                [f"{name} = [", *(f"    {json.dumps(e)}," for e in entries)]
            )
            row += "\n]"
        lines.append(row)
    return lines


def functions(spec: ScriptSpec) -> str:
    """Return the functions that read arrays and take some of them."""
    rows = []
    for head in spec.heads:
        key = json.dumps(head.name)
        is_class = head.loss.name == "cross_entropy"
        kind = "int64" if is_class else spec.recipe.dtype
        shape = "-1" if is_class else f"-1, {head.classes}"
        row = f"{key}: labels[{key}].astype(np.{kind}).reshape({shape}),"
        rows.append(f"        {row}")
    return _FUNCTIONS.format(dtype=spec.recipe.dtype, targets="\n".join(rows))


def target_lines(spec: ScriptSpec) -> list[str]:
    """Return the lines of ``main`` that make labels what losses take."""
    parts = ["validation_"] if spec.recipe.validation_split else []
    names = [f"{part}labels" for part in ("", *parts, "test_")]
    return [f"    {name} = as_targets({name})" for name in names]


def load_lines() -> list[str]:
    """Return the lines of ``main`` that load the data."""
    return [
        '    images, labels = load(options.data, "train")',
        "    if options.limit is not None and options.limit < count(images):",
        "        share = options.limit / count(images)",
        call(
            "is_kept = held_out", ["labels[LABELS[0]]", "share", "SPLIT_SEED"], indent=8
        ),
        "        images, labels = take(images, is_kept), take(labels, is_kept)",
        '    test_images, test_labels = load(options.data, "test")',
    ]


def hold_out_lines(split: str) -> list[str]:
    """Return the lines of ``main`` that keep examples for validation."""
    return [
        call("is_held = held_out", ["labels[LABELS[0]]", split, "options.seed"]),
        "    validation_images = take(images, is_held)",
        "    validation_labels = take(labels, is_held)",
        "    images, labels = take(images, ~is_held), take(labels, ~is_held)",
    ]
