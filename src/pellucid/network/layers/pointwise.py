"""Layers that apply one function to every element: each is one expression."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.network import checks
from pellucid.network.expression import (
    Expression,
    differentiate,
    math,
    trace,
    variable,
)
from pellucid.network.expression.trace import check
from pellucid.network.layers.base import SameShape

_X, _Y = variable("x"), variable("y")


@dataclass(frozen=True)
class Pointwise(SameShape):
    """A function of each element; ``expression`` is all that engines need of it.

    A subclass states its expression in the variable x. Engines, exporters, scripts
    and explanations take everything from there, unless a framework or a format has
    the function under a name of its own.
    """

    #: whether weights before it begin by He's rule, as before a ReLU
    is_rectifier: ClassVar[bool] = False

    @property
    def expression(self) -> Expression:
        """y as an expression of x."""
        raise NotImplementedError

    @property
    def derivative(self) -> Expression:
        """∂y/∂x as an expression of x."""
        return differentiate(self.expression)

    @property
    def derivative_from_output(self) -> Expression | None:
        """∂y/∂x as an expression of y, exactly; None where y does not tell it."""
        return None


@dataclass(frozen=True)
class ReLU(Pointwise):
    """``max(x, 0)``; the derivative at 0 is 0."""

    stem: ClassVar[str] = "relu"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """``max(x, 0)``."""
        return math.relu(_X)

    @property
    def derivative_from_output(self) -> Expression:
        """1 where y > 0, else 0."""
        return math.where(_Y > 0, 1, 0)


@dataclass(frozen=True)
class LeakyReLU(Pointwise):
    """``x`` where positive, else ``slope · x``; the derivative at 0 is the slope.

    Parameters
    ----------
    slope : float
        Factor of negative inputs.
    name : str, optional
        Node name.
    """

    slope: float = 0.01

    stem: ClassVar[str] = "leaky_relu"
    is_rectifier: ClassVar[bool] = True

    def __post_init__(self) -> None:
        slope = checks.number(self.who, "slope", self.slope)
        object.__setattr__(self, "slope", slope)

    @property
    def expression(self) -> Expression:
        """x where x > 0, else ``x · slope``."""
        return math.where(_X > 0, _X, _X * self.slope)

    @property
    def derivative_from_output(self) -> Expression | None:
        """1 where y > 0, else the slope; a positive slope keeps the sign."""
        return math.where(_Y > 0, 1, self.slope) if self.slope > 0 else None


@dataclass(frozen=True)
class ReLU6(Pointwise):
    """``min(max(x, 0), 6)``; the derivative at 0 and at 6 is 0, as PyTorch's."""

    stem: ClassVar[str] = "relu6"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """0 up to 0, 6 from 6 on, x between."""
        return math.where(_X <= 0, 0, math.where(_X >= 6, 6, _X))

    @property
    def derivative_from_output(self) -> Expression:
        """1 where 0 < y < 6, else 0."""
        return math.where(_Y > 0, math.where(_Y < 6, 1, 0), 0)


@dataclass(frozen=True)
class Clip(Pointwise):
    """x limited to ``minimum … maximum``; the derivative at either is 1, as PyTorch's.

    Parameters
    ----------
    minimum, maximum : float, optional
        The limits; None: there is none.
    """

    minimum: float | None = None
    maximum: float | None = None

    stem: ClassVar[str] = "clip"

    def __post_init__(self) -> None:
        for name in ("minimum", "maximum"):
            value = getattr(self, name)
            if value is not None:
                value = checks.number(self.who, name, value)
                object.__setattr__(self, name, value)
        if self.minimum is None and self.maximum is None:
            raise NetworkError(
                f"{self.who}: minimum or maximum must be given; got neither."
            )
        limits = self.minimum, self.maximum
        if None not in limits and limits[0] > limits[1]:  # type: ignore[operator]
            raise NetworkError(
                f"{self.who}: minimum must not be above maximum; "
                f"got minimum={limits[0]}, maximum={limits[1]}."
            )

    @property
    def expression(self) -> Expression:
        """``min(max(x, minimum), maximum)``."""
        return math.clip(_X, self.minimum, self.maximum)


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """``1 / (1 + exp(−x))``."""

    stem: ClassVar[str] = "sigmoid"

    @property
    def expression(self) -> Expression:
        """``σ(x)``."""
        return math.sigmoid(_X)

    @property
    def derivative_from_output(self) -> Expression:
        """``y · (1 − y)``."""
        return _Y * (1 - _Y)


@dataclass(frozen=True)
class HardSigmoid(Pointwise):
    """``(x + 3) / 6`` limited to 0 … 1; the derivative at ±3 is 0 (as PyTorch's)."""

    stem: ClassVar[str] = "hard_sigmoid"

    @property
    def expression(self) -> Expression:
        """0 up to −3, 1 from 3 on, ``(x + 3) / 6`` between."""
        return math.where(_X <= -3, 0, math.where(_X >= 3, 1, (_X + 3) / 6))


@dataclass(frozen=True)
class Tanh(Pointwise):
    """``tanh(x)``."""

    stem: ClassVar[str] = "tanh"

    @property
    def expression(self) -> Expression:
        """``tanh(x)``."""
        return math.tanh(_X)

    @property
    def derivative_from_output(self) -> Expression:
        """``1 − y²``."""
        return 1 - _Y * _Y


@dataclass(frozen=True)
class GELU(Pointwise):
    """``x · Φ(x)`` with the exact normal distribution (Hendrycks & Gimpel 2016)."""

    stem: ClassVar[str] = "gelu"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """``x · Φ(x)``."""
        return _X * math.normal_cdf(_X)


@dataclass(frozen=True)
class SiLU(Pointwise):
    """``x · sigmoid(x)`` (Elfwing et al. 2017)."""

    stem: ClassVar[str] = "silu"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """``x · σ(x)``."""
        return _X * math.sigmoid(_X)

    @property
    def derivative(self) -> Expression:
        """``σ(x) · (1 + x · (1 − σ(x)))``: the product rule, factored."""
        s = math.sigmoid(_X)
        return s * (1 + _X * (1 - s))


@dataclass(frozen=True)
class HardSwish(Pointwise):
    """``x · hard_sigmoid(x)``, hard-swish (Howard et al. 2019, MobileNetV3)."""

    stem: ClassVar[str] = "hard_swish"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """``x · hard_sigmoid(x)``."""
        return _X * HardSigmoid().expression


@dataclass(frozen=True)
class ELU(Pointwise):
    """``x`` where positive, else ``alpha · (exp(x) − 1)`` (Clevert et al. 2015).

    Parameters
    ----------
    alpha : float
        What −y approaches for x → −∞; the derivative at 0 is alpha.
    """

    alpha: float = 1.0

    stem: ClassVar[str] = "elu"
    is_rectifier: ClassVar[bool] = True

    def __post_init__(self) -> None:
        alpha = checks.number(self.who, "alpha", self.alpha)
        object.__setattr__(self, "alpha", alpha)

    @property
    def expression(self) -> Expression:
        """x where x > 0, else ``alpha · (eˣ − 1)``."""
        return math.where(_X > 0, _X, self.alpha * math.expm1(_X))


@dataclass(frozen=True)
class Softplus(Pointwise):
    """``ln(1 + exp(x))``."""

    stem: ClassVar[str] = "softplus"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """``ln(1 + eˣ)``."""
        return math.softplus(_X)


@dataclass(frozen=True)
class Mish(Pointwise):
    """``x · tanh(ln(1 + exp(x)))`` (Misra 2019)."""

    stem: ClassVar[str] = "mish"
    is_rectifier: ClassVar[bool] = True

    @property
    def expression(self) -> Expression:
        """``x · tanh(softplus(x))``."""
        return _X * math.tanh(math.softplus(_X))


#: functions that ``activation=`` takes by name
NAMED: tuple[type[Pointwise], ...] = (
    ReLU,
    LeakyReLU,
    Sigmoid,
    Tanh,
    GELU,
    SiLU,
    ReLU6,
    HardSigmoid,
    HardSwish,
    ELU,
    Softplus,
    Mish,
)


@dataclass(frozen=True)
class Elementwise(Pointwise):
    """A function of one's own, traced: operators and `pellucid.math`.

    It runs on every engine, its derivative is taken symbolically, and model files
    hold the expression, not the Python function.

    Parameters
    ----------
    function : callable or Expression
        From x to y, ``lambda x: x * pl.math.sigmoid(1.702 * x)`` for example.

    Raises
    ------
    NetworkError
        If the function cannot be traced.

    Examples
    --------
    >>> import pellucid as pl
    >>> pl.Elementwise(lambda x: x * pl.math.sigmoid(1.702 * x)).function
    x * pl.math.sigmoid(1.702 * x)
    """

    function: Any

    stem: ClassVar[str] = "elementwise"

    def __post_init__(self) -> None:
        given = self.function
        if isinstance(given, Expression):
            made = check(given, self.who)
        elif callable(given):
            made = trace(given, self.who)
        else:
            raise NetworkError(
                f"{self.who}: function must be one of x, as in lambda x: x * x; "
                f"got function={given!r}."
            )
        object.__setattr__(self, "function", made)

    @property
    def expression(self) -> Expression:
        """The traced function."""
        return self.function  # type: ignore[no-any-return]


def gelu_tanh() -> Elementwise:
    """Return GELU's approximation by tanh, which files of others have.

    ``x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`` (Hendrycks & Gimpel 2016).
    """
    root = (2 / pi) ** 0.5
    return Elementwise(
        lambda x: 0.5 * x * (1 + math.tanh(root * (x + 0.044715 * x**3)))
    )
