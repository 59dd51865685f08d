"""Process that takes one training step with PyTorch and ends."""

import json
import sys
import time


def main() -> None:
    """Import, make the module, take the step; report the seconds."""
    begin = time.perf_counter()
    import torch
    from torch import nn

    imported = time.perf_counter()
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
    is_compiled = "compile" in sys.argv
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=is_compiled)
    run = torch.compile(model) if is_compiled else model
    images, labels = torch.zeros(64, 1, 28, 28), torch.arange(64) % 10
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(run(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    loss.item()
    done = time.perf_counter()
    report = {"import_s": imported - begin, "first_step_s": done - imported}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
