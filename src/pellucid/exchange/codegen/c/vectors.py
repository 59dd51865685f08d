"""C99 kernels that compute sixteen channels at once, for several kinds of vectors."""

from __future__ import annotations

from collections.abc import Collection

from pellucid.exchange.codegen.c import dispatch
from pellucid.exchange.codegen.c.dispatch import Kinds

LANES = 16  # channels that a convolution or dense layer computes at once

_BASE = """
/* Sixteen channels at a time, in vectors of 16 (BASE 3), 8 or 4 floats, or in a plain
   array (0). Where the compiler was told of no more than SSE2, GCC and Clang compile
   the wider ones as well, and the processor is asked; not with PELLUCID_NO_DISPATCH.
   PELLUCID_PLAIN has the array everywhere. */
#if !defined(__GNUC__) || defined(PELLUCID_PLAIN)
#define BASE 0
#elif defined(__AVX512F__)
#define BASE 3
#elif defined(__AVX__)
#define BASE 2
#else
#define BASE 1
#endif
#define LANES 16
#define MULTIPLY_ADD(a, x, w) ((a) += (x) * (w))
"""

_VECTORS = """
#if LEVEL == 3
#define WIDTH 16
#define PIXELS 7
#elif LEVEL == 2
#define WIDTH 8
#define PIXELS 5
#elif LEVEL == 1
#define WIDTH 4
#define PIXELS 2
#else
#define WIDTH 1
#define PIXELS 1
#endif
#if LEVEL
typedef float lanes@ __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
#define LOAD(p) (*(const lanes *)(p))
#define STORE(p, v) (*(lanes *)(p) = (v))
#else
typedef float lanes@;
#define LOAD(p) (*(p))
#define STORE(p, v) (*(p) = (v))
#endif
#define lanes lanes@
#define PARTS (LANES / WIDTH)
"""

KERNELS: dict[str, str] = {
    "conv": """
/* PIXELS pixels and LANES channels of a convolution: y = b + sum of x * w */
TARGET static void conv_block@(const float *x, int step, int rows, int row, int cells,
                               int cell, int run, const float *w, const float *b,
                               float *y, int channels, int used)
{
    lanes sum[PIXELS][PARTS];
    float spill[LANES];
    int u, v, k, p, t;
    for (p = 0; p < PIXELS; p++)
        for (t = 0; t < PARTS; t++) sum[p][t] = LOAD(b + t * WIDTH);
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++) {
            const float *at = x + u * row + v * cell;
            for (k = 0; k < run; k++) {
                lanes weight[PARTS];
                for (t = 0; t < PARTS; t++) weight[t] = LOAD(w + t * WIDTH);
                for (p = 0; p < PIXELS; p++) {
                    const float value = at[p * step + k];
                    for (t = 0; t < PARTS; t++)
                        MULTIPLY_ADD(sum[p][t], value, weight[t]);
                }
                w += LANES;
            }
        }
    for (p = 0; p < PIXELS; p++) {
        float *to = used == LANES ? y + p * channels : spill;
        for (t = 0; t < PARTS; t++) STORE(to + t * WIDTH, sum[p][t]);
        if (used < LANES)
            memcpy(y + p * channels, spill, (size_t)used * sizeof *y);
    }
}

/* the same for one pixel, at the end of a narrow row */
TARGET static void conv_pixel@(const float *x, int rows, int row, int cells, int cell,
                               int run, const float *w, const float *b, float *y,
                               int used)
{
    float sum[LANES];
    int u, v, k, t;
    memcpy(sum, b, sizeof sum);
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++)
            for (k = 0; k < run; k++) {
                const float value = x[u * row + v * cell + k];
                for (t = 0; t < LANES; t++) sum[t] += value * w[t];
                w += LANES;
            }
    memcpy(y, sum, (size_t)used * sizeof *y);
}

/* x (already padded) of width w and c channels -> y (oh, ow, oc);
   weights (tiles of LANES output channels, kh, kw, c, LANES) */
TARGET static void conv@(const float *x, const float *weight, const float *bias,
                         float *y, int w, int c, int oh, int ow, int oc, int kh, int kw,
                         int sh, int sw, int dh, int dw)
{
    const int is_dense = dw == 1;
    const int cells = is_dense ? 1 : kw, run = is_dense ? kw * c : c;
    const int size = kh * kw * c * LANES;
    int tile, i, j;
    for (tile = 0; tile * LANES < oc; tile++) {
        const int used = oc - tile * LANES < LANES ? oc - tile * LANES : LANES;
        const float *wt = weight + tile * size, *b = bias + tile * LANES;
        for (i = 0; i < oh; i++) {
            const float *from = x + i * sh * w * c;
            float *to = y + i * ow * oc + tile * LANES;
            if (ow < PIXELS) {
                for (j = 0; j < ow; j++)
                    conv_pixel@(from + j * sw * c, kh, dh * w * c, cells, dw * c,
                               run, wt, b, to + j * oc, used);
                continue;
            }
            for (j = 0; j < ow; j += PIXELS) {
                const int at = j + PIXELS > ow ? ow - PIXELS : j;
                conv_block@(from + at * sw * c, sw * c, kh, dh * w * c, cells,
                           dw * c, run, wt, b, to + at * oc, oc, used);
            }
        }
    }
}
""",
    "dense": """
/* each of n rows of x: y = b + x * w; weights (tiles of LANES outputs, in, LANES) */
TARGET static void dense@(const float *x, const float *weight, const float *bias,
                          float *y, int n, int in, int out)
{
    const int whole = in / 4 * 4;
    int row, tile, k, t, s;
    for (row = 0; row < n; row++, x += in, y += out)
        for (tile = 0; tile * LANES < out; tile++) {
            const float *w = weight + tile * in * LANES;
            const int used = out - tile * LANES < LANES ? out - tile * LANES : LANES;
            lanes sum[4][PARTS];
            float total[LANES];
            for (t = 0; t < PARTS; t++) {
                sum[0][t] = LOAD(bias + tile * LANES + t * WIDTH);
                for (s = 1; s < 4; s++) sum[s][t] = sum[0][t] - sum[0][t];
            }
            for (k = 0; k < whole; k += 4)
                for (s = 0; s < 4; s++)
                    for (t = 0; t < PARTS; t++)
                        MULTIPLY_ADD(sum[s][t], x[k + s],
                                     LOAD(w + (k + s) * LANES + t * WIDTH));
            for (k = whole; k < in; k++)
                for (t = 0; t < PARTS; t++)
                    MULTIPLY_ADD(sum[0][t], x[k], LOAD(w + k * LANES + t * WIDTH));
            for (t = 0; t < PARTS; t++)
                STORE(total + t * WIDTH,
                      (sum[0][t] + sum[1][t]) + (sum[2][t] + sum[3][t]));
            memcpy(y + tile * LANES, total, (size_t)used * sizeof *y);
        }
}
""",
}

_KINDS = Kinds(
    base=_BASE,
    others={"avx512": (3, "avx512f"), "avx2": (2, "avx2,fma")},
    prelude=_VECTORS,
    macros=("WIDTH", "PIXELS", "lanes", "LOAD", "STORE", "PARTS"),
)


def code_of(used: Collection[str]) -> list[str]:
    """Return the text of kernels, and how one of each is chosen."""
    names = [name for name in KERNELS if name in used]
    text = "".join(KERNELS[name] for name in names)
    return dispatch.code_of(_KINDS, text, names) if names else []
