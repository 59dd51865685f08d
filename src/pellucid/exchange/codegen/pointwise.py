"""Kernels of pointwise layers, written from their expressions in C and JavaScript."""

from __future__ import annotations

from pellucid.network.expression import Expression, Style
from pellucid.network.expression.expand import expand
from pellucid.network.expression.nodes import topological
from pellucid.network.expression.text import show_number, write_lines
from pellucid.network.layers import Pointwise

_WIDTH = 66


def _c_number(value: float) -> str:
    text = f"{value:.9g}"
    has_point = any(sign in text for sign in ".en")
    return f"{text}f" if has_point else f"{text}.0f"


C = Style(
    {
        "abs": "fabsf",
        "erf": "erff",
        "exp": "expf",
        "expm1": "expm1f",
        "log": "logf",
        "log1p": "log1pf",
        "maximum": "larger",
        "minimum": "smaller",
        "power": "powf",
        "relu": "({0:w} < 0.0f ? 0.0f : {0:w})",
        "round": "rintf",
        "sigmoid": "(1.0f / (1.0f + expf(-{0:w})))",
        "sqrt": "sqrtf",
        "tanh": "tanhf",
        "where": "({0:w} ? {1:w} : {2:w})",
    },
    _c_number,
)
JAVASCRIPT = Style(
    {
        "abs": "Math.abs",
        "erf": "erf",
        "exp": "Math.exp",
        "expm1": "Math.expm1",
        "log": "Math.log",
        "log1p": "Math.log1p",
        "maximum": "Math.max",
        "minimum": "Math.min",
        "power": "Math.pow",
        "relu": "Math.max({0}, 0)",
        "round": f"(Math.sign({{0:w}}) * (Math.abs({{0:w}}) + {2**52} - {2**52}))",
        "sigmoid": "(1 / (1 + Math.exp(-{0:w})))",
        "sqrt": "Math.sqrt",
        "tanh": "Math.tanh",
        "where": "({0:w} ? {1:w} : {2:w})",
    },
    show_number,
)
_INFIX = ("add", "divide", "greater", "greater_equal", "multiply", "negative")
KNOWN = frozenset((*C.functions, *_INFIX, "subtract"))
#: C functions that keep NaN, which fmaxf does not
_C_HELPERS = {
    "maximum": """
static float larger(float a, float b) { return a > b || a != a ? a : b; }
""",
    "minimum": """
static float smaller(float a, float b) { return a < b || a != a ? a : b; }
""",
}


def kernel_name(layer: Pointwise) -> str:
    """Return what a layer's kernel is called: by its kind and its numbers."""
    has_fields = set(layer.__dataclass_fields__) != {"name"}
    return f"{layer.stem}_{layer.expression.digest[:8]}" if has_fields else layer.stem


def expanded(layer: Pointwise) -> Expression:
    """Return a layer's expression by operators that both languages have."""
    return expand(layer.expression, KNOWN)


def c_helpers(expressions: list[Expression]) -> list[str]:
    """Return the functions that kernels in C call."""
    used = {node.operator for node in topological(expressions)}
    return [source for name, source in _C_HELPERS.items() if name in used]


def write_c(name: str, expression: Expression) -> str:
    """Return the kernel in C."""
    parts, result = write_lines(expression, C, {"x": "v"}, width=_WIDTH)
    rows = [f"        const float {part} = {text};" for part, text in parts]
    body = "\n".join(["        const float v = x[i];", *rows])
    return f"""
static void {name}(const float *x, float *y, int n)
{{
    int i;
    for (i = 0; i < n; i++) {{
{body}
        y[i] = {result};
    }}
}}
"""


def write_javascript(name: str, expression: Expression) -> str:
    """Return the kernel in JavaScript."""
    parts, result = write_lines(expression, JAVASCRIPT, {"x": "v"}, width=_WIDTH)
    rows = [f"    const {part} = {text};" for part, text in parts]
    body = "\n".join(["    const v = m[x + i];", *rows])
    return f"""
function {name}(m, x, y, n) {{
  for (let i = 0; i < n; i++) {{
{body}
    m[y + i] = {result};
  }}
}}
"""
