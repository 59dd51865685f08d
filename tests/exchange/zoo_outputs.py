"""The zoo's architectures: do they give their originals' outputs with their weights?

Run as a program, it makes each original with random weights, saves them as its users
do, puts them on the zoo's network, and prints the largest error of the outputs:

    PYTHONPATH=src python tests/exchange/zoo_outputs.py [--site FOLDER] [NAME …]

``--site`` is as in `architectures.py`. The U-Net and the tiny YOLO are written out
here as their PyTorch versions are, by the names of their parts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from architectures import import_torchvision

import pellucid as pl

#: names of torchvision's originals, by ours
_TORCHVISION = {
    "densenet121": "densenet121",
    "efficientnet-b0": "efficientnet_b0",
    "mobilenet-v2": "mobilenet_v2",
    "mobilenet-v3-small": "mobilenet_v3_small",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "squeezenet": "squeezenet1_1",
    "vgg11": "vgg11",
}
#: sizes that the originals and ours both take
_SIZES = {
    "squeezenet": (95, 95),
    "tiny-yolo": (64, 96),
    "vgg11": (224, 224),
    "vit-tiny": (224, 224),
}
_LIMIT = 1e-5


def make_torchvision(name: str) -> Any:
    """Return torchvision's module."""
    import torchvision

    return torchvision.models.get_model(_TORCHVISION[name], weights=None)


def make_timm(name: str) -> Any:
    """Return timm's module."""
    import timm

    names = {"vit-tiny": "vit_tiny_patch16_224"}
    return timm.create_model(names.get(name, name.replace("-", "_")))


def make_unet(name: str) -> Any:
    """Return milesial's U-Net."""
    from torch import cat, nn

    def two(inputs: int, outputs: int) -> Any:
        layers = []
        for channels in (inputs, outputs):
            layers += [
                nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
        module = nn.Module()
        module.double_conv = nn.Sequential(*layers)
        module.forward = lambda x: module.double_conv(x)
        return module

    class Unet(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inc = two(3, 64)
            for level in range(1, 5):
                down = nn.Module()
                inner = two(32 * 2**level, 64 * 2**level)
                down.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), inner)
                setattr(self, f"down{level}", down)
            for level in range(1, 5):
                up, channels = nn.Module(), 2048 // 2**level
                up.up = nn.ConvTranspose2d(channels, channels // 2, 2, 2)
                up.conv = two(channels, channels // 2)
                setattr(self, f"up{level}", up)
            self.outc = nn.Module()
            self.outc.conv = nn.Conv2d(64, 2, 1)

        def forward(self, x: Any) -> Any:
            levels = [self.inc(x)]
            for level in range(1, 5):
                down = getattr(self, f"down{level}")
                levels.append(down.maxpool_conv(levels[-1]))
            x = levels.pop()
            for level in range(1, 5):
                up = getattr(self, f"up{level}")
                x = up.conv(cat([levels.pop(), up.up(x)], 1))
            return self.outc.conv(x)

    del name
    return Unet()


def make_tiny_yolo(name: str) -> Any:
    """Return Darknet's tiny YOLO as its PyTorch ports have it."""
    from torch import nn

    del name
    layers: list[Any] = []
    inputs = 3
    for number, outputs in enumerate((16, 32, 64, 128, 256, 512, 1024, 1024), 1):
        layers += [
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1),
        ]
        if number < 6:
            layers.append(nn.MaxPool2d(2))
        elif number == 6:
            last = float("-inf")
            layers += [nn.ConstantPad2d((0, 1, 0, 1), last), nn.MaxPool2d(2, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(1024, 125, 1))


_MODULES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(_TORCHVISION, make_torchvision),
    "convnext-atto": make_timm,
    "vit-tiny": make_timm,
    "tiny-yolo": make_tiny_yolo,
    "unet": make_unet,
}


def compare_module(name: str, folder: Path) -> float:
    """Return the error of a network whose original is a PyTorch module."""
    import torch

    torch.manual_seed(0)
    module = _MODULES[name](name).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(0.7, 1.3)
            part.bias.data.normal_(0, 0.1)
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.7, 1.3)
    for key, parameter in module.named_parameters():
        if key.endswith("gamma"):
            parameter.data.normal_(0, 0.3)
    path = folder / "weights.pth"
    torch.save(module.state_dict(), path)
    size = _SIZES.get(name, (96, 96))
    model = pl.zoo(name, weights=path, input_size=size, engine="numpy")
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    with torch.no_grad():
        entry = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        expected = module(torch.from_numpy(entry)).numpy()
    if expected.ndim == 4:
        expected = expected.transpose(0, 2, 3, 1)
    return _error(model.predict(x), expected)


def make_mobilenet() -> Any:
    """Return keras.applications' MobileNet."""
    import keras

    return keras.applications.MobileNet(weights=None, input_shape=(96, 96, 3))


def make_resnet8() -> Any:
    """Return MLPerf Tiny's ResNet-8."""
    from keras import Input, Model, layers

    image = Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same")(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for channels in (16, 32, 64):
        stride = 1 if channels == 16 else 2
        y = layers.Conv2D(channels, 3, strides=stride, padding="same")(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Conv2D(channels, 3, padding="same")(y)
        y = layers.BatchNormalization()(y)
        if stride > 1:
            x = layers.Conv2D(channels, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return Model(image, layers.Dense(10, activation="softmax")(x))


def make_ds_cnn() -> Any:
    """Return MLPerf Tiny's network for keywords."""
    from keras import Input, Model, layers

    sound = Input((49, 10, 1))
    x = layers.Conv2D(64, (10, 4), strides=2, padding="same")(sound)
    x = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization()(x)))
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(64, 1, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.AveragePooling2D((25, 5))(layers.Dropout(0.4)(x))
    return Model(sound, layers.Dense(12, activation="softmax")(layers.Flatten()(x)))


_KERAS: dict[str, Callable[[], Any]] = {
    "ds-cnn": make_ds_cnn,
    "mobilenet-v1": make_mobilenet,
    "resnet8": make_resnet8,
}


def compare_keras(name: str, folder: Path) -> float:
    """Return the error of a network whose original is Keras's, from its ``.h5``."""
    import keras

    keras.utils.set_random_seed(0)
    original = _KERAS[name]()
    random = np.random.default_rng(0)
    # MobileNet's activations must exceed 6, at which they are clipped
    gammas = (2, 5) if name == "mobilenet-v1" else (0.7, 1.3)
    for layer in original.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.gamma.assign(random.uniform(*gammas, n))
            layer.moving_mean.assign(random.normal(0, 0.1, n))
            layer.moving_variance.assign(random.uniform(0.7, 1.3, n))
    path = folder / "weights.h5"
    original.save(path)
    shape = original.input_shape[1:]
    model = pl.zoo(name, weights=path, input_size=shape[:2], engine="numpy")
    x = random.uniform(-1, 1, (2, *shape)).astype(np.float32)
    return _error(model.predict(x), original.predict(x, verbose=0))


def _error(got: Any, expected: Any) -> float:
    if got.shape != expected.shape:
        return float("inf")
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def main() -> int:
    """Compare all, or those named; 1 where one differs by more than 1e-5."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--site")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    worst = 0.0
    for name in given.names or [*_MODULES, *_KERAS]:
        with tempfile.TemporaryDirectory() as folder:
            if name in _KERAS:
                error = compare_keras(name, Path(folder))
            else:
                import_torchvision(given.site)
                error = compare_module(name, Path(folder))
        print(f"{name}: {error:.1e}", flush=True)
        worst = max(worst, error)
    return int(not worst <= _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
