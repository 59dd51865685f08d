"""Published architectures: their counts, their heads, their sizes."""

from __future__ import annotations

import functools

import pytest

import pellucid as pl
from pellucid.network.architectures import ARCHITECTURES

#: parameters as torchvision, timm, Keras, MLPerf Tiny and Darknet's ports count them
COUNTS = {
    "cifar10-fast": 1_972_792,
    "cifar10-residual": 5_134_968,
    "convnext-atto": 3_695_520,
    "densenet121": 7_978_856,
    "ds-cnn": 23_756,
    "efficientnet-b0": 5_288_548,
    "mobilenet-v1": 4_231_976,
    "mobilenet-v2": 3_504_872,
    "mobilenet-v3-small": 2_542_856,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet8": 78_186,
    "squeezenet": 1_235_496,
    "tiny-yolo": 15_861_773,
    "unet": 31_037_698,
    "vgg11": 132_863_336,
    "vit-tiny": 5_717_416,
}
#: outputs of a head for three classes
OUTPUTS = {"tiny-yolo": (13, 13, 40), "unet": (256, 256, 3)}

build = functools.cache(pl.zoo)


def test_every_architecture_has_its_count() -> None:
    assert COUNTS.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_has_the_published_parameters(name: str) -> None:
    network = build(name)
    assert network.parameter_count == COUNTS[name]
    assert network.name == name
    assert network.preprocessing is not None or name == "ds-cnn"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_takes_another_number_of_classes(name: str) -> None:
    network, whole = build(name, classes=3), build(name)
    assert network.output_shape == OUTPUTS.get(name, (3,))
    assert [node.name for node in network.nodes] == [n.name for n in whole.nodes]


def test_an_architecture_takes_another_size() -> None:
    network = build("resnet18", input_size=(64, 96))
    assert network.input_shape == (64, 96, 3)
    assert network.shapes["layer4_1_bn2"] == (2, 3, 512)
    assert network.parameter_count == COUNTS["resnet18"]
    assert network.preprocessing == build("resnet18").preprocessing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "zoo: classes must be an int of at least 1; got classes=0"),
        ({"classes": "cat"}, "zoo: classes must be an int of at least 1; got"),
        ({"input_size": (0, 8)}, "zoo: input_size must be an int of at least 1"),
        ({"input_size": (8, 8)}, "MaxPool2D .* must be at least as large"),
        ({"engine": "numpy"}, "zoo: engine must be given with weights"),
    ],
)
def test_what_does_not_fit_an_architecture_is_refused(
    arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        pl.zoo("squeezenet", **arguments)  # type: ignore[call-overload]


def test_features_have_no_size() -> None:
    with pytest.raises(pl.NetworkError, match=r"input_size must be given for images"):
        pl.zoo("xor-one-hidden", input_size=(8, 8))
