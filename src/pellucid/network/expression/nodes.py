"""Expression nodes: interned, immutable, built by Python's operators.

Equal expressions are one object, so comparing and hashing cost nothing however much
an expression shares its parts.
"""

from __future__ import annotations

import hashlib
import math
import threading
import weakref
from collections.abc import Iterable
from typing import Any, NoReturn

from pellucid.errors import NetworkError

#: operator → number of arguments; ``variable`` and ``constant`` have a value instead
ARITY: dict[str, int] = {
    "abs": 1,
    "add": 2,
    "clip": 3,
    "divide": 2,
    "erf": 1,
    "exp": 1,
    "expm1": 1,
    "greater": 2,
    "greater_equal": 2,
    "log": 1,
    "log1p": 1,
    "maximum": 2,
    "minimum": 2,
    "multiply": 2,
    "negative": 1,
    "normal_cdf": 1,
    "normal_pdf": 1,
    "power": 2,
    "relu": 1,
    "round": 1,
    "sigmoid": 1,
    "softplus": 1,
    "sqrt": 1,
    "subtract": 2,
    "tanh": 1,
    "where": 3,
}
#: operators on a loss's tensors (positions, channels), which layers do not have:
#: sums, means, the largest channel and a value as constants to the derivative, and
#: channels from … to, or the i-th of n equal parts of them
TENSOR_ARITY: dict[str, int] = {
    "constant_of": 1,
    "largest_channel": 1,
    "mean": 1,
    "mean_channels": 1,
    "mean_positions": 1,
    "part": 3,
    "slice": 3,
    "sum": 1,
    "sum_channels": 1,
    "sum_positions": 1,
}
#: the last channel and those behind it, in a slice
TO_THE_END = 2**31
#: operator → where its arguments that must be constants begin
_NUMBERS_FROM = {"clip": 1, "part": 1, "power": 1, "slice": 1}
#: operators whose result is true or false
CONDITIONS = ("greater", "greater_equal")
MOST_OPERATIONS, MOST_DEPTH, MOST_TEXT = 500, 100, 5000
#: of a loss, whose instructions are made once each and which no format writes
MOST_LOSS_OPERATIONS, MOST_LOSS_TEXT = 2000, 100_000

_KNOWN: weakref.WeakValueDictionary[Any, Expression] = weakref.WeakValueDictionary()
_LOCK = threading.Lock()


class Expression:
    """A function of one element; see `pellucid.math` for what it is made of.

    Attributes
    ----------
    operator : str
        One of `ARITY`, "variable" or "constant".
    arguments : tuple of Expression
        What the operator is applied to.
    value : float, str or None
        The constant's number, the variable's name.
    depth, text_size : int
        The longest path to a leaf; the operations of the formula written out.
    has_tensors : bool
        Whether it is a loss's: of output or target, which have several elements.
    digest : str
        A hash of the whole expression, equal in every process.
    """

    __slots__ = (
        "__weakref__",
        "arguments",
        "depth",
        "digest",
        "has_tensors",
        "operator",
        "text_size",
        "value",
    )
    __array_ufunc__ = None  # NumPy's numbers leave the operators to us

    operator: str
    arguments: tuple[Expression, ...]
    value: Any
    depth: int
    text_size: int
    has_tensors: bool
    digest: str

    def __new__(
        cls, operator: str, arguments: tuple[Expression, ...] = (), value: Any = None
    ) -> Expression:
        """Return the one object of this expression."""
        key = (operator, arguments, value.hex() if operator == "constant" else value)
        with _LOCK:
            known = _KNOWN.get(key)
            if known is None:
                known = super().__new__(cls)
                known._fill(operator, arguments, value)
                _KNOWN[key] = known
        return known

    def _fill(
        self, operator: str, arguments: tuple[Expression, ...], value: Any
    ) -> None:
        parts = [operator, repr(value), *(a.digest for a in arguments)]
        digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
        depth = 1 + max((a.depth for a in arguments), default=0)
        size = 1 + sum(a.text_size for a in arguments)
        is_tensor = value in ("output", "target") or operator in TENSOR_ARITY
        has_tensors = is_tensor or any(a.has_tensors for a in arguments)
        for name, filled in (
            ("operator", operator),
            ("arguments", arguments),
            ("value", value),
            ("depth", depth),
            ("text_size", size),
            ("has_tensors", has_tensors),
            ("digest", digest),
        ):
            object.__setattr__(self, name, filled)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"an Expression must not be changed; got {name}=…")

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression, (self.operator, self.arguments, self.value)

    def __copy__(self) -> Expression:
        return self

    def __deepcopy__(self, memo: Any) -> Expression:
        return self

    def __repr__(self) -> str:
        from pellucid.network.expression.text import PYTHON, write

        return write(self, PYTHON)

    @property
    def is_condition(self) -> bool:
        """Whether it is true or false, not a number."""
        return self.operator in CONDITIONS

    def __add__(self, other: Any) -> Expression:
        return build("add", self, other)

    def __radd__(self, other: Any) -> Expression:
        return build("add", other, self)

    def __sub__(self, other: Any) -> Expression:
        return build("subtract", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return build("subtract", other, self)

    def __mul__(self, other: Any) -> Expression:
        return build("multiply", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return build("multiply", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return build("divide", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return build("divide", other, self)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        """Refuse NumPy's functions, which would take it for one object of an array."""
        raise NetworkError(
            "expression: a function must use operators and pl.math alone (pl.math.sum, "
            "not np.sum); got one of NumPy's."
        )

    #: a tensor is taken apart by ``[..., k]`` and `pellucid.math.split`
    __iter__ = None

    def __getitem__(self, key: Any) -> Expression:
        """Return channels of a loss's tensor: ``x[..., 3]``, ``x[..., 2:5]``."""
        is_pair = isinstance(key, tuple) and len(key) == 2 and key[0] is Ellipsis
        last = key[1] if is_pair else None
        if isinstance(last, slice) and last.step in (None, 1):
            start = 0 if last.start is None else last.start
            stop = TO_THE_END if last.stop is None else last.stop
        elif type(last) is int:
            start, stop = last, TO_THE_END if last == -1 else last + 1
        else:
            start, stop = None, None
        if type(start) is not int or type(stop) is not int:
            raise NetworkError(
                "expression: channels must be taken as x[..., k] or x[..., k:n]; "
                f"got the key {key!r}."
            )
        return build("slice", self, start, stop)

    def __pow__(self, other: Any) -> Expression:
        exponent = lift(other)
        if exponent.operator != "constant":
            raise NetworkError(
                "expression: an exponent must be a number; got one that depends on "
                "the input. Use math.exp(exponent * math.log(base))."
            )
        return build("power", self, exponent)

    def __rpow__(self, other: Any) -> Expression:
        base = lift(other)
        if base.operator != "constant" or base.value <= 0:
            raise NetworkError(
                f"expression: the base of a power must be above 0; got {other!r}."
            )
        return build("exp", build("multiply", self, constant(math.log(base.value))))

    def __neg__(self) -> Expression:
        return build("negative", self)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return build("abs", self)

    def __gt__(self, other: Any) -> Expression:
        return build("greater", self, other)

    def __ge__(self, other: Any) -> Expression:
        return build("greater_equal", self, other)

    def __lt__(self, other: Any) -> Expression:
        return build("greater", other, self)

    def __le__(self, other: Any) -> Expression:
        return build("greater_equal", other, self)

    def __bool__(self) -> NoReturn:
        raise NetworkError(
            "expression: a choice must be written as math.where(condition, a, b); got "
            "an expression where Python needs True or False (if, and, or, max, …)."
        )


def build(operator: str, *arguments: Any) -> Expression:
    """Apply an operator to expressions and numbers.

    Raises
    ------
    NetworkError
        If an argument is none, or the expression grows too large.
    """
    lifted = tuple(lift(argument) for argument in arguments)
    arity = ARITY[operator] if operator in ARITY else TENSOR_ARITY[operator]
    if len(lifted) != arity:
        raise NetworkError(
            f"expression: {operator} must have {arity} argument(s); got {len(lifted)}."
        )
    for place, argument in enumerate(lifted):
        is_choice = operator == "where" and place == 0
        if argument.is_condition != is_choice:
            wanted = "a comparison" if is_choice else "a number"
            raise NetworkError(
                f"expression: argument {place + 1} of {operator} must be {wanted}; "
                f"got {argument!r}."
            )
    numbers = lifted[_NUMBERS_FROM.get(operator, len(lifted)) :]
    if any(number.operator != "constant" for number in numbers):
        raise NetworkError(
            f"expression: the numbers of {operator} must be constants; got {lifted}."
        )
    if operator == "where" and _is_constant(*lifted[0].arguments):
        return lifted[1 if _holds(lifted[0]) else 2]
    if operator in TENSOR_ARITY and _is_constant(lifted[0]):
        return lifted[0]  # one number, whatever is summed or taken of it
    made = check_size(Expression(operator, lifted))
    return made if made.is_condition or not _is_constant(*lifted) else _folded(made)


def _is_constant(*parts: Expression) -> bool:
    return all(part.operator == "constant" for part in parts)


def _holds(condition: Expression) -> bool:
    left, right = (part.value for part in condition.arguments)
    return bool(left > right or (left == right and "equal" in condition.operator))


def _folded(made: Expression) -> Expression:
    """Return the constant that an expression of constants is."""
    from pellucid.network.expression.evaluate import compute_constant

    return constant(compute_constant(made))


def check_size(made: Expression) -> Expression:
    """Return an expression that is within the limits."""
    most = MOST_LOSS_TEXT if made.has_tensors else MOST_TEXT
    if made.depth > MOST_DEPTH or made.text_size > most:
        raise NetworkError(
            f"expression: it must nest at most {MOST_DEPTH} deep and be written in at "
            f"most {most} operations; got {made.depth} and {made.text_size}."
        )
    return made


def lift(value: Any) -> Expression:
    """Return an expression as it is, a number as a constant."""
    return value if isinstance(value, Expression) else constant(value)


def constant(value: Any) -> Expression:
    """Return a constant.

    Raises
    ------
    NetworkError
        If it is no finite number.
    """
    has_float = hasattr(value, "__float__") and getattr(value, "ndim", 0) == 0
    is_number = has_float and not isinstance(value, bool | str | complex)
    number = float(value) if is_number else math.nan
    if not math.isfinite(number):
        raise NetworkError(
            "expression: its parts must be expressions and finite numbers; "
            f"got {value!r}."
        )
    return Expression("constant", (), number)


def variable(name: str = "x") -> Expression:
    """Return a variable; a layer's is ``x``."""
    return Expression("variable", (), name)


def topological(roots: Iterable[Expression]) -> list[Expression]:
    """Return all parts, each once, after its arguments, without recursion."""
    done: dict[Expression, None] = {}
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, is_ready = stack.pop()
        if node in done:
            continue
        if is_ready:
            done[node] = None
        else:
            stack.append((node, True))
            stack.extend((argument, False) for argument in reversed(node.arguments))
    return list(done)
