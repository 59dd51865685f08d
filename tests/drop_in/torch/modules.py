"""Small PyTorch modules, and batches for them."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class Classifier(nn.Module):
    """PyTorch's MNIST example in small, with batch norm; it ends in a log-softmax."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 8, 3)
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.dropout = nn.Dropout(rate)
        self.fc1 = nn.Linear(12 * 9, 16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 2)
        x = torch.flatten(self.dropout(x), 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


class Residual(nn.Module):
    """A shortcut added in place, groups, a tied layer, and an image as output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(4)
        self.unused = nn.Parameter(torch.ones(3))

    def forward(self, x: Any) -> Any:
        y = self.conv(F.relu(self.norm(self.conv(x))))
        y += x  # named after the counters of batch norms in training, too
        return torch.sigmoid(y)


class Recurrent(nn.Module):
    """What recurrent cells end in, whose biases are two; for (5, 2)."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.cells = kind(2, 3, batch_first=True, **options)
        self.head = nn.LazyLinear(2)
        self(torch.zeros(1, 5, 2))

    def forward(self, x: Any) -> Any:
        return self.head(self.cells(x)[0][:, -1])


def batch(count: int = 6) -> tuple[Any, Any]:
    return torch.randn(count, 2, 8, 8), torch.randint(0, 5, (count,))


def twins(module: Any) -> tuple[Any, Any]:
    return module, copy.deepcopy(module)
