"""int8 kernels in C that are written for several kinds of vectors."""

from __future__ import annotations

from collections.abc import Collection

from pellucid.exchange.codegen.c import dispatch
from pellucid.exchange.codegen.c.dispatch import Kinds

_BASE = """
/* BASE is the kind of vectors that the compiler was told of: 0 none, 1 SSE2, 2 AVX2,
   3 AVX-512, 4 AVX-512 with VNNI. From SSE2 GCC and Clang compile AVX2 and VNNI, too,
   and the processor is asked; not with PELLUCID_NO_DISPATCH. PELLUCID_PLAIN is 0. */
#if defined(PELLUCID_PLAIN) || !defined(__SSE2__)
#define BASE 0
#elif !defined(__AVX2__)
#define BASE 1
#elif !defined(__AVX512BW__)
#define BASE 2
#elif !defined(__AVX512VNNI__)
#define BASE 3
#else
#define BASE 4
#endif
#if BASE
#include <immintrin.h>
#endif
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#elif BASE
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif
"""

_VECTORS = """
#if LEVEL >= 3
#define vector __m512i
#define OF_VECTOR(name) _mm512_##name
#define load(p) _mm512_loadu_si512(p)
#define store(p, x) _mm512_storeu_si512(p, x)
#define both(x, y) _mm512_and_si512(x, y)
#define flipped(x, y) _mm512_xor_si512(x, y)
#define each_64(x) _mm512_set1_epi64(x)
#define PIXELS 7
#elif LEVEL == 2
#define vector __m256i
#define OF_VECTOR(name) _mm256_##name
#define load(p) _mm256_loadu_si256((const __m256i *)(p))
#define store(p, x) _mm256_storeu_si256((__m256i *)(p), x)
#define both(x, y) _mm256_and_si256(x, y)
#define flipped(x, y) _mm256_xor_si256(x, y)
#define each_64(x) _mm256_set1_epi64x(x)
#define PIXELS 4
#elif LEVEL == 1
#define vector __m128i
#define OF_VECTOR(name) _mm_##name
#define load(p) _mm_loadu_si128((const __m128i *)(p))
#define store(p, x) _mm_storeu_si128((__m128i *)(p), x)
#define both(x, y) _mm_and_si128(x, y)
#define flipped(x, y) _mm_xor_si128(x, y)
#define each_64(x) _mm_set1_epi64x(x)
#define PIXELS 2
#else
#define PIXELS 1
#endif
#define VECTORS (64 / sizeof(vector))
#define WORDS ((int)(sizeof(vector) / 4))
"""
_MACROS = (
    "vector",
    "OF_VECTOR",
    "load",
    "store",
    "both",
    "flipped",
    "each_64",
    "PIXELS",
    "VECTORS",
    "WORDS",
    "PLACE",
    "PARTS",
    "ROOM",
    "even_of",
    "odd_of",
    "SHORTS",
    "shorts",
    "words_of",
    "products",
    "sum_of_products",
)

_SCALE = """
/* how the sums of a tile of channels come to the output's scale; in vectors numbers of
   64 bits lie as products do, those of even channels first */
#if LEVEL
#define PLACE(t) ((t) / WORDS * WORDS + (t) % 2 * (WORDS / 2) + (t) % WORDS / 2)
#else
#define PLACE(t) (t)
#endif
struct scale@ {
    int64_t add[LANES], less[LANES];
    uint64_t by[LANES];
    int32_t m[LANES], back[LANES];
    int low;
};

/* prepares `scaled` for channels: x * m * 2^(shift - 31), rounded as `multiplied` does,
   or once, as LiteRT's dense layers do it; then moved to zero */
TARGET static inline void prepare@(struct scale@ *to, const int32_t *m,
                                   const int8_t *shift, int used, int once, int zero,
                                   int low)
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
#if LEVEL == 1 /* x is multiplied without its sign */
        to->less[at] += (int64_t)to->m[t] << 32;
#endif
        to->by[at] = (uint64_t)(31 - s);
        to->back[t] = (int32_t)((uint32_t)zero - (uint32_t)(above >> (31 - s)));
    }
    to->low = low;
}

#if LEVEL == 1
static inline __m128i shifted_right@(__m128i p, const uint64_t *by)
{
    const __m128i one = _mm_srl_epi64(p, _mm_loadl_epi64((const __m128i *)by));
    const __m128i two = _mm_srl_epi64(p, _mm_loadl_epi64((const __m128i *)(by + 1)));
    return _mm_castpd_si128(_mm_move_sd(_mm_castsi128_pd(two), _mm_castsi128_pd(one)));
}
#endif

/* one tile of channels: `out` may be `sum` */
TARGET static inline void scaled@(const int32_t *sum, const struct scale@ *by,
                                  int32_t *out)
{
    int t;
#if LEVEL
    const vector low = each_64(0xFFFFFFFF);
    UNROLL
    for (t = 0; t < LANES; t += WORDS) {
        const int u = t + WORDS / 2;
        const vector x = load(sum + t), m = load(by->m + t);
        const vector sign = OF_VECTOR(srai_epi32)(x, 31);
        const vector y = OF_VECTOR(srli_epi64)(x, 32);
        const vector n = OF_VECTOR(srli_epi64)(m, 32);
#if LEVEL == 1
        vector p = _mm_mul_epu32(x, m), q = _mm_mul_epu32(y, n);
#else
        vector p = OF_VECTOR(mul_epi32)(x, m), q = OF_VECTOR(mul_epi32)(y, n);
#endif
        p = OF_VECTOR(add_epi64)(p, load(by->add + t));
        q = OF_VECTOR(add_epi64)(q, load(by->add + u));
        p = OF_VECTOR(sub_epi64)(
            p, both(OF_VECTOR(shuffle_epi32)(sign, 0xA0), load(by->less + t)));
        q = OF_VECTOR(sub_epi64)(
            q, both(OF_VECTOR(shuffle_epi32)(sign, 0xF5), load(by->less + u)));
#if LEVEL == 1
        p = shifted_right@(p, by->by + t), q = shifted_right@(q, by->by + u);
#else
        p = OF_VECTOR(srlv_epi64)(p, load(by->by + t));
        q = OF_VECTOR(srlv_epi64)(q, load(by->by + u));
#endif
        p = OF_VECTOR(add_epi64)(both(p, low), OF_VECTOR(slli_epi64)(q, 32));
        store(out + t, OF_VECTOR(add_epi32)(p, load(by->back + t)));
    }
#else
    for (t = 0; t < LANES; t++) {
        const int64_t x = sum[t];
        const int64_t p = x * by->m[t] + by->add[t] - (x < 0 ? by->less[t] : 0);
        const uint32_t whole = (uint32_t)((uint64_t)p >> by->by[t]);
        out[t] = (int32_t)(whole + (uint32_t)by->back[t]);
    }
#endif
}

/* one tile of channels of a pixel from its sums: scaled, moved to zero, cut off */
TARGET static inline void put@(const int32_t *sum, const struct scale@ *by, int8_t *y,
                               int used)
{
    int32_t out[LANES];
    int8_t all[LANES];
#if LEVEL >= 3
    __m128i first;
    scaled@(sum, by, out);
    first = _mm512_cvtsepi32_epi8(
        _mm512_max_epi32(load(out), _mm512_set1_epi32(by->low)));
#elif LEVEL
    const __m128i *part = (const __m128i *)out, low = _mm_set1_epi16((short)by->low);
    __m128i first, last;
    scaled@(sum, by, out);
    first = _mm_packs_epi32(_mm_loadu_si128(part), _mm_loadu_si128(part + 1));
    last = _mm_packs_epi32(_mm_loadu_si128(part + 2), _mm_loadu_si128(part + 3));
    first = _mm_packs_epi16(_mm_max_epi16(first, low), _mm_max_epi16(last, low));
#endif
#if LEVEL
    if (used == LANES) {
        _mm_storeu_si128((__m128i *)y, first);
        return;
    }
    _mm_storeu_si128((__m128i *)all, first);
#else
    int t;
    scaled@(sum, by, out);
    for (t = 0; t < LANES; t++) all[t] = (int8_t)clamped(out[t], by->low);
#endif
    memcpy(y, all, (size_t)used);
}
"""

_CONV = """
#if LEVEL
#if LEVEL == 4
#define PARTS 4 /* sums that do not wait for each other */
#else
#define PARTS 1
#endif
#define ROOM 32768 /* bytes of a tile's weights that are made wide */
/* four numbers of x at each channel, not negative: even ones and odd ones, in pairs of
   16 bits; with VNNI as they are */
TARGET static inline __attribute__((always_inline))
void spread@(const int8_t *x, vector *even, vector *odd)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    *even = flipped(OF_VECTOR(set1_epi32)(four),
                    OF_VECTOR(set1_epi32)((int)0x80808080u));
#if LEVEL < 4
    *odd = OF_VECTOR(srli_epi16)(*even, 8);
    *even = both(*even, OF_VECTOR(set1_epi32)(0x00FF00FF));
#else
    (void)odd;
#endif
}

/* a vector of weights as pairs of 16 bits: the even ones and the odd ones */
#define even_of(w) OF_VECTOR(srai_epi16)(OF_VECTOR(slli_epi16)(w, 8), 8)
#define odd_of(w) OF_VECTOR(srai_epi16)(w, 8)

/* sum + the products of four numbers; `is_wide` weights are pairs of 16 bits */
TARGET static inline __attribute__((always_inline))
void multiply@(vector sum[][VECTORS], const int8_t *x, int step, int pixels,
               const int8_t *w, int is_wide)
{
    vector even[PIXELS], odd[PIXELS];
    size_t n;
    int p;
    UNROLL
    for (p = 0; p < pixels; p++) spread@(x + p * step, even + p, odd + p);
    UNROLL
    for (n = 0; n < VECTORS; n++) {
#if LEVEL == 4
        const vector weight = load(w + n * sizeof(vector));
        (void)is_wide;
        UNROLL
        for (p = 0; p < pixels; p++)
            sum[p][n] = _mm512_dpbusd_epi32(sum[p][n], even[p], weight);
#else
        const vector *const pair = (const vector *)(const void *)w + 2 * n;
        const vector weight = is_wide ? pair[0] : load(w + n * sizeof(vector));
        const vector first = is_wide ? weight : even_of(weight);
        const vector second = is_wide ? pair[1] : odd_of(weight);
        UNROLL
        for (p = 0; p < pixels; p++)
            sum[p][n] = OF_VECTOR(add_epi32)(
                OF_VECTOR(add_epi32)(
                    sum[p][n], OF_VECTOR(madd_epi16)(even[p], first)),
                OF_VECTOR(madd_epi16)(odd[p], second));
#endif
    }
}

/* sums of PIXELS pixels and LANES channels: b + sum of (x + 128) * w; weights beyond
   the run are 0, whatever x has there */
TARGET static inline __attribute__((always_inline))
void sums_of@(const int8_t *x, int step, int rows, int row, int cells, int cell,
              int run, const int8_t *w, int is_wide, const int32_t *b, int32_t *out)
{
    vector sum[PIXELS][VECTORS];
    int u, v, k, p;
    size_t n;
    UNROLL
    for (p = 0; p < PIXELS; p++)
        UNROLL
        for (n = 0; n < VECTORS; n++) sum[p][n] = load(b + n * (LANES / VECTORS));
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++)
            for (k = 0; k < run; k += GROUP, w += (is_wide + 1) * GROUP * LANES)
                multiply@(sum, x + u * row + v * cell + k, step, PIXELS, w, is_wide);
    UNROLL
    for (p = 0; p < PIXELS; p++)
        UNROLL
        for (n = 0; n < VECTORS; n++)
            store(out + p * LANES + n * (LANES / VECTORS), sum[p][n]);
}

/* the same for one pixel */
TARGET static void sums_of_one@(const int8_t *x, int rows, int row, int cells, int cell,
                                int run, const int8_t *w, const int32_t *b,
                                int32_t *out)
{
    vector sum[PARTS][VECTORS];
    int u, v, k, p;
    size_t n;
    UNROLL
    for (n = 0; n < VECTORS; n++) {
        sum[0][n] = load(b + n * (LANES / VECTORS));
        UNROLL
        for (p = 1; p < PARTS; p++) sum[p][n] = each_64(0);
    }
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++) {
            const int8_t *at = x + u * row + v * cell;
            for (k = 0; k + PARTS * GROUP <= run; k += PARTS * GROUP)
                UNROLL
                for (p = 0; p < PARTS; p++, w += GROUP * LANES)
                    multiply@(sum + p, at + k + p * GROUP, 0, 1, w, 0);
            for (; k < run; k += GROUP, w += GROUP * LANES)
                multiply@(sum, at + k, 0, 1, w, 0);
        }
    UNROLL
    for (n = 0; n < VECTORS; n++) {
        UNROLL
        for (p = 1; p < PARTS; p++)
            sum[0][n] = OF_VECTOR(add_epi32)(sum[0][n], sum[p][n]);
        store(out + n * (LANES / VECTORS), sum[0][n]);
    }
}
#else
static void sums_of_one@(const int8_t *x, int rows, int row, int cells, int cell,
                         int run, const int8_t *w, const int32_t *b, int32_t *out)
{
    int u, v, k, t;
    memcpy(out, b, LANES * sizeof *b);
    for (u = 0; u < rows; u++)
        for (v = 0; v < cells; v++)
            for (k = 0; k < run; k += GROUP, w += GROUP * LANES) {
                const int8_t *at = x + u * row + v * cell + k;
                const int a0 = at[0] + 128, a1 = at[1] + 128;
                const int a2 = at[2] + 128, a3 = at[3] + 128;
                for (t = 0; t < LANES; t++)
                    out[t] += a0 * w[4 * t] + a1 * w[4 * t + 1] + a2 * w[4 * t + 2]
                              + a3 * w[4 * t + 3];
            }
}
#endif

/* x (already padded) of width w and c channels -> y (oh, ow, oc); weights (tiles of
   LANES output channels, kernel's rows and cells, groups of its run, LANES, GROUP) */
TARGET static void conv@(const int8_t *x, const int8_t *weight, const int32_t *bias,
                         const int32_t *m, const int8_t *shift, int8_t *y, int w, int c,
                         int oh, int ow, int oc, int kh, int kw, int sh, int sw, int dh,
                         int dw, int once, int zero, int low)
{
    const int is_dense = dw == 1;
    const int cells = is_dense ? 1 : kw, run = is_dense ? kw * c : c;
    const int size = kh * cells * ((run + GROUP - 1) / GROUP) * GROUP * LANES;
    int32_t sum[PIXELS * LANES];
    struct scale@ by;
    int tile, i, j, p;
#if LEVEL && LEVEL < 4 /* weights are made wide once for many pixels */
    vector wide[ROOM / sizeof(vector)];
    const int vectors = size / (int)sizeof(vector);
    const int is_wide = 2 * size <= ROOM && oh * ow > 4 * PIXELS;
#endif
    for (tile = 0; tile < oc; tile += LANES) {
        const int used = oc - tile < LANES ? oc - tile : LANES;
        const int8_t *wt = weight + tile / LANES * size;
        prepare@(&by, m + tile, shift + tile, used, once, zero, low);
#if LEVEL && LEVEL < 4
        for (p = 0; is_wide && p < vectors; p++) {
            const vector next = load(wt + p * (int)sizeof(vector));
            wide[2 * p] = even_of(next), wide[2 * p + 1] = odd_of(next);
        }
#endif
        for (i = 0; i < oh; i++)
            for (j = 0; j < ow;) {
                const int pixels = ow < PIXELS ? 1 : PIXELS;
                const int8_t *at;
                if (ow - j < pixels) j = ow - pixels; /* some of them once more */
                at = x + (i * sh * w + j * sw) * c;
#if LEVEL
#if LEVEL < 4
                if (pixels == PIXELS && is_wide)
                    sums_of@(at, sw * c, kh, dh * w * c, cells, dw * c, run,
                             (const int8_t *)wide, 1, bias + tile, sum);
                else
#endif
                if (pixels == PIXELS)
                    sums_of@(at, sw * c, kh, dh * w * c, cells, dw * c, run, wt, 0,
                             bias + tile, sum);
                else
#endif
                    sums_of_one@(at, kh, dh * w * c, cells, dw * c, run, wt,
                                 bias + tile, sum);
                for (p = 0; p < pixels; p++, j++)
                    put@(sum + p * LANES, &by, y + (i * ow + j) * oc + tile, used);
            }
    }
}
"""

_CONV_DEPTHWISE = """
/* products have 16 bits; weights are above -128, so that two of them do as well */
#if LEVEL >= 2
#define SHORTS 16
#define shorts __m256i
#define words_of(p) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p)))
#define products(x, w) _mm256_mullo_epi16(words_of(x), words_of(w))
#define sum_of_products(a, b) _mm256_add_epi16(a, b)
#elif LEVEL == 1 /* bytes are upper halves of words, products upper ones of two */
#define SHORTS 8
#define shorts __m128i
#define words_of(p) \\
    _mm_unpacklo_epi8(_mm_setzero_si128(), _mm_loadl_epi64((const __m128i *)(p)))
#define products(x, w) _mm_mulhi_epi16(words_of(x), words_of(w))
#define sum_of_products(a, b) _mm_add_epi16(a, b)
#endif
/* sums of a window of a tile of channels: b + sum of x * w */
TARGET static inline void window@(const int8_t *x, const int8_t *w, const int32_t *b,
                                  int32_t *out, int kh, int kw, int row, int cell,
                                  int c)
{
    int u, v;
#if LEVEL
    vector sum[VECTORS];
    size_t n;
    int k;
    UNROLL
    for (n = 0; n < VECTORS; n++) sum[n] = load(b + n * (LANES / VECTORS));
    for (u = 0; u < kh; u++)
        for (v = 0; v < kw; v += 2) {
            const int8_t *at = x + u * row + v * cell, *wt = w + (u * kw + v) * c;
            UNROLL
            for (k = 0; k < LANES; k += SHORTS) {
                shorts p = products(at + k, wt + k);
                if (v + 1 < kw)
                    p = sum_of_products(p, products(at + k + cell, wt + k + c));
#if LEVEL >= 3
                sum[0] = _mm512_add_epi32(sum[0], _mm512_cvtepi16_epi32(p));
#elif LEVEL == 2
                sum[0] = _mm256_add_epi32(
                    sum[0], _mm256_cvtepi16_epi32(_mm256_castsi256_si128(p)));
                sum[1] = _mm256_add_epi32(
                    sum[1], _mm256_cvtepi16_epi32(_mm256_extracti128_si256(p, 1)));
#else
                const __m128i sign = _mm_srai_epi16(p, 15);
                sum[k / 4] = _mm_add_epi32(sum[k / 4], _mm_unpacklo_epi16(p, sign));
                sum[k / 4 + 1] =
                    _mm_add_epi32(sum[k / 4 + 1], _mm_unpackhi_epi16(p, sign));
#endif
            }
        }
    UNROLL
    for (n = 0; n < VECTORS; n++) store(out + n * (LANES / VECTORS), sum[n]);
#else
    int t;
    memcpy(out, b, LANES * sizeof *b);
    for (u = 0; u < kh; u++)
        for (v = 0; v < kw; v++, w += c) {
            const int8_t *at = x + u * row + v * cell;
            for (t = 0; t < LANES; t++) out[t] += (int16_t)(at[t] * w[t]);
        }
#endif
}

/* a convolution of each channel with a kernel of its own; weights (kh, kw, c) */
TARGET static void conv_depthwise@(const int8_t *x, const int8_t *weight,
                                   const int32_t *bias, const int32_t *m,
                                   const int8_t *shift, int8_t *y, int w, int c, int oh,
                                   int ow, int kh, int kw, int sh, int sw, int dh,
                                   int dw, int zero, int low)
{
    struct scale@ by;
    int i, j, k, t;
    for (k = 0; k < c; k += LANES) {
        const int used = c - k < LANES ? c - k : LANES;
        int32_t begin[LANES], sum[LANES];
        prepare@(&by, m + k, shift + k, used, 0, zero, low);
        for (t = 0; t < LANES; t++) begin[t] = t < used ? bias[k + t] : 0;
        for (i = 0; i < oh; i++)
            for (j = 0; j < ow; j++) {
                window@(x + k + (i * sh * w + j * sw) * c, weight + k, begin, sum, kh,
                        kw, dh * w * c, dw * c, c);
                put@(sum, &by, y + (i * ow + j) * c + k, used);
            }
    }
}
"""

_PAIRS = """
#if LEVEL
/* the same scale for all of a tile */
static void prepare_all@(struct scale@ *to, int32_t m, int shift, int zero, int low)
{
    int32_t ms[LANES];
    int8_t shifts[LANES];
    int t;
    for (t = 0; t < LANES; t++) ms[t] = m, shifts[t] = (int8_t)shift;
    prepare@(to, ms, shifts, LANES, 0, zero, low);
}
#endif
"""

_ADD = """
/* x + z, both first brought to one scale of 20 bits more */
TARGET static void add@(const int8_t *x, const int8_t *z, int8_t *y, int n, int from_x,
                        int32_t m_x, int shift_x, int from_z, int32_t m_z, int shift_z,
                        int32_t m, int shift, int zero, int low)
{
    int i = 0;
#if LEVEL
    struct scale@ by_x, by_z, by;
    prepare_all@(&by_x, m_x, shift_x, 0, 0);
    prepare_all@(&by_z, m_z, shift_z, 0, 0);
    prepare_all@(&by, m, shift, zero, low);
    for (; i + LANES <= n; i += LANES) {
        int32_t a[LANES], b[LANES];
        int t;
        for (t = 0; t < LANES; t++) a[t] = (x[i + t] - from_x) * (1 << 20);
        for (t = 0; t < LANES; t++) b[t] = (z[i + t] - from_z) * (1 << 20);
        scaled@(a, &by_x, a);
        scaled@(b, &by_z, b);
        for (t = 0; t < LANES; t++) a[t] += b[t];
        put@(a, &by, y + i, LANES);
    }
#endif
    for (; i < n; i++) {
        const int32_t a = multiplied((x[i] - from_x) * (1 << 20), m_x, shift_x);
        const int32_t b = multiplied((z[i] - from_z) * (1 << 20), m_z, shift_z);
        y[i] = (int8_t)clamped(multiplied(a + b, m, shift) + zero, low);
    }
}
"""

_MUL = """
TARGET static void mul@(const int8_t *x, const int8_t *z, int8_t *y, int n, int from_x,
                        int from_z, int32_t m, int shift, int zero, int low)
{
    int i = 0;
#if LEVEL
    struct scale@ by;
    prepare_all@(&by, m, shift, zero, low);
    for (; i + LANES <= n; i += LANES) {
        int32_t a[LANES];
        int t;
        for (t = 0; t < LANES; t++) a[t] = (x[i + t] - from_x) * (z[i + t] - from_z);
        put@(a, &by, y + i, LANES);
    }
#endif
    for (; i < n; i++) {
        const int32_t product = (x[i] - from_x) * (z[i] - from_z);
        y[i] = (int8_t)clamped(multiplied(product, m, shift) + zero, low);
    }
}
"""

#: kernel → what it is made of, in order
KERNELS: dict[str, tuple[str, ...]] = {
    "add": (_PAIRS, _ADD),
    "conv": (_CONV,),
    "conv_depthwise": (_CONV_DEPTHWISE,),
    "mul": (_PAIRS, _MUL),
}


_KINDS = Kinds(
    base=_BASE,
    others={"vnni": (4, "avx512bw,avx512vl,avx512vnni"), "avx2": (2, "avx2")},
    prelude=_VECTORS + _SCALE,
    macros=_MACROS,
)


def code_of(used: Collection[str]) -> list[str]:
    """Return the text of kernels, and how one of each is chosen."""
    names = [name for name in KERNELS if name in used]
    parts = dict.fromkeys(part for name in names for part in KERNELS[name])
    return dispatch.code_of(_KINDS, "".join(parts), names) if names else []
