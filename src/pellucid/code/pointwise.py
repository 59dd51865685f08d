"""Expressions of pointwise layers as the text of each framework."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pellucid.network.expression import Expression, Style, write
from pellucid.network.expression.nodes import topological
from pellucid.network.expression.text import FORMULA, write_lines

_ROOT, _DENSITY = "0.7071067811865476", "0.3989422804014327"

NUMPY = Style(
    {
        **{name: f"np.{name}" for name in ("abs", "clip", "exp", "expm1", "log")},
        **{name: f"np.{name}" for name in ("log1p", "maximum", "minimum", "sqrt")},
        "erf": "erf",
        "normal_cdf": "normal_sum",
        "normal_pdf": f"np.exp({{0:w}} * {{0:w}} / -2) * {_DENSITY}",
        "relu": "np.maximum({0}, 0)",
        "sigmoid": "logistic",
        "softplus": "softplus",
        "tanh": "np.tanh",
        "where": "np.where",
    },
    indicator="{0}",
    array="{x}.dtype.type({0})",
    of_arrays=("where",),
)
JAX = Style(
    {
        **{name: f"jnp.{name}" for name in ("abs", "clip", "exp", "expm1", "log")},
        **{name: f"jnp.{name}" for name in ("log1p", "maximum", "minimum", "sqrt")},
        "erf": "jax.scipy.special.erf",
        "normal_cdf": "jax.scipy.stats.norm.cdf",
        "normal_pdf": "jax.scipy.stats.norm.pdf",
        "relu": "jax.nn.relu",
        "sigmoid": "jax.nn.sigmoid",
        "softplus": "jax.nn.softplus",
        "tanh": "jnp.tanh",
        "where": "jnp.where",
    }
)
KERAS = Style(
    {
        **{
            name: f"keras.ops.{name}" for name in ("abs", "clip", "erf", "exp", "expm1")
        },
        **{name: f"keras.ops.{name}" for name in ("log", "log1p", "maximum")},
        **{name: f"keras.ops.{name}" for name in ("minimum", "relu", "sigmoid")},
        **{name: f"keras.ops.{name}" for name in ("softplus", "sqrt", "tanh", "where")},
        "normal_cdf": f"(0.5 * (1 + keras.ops.erf({{0:w}} * {_ROOT})))",
        "normal_pdf": f"(keras.ops.exp({{0:w}} * {{0:w}} / -2) * {_DENSITY})",
    },
    repr,  # a choice between whole numbers would be whole
)
TORCH = Style(
    {
        **{name: f"torch.{name}" for name in ("abs", "erf", "exp", "expm1", "log")},
        **{name: f"torch.{name}" for name in ("log1p", "maximum", "minimum", "relu")},
        **{name: f"torch.{name}" for name in ("sigmoid", "sqrt", "tanh", "where")},
        "clip": "torch.clamp",
        "normal_cdf": "torch.special.ndtr",
        "normal_pdf": f"(torch.exp({{0:w}} * {{0:w}} / -2) * {_DENSITY})",
        "softplus": "nn.functional.softplus({0}, threshold=50)",
    },
    array="torch.full_like({x}, {0})",
    of_arrays=("maximum", "minimum", "where"),
)


_INLINE = 36  # up to so many characters, with x for the input
_WIDTH = 66  # of a line in a function


class Functions:
    """Functions of a script for expressions that are too long for one line.

    Each gets a name of its own; an expression that stands in several layers is
    written once.
    """

    def __init__(self, style: Style, taken: Collection[str] = ()) -> None:
        self.style = style
        self._names: dict[Expression, str] = {}
        self._taken = set(taken)

    def apply(
        self, stem: str, expression: Expression, inputs: Mapping[str, str]
    ) -> str:
        """Return the text that applies an expression to inputs, by variable."""
        short = write(expression, self.style)
        if len(short) <= _INLINE:
            return write(expression, self.style, inputs)
        given = ", ".join(inputs[name] for name in variables_of(expression))
        return f"{self.name(stem, expression)}({given})"

    def name(self, stem: str, expression: Expression) -> str:
        """Return the name of an expression's function."""
        if expression not in self._names:
            name, count = stem, 1
            while name in self._taken:
                count += 1
                name = f"{stem}_{count}"
            self._taken.add(name)
            self._names[expression] = name
        return self._names[expression]

    def sources(self) -> list[str]:
        """Return the functions."""
        return [
            f"def {name}({', '.join(variables_of(expression))}):\n"
            f'    """{title(expression)}"""\n' + body(expression, self.style, indent=4)
            for expression, name in self._names.items()
        ]


def variables_of(expression: Expression) -> list[str]:
    """Return the variables in an expression, in alphabetical order."""
    nodes = topological([expression])
    return sorted(node.value for node in nodes if node.operator == "variable")


def title(expression: Expression) -> str:
    """Return the docstring of an expression's function."""
    formula = write(expression, FORMULA)
    formula = formula.replace("−", "-").replace("·", "*")
    return f"{formula}." if len(formula) <= _WIDTH else "One function of each number."


def body(expression: Expression, style: Style, *, indent: int) -> str:
    """Return the lines that compute an expression and return it."""
    parts, result = write_lines(expression, style, width=_WIDTH)
    pad = " " * indent
    rows = [f"{pad}{name} = {text}" for name, text in parts]
    return "\n".join([*rows, f"{pad}return {result}", ""])
