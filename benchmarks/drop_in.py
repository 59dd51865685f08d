"""A PyTorch module through `pl.compile` beside itself in eager PyTorch.

Run: ``python benchmarks/drop_in.py [NETWORK] [--rounds 5] [--steps 3]``; NETWORK is
``mnist-torch``, ``resnet18`` or ``vgg11``. One thread each. Processor time of a
training step on ready tensors: eager, the same loop on the drop-in, its fused
`train_step`, and pellucid's own training step; beside them PyTorch's loss and
optimizer alone, which the loop on the drop-in leaves to PyTorch, and the loop under
`torch.compile` where there is a C++ compiler, which it needs. They take turns; the
ratios, to the faster of eager and `torch.compile`, are medians of rounds, with their
range.
"""

from __future__ import annotations

import argparse
import copy
import os
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl


class Mnist(nn.Module):
    """The network of PyTorch's MNIST example, without its dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        """Return logits."""
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: Any) -> Any:
        """Return the block's output."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 in its form for CIFAR: 3×3 in front, no pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        self.blocks = nn.Sequential(
            *(
                Block(widths[i] if j == 0 else outputs, outputs, 2 - (j or i == 0))
                for i, outputs in enumerate(widths[1:])
                for j in range(2)
            )
        )
        self.fc = nn.Linear(512, 10)

    def forward(self, x: Any) -> Any:
        """Return logits."""
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


class Vgg11(nn.Module):
    """VGG-11 in its form for CIFAR: one dense layer in the end, no batch norm."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
            if outputs:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, 10)

    def forward(self, x: Any) -> Any:
        """Return logits."""
        return self.classifier(torch.flatten(self.features(x), 1))


NETWORKS = {
    "mnist-torch": (Mnist, (1, 28, 28), 64),
    "resnet18": (ResNet18, (3, 32, 32), 32),
    "vgg11": (Vgg11, (3, 32, 32), 64),
}
#: the rows that the last lines compare
EAGER, LOOP, OWN = "eager PyTorch", "loop on the drop-in", "pellucid's own"
INDUCTOR = "torch.compile"
REST = "loss and optimizer"


def loop(module: Any, x: Any, y: Any) -> Callable[[], None]:
    """Return a step as everybody writes it."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(module(x), y).backward()
        optimizer.step()

    return step


def rest(module: Any, y: Any) -> Callable[[], None]:
    """Return what of a step is PyTorch's own: loss, its gradient, the optimizer."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    output = torch.randn(len(y), 10, requires_grad=True)
    grads = [torch.zeros_like(parameter) for parameter in module.parameters()]

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(output, y).backward()
        for parameter, grad in zip(module.parameters(), grads, strict=True):
            parameter.grad = grad
        optimizer.step()

    return step


def steps_of(name: str) -> dict[str, Callable[[], Any]]:
    """Return the kinds of step."""
    kind, shape, batch = NETWORKS[name]
    torch.manual_seed(0)
    module = kind().train()
    x, y = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
    fused = copy.deepcopy(module)
    optimizer = torch.optim.SGD(fused.parameters(), lr=0.01, momentum=0.9)
    fused = pl.compile(
        fused, loss=nn.CrossEntropyLoss(), optimizer=optimizer, threads=1
    )
    own = pl.exchange.read(
        copy.deepcopy(module),
        input_shape=(*shape[1:], shape[0]),
        engine=pl.engines.compiled(threads=1),
        loss="cross_entropy",
        optimizer=pl.SGD(0.01, momentum=0.9),
    )
    images = np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1))
    labels = y.numpy()
    drop_in = pl.compile(copy.deepcopy(module), threads=1)
    inductor = {}
    if any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++"))):
        inductor = {INDUCTOR: loop(torch.compile(copy.deepcopy(module)), x, y)}
    return inductor | {
        EAGER: loop(copy.deepcopy(module), x, y),
        LOOP: loop(drop_in, x, y),
        "train_step": lambda: fused.train_step(x, y),
        OWN: lambda: own._session.train_step(images, labels, learning_rate=0.01),
        REST: rest(copy.deepcopy(module), y),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS, nargs="?", default="mnist-torch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps = steps_of(options.network)
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        print(f"{name:22} first step {time.perf_counter() - start:6.2f} s")
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            start = time.process_time()
            for _ in range(options.steps):
                step()
            seconds[name].append((time.process_time() - start) / options.steps)
    if INDUCTOR not in steps:
        print(f"{INDUCTOR:22} not measured: it needs a C++ compiler, and finds none")
    peers = [name for name in (EAGER, INDUCTOR) if name in steps]
    peer = seconds[min(peers, key=lambda name: statistics.median(seconds[name]))]
    for name, found in seconds.items():
        print(
            f"{name:22} {1000 * statistics.median(found):8.1f} ms, "
            f"{_ratio(peer, found, '×')}"
        )
    least = [sum(pair) for pair in zip(seconds[OWN], seconds[REST], strict=True)]
    limit = _ratio(peer, least, "×")
    print(f"limit set by PyTorch's loss and optimizer: {limit}")
    print(f"the loop reaches {_ratio(seconds[OWN], seconds[LOOP], 'of our own step')}")
    print(f"             and {_ratio(least, seconds[LOOP], 'of the limit')}")


def _ratio(long: list[float], short: list[float], unit: str) -> str:
    """Return the median of two columns' ratios, and their range."""
    found = sorted(a / b for a, b in zip(long, short, strict=True))
    return f"{statistics.median(found):5.2f} {unit} ({found[0]:.2f} to {found[-1]:.2f})"


if __name__ == "__main__":
    main()
