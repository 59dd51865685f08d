"""Tiny YOLO, version 2 (Redmon & Farhadi 2017), as Darknet's ``yolov2-tiny-voc``."""

from __future__ import annotations

from pellucid.network.architectures.blocks import Point, conv_norm, convolve
from pellucid.network.graph import Network
from pellucid.network.layers import Input, LeakyReLU, MaxPool2D, Value
from pellucid.network.preprocessing import Preprocessing

ANCHORS = 5


def outputs_of(classes: int) -> int:
    """Return the channels of the head: a box, its confidence and the classes each."""
    return ANCHORS * (5 + classes)


def tiny_yolo() -> Network:
    """Nine convolutions and a head of 5 boxes for each of 13×13 cells, 20 classes.

    15,861,773 parameters. The head's channels are, for each of five anchors, the
    box (x, y, width, height), its confidence and the classes, all before sigmoid,
    exponential and softmax.
    """
    image = Input(416, 416, 3)
    x: Point = image
    for number, channels in enumerate((16, 32, 64, 128, 256, 512, 1024, 1024), 1):
        x = _conv_norm(x, channels, number)
        if number < 6:
            x = MaxPool2D(2)(x)
        elif number == 6:
            x = MaxPool2D(2, stride=1, padding="same")(x)
    head = convolve(x, outputs_of(20), "conv9", initializer="glorot_uniform")
    return Network(
        inputs=image,
        outputs=head,
        name="tiny-yolo",
        preprocessing=Preprocessing.unit(),
    )


def _conv_norm(x: Point, channels: int, number: int) -> Value:
    names = f"conv{number}", f"bn{number}"
    return LeakyReLU(0.1)(conv_norm(x, channels, names, kernel_size=3))
