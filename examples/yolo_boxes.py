"""Detection in one look: a grid of cells, YOLO's loss, non-maximum suppression.

Each cell of the output says whether the middle of a thing lies in it, where, how
large it is and what: a bright square or a dark cross.

Run: python examples/yolo_boxes.py
"""

import numpy as np

import pellucid as pl

SIZE, CELLS, KINDS = 24, 4, 2
CELL = SIZE // CELLS


def draw_scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Return images, labels of each cell, and boxes (x, y, w, h, kind) in pixels."""
    random = np.random.default_rng(seed)
    images = 0.2 * random.standard_normal((count, SIZE, SIZE, 1))
    labels = np.zeros((count, CELLS, CELLS, 5 + KINDS))
    scenes = []
    for image, cells in zip(images, labels, strict=True):
        boxes = []
        for corner in random.permutation(4)[: random.integers(1, 3)]:
            half, kind = random.uniform(2, 4), random.integers(KINDS)
            y, x = (12 * divmod(corner, 2)[i] + random.uniform(4, 8) for i in (0, 1))
            draw(image[..., 0], (x, y, half), kind)
            i, j = int(y // CELL), int(x // CELL)
            place = x / CELL - j, y / CELL - i, 2 * half / SIZE, 2 * half / SIZE
            cells[i, j] = (*place, 1, *np.eye(KINDS)[kind])
            boxes.append((x, y, 2 * half, 2 * half, kind))
        scenes.append(boxes)
    return images.astype(np.float32), labels.astype(np.float32), scenes


def draw(image: np.ndarray, where: tuple[float, float, float], kind: int) -> None:
    """Draw a square or a cross."""
    x, y, half = where
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    down, right = np.abs(rows - y), np.abs(columns - x)
    inside = np.maximum(down, right) < half
    if kind == 0:
        image[inside] += 1
    else:
        image[inside & (np.minimum(down, right) < 1)] -= 1.5


def detector() -> pl.Network:
    """Return convolutions down to the grid, and a head of 5 + kinds channels."""
    image = pl.Input(SIZE, SIZE, 1)
    x = pl.Conv2D(12, kernel_size=3, padding="same", activation="relu")(image)
    x = pl.Conv2D(24, kernel_size=3, stride=3, padding="same", activation="relu")(x)
    x = pl.Conv2D(32, kernel_size=3, stride=2, padding="same", activation="relu")(x)
    x = pl.Conv2D(32, kernel_size=3, padding="same", activation="relu")(x)
    head = pl.Conv2D(5 + KINDS, kernel_size=1)(x)
    return pl.Network(inputs=image, outputs=head, name="detector")


def decode(output: np.ndarray, threshold: float = 0.5) -> list[tuple[float, ...]]:
    """Return the boxes of one grid, (score, x, y, w, h, kind), surest first."""
    boxes = []
    for i, j in np.ndindex(CELLS, CELLS):
        x, y, w, h, there, *kinds = output[i, j]
        score = 1 / (1 + np.exp(-there))
        if score > threshold:
            place = (j + x) * CELL, (i + y) * CELL, w * SIZE, h * SIZE
            boxes.append((score, *place, int(np.argmax(kinds))))
    return sorted(boxes, reverse=True)


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Return the intersection over union of two boxes (x, y, w, h, …)."""
    inner = 1.0
    for middle, size in ((0, 2), (1, 3)):
        high = min(a[middle] + a[size] / 2, b[middle] + b[size] / 2)
        low = max(a[middle] - a[size] / 2, b[middle] - b[size] / 2)
        inner *= max(high - low, 0)
    return inner / max(a[2] * a[3] + b[2] * b[3] - inner, 1e-9)


def suppress(boxes: list[tuple[float, ...]], limit: float = 0.3) -> list:
    """Keep a box unless a surer one that was kept covers it: non-maximum suppression.

    Boxes come surest first.
    """
    kept: list[tuple[float, ...]] = []
    for box in boxes:
        if all(overlap(box[1:], other[1:]) <= limit for other in kept):
            kept.append(box)
    return kept


def main() -> tuple[float, float]:
    """Train, and return precision and recall on new scenes."""
    model = pl.Model(
        detector(),
        engine="compiled",
        loss=pl.Yolo(coordinates=5.0, no_object=0.5),
        optimizer=pl.Adam(3e-3),
        seed=0,
    )
    images, labels, _ = draw_scenes(600, seed=1)
    model.fit((images, labels), epochs=8, batch_size=20, progress=False)

    images, _, scenes = draw_scenes(100, seed=2)
    found = right = wanted = 0
    for output, scene in zip(model.predict(images), scenes, strict=True):
        boxes = suppress(decode(output))
        found, wanted = found + len(boxes), wanted + len(scene)
        right += sum(
            any(overlap(b[1:], t) > 0.5 and b[5] == t[4] for b in boxes) for t in scene
        )
    precision, recall = right / max(found, 1), right / wanted
    print(f"new scenes: precision {precision:.0%}, recall {recall:.0%}")
    return precision, recall


if __name__ == "__main__":
    main()
