"""A network for each pixel, trained on a folder of pictures and masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid.cli import main
from pellucid.network import dumps
from pellucid.objectives import OutputMeaning, select_metrics


def network(columns: int) -> pl.Network:
    image = pl.Input(12, 12, 1)
    x = pl.Conv2D(4, kernel_size=3, padding="same", activation="relu")(image)
    low = pl.Upsample2D(2)(pl.MaxPool2D(2)(x))
    last = "sigmoid" if columns == 1 else None
    head = pl.Conv2D(columns, kernel_size=1, activation=last, name="head")
    return pl.Network(inputs=image, outputs=head(pl.Concat()(x, low)), name="tiny-unet")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Squares on black in shapes/images, and where they are in shapes/masks."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / "shapes" / kind).mkdir(parents=True)
    for k in range(20):
        mask = np.zeros((12, 12), np.uint8)
        row, column = random.integers(0, 8, 2)
        mask[row : row + 4, column : column + 4] = 1
        image = mask * 160 + random.integers(0, 60, mask.shape).astype(np.uint8)
        Image.fromarray(image).save(f"shapes/images/{k}.png")
        Image.fromarray(mask).save(f"shapes/masks/{k}.png")
    for columns in (1, 2):
        Path(f"unet{columns}.json").write_text(dumps(network(columns)))
    return tmp_path


def train(columns: int, *more: str) -> int:
    given = ["--data", "shapes", "--engine", "numpy", "--epochs", "8", "--quiet"]
    rate = ["--learning-rate", "0.03", "--batch-size", "4", "--run", "r"]
    return main(["train", f"unet{columns}.json", *given, *rate, *more])


@pytest.mark.parametrize("columns", [1, 2])
def test_a_folder_of_masks_is_trained_on_and_tested(
    folder: Path, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    loss = [] if columns == 2 else ["--set", "loss.name=binary_cross_entropy"]
    assert train(columns, *loss, "--set", 'metrics=["iou"]') == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("test iou: ")
    assert float(last.split()[-1]) > 0.8
    assert main(["evaluate", "r", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    counts = np.array(found["confusion"])
    assert counts.sum() == 4 * 144
    both = counts[1, 1] / (counts[1].sum() + counts[:, 1].sum() - counts[1, 1])
    assert found["accuracy_interval"] is None  # pixels of a picture go together
    assert found["class_iou"]["1"] == pytest.approx(both)
    assert main(["evaluate", "r"]) == 0
    assert "mean IoU of the classes, over all pixels: 0." in capsys.readouterr().out


def test_a_class_that_the_network_has_not_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.asarray(Image.open("shapes/masks/7.png")).copy()
    mask[0, 0] = 5
    Image.fromarray(mask).save("shapes/masks/7.png")
    assert train(2) == 2
    error = capsys.readouterr().err
    assert "masks must have classes from 0 to 1, one for each of" in error
    assert "got class 5 (the first in the mask of 'images/7.png')" in error
    assert "Take --set head.out_channels=6." in error
    assert error.count("\n") == 1
    assert not Path("runs/r").exists()


def test_masks_need_a_network_that_answers_for_each_pixel_and_it_needs_masks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--engine", "numpy", "--quiet", "--run", "r"]
    assert main(["train", "lenet5", "--data", "shapes", *given]) == 2
    error = capsys.readouterr().err
    assert "masks must go with a network that answers for each pixel; got" in error
    for name in ("dark", "light"):
        Path("plain", name).mkdir(parents=True)
        Image.new("L", (12, 12), 9).save(f"plain/{name}/0.png")
        Image.new("L", (12, 12), 90).save(f"plain/{name}/1.png")
    assert main(["train", "unet2.json", "--data", "plain", *given]) == 2
    error = capsys.readouterr().err
    assert "must have masks as labels; got one class for each picture" in error
    assert not Path("runs/r").exists()


def test_masks_are_augmented_with_their_pictures(folder: Path) -> None:
    assert train(2, "--augment", "flip", "--augment", "shift=2") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mixup=0.2", "mixup and cutmix must have one label, or one row"),
        ("shift=12", "shift must be less than the images' height and width"),
    ],
)
def test_what_cannot_be_done_to_the_pictures_is_refused_before_a_run_begins(
    folder: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert train(2, "--augment", change) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs/r").exists()


def test_a_published_architecture_is_a_recipe() -> None:
    recipe = pl.recipes.read("unet")
    assert recipe.network == "unet"
    assert pl.recipes.builders.build_network(recipe).output_shape == (256, 256, 2)


def test_iou_is_the_mean_of_each_image_s_classes() -> None:
    random = np.random.default_rng(0)
    logits, labels = random.random((3, 5, 5, 4)), random.integers(0, 3, (3, 5, 5))
    meaning = OutputMeaning(kind="classes", columns=4, is_per_pixel=True)
    found = select_metrics(meaning, ["iou"])["iou"](logits, labels)
    said = logits.argmax(axis=-1)
    for k in range(3):
        shares = []
        for c in range(4):
            mine, theirs = said[k] == c, labels[k] == c
            if (mine | theirs).any():
                shares.append((mine & theirs).sum() / (mine | theirs).sum())
        assert found[k] == pytest.approx(np.mean(shares))
    two = OutputMeaning(kind="binary", columns=1, is_per_pixel=True)
    output = np.array([[[[0.9], [0.2]]], [[[0.1], [0.2]]]])
    mask = np.array([[[1, 1]], [[0, 0]]])
    overlap = select_metrics(two, "iou")["iou"](output, mask)
    np.testing.assert_allclose(overlap, [0.5, 1.0])
    with pytest.raises(pl.NetworkError, match="iou must be of the classes or"):
        select_metrics(OutputMeaning(kind="classes", columns=4), ["iou"])
