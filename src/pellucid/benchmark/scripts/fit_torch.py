"""Script that trains mnist-torch with PyTorch, start to end.

As its tutorials write it, with one favour: the images are scaled to floats once, so
that no transform runs for each image in each epoch.
"""

import json
import sys
import time
from typing import Any

import numpy as np

import pellucid as pl  # the images only
from pellucid.benchmark.memory import peak_bytes


def main() -> None:
    """Load, train, validate; report seconds, accuracy and memory."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    def as_dataset(data: pl.Dataset) -> Any:
        images = torch.from_numpy(np.asarray(data.images)).permute(0, 3, 1, 2)
        scaled = (images.float() / 255 - 0.5) / 0.5
        return TensorDataset(scaled.contiguous(), torch.from_numpy(data.labels))

    def run_epoch(loader: Any, *, is_training: bool) -> tuple[float, float]:
        total_loss, correct, seen = 0.0, 0, 0
        model.train(is_training)
        with torch.set_grad_enabled(is_training):
            for images, labels in loader:
                logits = model(images)
                loss = criterion(logits, labels)
                if is_training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                total_loss += loss.item() * len(labels)
                correct += int((logits.argmax(1) == labels).sum().item())
                seen += len(labels)
        return total_loss / seen, correct / seen

    epochs = int(sys.argv[1])
    begin = time.perf_counter()
    torch.manual_seed(0)
    train, test = map(as_dataset, pl.data.load("mnist"))
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(train, batch_size=64, shuffle=True)
    held_out = DataLoader(test, batch_size=256)
    accuracy = 0.0
    for _ in range(epochs):
        run_epoch(loader, is_training=True)
        _, accuracy = run_epoch(held_out, is_training=False)
    done = time.perf_counter()
    report = {"fit_s": done - begin, "accuracy": accuracy, "peak_bytes": peak_bytes()}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
