"""VGG-11 (Simonyan & Zisserman 2015, table 1, A), as torchvision has it."""

from __future__ import annotations

from pellucid.network.architectures.blocks import IMAGENET, Point, convolve
from pellucid.network.graph import Network
from pellucid.network.layers import Dense, Dropout, Flatten, Input, MaxPool2D, ReLU

#: channels of the convolutions; None: a pool
_FEATURES = (64, None, 128, None, 256, 256, None, 512, 512, None, 512, 512, None)


def vgg11() -> Network:
    """VGG-11 without batch norm; 132,863,336 parameters.

    Its first dense layer takes 7×7 pixels, what 224×224 leave: torchvision brings
    other sizes to it by an adaptive pool, which here is the identity.
    """
    image = Input(224, 224, 3)
    x: Point = image
    place = 0
    for channels in _FEATURES:
        if channels is None:
            x, place = MaxPool2D(2)(x), place + 1
            continue
        x = ReLU()(convolve(x, channels, f"features_{place}", kernel_size=3))
        place += 2
    y = Flatten()(x)
    for name in ("classifier_0", "classifier_3"):
        y = Dropout(0.5)(ReLU()(Dense(4096, name=name)(y)))
    logits = Dense(1000, name="classifier_6")(y)
    return Network(inputs=image, outputs=logits, name="vgg11", preprocessing=IMAGENET)
