"""Test-time augmentation: means over views, of images and of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((5, 6, 8, 2)).astype(np.float32)
LABELS = np.arange(5) % 3


def model(engine: str = "numpy") -> pl.Model:
    network = pl.Sequential(pl.Input(6, 8, 2), pl.Flatten(), pl.Dense(3))
    return pl.Model(network, engine=engine, loss="cross_entropy")


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_outputs_are_means_over_views(engine: str) -> None:
    m = model(engine)
    mirrored = IMAGES[:, :, ::-1]
    expected = (m.predict(IMAGES) + m.predict(mirrored)) / 2
    ours = m.predict(IMAGES, tta=pl.TestTimeAugment())
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    first, last = padded[:, :-2, :-2], padded[:, 2:, 2:]
    views = [m.predict(view) for view in (IMAGES, first, last)]
    expected = 0.5 * views[0] + 0.25 * views[1] + 0.25 * views[2]
    ours = m.predict(IMAGES, tta=pl.TestTimeAugment(flip=False, shift=1))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_evaluate_and_predict_say_the_same() -> None:
    m, tta = model(), pl.TestTimeAugment(shift=1)
    scores = m.predict(IMAGES, tta=tta)
    figures = m.evaluate((IMAGES, LABELS), tta=tta)
    assert figures["accuracy"] == (scores.argmax(1) == LABELS).mean()
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    shares = shifted / shifted.sum(1, keepdims=True)
    loss = -np.log(shares[np.arange(5), LABELS]).mean()
    assert figures["loss"] == pytest.approx(loss, rel=1e-5)
    many = np.concatenate([IMAGES] * 60)
    np.testing.assert_allclose(m.predict(many, tta=tta)[:5], scores, atol=1e-6)


def test_an_output_of_pixels_is_mirrored_back() -> None:
    network = pl.Sequential(
        pl.Input(6, 8, 2), pl.Conv2D(3, kernel_size=3, padding="same")
    )
    m = pl.Model(network, engine="numpy", loss="cross_entropy")
    ours = m.predict(IMAGES, tta=pl.TestTimeAugment())
    back = m.predict(IMAGES[:, :, ::-1])[:, :, ::-1]
    np.testing.assert_allclose(ours, (m.predict(IMAGES) + back) / 2, atol=1e-6)
    with pytest.raises(pl.NetworkError, match="shift must be 0 where each pixel"):
        m.predict(IMAGES, tta=pl.TestTimeAugment(shift=1))
    with pytest.raises(pl.NetworkError, match="shift must be less than the image's"):
        m.predict(IMAGES, tta=pl.TestTimeAugment(shift=6))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(pl.NetworkError, match="flip or shift must be given"):
        pl.TestTimeAugment(flip=False)
    with pytest.raises(pl.NetworkError, match="shift must be an int of at least 0"):
        pl.TestTimeAugment(shift=-1)
    points = pl.Sequential(pl.Input(2), pl.Dense(2))
    m: Any = pl.Model(points, engine="numpy")
    with pytest.raises(pl.NetworkError, match="must take images; got input shape"):
        m.predict(np.zeros((3, 2)), tta=pl.TestTimeAugment())


def test_views_of_several_inputs_and_outputs() -> None:
    """Images are seen alike, a vector stays, each output is a mean; pixels go back."""
    image, other = pl.Input(6, 8, 2, name="image"), pl.Input(6, 8, 1, name="other")
    vector = pl.Input(3, name="vector")
    x = pl.Conv2D(2, kernel_size=3, padding="same")(pl.Concat()(image, other))
    kind = pl.Dense(3, name="kind")(pl.Concat()(pl.Flatten()(x), vector))
    network = pl.Network(inputs=[vector, image, other], outputs=[kind, x])
    m = pl.Model(network, engine="numpy", loss={"kind": "cross_entropy"})
    vectors, others = RANDOM.random((5, 3)), RANDOM.random((5, 6, 8, 1))
    given = {"vector": vectors, "image": IMAGES, "other": others}
    seen = {name: a[:, :, ::-1] if a.ndim == 4 else a for name, a in given.items()}
    plain, mirrored = m.predict(given), m.predict(seen)
    mean = m.predict(given, tta=pl.TestTimeAugment())
    kinds = (plain["kind"] + mirrored["kind"]) / 2
    np.testing.assert_allclose(mean["kind"], kinds, atol=1e-6)
    pixels = (plain["conv2d"] + mirrored["conv2d"][:, :, ::-1]) / 2
    np.testing.assert_allclose(mean["conv2d"], pixels, atol=1e-6)
    figures = m.evaluate((given, {"kind": LABELS}), tta=pl.TestTimeAugment())
    assert figures["kind_accuracy"] == (kinds.argmax(1) == LABELS).mean()
    with pytest.raises(
        pl.NetworkError, match=r"each pixel has an output; got shift=1 for 'conv2d'"
    ):
        m.predict(given, tta=pl.TestTimeAugment(shift=1))


def test_a_sequence_is_not_mirrored() -> None:
    network = pl.Sequential(pl.Input(6, 8, 2), pl.Reshape((6, 16)))
    m = pl.Model(network, engine="numpy")
    with pytest.raises(pl.NetworkError, match="flip must be False where an output is"):
        m.predict(IMAGES, tta=pl.TestTimeAugment())
