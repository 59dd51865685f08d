"""Functions that the JAX script may need for its layers."""

from __future__ import annotations

PARTS = {
    "convolve": '''def convolve(x, weight, **options):
    """Slide the kernels over images (N, H, W, C)."""
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, weight, dimension_numbers=layout, **options)
''',
    "max_pool": '''def max_pool(x, kernel, stride, pads=((0, 0), (0, 0))):
    """Keep the largest value of each window."""
    window = ((1, *kernel, 1), (1, *stride, 1), ((0, 0), *pads, (0, 0)))
    return lax.reduce_window(x, -jnp.inf, lax.max, *window)
''',
    "avg_pool": '''def avg_pool(x, kernel, stride, pads=((0, 0), (0, 0))):
    """Average each window over its cells on the image."""
    window = ((1, *kernel, 1), (1, *stride, 1), ((0, 0), *pads, (0, 0)))
    counts = lax.reduce_window(jnp.ones_like(x), 0.0, lax.add, *window)
    return lax.reduce_window(x, 0.0, lax.add, *window) / counts
''',
    "largest": '''def largest(x, *others):
    """Keep the largest; of equal ones the first, where JAX takes half of each."""
    for other in others:
        x = jnp.where(x >= other, x, other)
    return x
''',
    "batch_norm": '''def batch_norm(x, name, w, statistics, changed, momentum, epsilon):
    """Normalise each channel; where changed is a dict, by the batch."""
    mean, variance = f"{name}.running_mean", f"{name}.running_variance"
    if changed is None:
        now = {mean: statistics[mean], variance: statistics[variance]}
    else:
        axes = tuple(range(x.ndim - 1))
        now = {mean: x.mean(axes), variance: x.var(axes)}
        for key, value in now.items():
            old = momentum * changed.get(key, statistics[key])
            changed[key] = old + (1 - momentum) * lax.stop_gradient(value)
    x_hat = (x - now[mean]) * lax.rsqrt(now[variance] + epsilon)
    return x_hat * w[f"{name}.scale"] + w[f"{name}.offset"]
''',
    "layer_norm": '''def layer_norm(x, scale, offset, epsilon):
    """Normalise the last axis."""
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + epsilon) * scale + offset
''',
    "group_norm": '''def group_norm(x, scale, offset, groups, epsilon):
    """Normalise groups of channels over each example."""
    cut = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean, variance = (f(cut, (1, 3), keepdims=True) for f in (jnp.mean, jnp.var))
    hat = ((cut - mean) * lax.rsqrt(variance + epsilon)).reshape(x.shape)
    return hat * scale + offset
''',
    "l2_normalize": '''def l2_normalize(x, epsilon):
    """Divide by the length of the last axis, or by epsilon where that is longer."""
    squares = jnp.square(x).sum(-1, keepdims=True)
    is_long = squares > epsilon**2
    length = jnp.sqrt(jnp.where(is_long, squares, 1))
    return x / jnp.where(is_long, length, epsilon)
''',
    "local_response_norm": '''def local_response_norm(x, size, alpha, beta, bias):
    """Divide each number by the strength of its neighbouring channels."""
    sides = ((0, 0), (0, 0), (0, 0), (size // 2, size // 2))
    window = ((1, 1, 1, size), (1, 1, 1, 1), sides)
    squares = lax.reduce_window(jnp.square(x), 0.0, lax.add, *window)
    return x * (bias + alpha / size * squares) ** -beta
''',
    "dropout": '''def dropout(x, rate, key, index):
    """Silence a share of the numbers in training, that is where there is a key."""
    if key is None:
        return x
    is_kept = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - rate, x.shape)
    return jnp.where(is_kept, x / (1 - rate), 0)
''',
    "upsample": '''def upsample(x, factors):
    """Enlarge images by bilinear interpolation."""
    height, width = factors[0] * x.shape[1], factors[1] * x.shape[2]
    return jax.image.resize(x, (len(x), height, width, x.shape[3]), "linear")
''',
}
