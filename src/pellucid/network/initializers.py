"""Initial weights, drawn from (seed, weight name)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Uniform:
    """Draw from the uniform distribution on [low, high).

    Parameters
    ----------
    low, high : float
        Bounds; ``high`` is not drawn.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Normal:
    """Draw from the normal distribution with mean 0 and standard deviation std.

    Parameters
    ----------
    std : float
        Standard deviation.
    """

    std: float


@dataclass(frozen=True, slots=True)
class Constant:
    """Fill with one value.

    Parameters
    ----------
    value : float
        Of every element.
    """

    value: float


@dataclass(frozen=True, slots=True)
class _Dirac:
    """Ones in the middle, from each input to the output of its number.

    Outputs beyond the inputs are drawn uniformly on [−limit, limit).
    """

    limit: float


Initializer = str | Uniform | Normal | Constant


def _uniform(variance: float) -> Uniform:
    limit = math.sqrt(3 * variance)
    return Uniform(-limit, limit)


#: name → (fan_in, fan_out) → distribution. He: He et al. 2015, eq. 10. Glorot:
#: Glorot & Bengio 2010, eq. 12 and 16. LeCun: LeCun et al. 1998, "Efficient
#: BackProp", eq. 16. fan_in_uniform: U(±1/√fan_in), PyTorch's default. dirac: the first
#: outputs repeat the inputs, the others are fan_in_uniform (Jordan 2024,
#: arXiv:2404.00498, section 3.3).
NAMED: dict[str, Callable[[float, float], Uniform | Normal | Constant | _Dirac]] = {
    "dirac": lambda fan_in, _: _Dirac(1 / math.sqrt(fan_in)),
    "he_normal": lambda fan_in, _: Normal(math.sqrt(2 / fan_in)),
    "he_uniform": lambda fan_in, _: _uniform(2 / fan_in),
    "glorot_normal": lambda fan_in, fan_out: Normal(math.sqrt(2 / (fan_in + fan_out))),
    "glorot_uniform": lambda fan_in, fan_out: _uniform(2 / (fan_in + fan_out)),
    "lecun_normal": lambda fan_in, _: Normal(math.sqrt(1 / fan_in)),
    "lecun_uniform": lambda fan_in, _: _uniform(1 / fan_in),
    "fan_in_uniform": lambda fan_in, _: _uniform(1 / (3 * fan_in)),
    "zeros": lambda *_: Constant(0.0),
    "ones": lambda *_: Constant(1.0),
}


def initializer(who: str, name: str, value: Any) -> Initializer | None:
    """Check an initializer given by the user; None leaves the choice to us."""
    if value is None or isinstance(value, Uniform | Normal | Constant):
        return value
    if value not in NAMED:
        raise NetworkError(
            f"{who}: {name} must be one of {', '.join(NAMED)}, Uniform, Normal or "
            f"Constant; got {name}={value!r}."
        )
    if value == "dirac" and name != "weight_initializer":
        raise NetworkError(
            f"{who}: {name} must not be 'dirac', which connects inputs with outputs; "
            f"got {name}='dirac'."
        )
    return str(value)


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the Philox generator keyed by (seed, name).

    The key's low 64 bits are the seed, its high 64 bits the BLAKE2b digest of the
    name, so each array is drawn on its own, whatever else the network holds.
    """
    if not 0 <= seed < 2**64:
        raise NetworkError(f"seed must be from 0 to 2**64 − 1; got seed={seed}.")
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    key = np.array([seed, int.from_bytes(digest, "little")], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def draw(
    kind: Initializer,
    shape: tuple[int, ...],
    *,
    fans: tuple[float, float],
    seed: int,
    name: str,
    dtype: npt.DTypeLike,
) -> Array:
    """Return one array, drawn in float64 and rounded to dtype."""
    rule = NAMED[kind](*fans) if isinstance(kind, str) else kind
    random = generator(seed, name)
    if isinstance(rule, Uniform):
        values = random.uniform(rule.low, rule.high, shape)
    elif isinstance(rule, _Dirac):
        values = random.uniform(-rule.limit, rule.limit, shape)
        same = np.arange(min(shape[-2:]))
        values[..., : len(same)] = 0
        middle = tuple(n // 2 for n in shape[:-2])
        values[middle][same, same] = 1
    elif isinstance(rule, Normal):
        values = random.standard_normal(shape) * rule.std
    else:
        values = np.full(shape, rule.value)
    return values.astype(dtype)
