"""C99 kernels of int8 operators, bit for bit as LiteRT's reference kernels.

References
----------
LiteRT's 8-bit quantization specification; its reference kernels for what that leaves
open: a product is rounded twice, an average away from zero.
"""

from __future__ import annotations

from collections.abc import Collection

from pellucid.exchange.codegen.c_int8 import vectors

LANES = 16  # channels that a convolution or dense layer computes at once
GROUP = 4  # numbers of the input that are multiplied at once
SLACK = LANES - 1  # bytes that the last tile may reach beyond an image

HEAD = """
#define LANES 16
#define GROUP 4


static inline int clamped(int32_t x, int low)
{
    return x < low ? low : x > 127 ? 127 : (int)x;
}

/* floor(p / 2^s) for s > 30, without a sign: compilers have that shift in vectors */
static inline int32_t shifted(int64_t p, int s)
{
    const uint64_t above = (uint64_t)1 << 62;
    return (int32_t)((uint32_t)(((uint64_t)p + above) >> s) - (uint32_t)(above >> s));
}

/* x * m * 2^(shift - 31), rounded twice: at the 31st place, then at the last, halves
   away from zero; a floor of a floor is one */
static inline int32_t multiplied(int32_t x, int32_t m, int shift)
{
    const int32_t is_twice = shift < 0;
    const int64_t half = (int64_t)1 << (30 - shift);
    const int64_t more = (int64_t)(is_twice - 2 * (is_twice & (x < 0))) * (1 << 30);
    return shifted((int64_t)x * m + half + more, 31 - shift);
}
"""

KERNELS: dict[str, str] = {
    "pad": """
/* y = x with a number around it */
static void pad(const int8_t *x, int8_t *y, int h, int w, int c, int top, int left,
                int bottom, int right, int around)
{
    const int width = (left + w + right) * c;
    int i;
    memset(y, around, (size_t)((top + h + bottom) * width));
    for (i = 0; i < h; i++)
        memcpy(y + (top + i) * width + left * c, x + i * w * c, (size_t)(w * c));
}
""",
    "conv_grouped": """
/* a convolution whose channels are split into groups; weights (kh, kw, c / g, oc) */
static void conv_grouped(const int8_t *x, const int8_t *weight, const int32_t *bias,
                         const int32_t *m, const int8_t *shift, int8_t *y, int w,
                         int c, int oh, int ow, int oc, int kh, int kw, int sh,
                         int sw, int dh, int dw, int zero, int low, int groups)
{
    const int per_in = c / groups, per_out = oc / groups;
    int i, j, o, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++)
            for (o = 0; o < oc; o++) {
                int32_t sum = bias[o];
                for (u = 0; u < kh; u++)
                    for (v = 0; v < kw; v++) {
                        const int r = i * sh + u * dh, q = j * sw + v * dw;
                        const int8_t *at = x + (r * w + q) * c + o / per_out * per_in;
                        const int8_t *wt = weight + (u * kw + v) * per_in * oc + o;
                        for (k = 0; k < per_in; k++) sum += at[k] * wt[k * oc];
                    }
                *y++ = (int8_t)clamped(multiplied(sum, m[o], shift[o]) + zero, low);
            }
}
""",
    "conv_transpose": """
/* each pixel of y gathers what the pixels of x paint on it; weights (kh, kw, c, oc) */
static void conv_transpose(const int8_t *x, const int8_t *weight,
                           const int32_t *bias, const int32_t *m,
                           const int8_t *shift, int8_t *y, int h, int w, int c,
                           int oh, int ow, int oc, int kh, int kw, int sh, int sw,
                           int from, int zero, int low)
{
    int i, j, o, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++)
            for (o = 0; o < oc; o++) {
                int32_t sum = bias[o];
                for (u = 0; u < kh; u++)
                    for (v = 0; v < kw; v++) {
                        const int r = (i - u) / sh, q = (j - v) / sw;
                        const int8_t *at = x + (r * w + q) * c;
                        const int8_t *wt = weight + (u * kw + v) * c * oc + o;
                        if (i < u || j < v || r * sh != i - u || q * sw != j - v)
                            continue;
                        if (r >= h || q >= w) continue;
                        for (k = 0; k < c; k++) sum += (at[k] - from) * wt[k * oc];
                    }
                *y++ = (int8_t)clamped(multiplied(sum, m[o], shift[o]) + zero, low);
            }
}
""",
    "max_pool": """
/* the largest number of each window; cells outside do not count */
static void max_pool(const int8_t *x, int8_t *y, int h, int w, int c, int oh, int ow,
                     int kh, int kw, int sh, int sw, int top, int left)
{
    int i, j, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++, y += c) {
            memset(y, -128, (size_t)c);
            for (u = 0; u < kh; u++)
                for (v = 0; v < kw; v++) {
                    const int r = i * sh + u - top, q = j * sw + v - left;
                    const int8_t *at = x + (r * w + q) * c;
                    if (r < 0 || r >= h || q < 0 || q >= w) continue;
                    for (k = 0; k < c; k++) y[k] = at[k] > y[k] ? at[k] : y[k];
                }
        }
}
""",
    "avg_pool": """
/* the mean of each window's cells that lie inside, halves away from zero */
static void avg_pool(const int8_t *x, int8_t *y, int h, int w, int c, int oh, int ow,
                     int kh, int kw, int sh, int sw, int top, int left)
{
    int i, j, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++)
            for (k = 0; k < c; k++) {
                int32_t sum = 0, count = 0;
                for (u = 0; u < kh; u++)
                    for (v = 0; v < kw; v++) {
                        const int r = i * sh + u - top, q = j * sw + v - left;
                        if (r < 0 || r >= h || q < 0 || q >= w) continue;
                        sum += x[(r * w + q) * c + k];
                        count++;
                    }
                sum = sum > 0 ? sum + count / 2 : sum - count / 2;
                *y++ = (int8_t)(sum / count);
            }
}
""",
    "mean": """
/* the mean of each channel; the number of pixels is in the multiplier */
static void mean(const int8_t *x, int8_t *y, int pixels, int c, int from, int32_t m,
                 int shift, int zero)
{
    int i, k;
    for (k = 0; k < c; k++) {
        int32_t sum = 0;
        for (i = 0; i < pixels; i++) sum += x[i * c + k] - from;
        y[k] = (int8_t)clamped(multiplied(sum, m, shift) + zero, -128);
    }
}
""",
    "stretch": """
/* y (a, b, c, d) = x by steps: 0 where one element stands for all */
static void stretch(const int8_t *x, int8_t *y, int a, int b, int c, int d,
                    int x0, int x1, int x2, int x3)
{
    int i, j, k, l;
    for (i = 0; i < a; i++)
        for (j = 0; j < b; j++)
            for (k = 0; k < c; k++)
                for (l = 0; l < d; l++)
                    *y++ = x[i * x0 + j * x1 + k * x2 + l * x3];
}
""",
    "lookup": """
/* what is done to every number alone: 256 answers, the first for -128 */
static void lookup(const int8_t *x, int8_t *y, int n, const int8_t *table)
{
    int i;
    for (i = 0; i < n; i++) y[i] = table[x[i] + 128];
}
""",
    "softmax": """
/* each of n rows to probabilities of 1/256; table[d] is exp of d steps down */
static void softmax(const int8_t *x, int8_t *y, int n, int c, const int32_t *table)
{
    int i, k;
    for (i = 0; i < n; i++, x += c, y += c) {
        int most = x[0];
        int64_t sum = 0;
        for (k = 1; k < c; k++) most = x[k] > most ? x[k] : most;
        for (k = 0; k < c; k++) sum += table[most - x[k]];
        for (k = 0; k < c; k++) {
            const int64_t share = ((int64_t)table[most - x[k]] * 256 + sum / 2) / sum;
            y[k] = (int8_t)(share > 255 ? 127 : share - 128);
        }
    }
}
""",
    "concat": """
/* the channels of x into those of y from a place on */
static void concat(const int8_t *x, int8_t *y, int n, int c, int channels, int from)
{
    int i;
    for (i = 0; i < n; i++) memcpy(y + i * channels + from, x + i * c, (size_t)c);
}
""",
    "crop": """
/* the part of x (height, w, c) that begins at (top, left) */
static void crop(const int8_t *x, int8_t *y, int w, int c, int oh, int ow, int top,
                 int left)
{
    int i;
    for (i = 0; i < oh; i++)
        memcpy(y + i * ow * c, x + ((top + i) * w + left) * c, (size_t)(ow * c));
}
""",
    "strided_copy": """
/* five axes, outermost first: size, distance of neighbours in x and in y */
static void strided_copy(const int8_t *x, int8_t *y, int n0, int x0, int y0,
                         int n1, int x1, int y1, int n2, int x2, int y2,
                         int n3, int x3, int y3, int n4, int x4, int y4)
{
    int i, j, k, l, m;
    for (i = 0; i < n0; i++)
        for (j = 0; j < n1; j++)
            for (k = 0; k < n2; k++)
                for (l = 0; l < n3; l++)
                    for (m = 0; m < n4; m++)
                        y[i * y0 + j * y1 + k * y2 + l * y3 + m * y4] =
                            x[i * x0 + j * x1 + k * x2 + l * x3 + m * x4];
}
""",
    "upsample_nearest": """
static void upsample_nearest(const int8_t *x, int8_t *y, int h, int w, int c, int fh,
                             int fw)
{
    int i, j;
    for (i = 0; i < h * fh; i++)
        for (j = 0; j < w * fw; j++, y += c)
            memcpy(y, x + (i / fh * w + j / fw) * c, (size_t)c);
}
""",
    "upsample_bilinear": """
/* between the centres of pixels, in steps of half a new pixel; halves upwards */
static void upsample_bilinear(const int8_t *x, int8_t *y, int h, int w, int c, int fh,
                              int fw)
{
    const int whole = 4 * fh * fw;
    int i, j, k;
    for (i = 0; i < h * fh; i++)
        for (j = 0; j < w * fw; j++, y += c) {
            int r = 2 * i + 1 - fh, q = 2 * j + 1 - fw, top, left, bottom, right;
            r = r < 0 ? 0 : r > 2 * fh * (h - 1) ? 2 * fh * (h - 1) : r;
            q = q < 0 ? 0 : q > 2 * fw * (w - 1) ? 2 * fw * (w - 1) : q;
            top = r / (2 * fh), left = q / (2 * fw);
            bottom = top + 1 < h ? top + 1 : top;
            right = left + 1 < w ? left + 1 : left;
            r -= 2 * fh * top, q -= 2 * fw * left;
            for (k = 0; k < c; k++) {
                const int a = x[(top * w + left) * c + k];
                const int b = x[(top * w + right) * c + k];
                const int d = x[(bottom * w + left) * c + k];
                const int e = x[(bottom * w + right) * c + k];
                const int upper = a * (2 * fw - q) + b * q;
                const int lower = d * (2 * fw - q) + e * q;
                const int sum = upper * (2 * fh - r) + lower * r + 128 * whole;
                y[k] = (int8_t)((sum + whole / 2) / whole - 128);
            }
        }
}
""",
}

#: kernels that multiply, and thereby need the head
WITH_HEAD = {"conv_grouped", "conv_transpose", "mean", *vectors.KERNELS}


def code_of(used: Collection[str]) -> list[str]:
    """Return the text of kernels, with what they share before them."""
    head = [HEAD] if WITH_HEAD.intersection(used) else []
    plain = [code for name, code in KERNELS.items() if name in used]
    return head + plain + vectors.code_of(used)
