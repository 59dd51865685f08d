"""Siamese network with triplet loss: recognise kinds of images never trained on.

Three calls of one trunk share its weights. The loss draws two images of one kind
together and pushes a third, of another kind, away. Kinds that were left out of the
training are then told apart by a single example each.

Run: python examples/siamese_triplet.py
"""

import numpy as np

import pellucid as pl

SIZE, EMBEDDING = 12, 8


def draw_kinds(count: int, seed: int) -> np.ndarray:
    """Return a smooth random pattern for each kind, shape (count, 12, 12, 1)."""
    rough = np.random.default_rng(seed).standard_normal((count, 4, 4, 1))
    return rough.repeat(3, axis=1).repeat(3, axis=2)


def draw_images(kinds: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return noisy images of some kinds, of any strength and shifted by a pixel."""
    random = np.random.default_rng(seed)
    images = kinds[labels] * random.uniform(0.5, 1.5, (len(labels), 1, 1, 1))
    images += 0.7 * random.standard_normal(images.shape)
    shifts = random.integers(-1, 2, (len(labels), 2))
    moved = [np.roll(x, s, (0, 1)) for x, s in zip(images, shifts, strict=True)]
    return np.array(moved, np.float32)


def siamese() -> pl.Network:
    """Return the network: three images in, their embeddings side by side out."""
    conv = pl.Conv2D(8, kernel_size=3, activation="relu")
    dense = pl.Dense(EMBEDDING)

    def trunk(image):
        x = pl.MaxPool2D(2)(conv(image))
        return pl.L2Normalize()(dense(pl.Flatten()(x)))

    names = ("anchor", "positive", "negative")
    inputs = [pl.Input(SIZE, SIZE, 1, name=name) for name in names]
    joined = pl.Concat()(*map(trunk, inputs))
    return pl.Network(inputs=inputs, outputs=joined, name="siamese")


def draw_triplets(kinds: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return anchors, positives of the same kind, and negatives of another."""
    random = np.random.default_rng(seed)
    own = random.integers(0, len(kinds), count)
    other = (own + random.integers(1, len(kinds), count)) % len(kinds)
    labels = (own, own, other)
    return tuple(draw_images(kinds, k, seed + i) for i, k in enumerate(labels))


def embed(model: pl.Model, images: np.ndarray) -> np.ndarray:
    """Return the embeddings of images."""
    return model.predict((images, images, images))[:, :EMBEDDING]


def main() -> float:
    """Train, and return the share of new images given to their new kind."""
    model = pl.Model(
        siamese(),
        engine="compiled",
        loss=pl.Triplet(margin=0.5),
        optimizer=pl.Adam(5e-3),
        seed=0,
    )
    triplets = draw_triplets(draw_kinds(20, seed=1), 600, seed=2)
    nothing = np.zeros(600)  # the loss looks at no labels
    model.fit((triplets, nothing), epochs=6, batch_size=30, progress=False)

    new = draw_kinds(5, seed=3)
    shown = embed(model, draw_images(new, np.arange(5), seed=4))
    labels = np.arange(200) % 5
    found = embed(model, draw_images(new, labels, seed=5))
    distances = ((found[:, None] - shown) ** 2).sum(axis=2)
    share = float((distances.argmin(axis=1) == labels).mean())
    print(f"new images of 5 new kinds, one example of each: {share:.0%} right")
    return share


if __name__ == "__main__":
    main()
