"""The pictures are drawn, with what they must show on them."""

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain


def texts(figure):
    return [panel.get_title(loc="left") for panel in axes(figure)] + [
        panel.get_title() for panel in axes(figure)
    ]


def axes(figure):
    return [a for part in figure.subfigs for a in part.axes] + list(figure.axes)


def test_every_node_stands_in_the_picture(classifier, pixels, tmp_path):
    figure = explain.picture(classifier, pixels)
    shown = " ".join(texts(figure))
    for node in classifier.network.nodes[1:]:
        assert f"{node.name}   " in shown
    assert "saliency" in shown
    figure.savefig(tmp_path / "all.png")
    assert (tmp_path / "all.png").stat().st_size > 10_000


def test_channels_stand_side_by_side_in_the_picture(classifier, pixels):
    found = classifier.activations(pixels[None])["conv2d"][0]
    figure = explain.picture(classifier, pixels)
    panel = next(
        a for a in axes(figure) if a.get_title(loc="left").startswith("conv2d ")
    )
    drawn = np.asarray(panel.images[0].get_array())
    np.testing.assert_array_equal(drawn[:, :8], found[:, :, 0])
    np.testing.assert_array_equal(drawn[:, 9:17], found[:, :, 1])


def test_a_network_without_images_has_its_picture():
    model = pl.Model(pl.zoo("xor-one-hidden"), engine="numpy")
    figure = explain.picture(model, np.array([0.0, 1.0]))
    assert any("dense_1_sigmoid" in text for text in texts(figure))


def test_the_surest_mistakes_come_first(classifier, pixels):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    labels = np.arange(40) % 3
    data = pl.Dataset(images, labels, ("a", "b", "c"))
    found = explain.assess(classifier, data)
    said = classifier.predict(images).argmax(axis=1)
    assert found.metrics["accuracy"] == (said == labels).mean()
    assert len(found.mistakes) == (said != labels).sum()
    sure = [m.probability for m in found.mistakes]
    assert sure == sorted(sure, reverse=True)
    for row, name in enumerate(found.classes):
        of_class = labels == row
        right = (said[of_class] == row).mean()
        np.testing.assert_allclose(found.class_accuracy[row], right, err_msg=name)
        assert found.confusion[row].sum() == of_class.sum()
    figure = explain.mistakes_picture(found, data)
    first = found.mistakes[0]
    names = "abc"
    title = axes(figure)[0].get_title()
    assert title.startswith(f"{names[first.label]} → {names[first.predicted]}")


def test_an_assessment_of_values_has_only_figures():
    model = pl.Model(pl.Sequential(pl.Input(2), pl.Dense(1)), engine="numpy")
    train, _ = pl.data.load("xor")
    found = explain.assess(model, train)
    assert found.metrics.keys() == {"mean_absolute_error"}
    assert found.confusion.size == 0
    assert found.to_json()["class_accuracy"] == {}


def test_colours_are_those_of_the_studios_page() -> None:
    from pathlib import Path

    import pellucid
    from pellucid.explain.colors import ENDS, signed_colors

    page = Path(pellucid.__file__).parent / "serving/static/studio/paint.js"
    numbers = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in ENDS]
    ends = dict(zip(("minus", "zero", "plus"), numbers, strict=True))
    for name, (red, green, blue) in ends.items():
        assert f"{name}: [{red}, {green}, {blue}]" in page.read_text(encoding="utf-8")
    found = signed_colors(np.array([np.nan, -1.0, 3.0]))
    assert (found["vmin"], found["vmax"]) == (-3.0, 3.0)
    assert found["cmap"](1.0)[:3] == pytest.approx(np.array(numbers[2]) / 255)
