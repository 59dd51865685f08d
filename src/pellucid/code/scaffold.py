"""Scaffold of all scripts: arguments, constants, data, accuracy."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pellucid.code import data, named_arrays
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call, number
from pellucid.objectives import OneCycle, StepDecay
from pellucid.objectives.schedules import Cosine

_NAMES = {"numpy": "NumPy", "torch": "PyTorch", "keras": "Keras", "jax": "JAX"}


def heading(spec: ScriptSpec, script: str, words: str = "") -> str:
    """Return the docstring of the script."""
    network, name = spec.network, _NAMES[spec.framework]
    first = f"{network.name} in {name}: {network.parameter_count:,} parameters."
    what = f"{words}\n\n" if words else ""
    weights = ""
    if spec.weights_file:
        weights = (
            f"\nIt starts from the weights in {spec.weights_file}, and trains on "
            "only\nwhere --epochs says so.\n"
        )
    place = "FILE" if spec.is_several else "FOLDER"
    return f'"""{first}\n\n{what}Run: python {script} [--data {place}]\n{weights}"""\n'


def arguments(spec: ScriptSpec) -> str:
    """Return the function ``arguments``, which reads the command line."""
    epochs = 0 if spec.weights_file else spec.recipe.epochs
    folder = json.dumps(spec.data.replace("\\", "/"), ensure_ascii=False)
    data_words = ['"--data"', "type=Path", f"default=Path({folder})"]
    limit = spec.recipe.data.limit
    limit_words = ['"--limit"', "type=int", *([f"default={limit}"] if limit else [])]
    return "\n".join(
        [
            "def arguments() -> argparse.Namespace:",
            '    """Read the command line."""',
            "    parser = argparse.ArgumentParser(description=__doc__)",
            call("parser.add_argument", data_words),
            f'    parser.add_argument("--epochs", type=int, default={epochs})',
            call(
                "parser.add_argument",
                [*limit_words, 'help="use only so many images"'],
            ),
            f'    parser.add_argument("--seed", type=int, default={spec.recipe.seed})',
            *_parsed(data.check(spec)),
            "",
        ]
    )


def _parsed(check: list[str]) -> list[str]:
    """Return the lines that end ``arguments``."""
    if not check:
        return ["    return parser.parse_args()"]
    return ["    options = parser.parse_args()", *check, "    return options"]


def constants(spec: ScriptSpec) -> str:
    """Return the hyperparameters at the top of the script."""
    rate = number(spec.optimizer.learning_rate)
    lines = [f"BATCH_SIZE = {spec.recipe.batch_size}", f"LEARNING_RATE = {rate}"]
    if spec.is_several:
        lines += named_arrays.constants(spec)
    if spec.weights_file:
        weights = f'Path(__file__).with_name("{spec.weights_file}")'
        lines.append(f"WEIGHTS = {weights}")
    return "\n".join(lines) + "\n"


def rate_factor(spec: ScriptSpec) -> str:
    """Return ``rate_factor(step, steps, steps_per_epoch)``, or nothing if constant.

    The steps are counted from 0; the formulas are those of `pellucid.objectives`.
    """
    schedule = spec.schedule
    head = "def rate_factor(step: int, steps: int) -> float:\n"
    if isinstance(schedule, Cosine):
        floor = number(schedule.floor)
        rise = f"{floor} + (1 - {floor}) * " if schedule.floor else ""
        return head + (
            '    """Fall along half a cosine."""\n'
            f"    return {rise}(1 + math.cos(math.pi * step / steps)) / 2\n"
        )
    if isinstance(schedule, OneCycle):
        start, end = number(schedule.start), number(schedule.end)
        return head + (
            f'    """Rise from 1 / {start} to 1, then fall to 1 / {end}."""\n'
            f"    peak = {number(schedule.warm_up)} * steps - 1\n"
            "    if step < peak:\n"
            f"        first, last, share = 1 / {start}, 1.0, step / peak\n"
            "    else:\n"
            f"        first, last = 1.0, 1 / {end}\n"
            "        share = min((step - peak) / (steps - 1 - peak), 1.0)\n"
            "    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2\n"
        )
    if isinstance(schedule, StepDecay):
        return (
            "def rate_factor(step: int, steps_per_epoch: int) -> float:\n"
            f'    """Multiply by {number(schedule.gamma)} every {schedule.every} '
            'epochs."""\n'
            f"    epoch = step // steps_per_epoch\n"
            f"    return {number(schedule.gamma)} ** (epoch // {schedule.every})\n"
        )
    return ""


def rate_call(spec: ScriptSpec, step: str) -> str:
    """Return the call of ``rate_factor`` for a step, given by an expression."""
    if isinstance(spec.schedule, StepDecay):
        return f"rate_factor({step}, steps_per_epoch)"
    return f"rate_factor({step}, steps)"


def load_lines(spec: ScriptSpec) -> list[str]:
    """Return the lines of ``main`` that load the data."""
    if spec.is_several:
        return named_arrays.load_lines()
    part = data.test_part(spec)
    lines = ['    images, labels = load(options.data, "train")']
    if data.holds_out(spec):
        lines += [
            "    if options.limit is not None and options.limit < len(images):",
            "        share = options.limit / len(images)",
            f"        is_kept = held_out(labels, share, {spec.recipe.data.seed})",
            "        images, labels = images[is_kept], labels[is_kept]",
        ]
    else:
        lines.append(
            "    images, labels = images[: options.limit], labels[: options.limit]"
        )
    return [*lines, f'    test_images, test_labels = load(options.data, "{part}")']


def hold_out_lines(spec: ScriptSpec) -> list[str]:
    """Return the lines that keep images for validation, as a run does, or none."""
    if not spec.recipe.validation_split:
        return []
    split = number(spec.recipe.validation_split)
    if spec.is_several:
        return named_arrays.hold_out_lines(split)
    return [
        f"    is_held = held_out(labels, {split}, options.seed)",
        "    validation_images, validation_labels = images[is_held], labels[is_held]",
        "    images, labels = images[~is_held], labels[~is_held]",
    ]


def score_lines(spec: ScriptSpec, arguments: str) -> list[str]:
    """Return the lines that print scores; the test's comes last.

    ``arguments`` are those of the function, with {images} and {labels} in them.
    """
    parts = ["validation"] if spec.recipe.validation_split else []
    if spec.is_several:
        return [line for part in (*parts, "test") for line in _scores(part, arguments)]
    name, lines = spec.head.score, []
    for part in (*parts, "test"):
        given = arguments.format(images=f"{part}_images", labels=f"{part}_labels")
        variable = "share" if name == "accuracy" else "error"
        lines += [f"    {variable} = {name}({given})", said(part, name, variable)]
    return lines


def _scores(part: str, arguments: str) -> list[str]:
    """Return the lines that print the scores of all outputs."""
    given = arguments.format(images=f"{part}_images", labels=f"{part}_labels")
    return [
        call(f"{part}_scores = scores", [given]),
        f"    for name, value in {part}_scores.items():",
        f'        print(f"{part} {{name}}: {{value:.4g}}")',
    ]


def score_names(spec: ScriptSpec) -> list[str]:
    """Return what the scores of several outputs are called."""
    return [f"{head.name} {head.score.replace('_', ' ')}" for head in spec.heads]


def said(part: str, name: str, variable: str) -> str:
    """Return the line that prints a score."""
    if name == "accuracy":
        return f'    print(f"{part} accuracy: {{100 * {variable}:.2f}} %")'
    return f'    print(f"{part} mean absolute error: {{{variable}:.4g}}")'


def column_lines(spec: ScriptSpec) -> list[str]:
    """Return the lines that make classes 0 and 1 the column of a loss, or none."""
    if spec.is_several:
        return named_arrays.target_lines(spec)
    if not spec.has_column:
        return []
    held = ["validation_labels"] if spec.recipe.validation_split else []
    names = ["labels", *held, "test_labels"]
    return [f"    {name} = column({name})" for name in names]


def column_text(spec: ScriptSpec) -> str:
    """Return the function ``column``, or nothing."""
    if not spec.has_column:
        return ""
    return (
        "def column(labels: np.ndarray) -> np.ndarray:\n"
        '    """Return two classes as the column that the network gives of them."""\n'
        "    if labels.max(initial=0) > 1:\n"
        '        raise ValueError("there must be two classes for one output")\n'
        f"    return labels[:, None].astype(np.{spec.recipe.dtype})\n"
    )


def needs_steps(spec: ScriptSpec) -> bool:
    """True where the schedule computes cosines, of the number of all steps."""
    return isinstance(spec.schedule, Cosine | OneCycle)


def standard_imports(spec: ScriptSpec, *, uses_math: bool = False) -> list[str]:
    """Return the imports of Python's own modules; ``uses_math`` for the network's."""
    lines = ["import argparse", *data.imports(spec)]
    if uses_math or needs_steps(spec):
        lines.append("import math")
    return [*sorted(lines), "from pathlib import Path", ""]


def whole(
    head: str, spec: ScriptSpec, first: str, parts: Iterable[str], main: str
) -> str:
    """Put a script together: two empty lines between its top-level parts.

    ``first`` are imports and constants, ``parts`` what stands between the data's
    functions and those for the command line.
    """
    every = [
        first,
        data.reader(spec),
        column_text(spec),
        data.augmentation(spec),
        rate_factor(spec),
        *parts,
        arguments(spec),
        main,
        'if __name__ == "__main__":\n    main()\n',
    ]
    text = "\n\n".join(part.rstrip("\n") + "\n" for part in every if part)
    return f"{head}\n{text}"
