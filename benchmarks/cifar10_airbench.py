"""What airbench94 reaches in PyTorch on the images of `cifar10_fast.py`.

``python benchmarks/cifar10_airbench.py --data cifar10.zip --epochs 5`` trains it on
40,000 training images and tests it on 10,000 others, so that what the images cost can
be told from what a recipe costs; the test images are not opened. It follows the
published program (K. Jordan, arXiv:2404.00498) on the processor, in bfloat16, and
shares nothing with this library but the images.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from cifar10_fast import RESULTS, load_training_images
from torch import nn
from torch.nn import functional as F

from pellucid.machine import describe_machine

BATCH, MOMENTUM, SIDE, SHIFT = 1024, 0.85, 32, 2
STEPS_PER_GRADIENT = 1 + 1 / (1 - MOMENTUM)
RATE, DECAY = 11.5 / STEPS_PER_GRADIENT / BATCH, 0.0153 / STEPS_PER_GRADIENT
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
LAYOUT = torch.channels_last


class Norm(nn.BatchNorm2d):
    """Batch norm without scales."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight.requires_grad = False


def convolve(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution that begins with the identity."""
    layer = nn.Conv2d(inputs, outputs, 3, padding="same", bias=False)
    nn.init.dirac_(layer.weight.data[:inputs])
    return layer


def build(images: torch.Tensor) -> nn.Sequential:
    """Return the network, whose first convolution whitens the images' patches."""
    first, layers, inputs = nn.Conv2d(3, 24, 2), [], 24
    for width in (64, 256, 256):
        layers += [convolve(inputs, width), nn.MaxPool2d(2), Norm(width), nn.GELU()]
        layers += [convolve(width, width), Norm(width), nn.GELU()]
        inputs = width
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 12)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (vectors / (values + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
    first.weight.data[:] = torch.cat([scaled, -scaled])
    first.weight.requires_grad = False
    first.bias.data.zero_()
    head = [nn.MaxPool2d(3), nn.Flatten(), nn.Linear(inputs, 10, bias=False)]
    return nn.Sequential(first, nn.GELU(), *layers, *head).to(memory_format=LAYOUT)


def compute_logits(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return logits."""
    with torch.autocast("cpu", torch.bfloat16):
        return net(x).float() / 9


def compute_accuracy(net: nn.Module, data: Any, *, views: bool) -> float:
    """Return the accuracy of one view, or of six."""
    hits = 0

    def mirrored(x: torch.Tensor) -> torch.Tensor:
        return (compute_logits(net, x) + compute_logits(net, x.flip(-1))) / 2

    net.eval()
    with torch.no_grad():
        for x, y in zip(*(part.split(1000) for part in data), strict=True):
            logits = compute_logits(net, x)
            if views:
                padded = F.pad(x, (1,) * 4, "reflect")
                corners = [padded[:, :, i : i + SIDE, i : i + SIDE] for i in (0, 2)]
                logits = mirrored(x) / 2 + sum(map(mirrored, corners)) / 4
            hits += int((logits.argmax(1) == y).sum())
    net.train()
    return hits / len(data[1])


def augment(padded: torch.Tensor, is_flipped: torch.Tensor) -> torch.Tensor:
    """Return windows at random places of images that are padded, some mirrored."""
    n, channels = padded.shape[:2]
    within = torch.arange(SIDE)
    tops, lefts = torch.randint(0, 2 * SHIFT + 1, (2, n, 1))
    rows = (tops + within)[:, None, :, None]
    columns = torch.where(is_flipped[:, None], within.flip(0), within) + lefts
    where = torch.arange(n)[:, None, None, None], torch.arange(channels)[:, None, None]
    out = padded[(*where, rows, columns[:, None, None, :])]
    return out.contiguous(memory_format=LAYOUT)


def train(data: Any, held_out: Any, epochs: int, seed: int) -> dict[str, Any]:
    """Train as published, and return the figures of each epoch and of the end."""
    torch.manual_seed(seed)
    images, labels = data
    some = torch.arange(0, len(images), max(len(images) // 5000, 1))[:5000]
    net, per_epoch = build(images[some]), len(images) // BATCH
    steps = per_epoch * epochs
    norms = [m.bias for m in net.modules() if isinstance(m, Norm)]
    known = {id(p) for p in norms}
    others = [p for p in net.parameters() if p.requires_grad and id(p) not in known]
    rates = [(norms, 64 * RATE), (others, RATE)]
    groups = [{"params": p, "lr": r, "weight_decay": DECAY / r} for p, r in rates]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, nesterov=True)
    rise = int(0.23 * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: np.interp(step, (0, rise, steps), (0.2, 1, 0.07))
    )
    slow = {name: value.clone() for name, value in net.state_dict().items()}
    padded = F.pad(images, (SHIFT,) * 4, "reflect")
    first_flips, found, step = torch.rand(len(images)) < 0.5, [], 0
    for epoch in range(epochs):
        wall, cpu = time.perf_counter(), time.process_time()
        net[0].bias.requires_grad_(epoch < 3)
        hits, order = 0, torch.randperm(len(images))
        for batch in order[: per_epoch * BATCH].split(BATCH):
            x = augment(padded[batch], first_flips[batch] ^ bool(epoch % 2))
            logits, y = compute_logits(net, x), labels[batch]
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits, y, label_smoothing=0.2, reduction="sum").backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step % 5 == 0 or step == steps:
                share = 1 - 0.95**5 * (step / steps) ** 3 if step % 5 == 0 else 0.0
                for name, value in net.state_dict().items():
                    if value.is_floating_point():
                        value.copy_(slow[name].lerp_(value, share))
            hits += int((logits.argmax(1) == y).sum())
        row = {
            "epoch": epoch + 1,
            "accuracy": hits / (per_epoch * BATCH),
            "wall_s": round(time.perf_counter() - wall, 1),
            "cpu_s": round(time.process_time() - cpu, 1),
            "held_out_accuracy": compute_accuracy(net, held_out, views=False),
        }
        print(json.dumps(row), flush=True)
        found.append(row)
    accuracy = compute_accuracy(net, held_out, views=True)
    return {"seed": seed, "held_out_accuracy": accuracy, "epochs": found}


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="cifar10", help="a name, folder or zip")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="training images")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = []
    for data in load_training_images(options.data):
        scaled = (data.images / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
        images = torch.from_numpy(scaled).permute(0, 3, 1, 2)
        parts.append((images.contiguous(memory_format=LAYOUT), data.labels))
    (images, labels), (others, other_labels) = parts
    kept = np.random.default_rng(0).permutation(len(images))[: options.limit]
    train_data = images[kept], torch.from_numpy(labels[kept])
    held_out = others, torch.from_numpy(other_labels)
    runs = [
        train(train_data, held_out, options.epochs, seed)
        for seed in range(options.seeds)
    ]
    for run in runs:
        print(run["seed"], run["held_out_accuracy"])
    if options.limit is None:
        here = {"machine": describe_machine(), "torch": torch.__version__}
        document = {**here, "runs": runs}
        name = RESULTS / "cifar10-airbench.json"
        name.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
