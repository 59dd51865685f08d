"""C99 kernels of int8 operators, bit for bit as LiteRT's reference kernels.

References
----------
LiteRT's 8-bit quantization specification; its reference kernels for what that leaves
open: a product is rounded twice, an average away from zero.
"""

from __future__ import annotations

from collections.abc import Collection

LANES = 16  # channels that a convolution or dense layer computes at once
GROUP = 4  # numbers of the input that are multiplied at once
SLACK = LANES - 1  # bytes that the last tile may reach beyond an image

HEAD = """
#define LANES 16
#define GROUP 4
#if defined(__SSE2__) && !defined(PELLUCID_PLAIN)
#include <immintrin.h>
#define VECTORS (64 / sizeof(vector))
#if defined(__AVX512BW__)
#define OF_VECTOR(name) _mm512_##name
#define WIDE
#define _mm512_set1_epi64x _mm512_set1_epi64
#define PIXELS 7
typedef __m512i vector;
static inline vector load(const void *p) { return _mm512_loadu_si512(p); }
static inline void store(void *p, vector x) { _mm512_storeu_si512(p, x); }
static inline vector both(vector x, vector y) { return _mm512_and_si512(x, y); }
#elif defined(__AVX2__)
#define OF_VECTOR(name) _mm256_##name
#define WIDE
#define PIXELS 4
typedef __m256i vector;
static inline vector load(const void *p) { return _mm256_loadu_si256(p); }
static inline void store(void *p, vector x) { _mm256_storeu_si256(p, x); }
static inline vector both(vector x, vector y) { return _mm256_and_si256(x, y); }
#else
#define OF_VECTOR(name) _mm_##name
#define PIXELS 2
typedef __m128i vector;
static inline vector load(const void *p) { return _mm_loadu_si128(p); }
static inline void store(void *p, vector x) { _mm_storeu_si128(p, x); }
static inline vector both(vector x, vector y) { return _mm_and_si128(x, y); }
#endif
#else
#define PIXELS 1
#endif

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
    "scale": """
/* how the sums of a tile of channels come to the output's scale; in vectors numbers of
   64 bits lie as products do, those of even channels first */
#ifdef WIDE
#define WORDS ((int)(sizeof(vector) / 4))
#define PLACE(t) ((t) / WORDS * WORDS + (t) % 2 * (WORDS / 2) + (t) % WORDS / 2)
#else
#define PLACE(t) (t)
#endif
struct scale {
    int64_t add[LANES], less[LANES];
    uint64_t by[LANES];
    int32_t m[LANES], back[LANES];
    int low;
};

/* prepares `put` for channels: x * m * 2^(shift - 31), rounded as `multiplied` does, or
   once, as LiteRT's dense layers do it */
static void prepare(struct scale *to, const int32_t *m, const int8_t *shift, int used,
                    int once, int zero, int low)
{
    const uint64_t above = (uint64_t)1 << 62;
    int t;
    for (t = 0; t < LANES; t++) {
        const int at = PLACE(t);
        const int s = t < used ? shift[t] : 0;
        const int64_t more = !once && s < 0 ? (int64_t)1 << 30 : 0;
        to->m[t] = t < used ? m[t] : 0;
        to->add[at] = ((int64_t)1 << (30 - s)) + more + (int64_t)above;
        to->less[at] = 2 * more;
        to->by[at] = (uint64_t)(31 - s);
        to->back[t] = (int32_t)((uint32_t)zero - (uint32_t)(above >> (31 - s)));
    }
    to->low = low;
}

/* one tile of channels of a pixel from its sums: scaled, moved to zero, cut off */
static inline void put(const int32_t *sum, const struct scale *by, int8_t *y, int used)
{
    int32_t whole[LANES];
    int8_t all[LANES];
    int t;
#ifdef WIDE
    for (t = 0; t < LANES; t += WORDS) {
        const vector x = load(sum + t), m = load(by->m + t);
        const vector sign = OF_VECTOR(srai_epi32)(x, 31);
        const vector low = OF_VECTOR(set1_epi64x)(0xFFFFFFFF);
        vector p = OF_VECTOR(mul_epi32)(x, m);
        vector q = OF_VECTOR(mul_epi32)(OF_VECTOR(srli_epi64)(x, 32),
                                        OF_VECTOR(srli_epi64)(m, 32));
        p = OF_VECTOR(add_epi64)(p, load(by->add + t));
        q = OF_VECTOR(add_epi64)(q, load(by->add + t + WORDS / 2));
        p = OF_VECTOR(sub_epi64)(
            p, both(OF_VECTOR(shuffle_epi32)(sign, 0xA0), load(by->less + t)));
        q = OF_VECTOR(sub_epi64)(q, both(OF_VECTOR(shuffle_epi32)(sign, 0xF5),
                                         load(by->less + t + WORDS / 2)));
        p = OF_VECTOR(srlv_epi64)(p, load(by->by + t));
        q = OF_VECTOR(srlv_epi64)(q, load(by->by + t + WORDS / 2));
        p = OF_VECTOR(add_epi64)(both(p, low), OF_VECTOR(slli_epi64)(q, 32));
        store(whole + t, p);
    }
#else
    for (t = 0; t < LANES; t++) {
        const int64_t x = sum[t];
        const int64_t p = x * by->m[t] + by->add[t] - (x < 0 ? by->less[t] : 0);
        whole[t] = (int32_t)((uint64_t)p >> by->by[t]);
    }
#endif
    for (t = 0; t < LANES; t++) {
        int32_t q = (int32_t)((uint32_t)whole[t] + (uint32_t)by->back[t]);
        q = q < by->low ? by->low : q;
        all[t] = (int8_t)(q > 127 ? 127 : q);
    }
    if (used == LANES)
        memcpy(y, all, LANES);
    else
        memcpy(y, all, (size_t)used);
}
""",
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
    "conv": """
#ifdef VECTORS
/* the same in vectors; without VNNI as pairs of 16 bits, the even bytes and the odd */
static inline __attribute__((always_inline))
void sums_of(const int8_t *x, int step, int pixels, int rows, int row, int cells,
             int cell, int run, const int8_t *w, const int32_t *b, int32_t *out)
{
    const vector bytes = OF_VECTOR(set1_epi32)(0x00FF00FF);
    vector sum[PIXELS][VECTORS];
    int u, v, k, p;
    size_t n;
    for (p = 0; p < pixels; p++)
        for (n = 0; n < VECTORS; n++)
            sum[p][n] = load(b + n * (LANES / VECTORS));
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++)
            for (k = 0; k < run; k += GROUP, w += GROUP * LANES) {
                const int8_t *at = x + u * row + v * cell + k;
                vector even[PIXELS], odd[PIXELS];
                for (p = 0; p < pixels; p++) {
                    uint32_t four;
                    memcpy(&four, at + p * step, sizeof four);
                    even[p] = OF_VECTOR(set1_epi32)((int)(four ^ 0x80808080u));
#ifndef __AVX512VNNI__
                    odd[p] = OF_VECTOR(srli_epi16)(even[p], 8);
                    even[p] = both(even[p], bytes);
#endif
                }
                for (n = 0; n < VECTORS; n++) {
                    const vector weight = load(w + n * sizeof(vector));
#ifdef __AVX512VNNI__
                    for (p = 0; p < pixels; p++)
                        sum[p][n] = _mm512_dpbusd_epi32(sum[p][n], even[p], weight);
#else
                    const vector second = OF_VECTOR(srai_epi16)(weight, 8);
                    const vector first = OF_VECTOR(srai_epi16)(
                        OF_VECTOR(slli_epi16)(weight, 8), 8);
                    for (p = 0; p < pixels; p++)
                        sum[p][n] = OF_VECTOR(add_epi32)(
                            OF_VECTOR(add_epi32)(
                                sum[p][n], OF_VECTOR(madd_epi16)(even[p], first)),
                            OF_VECTOR(madd_epi16)(odd[p], second));
#endif
                }
#ifdef __AVX512VNNI__
                (void)odd, (void)bytes;
#endif
            }
    for (p = 0; p < pixels; p++)
        for (n = 0; n < VECTORS; n++)
            store(out + p * LANES + n * (LANES / VECTORS), sum[p][n]);
}
#else
/* sums of `pixels` pixels and LANES channels: b + sum of (x + 128) * w;
   weights beyond the run are 0, whatever x has there */
static void sums_of(const int8_t *x, int step, int pixels, int rows, int row, int cells,
                    int cell, int run, const int8_t *w, const int32_t *b, int32_t *out)
{
    int u, v, k, p;
    for (p = 0; p < pixels; p++) memcpy(out + p * LANES, b, LANES * sizeof *b);
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++)
            for (k = 0; k < run; k += GROUP, w += GROUP * LANES) {
                const int8_t *at = x + u * row + v * cell + k;
                for (p = 0; p < pixels; p++, at += step) {
                    const int a0 = at[0] + 128, a1 = at[1] + 128;
                    const int a2 = at[2] + 128, a3 = at[3] + 128;
                    int t;
                    for (t = 0; t < LANES; t++)
                        out[p * LANES + t] += a0 * w[4 * t] + a1 * w[4 * t + 1]
                                              + a2 * w[4 * t + 2] + a3 * w[4 * t + 3];
                }
            }
}
#endif

/* x (already padded) of width w and c channels -> y (oh, ow, oc); weights (tiles of
   LANES output channels, kernel's rows and cells, groups of its run, LANES, GROUP) */
static void conv(const int8_t *x, const int8_t *weight, const int32_t *bias,
                 const int32_t *m, const int8_t *shift, int8_t *y, int w, int c,
                 int oh, int ow, int oc, int kh, int kw, int sh, int sw, int dh,
                 int dw, int once, int zero, int low)
{
    const int is_dense = dw == 1;
    const int cells = is_dense ? 1 : kw, run = is_dense ? kw * c : c;
    const int size = kh * cells * ((run + GROUP - 1) / GROUP) * GROUP * LANES;
    int32_t sum[PIXELS * LANES];
    struct scale by;
    int tile, i, j, p;
    for (tile = 0; tile < oc; tile += LANES) {
        const int used = oc - tile < LANES ? oc - tile : LANES;
        const int8_t *wt = weight + tile / LANES * size;
        prepare(&by, m + tile, shift + tile, used, once, zero, low);
        for (i = 0; i < oh; i++)
            for (j = 0; j < ow;) {
                const int pixels = ow < PIXELS ? 1 : PIXELS;
                const int8_t *at;
                if (ow - j < pixels) j = ow - pixels; /* some of them once more */
                at = x + (i * sh * w + j * sw) * c;
                if (pixels == PIXELS)
                    sums_of(at, sw * c, PIXELS, kh, dh * w * c, cells, dw * c, run, wt,
                            bias + tile, sum);
                else
                    sums_of(at, sw * c, 1, kh, dh * w * c, cells, dw * c, run, wt,
                            bias + tile, sum);
                for (p = 0; p < pixels; p++, j++)
                    put(sum + p * LANES, &by, y + (i * ow + j) * oc + tile, used);
            }
    }
}
""",
    "conv_depthwise": """
/* sums += x * w of a tile of channels; a product has 16 bits */
static inline void tap(const int8_t *x, const int8_t *w, int32_t *sum)
{
#ifdef WIDE
    const __m256i product = _mm256_mullo_epi16(
        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x)),
        _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w)));
#ifdef __AVX512BW__
    store(sum, _mm512_add_epi32(load(sum), _mm512_cvtepi16_epi32(product)));
#else
    const __m128i first = _mm256_castsi256_si128(product);
    const __m128i second = _mm256_extracti128_si256(product, 1);
    store(sum, _mm256_add_epi32(load(sum), _mm256_cvtepi16_epi32(first)));
    store(sum + 8, _mm256_add_epi32(load(sum + 8), _mm256_cvtepi16_epi32(second)));
#endif
#else
    int t;
    for (t = 0; t < LANES; t++) sum[t] += (int16_t)(x[t] * w[t]);
#endif
}

/* a convolution of each channel with a kernel of its own; weights (kh, kw, c) */
static void conv_depthwise(const int8_t *x, const int8_t *weight, const int32_t *bias,
                           const int32_t *m, const int8_t *shift, int8_t *y, int w,
                           int c, int oh, int ow, int kh, int kw, int sh, int sw,
                           int dh, int dw, int zero, int low)
{
    struct scale by;
    int i, j, k, n, t;
    for (k = 0; k < c; k += LANES) {
        const int used = c - k < LANES ? c - k : LANES;
        int32_t begin[LANES];
        prepare(&by, m + k, shift + k, used, 0, zero, low);
        for (t = 0; t < LANES; t++) begin[t] = t < used ? bias[k + t] : 0;
        for (i = 0; i < oh; i++)
            for (j = 0; j < ow; j++) {
                const int8_t *at = x + k + (i * sh * w + j * sw) * c;
                int32_t sum[LANES];
                memcpy(sum, begin, sizeof sum);
                for (n = 0; n < kh * kw; n++)
                    tap(at + (n / kw * dh * w + n % kw * dw) * c, weight + n * c + k,
                        sum);
                put(sum, &by, y + (i * ow + j) * c + k, used);
            }
    }
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
    "add": """
/* x + z, both first brought to one scale of 20 bits more */
static void add(const int8_t *x, const int8_t *z, int8_t *y, int n, int from_x,
                int32_t m_x, int shift_x, int from_z, int32_t m_z, int shift_z,
                int32_t m, int shift, int zero, int low)
{
    int i;
    for (i = 0; i < n; i++) {
        const int32_t a = multiplied((x[i] - from_x) * (1 << 20), m_x, shift_x);
        const int32_t b = multiplied((z[i] - from_z) * (1 << 20), m_z, shift_z);
        y[i] = (int8_t)clamped(multiplied(a + b, m, shift) + zero, low);
    }
}
""",
    "mul": """
static void mul(const int8_t *x, const int8_t *z, int8_t *y, int n, int from_x,
                int from_z, int32_t m, int shift, int zero, int low)
{
    int i;
    for (i = 0; i < n; i++) {
        const int32_t product = (x[i] - from_x) * (z[i] - from_z);
        y[i] = (int8_t)clamped(multiplied(product, m, shift) + zero, low);
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
_SCALED = {"conv", "conv_depthwise"}
WITH_HEAD = {
    "conv_depthwise",
    "add",
    "conv",
    "conv_grouped",
    "conv_transpose",
    "mean",
    "mul",
}


def code_of(used: Collection[str]) -> list[str]:
    """Return the text of kernels, with what they share before them."""
    head = [HEAD] if WITH_HEAD.intersection(used) else []
    names = {*used, *(["scale"] if _SCALED.intersection(used) else [])}
    return head + [code for name, code in KERNELS.items() if name in names]
