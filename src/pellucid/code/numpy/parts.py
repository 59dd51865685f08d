"""Layers of the NumPy script, each with its backward pass."""

from __future__ import annotations

CELLS = '''def cells(weight, stride, dilation, size):
    """Yield each kernel cell (u, v) with the pixels that it meets."""
    for u in range(weight[0]):
        for v in range(weight[1]):
            i, j = u * dilation[0], v * dilation[1]
            rows = slice(i, i + stride[0] * (size[0] - 1) + 1, stride[0])
            columns = slice(j, j + stride[1] * (size[1] - 1) + 1, stride[1])
            yield u, v, (slice(None), rows, columns)
'''

PAD = '''def pad(x, pads, value=0.0):
    """Put a value around images (N, H, W, C)."""
    return np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)
'''

CROP = '''def crop(x, pads):
    """Take away what pad put around."""
    (top, bottom), (left, right) = pads
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
'''

#: layer → source; a layer's derivative has its name and _back
PARTS = {
    "group_normalized": '''def group_normalized(x, groups, epsilon):
    """Return x with mean 0 and variance 1 in groups of channels, and 1 / factor."""
    cut = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    sigma = np.sqrt(cut.var(axis=(1, 3), keepdims=True) + epsilon)
    hat = (cut - cut.mean(axis=(1, 3), keepdims=True)) / sigma
    return hat.reshape(x.shape), sigma
''',
    "group_norm": '''def group_norm_back(grad, hat, sigma, scale, groups):
    """Return the derivatives by x, scale and offset."""
    shape = (len(hat), -1, groups, hat.shape[-1] // groups)
    g, cut = (grad * scale).reshape(shape), hat.reshape(shape)
    along = (g * cut).mean(axis=(1, 3), keepdims=True)
    x = (g - g.mean(axis=(1, 3), keepdims=True) - cut * along) / sigma
    axes = tuple(range(grad.ndim - 1))
    return x.reshape(hat.shape), (grad * hat).sum(axis=axes), grad.sum(axis=axes)
''',
    "prelu": '''def prelu_back(grad, x, slope):
    """Return the derivatives by x and by the slopes."""
    each = np.where(x > 0, 0, grad * x).reshape(-1, x.shape[-1]).sum(axis=0)
    each = each if len(slope) > 1 else each.sum(keepdims=True)
    return np.where(x > 0, grad, slope * grad), each
''',
    "l2_normalize": '''def l2_normalize(x, epsilon):
    """Divide by the length of the last axis, or by epsilon where that is longer."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), epsilon)


def l2_normalize_back(grad, x, y, epsilon):
    """Take away what would only change the length."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    along = (grad * y).sum(axis=-1, keepdims=True) * (length > epsilon)
    return (grad - y * along) / np.maximum(length, epsilon)
''',
    "largest": '''def largest(x, *others):
    """Keep the largest."""
    for other in others:
        x = np.maximum(x, other)
    return x
''',
    "wins": '''def wins(k, values):
    """Return where the k-th value is the first of the largest ones."""
    return np.stack(np.broadcast_arrays(*values)).argmax(axis=0) == k
''',
    "sum_to": '''def sum_to(grad, shape):
    """Sum over the axes along which a value of that shape was stretched."""
    grad = grad.sum(axis=tuple(range(1, 1 + grad.ndim - len(shape))))
    axes = [a for a, n in enumerate(shape) if a and n < grad.shape[a]]
    return grad.sum(axis=tuple(axes), keepdims=True)
''',
    "conv2d": '''def conv2d(x, weight, bias, stride, pads, dilation):
    """y[i, j] = b + the sum over (u, v) of x[i s + u d, j s + v d] @ w[u, v]."""
    x = pad(x, pads)
    kernel = weight.shape[:2]
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [(x.shape[a + 1] - extent[a]) // stride[a] + 1 for a in (0, 1)]
    y = np.zeros((len(x), *size, weight.shape[3]), x.dtype) + bias
    for u, v, pixels in cells(kernel, stride, dilation, size):
        y += x[pixels] @ weight[u, v]
    return y


def conv2d_back(grad_y, x, weight, stride, pads, dilation):
    """Ask what each number was multiplied with: the weights met pixels, and v.v."""
    x = pad(x, pads)
    grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
    rows = grad_y.reshape(-1, grad_y.shape[3])
    for u, v, pixels in cells(weight.shape, stride, dilation, grad_y.shape[1:3]):
        grad_weight[u, v] = x[pixels].reshape(-1, x.shape[3]).T @ rows
        grad_x[pixels] += grad_y @ weight[u, v].T
    return crop(grad_x, pads), grad_weight, rows.sum(axis=0)
''',
    "conv_transpose2d": '''\
def conv_transpose2d(x, weight, bias, stride, pads, dilation):
    """y[i s + u d, j s + v d] += x[i, j] @ w[u, v]: each pixel paints a kernel."""
    kernel, size = weight.shape[:2], x.shape[1:3]
    whole = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, k, d in zip(size, stride, kernel, dilation, strict=True)
    ]
    y = np.zeros((len(x), *whole, weight.shape[3]), x.dtype)
    for u, v, pixels in cells(kernel, stride, dilation, size):
        y[pixels] += x @ weight[u, v]
    return crop(y, pads) + bias


def conv_transpose2d_back(grad_y, x, weight, stride, pads, dilation):
    """The painted pixels lead back to the pixel that painted them."""
    grad, grad_x, grad_weight = pad(grad_y, pads), np.zeros_like(x), weight * 0
    rows = x.reshape(-1, x.shape[3])
    for u, v, pixels in cells(weight.shape, stride, dilation, x.shape[1:3]):
        grad_x += grad[pixels] @ weight[u, v].T
        grad_weight[u, v] = rows.T @ grad[pixels].reshape(len(rows), -1)
    return grad_x, grad_weight, grad_y.sum(axis=(0, 1, 2))
''',
    "max_pool2d": '''def max_pool2d(x, kernel, stride, pads):
    """Keep the largest value of each window."""
    x = pad(x, pads, -np.inf)
    size = [(x.shape[a + 1] - kernel[a]) // stride[a] + 1 for a in (0, 1)]
    windows = [x[pixels] for _, _, pixels in cells(kernel, stride, (1, 1), size)]
    return np.max(windows, axis=0)


def max_pool2d_back(grad_y, x, y, kernel, stride, pads):
    """Only a window's first maximum moved the output."""
    x = pad(x, pads, -np.inf)
    grad_x, is_open = np.zeros_like(x), np.ones(y.shape, bool)
    for _, _, pixels in cells(kernel, stride, (1, 1), y.shape[1:3]):
        wins = (x[pixels] == y) & is_open
        grad_x[pixels] += grad_y * wins
        is_open &= ~wins
    return crop(grad_x, pads)
''',
    "avg_pool2d": '''def avg_pool2d(x, kernel, stride, pads):
    """Average each window over its cells on the image."""
    ones = pad(np.ones((1, *x.shape[1:3], 1), x.dtype), pads)
    x = pad(x, pads)
    size = [(x.shape[a + 1] - kernel[a]) // stride[a] + 1 for a in (0, 1)]
    places = [pixels for _, _, pixels in cells(kernel, stride, (1, 1), size)]
    return sum(x[p] for p in places) / sum(ones[p] for p in places)


def avg_pool2d_back(grad_y, x, kernel, stride, pads):
    """Every cell moved the output by 1 / count."""
    ones = pad(np.ones((1, *x.shape[1:3], 1), x.dtype), pads)
    grad_x = np.zeros_like(pad(x, pads))
    size = grad_y.shape[1:3]
    places = [pixels for _, _, pixels in cells(kernel, stride, (1, 1), size)]
    share = grad_y / sum(ones[p] for p in places)
    for pixels in places:
        grad_x[pixels] += share
    return crop(grad_x, pads)
''',
    "dense": '''def dense(x, weight, bias):
    """y = x @ w + b."""
    return x @ weight + bias


def dense_back(grad_y, x, weight):
    """Each weight met one input, each input all its weights."""
    rows, grads = x.reshape(-1, x.shape[-1]), grad_y.reshape(-1, grad_y.shape[-1])
    return grad_y @ weight.T, rows.T @ grads, grads.sum(axis=0)
''',
    "norm": '''def norm_back(grad_y, x_hat, sigma, scale, axes):
    """The derivative, less its mean, less its part along x_hat."""
    g = grad_y * scale
    mean_g = g.mean(axis=axes, keepdims=True)
    mean_gx = (g * x_hat).mean(axis=axes, keepdims=True)
    rows = tuple(range(x_hat.ndim - 1))
    grad_scale, grad_offset = (grad_y * x_hat).sum(axis=rows), grad_y.sum(axis=rows)
    return (g - mean_g - x_hat * mean_gx) / sigma, grad_scale, grad_offset
''',
    "normalized": '''def normalized(x, axes, epsilon):
    """Return x with mean 0 and variance 1 over those axes, and its deviation."""
    mean = x.mean(axis=axes, keepdims=True)
    sigma = np.sqrt(np.square(x - mean).mean(axis=axes, keepdims=True) + epsilon)
    return (x - mean) / sigma, sigma
''',
    "standardized": '''\
def standardized(x, statistics, name, is_training, momentum, epsilon):
    """Normalise each channel: by the batch, or by the running statistics."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = f"{name}.running_mean", f"{name}.running_variance"
    if not is_training:
        sigma = np.sqrt(statistics[variance] + epsilon)
        return (x - statistics[mean]) / sigma, sigma
    for key, now in ((mean, x.mean(axis=axes)), (variance, x.var(axis=axes))):
        statistics[key] = momentum * statistics[key] + (1 - momentum) * now
    return normalized(x, axes, epsilon)
''',
    "local_response_norm": '''def near(x, size):
    """Return the sum over the size channels around each."""
    reach, channels = size // 2, x.shape[-1]
    wide = np.pad(x, ((0, 0), (0, 0), (0, 0), (reach, reach)))
    return sum(wide[..., i : i + channels] for i in range(size))


def local_response_norm(x, size, alpha, beta, bias):
    """Divide each number by the strength of its neighbouring channels."""
    return x * (bias + alpha / size * near(x * x, size)) ** -beta


def local_response_norm_back(grad_y, x, size, alpha, beta, bias):
    """Each number stands in its own output, and in its neighbours' strength."""
    share = alpha / size
    strength = bias + share * near(x * x, size)
    factor = strength**-beta
    pull = near(grad_y * x * factor / strength, size)
    return grad_y * factor - 2 * share * beta * x * pull
''',
    "logistic": '''def logistic(x):
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)
''',
    "softplus": '''def softplus(x):
    """ln(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
''',
    "softmax": '''def softmax(x):
    """exp(x) / the sum of exp(x) over the last axis."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_back(grad_y, y):
    """Each output moves with every input: y_i (delta_ij - y_j)."""
    return y * (grad_y - np.sum(grad_y * y, axis=-1, keepdims=True))
''',
    "log_softmax": '''def log_softmax(x):
    """x - the logarithm of the sum of exp(x) over the last axis."""
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_softmax_back(grad_y, y):
    """Each output moves with every input: delta_ij - exp(y_j)."""
    return grad_y - np.exp(y) * np.sum(grad_y, axis=-1, keepdims=True)
''',
    "erf": '''def erf(x):
    """Return the error function of each number."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)
''',
    "normal_sum": '''def normal_sum(x):
    """Return the normal distribution's sum up to x."""
    return (1 + erf(x * math.sqrt(0.5))) / 2
''',
    "enlarge": '''def enlarge_matrix(size, factor, mode):
    """Return the matrix (size * factor, size) that enlarges one axis."""
    at = np.arange(size * factor)
    if mode == "nearest":
        return np.eye(size)[at // factor]
    at = np.clip((at + 0.5) / factor - 0.5, 0, size - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(size)), 0)


def enlarge(x, factors, mode):
    """Mix the rows, then the columns, by matrices."""
    rows = enlarge_matrix(x.shape[1], factors[0], mode).astype(x.dtype)
    columns = enlarge_matrix(x.shape[2], factors[1], mode).astype(x.dtype)
    return np.einsum("ih,jw,nhwc->nijc", rows, columns, x, optimize=True)


def enlarge_back(grad_y, factors, mode):
    """The same matrices, turned."""
    height, width = grad_y.shape[1] // factors[0], grad_y.shape[2] // factors[1]
    rows = enlarge_matrix(height, factors[0], mode).astype(grad_y.dtype)
    columns = enlarge_matrix(width, factors[1], mode).astype(grad_y.dtype)
    return np.einsum("ih,jw,nijc->nhwc", rows, columns, grad_y, optimize=True)
''',
}
