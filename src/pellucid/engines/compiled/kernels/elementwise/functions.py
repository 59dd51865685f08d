"""Vectorized exp, log, tanh, erf and their kin in float32, to a few ulp."""

from __future__ import annotations

import math

from pellucid.engines.compiled.codegen import Builder, Value

#: ln 2 in two parts, so that n · ln 2 keeps its bits (Cody & Waite 1980)
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
#: minimax polynomial of exp on ±ln 2 / 2 (Moshier, Cephes, expf)
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2)
_EXP_TAIL = (1.6666665459e-1, 5.0000001201e-1)
#: logarithm of the mantissa (Moshier, Cephes, logf)
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)

#: tanh x = x · P(x²) / Q(x²) up to where it rounds to 1
_TANH_P = (1.331909701e-8, 2.058350677e-5, 3.494036458e-3, 1.337971966e-1, 1.0)
_TANH_Q = (7.762031850e-7, 3.283095693e-4, 2.587108081e-2, 4.671303491e-1, 1.0)
_TANH_END = 9.02
#: erf x / x as a polynomial of x², on [0, 1]
_ERF = (
    7.853861034e-05,
    -0.000801019353,
    0.005188327675,
    -0.02685381193,
    0.1128358515,
    -0.3761262582,
    1.128379166,
)


def polynomial(b: Builder, x: Value, coefficients: tuple[float, ...]) -> Value:
    """Return the polynomial by Horner's rule, the highest power first."""
    y = b.like(coefficients[0], x)
    for c in coefficients[1:]:
        y = b.fma(y, x, b.like(c, x))
    return y


def exp(b: Builder, x: Value) -> Value:
    """Return eˣ; 0 below −87.3 and infinity above 88.7; NaN stays NaN."""
    held = b.select(x > 88.7228, 88.7228, x)
    held = b.select(held < -87.33654, -87.33654, held)
    n, p = _reduced(b, held)
    safe = b.select(x.is_nan(), 0.0, n)
    # 2ⁿ in two factors, so that the largest exponent does not overflow
    whole = b.to_int(safe)
    half = _shift_right(b, whole)
    scaled = p * _power_of_two(b, half) * _power_of_two(b, whole - half)
    scaled = b.select(x > 88.7228391, math.inf, scaled)
    scaled = b.select(x < -87.33654, 0.0, scaled)
    return b.select(x.is_nan(), x, scaled)


def exp_of_negative(b: Builder, x: Value) -> Value:
    """Return eˣ for x ≤ 0, or rounded up from it, to the bit as `exp`.

    No power of two overflows, so there is one factor, and fewer ends.
    """
    is_zero = x < -87.33654
    n, p = _reduced(b, b.select(is_zero, -87.33654, x))
    whole = b.to_int(b.select(x.is_nan(), 0.0, n))
    return b.select(is_zero, 0.0, p * _power_of_two(b, whole))


def _reduced(b: Builder, x: Value) -> tuple[Value, Value]:
    """Return n and p with eˣ = p · 2ⁿ; p lies in √½ … √2."""
    n = b.call_intrinsic("llvm.rint", x * math.log2(math.e))
    r = b.fma(n, b.like(-_LN2_HIGH, x), x)
    r = b.fma(n, b.like(-_LN2_LOW, x), r)
    p = polynomial(b, r, _EXP + _EXP_TAIL)
    return n, b.fma(p, r * r, r + 1.0)


def _shift_right(b: Builder, n: Value) -> Value:
    return Value(b, b.ir.ashr(n.v, b.like(1, n).v))


def _power_of_two(b: Builder, n: Value) -> Value:
    return b.bits((n + 127) << 23, "f32")


def log(b: Builder, x: Value) -> Value:
    """Return ln x for positive normal numbers; −infinity for 0, NaN below."""
    bits = b.bits(x, "i32")
    exponent = b.to_float((bits >> 23) - 126)
    m = b.bits((bits & 0x807FFFFF - (1 << 32)) | 0x3F000000, "f32")
    is_small = m < 0.70710678
    e = b.select(is_small, exponent - 1.0, exponent)
    m = b.select(is_small, m + m, m) - 1.0
    z = m * m
    y = polynomial(b, m, _LOG) * m * z
    y = b.fma(e, b.like(_LN2_LOW, x), y)
    y = y - z * 0.5
    result = b.fma(e, b.like(_LN2_HIGH, x), m + y)
    result = b.select(x.equals(0.0), -math.inf, result)
    result = b.select(x < 0.0, math.nan, result)
    result = b.select(x.equals(math.inf), math.inf, result)
    return b.select(x.is_nan(), x, result)


def log1p_small(b: Builder, x: Value) -> Value:
    """Return ln(1 + x) for 0 ≤ x ≤ 1, exact for tiny x (Goldberg 1991, theorem 4)."""
    u = x + 1.0
    exact = log(b, u) * x / (u - 1.0)
    return b.select((u - 1.0).equals(0.0), x, exact)


def log1p(b: Builder, x: Value) -> Value:
    """Return ln(1 + x), exact for tiny x; −infinity for −1, NaN below."""
    u = x + 1.0
    exact = log(b, u) * x / (u - 1.0)
    exact = b.select((u - 1.0).equals(0.0), x, exact)
    return b.select(x.equals(math.inf), x, exact)


def expm1(b: Builder, x: Value) -> Value:
    """Return eˣ − 1 as tanh(x / 2) · (eˣ + 1): nothing cancels near 0."""
    return tanh(b, x * 0.5) * (exp(b, x) + 1.0)


def softplus(b: Builder, x: Value) -> Value:
    """Return ln(1 + eˣ) as max(x, 0) + ln(1 + e^−|x|), without overflow."""
    return b.relu(x) + log1p_small(b, exp_of_negative(b, -b.absolute(x)))


def sigmoid(b: Builder, x: Value) -> Value:
    """Return 1 / (1 + e⁻ˣ) without overflow."""
    small = exp_of_negative(b, -b.absolute(x))
    top = b.select(x < 0.0, small, b.like(1.0, x))
    return top / (small + 1.0)


def tanh(b: Builder, x: Value) -> Value:
    """Return tanh x as x · P(x²) / Q(x²), to 5 ulp; ±1 beyond 9.02, NaN stays NaN.

    P and Q of degree four are the minimax fit of the relative error on [0, 9.02] (by
    Lawson's iteration), 2e-8; the rest is rounding.
    """
    x = b.select(x > _TANH_END, _TANH_END, x)
    x = b.select(x < -_TANH_END, -_TANH_END, x)
    z = x * x
    y = x * polynomial(b, z, _TANH_P) / polynomial(b, z, _TANH_Q)
    y = b.select(y > 1.0, 1.0, y)
    return b.select(y < -1.0, -1.0, y)


def normal_pdf(b: Builder, x: Value) -> Value:
    """Return the density of the standard normal distribution."""
    return exp_of_negative(b, x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


def normal_cdf(b: Builder, x: Value) -> Value:
    """Return the standard normal distribution function, (1 + erf(x / √2)) / 2."""
    tail = erfc_positive(b, b.absolute(x) * math.sqrt(0.5)) * 0.5
    return b.select(x < 0.0, tail, 1.0 - tail)


def erf(b: Builder, x: Value) -> Value:
    """Return erf x: x · P(x²) up to 1, ±(1 − erfc |x|) from there.

    P is the minimax fit of the relative error (by Lawson's iteration), 1.3e-9.
    """
    size = b.absolute(x)
    inner = x * polynomial(b, x * x, _ERF)
    tail = 1.0 - erfc_positive(b, size)
    outer = b.select(x < 0.0, -tail, tail)
    return b.select(size < 1.0, inner, outer)


def erfc_positive(b: Builder, x: Value) -> Value:
    """Return erfc x for x ≥ 0: t · exp(−x² + P(t)) with t = 2 / (2 + x).

    A Chebyshev fit with a relative error below 1.2e-7 (Press et al. 1992,
    *Numerical Recipes*, section 6.2).
    """
    t = 1.0 / b.fma(x, b.like(0.5, x), b.like(1.0, x))
    p = polynomial(
        b,
        t,
        (
            0.17087277,
            -0.82215223,
            1.48851587,
            -1.13520398,
            0.27886807,
            -0.18628806,
            0.09678418,
            0.37409196,
            1.00002368,
            -1.26551223,
        ),
    )
    return t * exp_of_negative(b, p - x * x)
