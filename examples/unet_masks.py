"""U-Net with Dice loss: find round things in noise, a mask for each pixel.

Blocks are Python functions, the loss is a weighted sum, and the metric is a function:
intersection over union.

Run: python examples/unet_masks.py
"""

import numpy as np

import pellucid as pl

SIZE = 24


def draw_scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images with one or two discs, and masks of 0 and 1."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    masks = np.zeros((count, SIZE, SIZE, 1), np.int64)
    for mask in masks:
        for _ in range(random.integers(1, 3)):
            y, x = random.uniform(4, SIZE - 4, 2)
            radius = random.uniform(2.5, 5)
            mask[..., 0] |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    noise = random.standard_normal(masks.shape)
    return (masks + 0.6 * noise).astype(np.float32), masks


@pl.block
def level(x, channels):
    """Convolve twice."""
    for _ in range(2):
        x = pl.Conv2D(channels, kernel_size=3, padding="same", activation="relu")(x)
    return x


def unet() -> pl.Network:
    """Return a U-Net of two levels."""
    image = pl.Input(SIZE, SIZE, 1)
    fine = level(image, 8)
    coarse = level(pl.MaxPool2D(2)(fine), 16)
    deep = level(pl.MaxPool2D(2)(coarse), 16)
    coarse = level(pl.Concat()(pl.Upsample2D(2)(deep), coarse), 16)
    fine = level(pl.Concat()(pl.Upsample2D(2)(coarse), fine), 8)
    mask = pl.Conv2D(1, kernel_size=1, activation="sigmoid")(fine)
    return pl.Network(inputs=image, outputs=mask, name="unet")


def intersection_over_union(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return each example's ratio of common to united pixels."""
    found, wanted = output > 0.5, target.reshape(output.shape) > 0.5
    both = (found & wanted).sum(axis=(1, 2, 3))
    return both / np.maximum((found | wanted).sum(axis=(1, 2, 3)), 1)


def main() -> float:
    """Train, and return the mean intersection over union of new scenes."""
    network = unet()
    print(network)
    model = pl.Model(
        network,
        engine="compiled",
        loss=pl.Dice() + 0.5 * pl.BinaryCrossEntropy(),
        optimizer=pl.Adam(5e-3),
        seed=0,
    )
    model.fit(draw_scenes(160, seed=1), epochs=4, batch_size=16, progress=False)
    figures = model.evaluate(draw_scenes(40, seed=2), metrics=intersection_over_union)
    overlap = figures["intersection_over_union"]
    print(f"new scenes: intersection over union {overlap:.3f}")
    return overlap


if __name__ == "__main__":
    main()
