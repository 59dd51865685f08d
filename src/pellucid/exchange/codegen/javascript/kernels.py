"""JavaScript kernels by name; images are (height, width, channels).

``m`` is the memory of activations, ``W`` that of weights; all others are places.
"""

from __future__ import annotations

LANES = 4  # output channels that a convolution or dense layer computes at once


def _arithmetic(name: str, formula: str) -> dict[str, str]:
    """Return the kernels of an operation on operands of one shape, and by steps."""
    plain = formula.format(i=" + i", j=" + i")
    spread = formula.format(i=" + p", j=" + q")
    return {
        name: f"""
function {name}(m, x, z, y, n) {{
  for (let i = 0; i < n; i++) m[y + i] = {plain};
}}
""",
        f"{name}_spread": f"""
// y of (a, b, c, d); x and z by steps: 0 where one element stands for all
function {name}_spread(m, x, z, y, a, b, c, d, x0, x1, x2, x3, z0, z1, z2, z3) {{
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++)
        for (let l = 0; l < d; l++) {{
          const p = i * x0 + j * x1 + k * x2 + l * x3;
          const q = i * z0 + j * z1 + k * z2 + l * z3;
          m[y++] = {spread};
        }}
}}
""",
    }


KERNELS: dict[str, str] = {
    "pad": """
// y = x with zeros around it
function pad(m, x, y, h, w, c, top, left, bottom, right) {
  const width = (left + w + right) * c;
  m.fill(0, y, y + (top + h + bottom) * width);
  for (let i = 0; i < h; i++)
    m.copyWithin(y + (top + i) * width + left * c, x + i * w * c, x + (i + 1) * w * c);
}
""",
    "conv": """
// x (already padded) of width w and c channels -> y (oh, ow, oc), two pixels and four
// channels at a time; weights (tiles of four output channels, kh, kw, c, four)
function conv(m, W, x, weight, bias, y, w, c, oh, ow, oc, kh, kw, sh, sw, dh, dw) {
  for (let tile = 0; tile < oc; tile += 4) {
    const used = Math.min(4, oc - tile), b = bias + tile;
    for (let i = 0; i < oh; i++)
      for (let j = 0; j < ow; j += 2) {
        const next = j + 1 < ow ? sw * c : 0;
        let p = weight + tile * kh * kw * c;
        let a0 = W[b], a1 = W[b + 1], a2 = W[b + 2], a3 = W[b + 3];
        let e0 = a0, e1 = a1, e2 = a2, e3 = a3;
        for (let u = 0; u < kh; u++)
          for (let v = 0; v < kw; v++) {
            const at = x + ((i * sh + u * dh) * w + j * sw + v * dw) * c;
            for (let q = at; q < at + c; q++, p += 4) {
              const r = m[q], s = m[q + next];
              const w0 = W[p], w1 = W[p + 1], w2 = W[p + 2], w3 = W[p + 3];
              a0 += r * w0; a1 += r * w1; a2 += r * w2; a3 += r * w3;
              e0 += s * w0; e1 += s * w1; e2 += s * w2; e3 += s * w3;
            }
          }
        const to = y + (i * ow + j) * oc + tile;
        store(m, to, used, a0, a1, a2, a3);
        if (next) store(m, to + oc, used, e0, e1, e2, e3);
      }
  }
}
""",
    "store": """
function store(m, to, used, a0, a1, a2, a3) {
  m[to] = a0;
  if (used > 1) m[to + 1] = a1;
  if (used > 2) m[to + 2] = a2;
  if (used > 3) m[to + 3] = a3;
}
""",
    "conv_grouped": """
// a convolution whose channels are split into groups; weights (kh, kw, c / groups, oc)
function conv_grouped(m, W, x, weight, bias, y, w, c, oh, ow, oc, kh, kw, sh, sw,
                      dh, dw, groups) {
  const perIn = c / groups, perOut = oc / groups;
  for (let i = 0; i < oh; i++)
    for (let j = 0; j < ow; j++)
      for (let o = 0; o < oc; o++) {
        const from = Math.floor(o / perOut) * perIn;
        let sum = W[bias + o];
        for (let u = 0; u < kh; u++)
          for (let v = 0; v < kw; v++) {
            const at = x + ((i * sh + u * dh) * w + j * sw + v * dw) * c + from;
            const p = weight + (u * kw + v) * perIn * oc + o;
            for (let k = 0; k < perIn; k++) sum += m[at + k] * W[p + k * oc];
          }
        m[y + (i * ow + j) * oc + o] = sum;
      }
}
""",
    "conv_transpose": """
// each pixel of x paints a kernel on y; top and left are cropped
function conv_transpose(m, W, x, weight, bias, y, h, w, c, oh, ow, oc, kh, kw, sh, sw,
                        dh, dw, groups, top, left) {
  const perIn = c / groups, perOut = oc / groups;
  for (let i = 0; i < oh * ow; i++)
    for (let o = 0; o < oc; o++) m[y + i * oc + o] = W[bias + o];
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++)
      for (let u = 0; u < kh; u++)
        for (let v = 0; v < kw; v++) {
          const r = i * sh + u * dh - top, q = j * sw + v * dw - left;
          if (r < 0 || r >= oh || q < 0 || q >= ow) continue;
          const at = x + (i * w + j) * c, to = y + (r * ow + q) * oc;
          const p = weight + (u * kw + v) * perIn * oc;
          for (let o = 0; o < oc; o++) {
            const from = at + Math.floor(o / perOut) * perIn;
            let sum = 0;
            for (let k = 0; k < perIn; k++) sum += m[from + k] * W[p + k * oc + o];
            m[to + o] += sum;
          }
        }
}
""",
    "dense": """
// each of n rows of x: y = b + x * w; weights (tiles of four outputs, in, four)
function dense(m, W, x, weight, bias, y, n, ins, outs) {
  for (let row = 0; row < n; row++, x += ins, y += outs)
    for (let tile = 0; tile < outs; tile += 4) {
      const b = bias + tile;
      let p = weight + tile * ins;
      let a0 = W[b], a1 = W[b + 1], a2 = W[b + 2], a3 = W[b + 3];
      for (let k = x; k < x + ins; k++, p += 4) {
        const r = m[k];
        a0 += r * W[p]; a1 += r * W[p + 1]; a2 += r * W[p + 2]; a3 += r * W[p + 3];
      }
      store(m, y + tile, Math.min(4, outs - tile), a0, a1, a2, a3);
    }
}
""",
    "max_pool": """
// the largest number of each window; cells outside do not count
function max_pool(m, x, y, h, w, c, oh, ow, kh, kw, sh, sw, top, left) {
  for (let i = 0; i < oh; i++)
    for (let j = 0; j < ow; j++, y += c) {
      m.fill(-Infinity, y, y + c);
      for (let u = 0; u < kh; u++)
        for (let v = 0; v < kw; v++) {
          const r = i * sh + u - top, q = j * sw + v - left;
          if (r < 0 || r >= h || q < 0 || q >= w) continue;
          const at = x + (r * w + q) * c;
          for (let k = 0; k < c; k++) if (m[at + k] > m[y + k]) m[y + k] = m[at + k];
        }
    }
}
""",
    "avg_pool": """
// the mean of each window's cells that lie inside
function avg_pool(m, x, y, h, w, c, oh, ow, kh, kw, sh, sw, top, left) {
  for (let i = 0; i < oh; i++)
    for (let j = 0; j < ow; j++, y += c) {
      let count = 0;
      m.fill(0, y, y + c);
      for (let u = 0; u < kh; u++)
        for (let v = 0; v < kw; v++) {
          const r = i * sh + u - top, q = j * sw + v - left;
          if (r < 0 || r >= h || q < 0 || q >= w) continue;
          const at = x + (r * w + q) * c;
          for (let k = 0; k < c; k++) m[y + k] += m[at + k];
          count++;
        }
      for (let k = 0; k < c; k++) m[y + k] /= count;
    }
}
""",
    "global_avg_pool": """
// the mean of each channel
function global_avg_pool(m, x, y, pixels, c) {
  for (let k = 0; k < c; k++) {
    let sum = 0;
    for (let i = 0; i < pixels; i++) sum += m[x + i * c + k];
    m[y + k] = sum / pixels;
  }
}
""",
    "scale_shift": """
// y = x * scale + shift per channel: batch norm with running statistics
function scale_shift(m, W, x, y, scale, shift, n, c) {
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++)
      m[y + i * c + k] = m[x + i * c + k] * W[scale + k] + W[shift + k];
}
""",
    "layer_norm": """
// each row to mean 0 and variance 1, then scaled and shifted
function layer_norm(m, W, x, y, scale, offset, n, c, epsilon) {
  for (let i = 0; i < n; i++, x += c, y += c) {
    let mean = 0, variance = 0;
    for (let k = 0; k < c; k++) mean += m[x + k] / c;
    for (let k = 0; k < c; k++) variance += (m[x + k] - mean) ** 2 / c;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let k = 0; k < c; k++)
      m[y + k] = (m[x + k] - mean) * factor * W[scale + k] + W[offset + k];
  }
}
""",
    "group_norm": """
// groups of channels over n pixels to mean 0 and variance 1, then scaled, shifted
function group_norm(m, W, x, y, scale, offset, n, c, size, epsilon) {
  for (let g = 0; g < c; g += size) {
    let mean = 0, variance = 0;
    for (let i = 0; i < n; i++)
      for (let k = g; k < g + size; k++) mean += m[x + i * c + k];
    mean /= n * size;
    for (let i = 0; i < n; i++)
      for (let k = g; k < g + size; k++) variance += (m[x + i * c + k] - mean) ** 2;
    const factor = 1 / Math.sqrt(variance / (n * size) + epsilon);
    for (let i = 0; i < n; i++)
      for (let k = g; k < g + size; k++)
        m[y + i * c + k] =
          (m[x + i * c + k] - mean) * factor * W[scale + k] + W[offset + k];
  }
}
""",
    "l2_normalize": """
// each row to length 1; shorter ones than epsilon are divided by that
function l2_normalize(m, x, y, n, c, epsilon) {
  for (let i = 0; i < n; i++, x += c, y += c) {
    let length = 0;
    for (let k = 0; k < c; k++) length += m[x + k] ** 2;
    length = Math.max(Math.sqrt(length), epsilon);
    for (let k = 0; k < c; k++) m[y + k] = m[x + k] / length;
  }
}
""",
    "prelu": """
function prelu(m, W, x, y, slope, n, c) {
  for (let i = 0; i < n; i++, x += c, y += c)
    for (let k = 0; k < c; k++)
      m[y + k] = m[x + k] > 0 ? m[x + k] : W[slope + k] * m[x + k];
}
""",
    "local_response_norm": """
// each number by its neighbours' strength: x * (bias + share * sum of squares)^-beta
function local_response_norm(m, x, y, n, c, reach, share, beta, bias) {
  for (let i = 0; i < n; i++, x += c, y += c)
    for (let k = 0; k < c; k++) {
      let sum = 0;
      const end = Math.min(k + reach, c - 1);
      for (let j = Math.max(k - reach, 0); j <= end; j++) sum += m[x + j] * m[x + j];
      m[y + k] = m[x + k] * Math.pow(bias + share * sum, -beta);
    }
}
""",
    "relu": """
function relu(m, x, y, n) {
  for (let i = 0; i < n; i++) m[y + i] = m[x + i] > 0 ? m[x + i] : 0;
}
""",
    "leaky_relu": """
function leaky_relu(m, x, y, n, slope) {
  for (let i = 0; i < n; i++) m[y + i] = m[x + i] > 0 ? m[x + i] : m[x + i] * slope;
}
""",
    "sigmoid": """
function sigmoid(m, x, y, n) {
  for (let i = 0; i < n; i++) m[y + i] = 1 / (1 + Math.exp(-m[x + i]));
}
""",
    "tanh": """
function tanh(m, x, y, n) {
  for (let i = 0; i < n; i++) m[y + i] = Math.tanh(m[x + i]);
}
""",
    "erf": """
// Abramowitz & Stegun 7.1.5 and 7.1.14: a series near 0, a continued fraction beyond
function erf(x) {
  const a = Math.abs(x);
  let value;
  if (a < 2.5) {
    let term = a, sum = a;
    for (let n = 1; n < 60; n++) {
      term *= -a * a / n;
      sum += term / (2 * n + 1);
    }
    value = 2 / Math.sqrt(Math.PI) * sum;
  } else {
    let fraction = a;
    for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
    value = 1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction;
  }
  return x < 0 ? -value : value;
}
""",
    "gelu": """
function gelu(m, x, y, n) {
  for (let i = 0; i < n; i++)
    m[y + i] = 0.5 * m[x + i] * (1 + erf(m[x + i] * Math.SQRT1_2));
}
""",
    "silu": """
function silu(m, x, y, n) {
  for (let i = 0; i < n; i++) m[y + i] = m[x + i] / (1 + Math.exp(-m[x + i]));
}
""",
    "softmax": """
// each of n rows to probabilities
function softmax(m, x, y, n, c) {
  for (let i = 0; i < n; i++, x += c, y += c) {
    let most = -Infinity, sum = 0;
    for (let k = 0; k < c; k++) most = Math.max(most, m[x + k]);
    for (let k = 0; k < c; k++) sum += m[y + k] = Math.exp(m[x + k] - most);
    for (let k = 0; k < c; k++) m[y + k] /= sum;
  }
}
""",
    "log_softmax": """
// each of n rows to logarithms of probabilities
function log_softmax(m, x, y, n, c) {
  for (let i = 0; i < n; i++, x += c, y += c) {
    let most = -Infinity, sum = 0;
    for (let k = 0; k < c; k++) most = Math.max(most, m[x + k]);
    for (let k = 0; k < c; k++) sum += Math.exp(m[x + k] - most);
    sum = Math.log(sum);
    for (let k = 0; k < c; k++) m[y + k] = m[x + k] - most - sum;
  }
}
""",
    **_arithmetic("add", "m[x{i}] + m[z{j}]"),
    **_arithmetic("maximum", "Math.max(m[x{i}], m[z{j}])"),
    **_arithmetic("multiply", "m[x{i}] * m[z{j}]"),
    **_arithmetic("subtract", "m[x{i}] - m[z{j}]"),
    "matmul": """
// r * s products: y (n, h) = scale * a (n, k) * b (k, h); operands by steps of both
// leading axes (0 where one matrix stands for all), of rows and of columns
function matmul(m, a, b, y, r, s, n, k, h, a0, a1, ai, ak, b0, b1, bk, bj, scale) {
  for (let u = 0; u < r; u++)
    for (let v = 0; v < s; v++) {
      const p = a + u * a0 + v * a1, q = b + u * b0 + v * b1;
      for (let i = 0; i < n; i++)
        for (let j = 0; j < h; j++) {
          let sum = 0;
          for (let t = 0; t < k; t++)
            sum += m[p + i * ai + t * ak] * m[q + t * bk + j * bj];
          m[y++] = scale * sum;
        }
    }
}
""",
    "constant": """
function constant(m, W, value, y, n) {
  for (let i = 0; i < n; i++) m[y + i] = W[value + i];
}
""",
    "stretch": """
// y (a, b, c, d) = x by steps: 0 where one element stands for all
function stretch(m, x, y, a, b, c, d, x0, x1, x2, x3) {
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++)
        for (let l = 0; l < d; l++)
          m[y++] = m[x + i * x0 + j * x1 + k * x2 + l * x3];
}
""",
    "concat": """
// the channels of x into those of y from a place on
function concat(m, x, y, n, c, channels, from) {
  for (let i = 0; i < n; i++)
    m.copyWithin(y + i * channels + from, x + i * c, x + (i + 1) * c);
}
""",
    "resize_cubic": """
// rows and columns by tables: four inputs, and their shares
function resize_cubic(m, W, x, y, rows, columns, w, c, oh, ow) {
  for (let i = 0; i < oh; i++)
    for (let j = 0; j < ow; j++, y += c) {
      const row = rows + 8 * i, column = columns + 8 * j;
      for (let k = 0; k < c; k++) {
        let sum = 0;
        for (let u = 0; u < 4; u++)
          for (let v = 0; v < 4; v++) {
            const share = W[row + 4 + u] * W[column + 4 + v];
            const at = x + (W[row + u] * w + W[column + v]) * c + k;
            if (share !== 0) sum += share * m[at];
          }
        m[y + k] = sum;
      }
    }
}
""",
    "resize": """
// rows and columns by tables: the first, the second, the share of the second
function resize(m, W, x, y, rows, columns, w, c, oh, ow) {
  for (let i = 0; i < oh; i++)
    for (let j = 0; j < ow; j++, y += c) {
      const row = rows + 3 * i, column = columns + 3 * j;
      const r = W[row + 2], q = W[column + 2];
      const at = (v, u, k) => m[x + (W[row + v] * w + W[column + u]) * c + k];
      for (let k = 0; k < c; k++) {
        const upper = q > 0 ? at(0, 0, k) * (1 - q) + at(0, 1, k) * q : at(0, 0, k);
        const lower = q > 0 ? at(1, 0, k) * (1 - q) + at(1, 1, k) * q : at(1, 0, k);
        m[y + k] = r > 0 ? upper * (1 - r) + lower * r : upper;
      }
    }
}
""",
    "strided_copy": """
// five axes, outermost first: size, distance of neighbours in x and in y
function strided_copy(m, x, y, n0, x0, y0, n1, x1, y1, n2, x2, y2, n3, x3, y3,
                      n4, x4, y4) {
  for (let i = 0; i < n0; i++)
    for (let j = 0; j < n1; j++)
      for (let k = 0; k < n2; k++)
        for (let l = 0; l < n3; l++)
          for (let o = 0; o < n4; o++)
            m[y + i * y0 + j * y1 + k * y2 + l * y3 + o * y4] =
              m[x + i * x0 + j * x1 + k * x2 + l * x3 + o * x4];
}
""",
    "upsample_nearest": """
function upsample_nearest(m, x, y, h, w, c, fh, fw) {
  for (let i = 0; i < h * fh; i++)
    for (let j = 0; j < w * fw; j++, y += c) {
      const at = x + (Math.floor(i / fh) * w + Math.floor(j / fw)) * c;
      m.copyWithin(y, at, at + c);
    }
}
""",
    "upsample_bilinear": """
// between the centres of pixels; beyond the outermost the edge is repeated
function upsample_bilinear(m, x, y, h, w, c, fh, fw) {
  for (let i = 0; i < h * fh; i++)
    for (let j = 0; j < w * fw; j++, y += c) {
      let r = Math.min(Math.max((i + 0.5) / fh - 0.5, 0), h - 1);
      let q = Math.min(Math.max((j + 0.5) / fw - 0.5, 0), w - 1);
      const top = Math.floor(r), left = Math.floor(q);
      const bottom = Math.min(top + 1, h - 1), right = Math.min(left + 1, w - 1);
      r -= top; q -= left;
      for (let k = 0; k < c; k++) {
        const at = (row, column) => m[x + (row * w + column) * c + k];
        const a = at(top, left), b = at(top, right);
        const d = at(bottom, left), e = at(bottom, right);
        m[y + k] = (a * (1 - q) + b * q) * (1 - r) + (d * (1 - q) + e * q) * r;
      }
    }
}
""",
}

#: kernels that call another
CALLS = {"conv": {"store"}, "dense": {"store"}, "gelu": {"erf"}}
#: kernels that read weights
WITH_WEIGHTS = {
    "constant",
    "conv",
    "conv_grouped",
    "conv_transpose",
    "dense",
    "group_norm",
    "layer_norm",
    "prelu",
    "resize",
    "resize_cubic",
    "scale_shift",
}
