"""Winograd's algorithms: tile sizes and transform matrices.

A tile of m × m outputs of a 3×3 convolution sees n × n inputs d, n = m + 2:

    tile = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A,    n² products in place of 9 m².

The matrices evaluate polynomials at the points 0, ±a (, ±b) and infinity. For m = 2 the
point is 1. For m = 4 they are 3/4 and 3/2: exact in float32, and, as they lie on either
side of 1, with a third of the rounding errors of the customary 1 and 2.

References
----------
Lavin and Gray 2016, Fast Algorithms for Convolutional Neural Networks, section 4.
Barabasz et al. 2020, Error Analysis and Improving the Accuracy of Winograd Convolution
for Deep Neural Networks, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pellucid.engines.compiled.codegen import Value
from pellucid.engines.compiled.kernels.amx.amx import DEPTH, EDGE
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.layout import ImageLayout, padded

Vectors = list[Value]

#: numbers left free between spots where they would crowd
GAP = 16
#: what AMX costs, in multiply-adds of vectors: a product of tiles in place of one, and
#: to cut a number into parts once for all outputs, and to pass it through the caches
AMX_PRODUCT, AMX_CUT, AMX_PASS = 1 / 3, 11, 1 / 3
#: the points of m = 4, and their squares
_P, _Q = 0.75, 1.5
_PP, _QQ = _P * _P, _Q * _Q


@dataclass(frozen=True, slots=True)
class Winograd:
    """A convolution by Winograd's algorithm.

    Attributes
    ----------
    conv : Conv
        3×3, stride and dilation 1. For the derivative by the input its x is the
        derivative by the output, its y the one by the input, and ``top_left`` is 2
        less the padding.
    pooled : bool
        Whether the output is the 2×2 max-pool's, with codes.
    y : Map
        The output: conv.y, or the pooled one.
    keeps_codes : bool
        Whether a pooled output writes codes, [height][width][stored].
    weight_layout : {"hwio", "ohwi"}
        How the layer's weights lie; "ohwi" has a row for every stored output.
    is_turned : bool
        Whether the weights are those of the forward convolution, to be flipped and
        with inputs and outputs exchanged.
    edge : {0, 2, 4}
        Outputs along a tile's edge; 0 takes what costs least.
    keeps_zeros : bool
        Whether an output that sees only zeros is the bias exactly.
    on_amx : bool
        Whether the products are made on AMX tiles.
    writes_once : bool
        Whether the last row of tiles leaves out the outputs that the row above it has
        as well.
    """

    conv: Conv
    pooled: bool
    y: ImageLayout
    keeps_codes: bool = True
    weight_layout: Literal["hwio", "ohwi"] = "hwio"
    is_turned: bool = False
    edge: Literal[0, 2, 4] = 0
    keeps_zeros: bool = False
    on_amx: bool = False
    writes_once: bool = False

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of the convolution's output that are made."""
        if self.pooled:
            return 2 * self.y.height, 2 * self.y.width
        return self.y.height, self.y.width

    @property
    def m(self) -> int:
        """Outputs along a tile's edge."""
        if self.edge:
            return self.edge
        return 4 if min(self.extent) >= 4 and self._cost(4) < self._cost(2) else 2

    def _cost(self, m: int, images: int = 1) -> float:
        """Return about how many multiply-adds of vectors each output channel takes.

        That is for one image where so many go together.
        """
        rows, columns = (-(-size // m) for size in self.extent)
        transforms = 9 * m * m if m == 4 else 0  # m = 2 only adds, beside the products
        tiles, numbers = rows * columns, (m + 2) ** 2 * self.conv.x.channels
        if self.on_amx:
            whole = padded(tiles * images, EDGE) / images
            products = whole * numbers * AMX_PRODUCT
            cut = tiles * numbers * (AMX_CUT / self.conv.y.channels + AMX_PASS)
            return products + cut + tiles * transforms
        return tiles * (numbers + transforms)

    @property
    def cost(self) -> float:
        """About how many multiply-adds of vectors each output channel takes."""
        return self._cost(self.m)

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles; the last ones overlap where m divides neither."""
        m = self.m
        return -(-self.extent[0] // m), -(-self.extent[1] // m)

    @property
    def spots(self) -> int:
        """Numbers of a transformed tile."""
        return (self.m + 2) ** 2

    @property
    def title(self) -> str:
        """The algorithm's name."""
        on = " on AMX" if self.on_amx else ""
        return f"Winograd F({self.m}×{self.m}, 3×3){on}"


def apart(size: int) -> int:
    """Return how far one spot's numbers lie from the next one's.

    All spots of a tile are read and written together: at multiples of 1 KiB they would
    crowd into few sets of the first cache.
    """
    return size + GAP if size % 256 == 0 else size


def winograd_fits(conv: Conv) -> bool:
    """Return whether the algorithm applies and pays.

    Transforms cost as much per input and output channel as a product does per pair of
    them, so it takes 16 channels on either side until they are worth their while.
    """
    is_plain = conv.stride == conv.dilation == (1, 1) and conv.groups == 1
    is_large = min(conv.x.channels, conv.y.channels) >= 16
    sizes = min(conv.y.height, conv.y.width)
    return conv.kernel == (3, 3) and is_plain and is_large and sizes >= 2


def on_amx(spec: Winograd, images: int = 1) -> Winograd:
    """Return the spec with its products on AMX, or as it is where that costs more.

    ``images`` is how many go together.
    For m = 2 it never pays: per product there is twice as much to pass to the tiles.
    Tiles sum over stored channels, so there must be none but the true ones.
    """
    x = spec.conv.x
    fits = x.channels == x.padded_channels and x.padded_channels % DEPTH == 0
    fits = fits and spec.conv.y.padded_channels % EDGE == 0
    other = replace(spec, on_amx=True, edge=4)
    is_cheaper = spec.m == 4 and other._cost(4, images) < spec._cost(4, images)
    return other if fits and is_cheaper else spec


def g(d: Vectors, m: int) -> Vectors:
    """Return G d."""
    if m == 2:
        ends, middle = (d[0] + d[2]) * 0.5, d[1] * 0.5
        return [d[0], ends + middle, ends - middle, d[2]]
    p, q = 1 / (2 * _PP * (_PP - _QQ)), 1 / (2 * _QQ * (_QQ - _PP))
    even_p, odd_p = (d[0] + d[2] * _PP) * p, d[1] * (_P * p)
    even_q, odd_q = (d[0] + d[2] * _QQ) * q, d[1] * (_Q * q)
    first = d[0] * (1 / (_PP * _QQ))
    return [first, *_both(even_p, odd_p), *_both(even_q, odd_q), d[2]]


def g_turned(d: Vectors, m: int) -> Vectors:
    """Return Gᵀ d."""
    if m == 2:
        half = (d[1] + d[2]) * 0.5
        return [d[0] + half, (d[1] - d[2]) * 0.5, half + d[3]]
    p, q = 1 / (2 * _PP * (_PP - _QQ)), 1 / (2 * _QQ * (_QQ - _PP))
    sum_p, sum_q = (d[1] + d[2]) * p, (d[3] + d[4]) * q
    odd = (d[1] - d[2]) * (_P * p) + (d[3] - d[4]) * (_Q * q)
    first = d[0] * (1 / (_PP * _QQ)) + sum_p + sum_q
    return [first, odd, sum_p * _PP + sum_q * _QQ + d[5]]


def b_turned(d: Vectors, m: int) -> Vectors:
    """Return Bᵀ d."""
    if m == 2:
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
    even_p, odd_p = d[4] - d[2] * _QQ, (d[3] - d[1] * _QQ) * _P
    even_q, odd_q = d[4] - d[2] * _PP, (d[3] - d[1] * _PP) * _Q
    first = d[4] - d[2] * (_PP + _QQ) + d[0] * (_PP * _QQ)
    last = d[5] - d[3] * (_PP + _QQ) + d[1] * (_PP * _QQ)
    return [first, *_both(even_p, odd_p), *_both(even_q, odd_q), last]


def a_turned(d: Vectors, m: int) -> Vectors:
    """Return Aᵀ d."""
    if m == 2:
        return [d[0] + d[1] + d[2], d[1] - d[2] - d[3]]
    (sum_p, odd_p), (sum_q, odd_q) = _both(d[1], d[2]), _both(d[3], d[4])
    return [
        d[0] + (sum_p + sum_q),
        odd_p * _P + odd_q * _Q,
        sum_p * _PP + sum_q * _QQ,
        odd_p * (_P * _PP) + odd_q * (_Q * _QQ) + d[5],
    ]


def a(d: Vectors, m: int) -> Vectors:
    """Return A d."""
    if m == 2:
        return [d[0], d[0] + d[1], d[0] - d[1], -d[1]]
    even_p, odd_p = d[0] + d[2] * _PP, d[1] * _P + d[3] * (_P * _PP)
    even_q, odd_q = d[0] + d[2] * _QQ, d[1] * _Q + d[3] * (_Q * _QQ)
    return [d[0], *_both(even_p, odd_p), *_both(even_q, odd_q), d[3]]


def _both(x: Value, y: Value) -> Vectors:
    return [x + y, x - y]
