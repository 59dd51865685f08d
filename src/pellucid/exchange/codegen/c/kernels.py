"""C99 kernels by name; images are (height, width, channels)."""

from __future__ import annotations


def _arithmetic(name: str, formula: str) -> dict[str, str]:
    """Return the kernels of an operation on operands of one shape, and by steps."""
    plain, spread = formula.format(i="i", j="i"), formula.format(i="p", j="q")
    return {
        name: f"""
static void {name}(const float *x, const float *z, float *y, int n)
{{
    int i;
    for (i = 0; i < n; i++) y[i] = {plain};
}}
""",
        f"{name}_spread": f"""
/* y of (a, b, c, d); x and z by steps: 0 where one element stands for all */
static void {name}_spread(const float *x, const float *z, float *y, int a, int b,
                          int c, int d, int x0, int x1, int x2, int x3,
                          int z0, int z1, int z2, int z3)
{{
    int i, j, k, l;
    for (i = 0; i < a; i++)
        for (j = 0; j < b; j++)
            for (k = 0; k < c; k++)
                for (l = 0; l < d; l++) {{
                    const int p = i * x0 + j * x1 + k * x2 + l * x3;
                    const int q = i * z0 + j * z1 + k * z2 + l * z3;
                    *y++ = {spread};
                }}
}}
""",
    }


KERNELS: dict[str, str] = {
    "pad": """
/* y = x with zeros around it */
static void pad(const float *x, float *y, int h, int w, int c,
                int top, int left, int bottom, int right)
{
    const int width = (left + w + right) * c;
    int i;
    for (i = 0; i < (top + h + bottom) * width; i++) y[i] = 0.0f;
    for (i = 0; i < h; i++)
        memcpy(y + (top + i) * width + left * c, x + i * w * c,
               (size_t)(w * c) * sizeof *x);
}
""",
    "conv_grouped": """
/* a convolution whose channels are split into groups; weights (kh, kw, c / g, oc) */
static void conv_grouped(const float *x, const float *weight, const float *bias,
                         float *y, int w, int c, int oh, int ow, int oc, int kh,
                         int kw, int sh, int sw, int dh, int dw, int groups)
{
    const int per_in = c / groups, per_out = oc / groups;
    int i, j, o, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++) {
            float *to = y + (i * ow + j) * oc;
            for (o = 0; o < oc; o++) to[o] = bias[o];
            for (u = 0; u < kh; u++)
                for (v = 0; v < kw; v++) {
                    const float *at = x + ((i * sh + u * dh) * w + j * sw + v * dw) * c;
                    const float *wt = weight + (u * kw + v) * per_in * oc;
                    for (k = 0; k < per_in; k++)
                        for (o = 0; o < oc; o++)
                            to[o] += at[o / per_out * per_in + k] * wt[k * oc + o];
                }
        }
}
""",
    "conv_transpose": """
/* each pixel of x paints a kernel on y; top and left are cropped */
static void conv_transpose(const float *x, const float *weight, const float *bias,
                           float *y, int h, int w, int c, int oh, int ow, int oc,
                           int kh, int kw, int sh, int sw, int dh, int dw,
                           int groups, int top, int left)
{
    const int per_in = c / groups, per_out = oc / groups;
    int i, j, u, v, k, o;
    for (i = 0; i < oh * ow; i++)
        for (o = 0; o < oc; o++) y[i * oc + o] = bias[o];
    for (i = 0; i < h; i++)
        for (j = 0; j < w; j++)
            for (u = 0; u < kh; u++)
                for (v = 0; v < kw; v++) {
                    const int r = i * sh + u * dh - top, q = j * sw + v * dw - left;
                    const float *at = x + (i * w + j) * c;
                    const float *wt = weight + (u * kw + v) * per_in * oc;
                    if (r < 0 || r >= oh || q < 0 || q >= ow) continue;
                    for (k = 0; k < per_in; k++)
                        for (o = 0; o < oc; o++)
                            y[(r * ow + q) * oc + o] +=
                                at[o / per_out * per_in + k] * wt[k * oc + o];
                }
}
""",
    "max_pool": """
/* the largest number of each window; cells outside do not count */
static void max_pool(const float *x, float *y, int h, int w, int c, int oh, int ow,
                     int kh, int kw, int sh, int sw, int top, int left)
{
    int i, j, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++, y += c) {
            int is_first = 1;
            for (u = 0; u < kh; u++)
                for (v = 0; v < kw; v++) {
                    const int r = i * sh + u - top, q = j * sw + v - left;
                    const float *at = x + (r * w + q) * c;
                    if (r < 0 || r >= h || q < 0 || q >= w) continue;
                    if (is_first) memcpy(y, at, (size_t)c * sizeof *y);
                    else
                        for (k = 0; k < c; k++) y[k] = at[k] > y[k] ? at[k] : y[k];
                    is_first = 0;
                }
        }
}
""",
    "avg_pool": """
/* the mean of each window's cells that lie inside */
static void avg_pool(const float *x, float *y, int h, int w, int c, int oh, int ow,
                     int kh, int kw, int sh, int sw, int top, int left)
{
    int i, j, u, v, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++, y += c) {
            int count = 0;
            for (k = 0; k < c; k++) y[k] = 0.0f;
            for (u = 0; u < kh; u++)
                for (v = 0; v < kw; v++) {
                    const int r = i * sh + u - top, q = j * sw + v - left;
                    if (r < 0 || r >= h || q < 0 || q >= w) continue;
                    for (k = 0; k < c; k++) y[k] += x[(r * w + q) * c + k];
                    count++;
                }
            for (k = 0; k < c; k++) y[k] /= (float)count;
        }
}
""",
    "global_avg_pool": """
/* the mean of each channel */
static void global_avg_pool(const float *x, float *y, int pixels, int c)
{
    int i, k;
    for (k = 0; k < c; k++) y[k] = 0.0f;
    for (i = 0; i < pixels; i++)
        for (k = 0; k < c; k++) y[k] += x[i * c + k];
    for (k = 0; k < c; k++) y[k] /= (float)pixels;
}
""",
    "scale_shift": """
/* y = x * scale + shift per channel: batch norm with running statistics */
static void scale_shift(const float *x, float *y, const float *scale,
                        const float *shift, int n, int c)
{
    int i, k;
    for (i = 0; i < n; i++)
        for (k = 0; k < c; k++) y[i * c + k] = x[i * c + k] * scale[k] + shift[k];
}
""",
    "layer_norm": """
/* each row to mean 0 and variance 1, then scaled and shifted */
static void layer_norm(const float *x, float *y, const float *scale,
                       const float *offset, int n, int c, float epsilon)
{
    int i, k;
    for (i = 0; i < n; i++, x += c, y += c) {
        float mean = 0.0f, variance = 0.0f;
        for (k = 0; k < c; k++) mean += x[k];
        mean /= (float)c;
        for (k = 0; k < c; k++) variance += (x[k] - mean) * (x[k] - mean);
        variance = 1.0f / sqrtf(variance / (float)c + epsilon);
        for (k = 0; k < c; k++) y[k] = (x[k] - mean) * variance * scale[k] + offset[k];
    }
}
""",
    "group_norm": """
/* groups of channels over n pixels to mean 0 and variance 1, then scaled, shifted */
static void group_norm(const float *x, float *y, const float *scale,
                       const float *offset, int n, int c, int size, float epsilon)
{
    int g, i, k;
    for (g = 0; g < c; g += size) {
        float mean = 0.0f, variance = 0.0f;
        for (i = 0; i < n; i++) {
            float sum = 0.0f;
            for (k = g; k < g + size; k++) sum += x[i * c + k];
            mean += sum;
        }
        mean /= (float)n * (float)size;
        for (i = 0; i < n; i++) {
            float sum = 0.0f;
            for (k = g; k < g + size; k++)
                sum += (x[i * c + k] - mean) * (x[i * c + k] - mean);
            variance += sum;
        }
        variance = 1.0f / sqrtf(variance / ((float)n * (float)size) + epsilon);
        for (i = 0; i < n; i++)
            for (k = g; k < g + size; k++)
                y[i * c + k] = (x[i * c + k] - mean) * variance * scale[k] + offset[k];
    }
}
""",
    "l2_normalize": """
/* each row to length 1; shorter ones than epsilon are divided by that */
static void l2_normalize(const float *x, float *y, int n, int c, float epsilon)
{
    int i, k;
    for (i = 0; i < n; i++, x += c, y += c) {
        float length = 0.0f;
        for (k = 0; k < c; k++) length += x[k] * x[k];
        length = sqrtf(length);
        length = length > epsilon ? length : epsilon;
        for (k = 0; k < c; k++) y[k] = x[k] / length;
    }
}
""",
    "prelu": """
static void prelu(const float *x, float *y, const float *slope, int n, int c)
{
    int i, k;
    for (i = 0; i < n; i++, x += c, y += c)
        for (k = 0; k < c; k++) y[k] = x[k] > 0.0f ? x[k] : slope[k] * x[k];
}
""",
    "local_response_norm": """
/* each number by its neighbours' strength: x * (bias + share * sum of squares)^-beta */
static void local_response_norm(const float *x, float *y, int n, int c, int reach,
                                float share, float beta, float bias)
{
    int i, j, k;
    for (i = 0; i < n; i++, x += c, y += c)
        for (k = 0; k < c; k++) {
            const int end = k + reach < c - 1 ? k + reach : c - 1;
            float sum = 0.0f;
            for (j = k > reach ? k - reach : 0; j <= end; j++) sum += x[j] * x[j];
            y[k] = x[k] * powf(bias + share * sum, -beta);
        }
}
""",
    "relu": """
static void relu(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}
""",
    "leaky_relu": """
static void leaky_relu(const float *x, float *y, int n, float slope)
{
    int i;
    for (i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : x[i] * slope;
}
""",
    "sigmoid": """
static void sigmoid(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) y[i] = 1.0f / (1.0f + expf(-x[i]));
}
""",
    "tanh": """
static void hyperbolic_tangent(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) y[i] = tanhf(x[i]);
}
""",
    "gelu": """
static void gelu(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}
""",
    "silu": """
static void silu(const float *x, float *y, int n)
{
    int i;
    for (i = 0; i < n; i++) y[i] = x[i] / (1.0f + expf(-x[i]));
}
""",
    "softmax": """
/* each of n rows to probabilities */
static void softmax(const float *x, float *y, int n, int c)
{
    int i, k;
    for (i = 0; i < n; i++, x += c, y += c) {
        float most = x[0], sum = 0.0f;
        for (k = 1; k < c; k++) most = x[k] > most ? x[k] : most;
        for (k = 0; k < c; k++) sum += y[k] = expf(x[k] - most);
        for (k = 0; k < c; k++) y[k] /= sum;
    }
}
""",
    "log_softmax": """
/* each of n rows to logarithms of probabilities */
static void log_softmax(const float *x, float *y, int n, int c)
{
    int i, k;
    for (i = 0; i < n; i++, x += c, y += c) {
        float most = x[0], sum = 0.0f;
        for (k = 1; k < c; k++) most = x[k] > most ? x[k] : most;
        for (k = 0; k < c; k++) sum += expf(x[k] - most);
        sum = logf(sum);
        for (k = 0; k < c; k++) y[k] = x[k] - most - sum;
    }
}
""",
    **_arithmetic("add", "x[{i}] + z[{j}]"),
    **_arithmetic("maximum", "x[{i}] >= z[{j}] || x[{i}] != x[{i}] ? x[{i}] : z[{j}]"),
    **_arithmetic("multiply", "x[{i}] * z[{j}]"),
    **_arithmetic("subtract", "x[{i}] - z[{j}]"),
    "matmul": """
/* r * s products: y (n, m) = scale * a (n, k) * b (k, m); operands by steps of both
   leading axes (0 where one matrix stands for all), of rows and of columns */
static void matmul(const float *a, const float *b, float *y, int r, int s, int n,
                   int k, int m, int a0, int a1, int ai, int ak,
                   int b0, int b1, int bk, int bj, float scale)
{
    int u, v, i, j, t;
    for (u = 0; u < r; u++)
        for (v = 0; v < s; v++) {
            const float *p = a + u * a0 + v * a1, *q = b + u * b0 + v * b1;
            for (i = 0; i < n; i++, y += m)
                if (bj == 1) {
                    for (j = 0; j < m; j++) y[j] = 0.0f;
                    for (t = 0; t < k; t++) {
                        const float value = scale * p[i * ai + t * ak];
                        const float *row = q + t * bk;
                        for (j = 0; j < m; j++) y[j] += value * row[j];
                    }
                } else {
                    for (j = 0; j < m; j++) {
                        float sum = 0.0f;
                        for (t = 0; t < k; t++)
                            sum += p[i * ai + t * ak] * q[t * bk + j * bj];
                        y[j] = scale * sum;
                    }
                }
        }
}
""",
    "constant": """
static void constant(const float *value, float *y, int n)
{
    memcpy(y, value, (size_t)n * sizeof *y);
}
""",
    "stretch": """
/* y (a, b, c, d) = x by steps: 0 where one element stands for all */
static void stretch(const float *x, float *y, int a, int b, int c, int d,
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
    "concat": """
/* the channels of x into those of y from a place on */
static void concat(const float *x, float *y, int n, int c, int channels, int from)
{
    int i;
    for (i = 0; i < n; i++)
        memcpy(y + i * channels + from, x + i * c, (size_t)c * sizeof *y);
}
""",
    "resize_cubic": """
/* rows and columns by tables: four inputs, and their shares */
static void resize_cubic(const float *x, float *y, const float *rows,
                         const float *columns, int w, int c, int oh, int ow)
{
    int i, j, k, u, v;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++, y += c) {
            const float *row = rows + 8 * i, *column = columns + 8 * j;
            for (k = 0; k < c; k++) y[k] = 0.0f;
            for (u = 0; u < 4; u++)
                for (v = 0; v < 4; v++) {
                    const float *p = x + ((int)row[u] * w + (int)column[v]) * c;
                    const float share = row[4 + u] * column[4 + v];
                    if (share == 0.0f) continue;
                    for (k = 0; k < c; k++) y[k] += share * p[k];
                }
        }
}
""",
    "resize": """
/* rows and columns by tables: the first, the second, the share of the second */
static void resize(const float *x, float *y, const float *rows, const float *columns,
                   int w, int c, int oh, int ow)
{
    int i, j, k;
    for (i = 0; i < oh; i++)
        for (j = 0; j < ow; j++, y += c) {
            const float *row = rows + 3 * i, *column = columns + 3 * j;
            const int top = (int)row[0], bottom = (int)row[1];
            const int left = (int)column[0], right = (int)column[1];
            const float r = row[2], q = column[2];
            for (k = 0; k < c; k++) {
                const float a = x[(top * w + left) * c + k];
                const float b = x[(top * w + right) * c + k];
                const float d = x[(bottom * w + left) * c + k];
                const float e = x[(bottom * w + right) * c + k];
                const float upper = q > 0.0f ? a * (1.0f - q) + b * q : a;
                const float lower = q > 0.0f ? d * (1.0f - q) + e * q : d;
                y[k] = r > 0.0f ? upper * (1.0f - r) + lower * r : upper;
            }
        }
}
""",
    "strided_copy": """
/* five axes, outermost first: size, distance of neighbours in x and in y */
static void strided_copy(const float *x, float *y, int n0, int x0, int y0,
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
static void upsample_nearest(const float *x, float *y, int h, int w, int c, int fh,
                             int fw)
{
    int i, j;
    for (i = 0; i < h * fh; i++)
        for (j = 0; j < w * fw; j++, y += c)
            memcpy(y, x + (i / fh * w + j / fw) * c, (size_t)c * sizeof *y);
}
""",
    "upsample_bilinear": """
/* between the centres of pixels; beyond the outermost the edge is repeated */
static void upsample_bilinear(const float *x, float *y, int h, int w, int c, int fh,
                              int fw)
{
    int i, j, k;
    for (i = 0; i < h * fh; i++)
        for (j = 0; j < w * fw; j++, y += c) {
            float r = ((float)i + 0.5f) / (float)fh - 0.5f;
            float q = ((float)j + 0.5f) / (float)fw - 0.5f;
            int top, left, bottom, right;
            r = r < 0.0f ? 0.0f : r > (float)(h - 1) ? (float)(h - 1) : r;
            q = q < 0.0f ? 0.0f : q > (float)(w - 1) ? (float)(w - 1) : q;
            top = (int)r, left = (int)q;
            bottom = top + 1 < h ? top + 1 : top;
            right = left + 1 < w ? left + 1 : left;
            r -= (float)top, q -= (float)left;
            for (k = 0; k < c; k++) {
                const float a = x[(top * w + left) * c + k];
                const float b = x[(top * w + right) * c + k];
                const float d = x[(bottom * w + left) * c + k];
                const float e = x[(bottom * w + right) * c + k];
                const float upper = a * (1.0f - q) + b * q;
                const float lower = d * (1.0f - q) + e * q;
                y[k] = upper * (1.0f - r) + lower * r;
            }
        }
}
""",
}

#: kernels that need <math.h>, and thereby -lm
MATH = {
    "gelu",
    "group_norm",
    "l2_normalize",
    "layer_norm",
    "local_response_norm",
    "log_softmax",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
}
