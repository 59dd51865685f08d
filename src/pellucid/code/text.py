"""Python as text: calls that break where a line is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.engines.framework_layers import LayerCall

WIDTH = 88


def call(
    head: str, arguments: Sequence[str], *, indent: int = 4, tail: str = ""
) -> str:
    """Return ``head(arguments)tail``, broken as the formatter ruff would.

    Examples
    --------
    >>> call("x = relu", ["x"])
    '    x = relu(x)'
    """
    pad = " " * indent
    line = f"{pad}{head}({', '.join(arguments)}){tail}"
    if len(line) <= WIDTH and "\n" not in line:
        return line
    inner = f"{pad}    {', '.join(arguments)}"
    if len(inner) <= WIDTH and "\n" not in inner:
        return f"{pad}{head}(\n{inner}\n{pad}){tail}"
    rows = "".join(f"{pad}    {argument},\n" for argument in arguments)
    return f"{pad}{head}(\n{rows}{pad}){tail}"


def wrap_assignment(line: str) -> str:
    """Put the right side of an assignment into parentheses where it is too long."""
    if len(line) <= WIDTH or "\n" in line:
        return line
    pad = " " * (len(line) - len(line.lstrip()))
    left, right = line.split(" = ", 1)
    if len(right) + len(pad) + 4 > WIDTH:  # inside the parentheses, too
        at = max(right.rfind(" + "), right.find(" * ("))
        right = f"{right[:at]}\n{pad}   {right[at:]}" if at > 0 else right
    return f"{left} = (\n{pad}    {right}\n{pad})"


def wrap_entry(key: str, value: str) -> str:
    """Return an entry of a dict, its value on a line of its own where it is long."""
    line = f"        {key}: {value},"
    if len(line) <= WIDTH:
        return line
    return f"        {key}: (\n            {value}\n        ),"


def one_or_pair(pair: Any) -> str:
    """Return (3, 3) as 3, and (3, 5) as it is."""
    return str(pair[0]) if pair[0] == pair[1] else str(tuple(pair))


def call_words(call: LayerCall) -> list[str]:
    """Return the arguments of a framework's layer; those with defaults are left out."""
    values = list(call.arguments.values())[: call.positional]
    words = [_value(value) for value in values]
    return words + [f"{name}={_value(value)}" for name, value in call.explicit.items()]


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        is_pair = len(value) == 2 and not isinstance(value[0], tuple)
        return one_or_pair(value) if is_pair else str(value)
    if isinstance(value, bool | list):
        return str(tuple(value) if isinstance(value, list) else value)
    return number(value)


def number(value: float) -> str:
    """Return a number as people write it: 0.001, 64, 1e-08."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
