"""Images in a kernel's memory: put there, taken back, and convolved."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def aligned(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return zeros that begin at a multiple of 64 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def _seen(m: Any, memory: Array) -> Array:
    (top, bottom), (left, right) = m.halo
    whole = memory.reshape(
        m.height + top + bottom, m.width + left + right, m.padded_channels
    )
    return whole[top : top + m.height, left : left + m.width, : m.channels]


def put(m: Any, image: Array) -> Array:
    """Return memory that holds an image as its map says, zeros elsewhere."""
    memory = aligned((m.size,))
    _seen(m, memory)[...] = image
    return memory


def get(m: Any, memory: Array) -> Array:
    """Return the image in a memory."""
    return _seen(m, memory).copy()


def around(m: Any, memory: Array) -> Array:
    """Return what lies in a memory outside of the image."""
    rest = memory.copy()
    _seen(m, rest)[...] = 0
    return rest


def patches(x: Array, conv: Any) -> Array:
    """Return what each output sees, (height, width, kernel_h, kernel_w, channels)."""
    (kh, kw), (sy, sx), (dy, dx) = conv.kernel, conv.stride, conv.dilation
    height, width, channels = x.shape
    seen = np.zeros((conv.y.height, conv.y.width, kh, kw, channels), x.dtype)
    for i, j, u, v in np.ndindex(*seen.shape[:4]):
        row = i * sy + u * dy - conv.top_left[0]
        column = j * sx + v * dx - conv.top_left[1]
        if 0 <= row < height and 0 <= column < width:
            seen[i, j, u, v] = x[row, column]
    return seen


def convolved(x: Array, w: Array, conv: Any) -> Array:
    """Return x * w in float64; w is (kernel_h, kernel_w, in, out)."""
    return np.einsum("ijuvc,uvco->ijo", patches(x.astype(float), conv), w.astype(float))


def grad_weight(x: Array, grad_y: Array, conv: Any) -> Array:
    """Return the derivative by w, given the one by y."""
    seen = patches(x.astype(float), conv)
    return np.einsum("ijuvc,ijo->uvco", seen, grad_y.astype(float))


def grad_input(w: Array, grad_y: Array, conv: Any) -> Array:
    """Return the derivative by x, given the one by y."""
    (kh, kw), (sy, sx), (dy, dx) = conv.kernel, conv.stride, conv.dilation
    grad = np.zeros((conv.x.height, conv.x.width, conv.x.channels))
    for i, j, u, v in np.ndindex(conv.y.height, conv.y.width, kh, kw):
        row = i * sy + u * dy - conv.top_left[0]
        column = j * sx + v * dx - conv.top_left[1]
        if 0 <= row < conv.x.height and 0 <= column < conv.x.width:
            grad[row, column] += w[u, v].astype(float) @ grad_y[i, j]
    return grad


def pooled(cells: Array) -> tuple[Array, Array]:
    """Return 2×2 maxima and which cell, row by row, came first among the largest."""
    height, width, channels = (n // 2 for n in (*cells.shape[:2], 2 * cells.shape[2]))
    cut = cells[: 2 * height, : 2 * width].reshape(height, 2, width, 2, channels)
    windows = cut.transpose(0, 2, 4, 1, 3).reshape(height, width, channels, 4)
    return windows.max(-1), windows.argmax(-1)


def distance(found: Array, expected: Array) -> float:
    """Return the largest difference, in units of the largest expected number."""
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))
