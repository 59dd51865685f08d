"""Published architectures, untrained: to start from, with their published weights."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.network.architectures.cifar_fast import cifar10_fast, cifar10_residual
from pellucid.network.architectures.convnext import convnext_atto
from pellucid.network.architectures.densenet import densenet121
from pellucid.network.architectures.efficientnet import efficientnet_b0
from pellucid.network.architectures.mobilenet import (
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3_small,
)
from pellucid.network.architectures.resnet import resnet18, resnet34, resnet50
from pellucid.network.architectures.squeezenet import squeezenet
from pellucid.network.architectures.tiny import ds_cnn, resnet8
from pellucid.network.architectures.unet import unet
from pellucid.network.architectures.vgg import vgg11
from pellucid.network.architectures.vit import vit_tiny
from pellucid.network.architectures.yolo import outputs_of, tiny_yolo
from pellucid.network.graph import Network

#: the networks without recipes; tests that go over the zoo leave them to their own
ARCHITECTURES: dict[str, Callable[[], Network]] = {
    "cifar10-fast": cifar10_fast,
    "cifar10-residual": cifar10_residual,
    "convnext-atto": convnext_atto,
    "densenet121": densenet121,
    "ds-cnn": ds_cnn,
    "efficientnet-b0": efficientnet_b0,
    "mobilenet-v1": mobilenet_v1,
    "mobilenet-v2": mobilenet_v2,
    "mobilenet-v3-small": mobilenet_v3_small,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet8": resnet8,
    "squeezenet": squeezenet,
    "tiny-yolo": tiny_yolo,
    "unet": unet,
    "vgg11": vgg11,
    "vit-tiny": vit_tiny,
}
#: how many outputs a head has for so many classes, where it is not one for each
HEAD_OUTPUTS: dict[str, Callable[[int], int]] = {"tiny-yolo": outputs_of}

__all__ = ["ARCHITECTURES", "HEAD_OUTPUTS"]
