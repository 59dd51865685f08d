"""Expressions as text: Python, a framework's Python, C, JavaScript, a formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pellucid.network.expression.evaluate import fold
from pellucid.network.expression.nodes import TO_THE_END, Expression, topological

_WHOLE = 9  # binds tighter than any operator
_UNARY, _PRODUCT, _SUM, _COMPARISON, _CHOICE = 4, 3, 2, 1, 0
#: operator → sign and how tightly it binds
_INFIX = {
    "add": ("+", _SUM),
    "divide": ("/", _PRODUCT),
    "greater": (">", _COMPARISON),
    "greater_equal": (">=", _COMPARISON),
    "less": ("<", _COMPARISON),
    "less_equal": ("<=", _COMPARISON),
    "multiply": ("*", _PRODUCT),
    "subtract": ("-", _SUM),
}
_SWAPPED = {"greater": "less", "greater_equal": "less_equal"}


def show_number(value: float) -> str:
    """Return a number as Python reads it back exactly, whole ones without a point."""
    if value == int(value) and abs(value) < 1e15 and not _is_negative_zero(value):
        return str(int(value))
    return repr(value)


def _is_negative_zero(value: float) -> bool:
    return value == 0 and str(value).startswith("-")


@dataclass(frozen=True, slots=True)
class Style:
    """How a language writes an expression.

    Parameters
    ----------
    functions : mapping of str to str
        Operator → the name of a function, or a template with ``{0}`` for each argument
        (``{0:w}`` where an operator stands beside it).
    number : callable
        What writes a constant.
    signs : mapping of str to str
        Infix operators that differ from Python's.
    indicator : str
        Template of a choice between 1 and 0, given the condition.
    array : str
        Template of a number as an array like the first variable, ``{x}``.
    of_arrays : tuple of str
        Operators that take arrays alone; of `where`, one branch must be an array.
    """

    functions: Mapping[str, str]
    number: Callable[[float], str] = show_number
    signs: Mapping[str, str] = field(default_factory=dict)
    indicator: str = ""
    array: str = ""
    of_arrays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    binding: int

    def within(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"

    def __format__(self, how: str) -> str:
        """Write it into a template: ``{0}`` as it is, ``{0:w}`` as one whole."""
        return self.within(_WHOLE) if how == "w" else self.text


_NAMES = (
    *("abs", "clip", "erf", "exp", "expm1", "log", "log1p", "maximum", "minimum"),
    *("normal_cdf", "normal_pdf", "relu", "round", "sigmoid", "softplus", "sqrt"),
    *("tanh", "where"),
)

#: as in `Elementwise(lambda x: …)`
PYTHON = Style(
    {name: f"pl.math.{name}" for name in _NAMES}
    | {
        "constant_of": "pl.math.stop_gradient",
        "largest_channel": "largest_channel",
        "mean": "pl.math.mean",
        "mean_channels": 'pl.math.mean({0}, "channels")',
        "mean_positions": 'pl.math.mean({0}, "positions")',
        "part": "pl.math.split({0}, {2})[{1}]",
        "sum": "pl.math.sum",
        "sum_channels": 'pl.math.sum({0}, "channels")',
        "sum_positions": 'pl.math.sum({0}, "positions")',
    }
)
#: as people write formulas
FORMULA = Style(
    {
        "abs": "|{0}|",
        "clip": "min(max({0}, {1}), {2})",
        "erf": "erf({0})",
        "exp": "e^({0})",
        "expm1": "(e^({0}) − 1)",
        "log": "ln({0})",
        "log1p": "ln(1 + {0})",
        "maximum": "max({0}, {1})",
        "minimum": "min({0}, {1})",
        "normal_cdf": "Φ({0})",
        "normal_pdf": "φ({0})",
        "relu": "max({0}, 0)",
        "round": "round({0})",
        "sigmoid": "1 / (1 + e^−({0}))",
        "softplus": "ln(1 + e^({0}))",
        "sqrt": "√({0})",
        "tanh": "tanh({0})",
        "where": "({1} if {0}, else {2})",
    },
    lambda value: f"{value:.6g}".replace("-", "−"),
    {
        "subtract": "−",
        "negative": "−",
        "multiply": "·",
        "greater_equal": "≥",
        "less_equal": "≤",
    },
)


def write(
    expression: Expression, style: Style, variables: Mapping[str, str] | None = None
) -> str:
    """Return an expression as text.

    Parameters
    ----------
    expression : Expression
    style : Style
    variables : mapping of str to str, optional
        What stands for each variable; its own name otherwise.
    """
    names = variables or {}
    first = _first_variable(expression, names)

    def apply(node: Expression, given: list[_Text]) -> _Text:
        return _apply(node, given, style, first)

    return fold(expression, lambda n: _leaf(n, style, names), apply).text


def write_lines(
    expression: Expression,
    style: Style,
    variables: Mapping[str, str] | None = None,
    *,
    width: int,
) -> tuple[list[tuple[str, str]], str]:
    """Return an expression as short lines: parts by name, and the result.

    What is used more than once is computed once; what would be longer than ``width``
    is cut into parts.

    Returns
    -------
    list of (str, str)
        Names t1, t2 … and what they are, in order.
    str
        The result.
    """
    names = variables or {}
    first = _first_variable(expression, names)
    uses = Counter(a for n in topological([expression]) for a in n.arguments)
    parts: list[tuple[str, str]] = []

    def name(text: _Text) -> _Text:
        parts.append((f"t{len(parts) + 1}", text.text))
        return _Text(parts[-1][0], _WHOLE)

    def apply(node: Expression, given: list[_Text]) -> _Text:
        made, given = _apply(node, given, style, first), list(given)
        order = sorted(range(len(given)), key=lambda i: -len(given[i].text))
        for i in order:
            can_name = not node.arguments[i].is_condition
            if len(made.text) > width and can_name and len(given[i].text) > _SHORT:
                given[i] = name(given[i])
                made = _apply(node, given, style, first)
        is_shared = uses[node] > 1 and len(made.text) > _SHORT
        return name(made) if is_shared and not node.is_condition else made

    result = fold(expression, lambda n: _leaf(n, style, names), apply).text
    return parts, result


_SHORT = 12  # up to so many characters, a part is repeated


def _first_variable(expression: Expression, names: Mapping[str, str]) -> str:
    found = [n for n in topological([expression]) if n.operator == "variable"]
    first = found[0].value if found else "x"
    return names.get(first, first)


def _leaf(node: Expression, style: Style, names: Mapping[str, str]) -> _Text:
    if node.operator == "variable":
        text = names.get(node.value, node.value)
        return _Text(text, _UNARY if text[0] in "-−" else _WHOLE)
    text = style.number(node.value)
    return _Text(text, _WHOLE if text[0].isalnum() else _UNARY)


def _apply(node: Expression, given: list[_Text], style: Style, x: str) -> _Text:
    name = node.operator
    if name == "slice":
        return _Text(f"{given[0]:w}[..., {show_slice(node)}]", _WHOLE)
    if name in style.functions:
        template = style.functions[name]
        given = list(given)
        for i in _arrays(node) if name in style.of_arrays else ():
            given[i] = _Text(style.array.format(given[i], x=x), _WHOLE)
        if name == "where" and style.indicator and _is_indicator(node):
            return _Text(style.indicator.format(given[0]), _COMPARISON)
        if "{" in template:
            is_whole = template[-1] in ")|" and not _has_loose_sign(template)
            return _Text(template.format(*given), _WHOLE if is_whole else _CHOICE)
        return _Text(
            f"{template}({', '.join(argument.text for argument in given)})", _WHOLE
        )
    if name == "negative":
        sign = style.signs.get(name, "-")
        return _Text(f"{sign}{given[0].within(_UNARY + 1)}", _UNARY)
    if name == "power":
        base, exponent = given[0].within(_WHOLE), given[1].within(_UNARY)
        return _Text(f"{base}{style.signs.get(name, '**')}{exponent}", _UNARY + 1)
    if node.is_condition and node.arguments[0].operator == "constant":
        name, given = _SWAPPED[name], given[::-1]  # x < 3 reads better than 3 > x
    sign, binding = _INFIX[name]
    sign = style.signs.get(name, sign)
    # what stands right of − and / must bind tighter, and so everywhere: a + (b + c)
    # is another number than (a + b) + c
    return _Text(
        f"{given[0].within(binding)} {sign} {given[1].within(binding + 1)}", binding
    )


def show_slice(node: Expression) -> str:
    """Return the channels that a slice takes: ``3``, ``2:5`` or ``2:``."""
    start, stop = (int(number.value) for number in node.arguments[1:])
    if stop == start + 1 or (start, stop) == (-1, TO_THE_END):
        return str(start)
    return f"{start or ''}:{'' if stop == TO_THE_END else stop}"


def _is_indicator(node: Expression) -> bool:
    """Return whether a choice is 1 where its condition holds and 0 elsewhere."""
    _, one, zero = node.arguments
    return (one.operator, one.value, zero.operator, zero.value) == (
        "constant",
        1.0,
        "constant",
        0.0,
    )


def _arrays(node: Expression) -> list[int]:
    """Return the arguments that are numbers but must be arrays."""
    numbers = [i for i, a in enumerate(node.arguments) if a.operator == "constant"]
    if node.operator == "where":
        return [1] if numbers == [1, 2] else []
    return numbers


def _has_loose_sign(template: str) -> bool:
    """Return whether a template has an operator outside parentheses."""
    depth, outside = 0, ""
    for sign in template:
        depth += (sign == "(") - (sign == ")")
        outside += sign if depth == 0 else ""
    return any(f" {sign} " in outside for sign in "+-*/−·")
