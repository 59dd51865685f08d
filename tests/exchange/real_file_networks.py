"""Networks of published weights that come without their layers, and PyTorch's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pl

_CREPE = (128, 16, 16, 16, 32, 64)


def crepe() -> pl.Network:
    """Return the pitch tracker CREPE, its smallest."""
    layers: list[pl.Layer] = [pl.Input(1024, 1, 1)]
    for i, channels in enumerate(_CREPE):
        size, stride, pads = (64, 1, (31, 32)) if i else (512, 4, (254, 254))
        layers += [
            pl.Conv2D(
                channels,
                kernel_size=(size, 1),
                stride=(stride, 1),
                padding=(pads, (0, 0)),
                activation="relu",
            ),
            pl.BatchNorm(epsilon=1e-3),
            pl.MaxPool2D((2, 1)),
        ]
    # flattened in the order H, C, W
    end = [pl.Permute((2, 1, 0)), pl.Flatten(), pl.Dense(360), pl.Sigmoid()]
    return pl.Sequential(*layers, *end)


def crepe_in_torch(path: Path) -> tuple[Any, Any, str]:
    """Run the same with PyTorch's functions on the file's weights."""
    import torch
    import torch.nn.functional as F

    state = torch.load(path, weights_only=True, map_location="cpu")
    images = np.random.default_rng(0).normal(size=(2, 1024, 1, 1)).astype(np.float32)
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    for i in range(1, len(_CREPE) + 1):
        name, pads = f"conv{i}", (31, 32) if i > 1 else (254, 254)
        x = F.pad(x, (0, 0, *pads))
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        x = F.relu(F.conv2d(x, weight, bias, stride=(4 if i == 1 else 1, 1)))
        norm = [state[f"{name}_BN.{role}"] for role in ("running_mean", "running_var")]
        scale = [state[f"{name}_BN.{role}"] for role in ("weight", "bias")]
        x = F.max_pool2d(F.batch_norm(x, *norm, *scale, eps=1e-3), (2, 1))
    x = x.permute(0, 2, 1, 3).reshape(2, -1)
    weight, bias = state["classifier.weight"], state["classifier.bias"]
    made = torch.sigmoid(F.linear(x, weight, bias)).numpy()
    return images, [made], f"torch {torch.__version__}"


def voice_encoder() -> pl.Network:
    """Return Resemblyzer's encoder of voices: three LSTMs on mel spectrograms."""
    return pl.Sequential(
        pl.Input(160, 40),
        pl.LSTM(256, return_sequences=True, name="lstm"),
        pl.LSTM(256, return_sequences=True, name="lstm_l1"),
        pl.LSTM(256, name="lstm_l2"),
        pl.Dense(256, activation="relu", name="linear"),
        pl.L2Normalize(),
    )


def voice_encoder_in_torch(path: Path) -> tuple[Any, Any, str]:
    """Run the same as a module of PyTorch's, with the file's weights."""
    import torch

    state = torch.load(path, weights_only=True, map_location="cpu")["model_state"]
    module = torch.nn.ModuleDict(
        {
            "lstm": torch.nn.LSTM(40, 256, 3, batch_first=True),
            "linear": torch.nn.Linear(256, 256),
        }
    )
    module.load_state_dict({k: v for k, v in state.items() if "similarity" not in k})
    x = np.random.default_rng(0).normal(size=(2, 160, 40)).astype(np.float32)
    with torch.no_grad():
        _, (hidden, _) = module["lstm"](torch.from_numpy(x))
        made = torch.relu(module["linear"](hidden[-1]))
        made = made / made.norm(dim=1, keepdim=True)
    return x, [made.numpy()], f"torch {torch.__version__}"


def line_reader() -> pl.Network:
    """Return nano-ocr's reader of lines: convolutions, an LSTM of both directions."""
    layers: list[pl.Layer] = [pl.Input(32, 128, 1)]
    halved = pl.MaxPool2D((2, 2), stride=(2, 1), padding=((0, 0), (1, 1)))
    for i, (channels, norm, pool) in enumerate(
        (
            (64, False, pl.MaxPool2D(2)),
            (128, False, pl.MaxPool2D(2)),
            (256, True, None),
            (256, False, halved),
            (512, True, halved),
            (512, True, None),
        )
    ):
        size, padding = (2, 0) if i == 5 else (3, 1)
        layers.append(pl.Conv2D(channels, kernel_size=size, padding=padding))
        layers += [pl.BatchNorm(epsilon=1e-5)] if norm else []
        layers += [pl.ReLU(), *([] if pool is None else [pool])]
    both = pl.Bidirectional(pl.LSTM(256, return_sequences=True))
    return pl.Sequential(*layers, pl.Reshape((33, 512)), both, pl.Dense(66))


def line_reader_in_torch(path: Path) -> tuple[Any, Any, str]:
    """Run the same as a module of PyTorch's, with the file's weights."""
    import torch
    from torch import nn

    parts: list[Any] = []
    before = 1
    for i, channels in enumerate((64, 128, 256, 256, 512, 512)):
        size, padding = (2, 0) if i == 5 else (3, 1)
        parts.append(nn.Conv2d(before, channels, size, padding=padding))
        parts += [nn.BatchNorm2d(channels)] if i in (2, 4, 5) else []
        parts.append(nn.ReLU())
        parts += [nn.MaxPool2d(2, 2)] if i < 2 else []
        parts += [nn.MaxPool2d((2, 2), (2, 1), (0, 1))] if i in (3, 4) else []
        before = channels
    rnn = nn.LSTM(512, 256, bidirectional=True, batch_first=True)
    module = nn.ModuleDict({"cnn": nn.Sequential(*parts), "rnn": rnn})
    module["fc"] = nn.Linear(512, 66)
    state = torch.load(path, weights_only=True, map_location="cpu")
    module.load_state_dict(state)
    module.eval()
    x = np.random.default_rng(0).normal(size=(2, 32, 128, 1)).astype(np.float32)
    with torch.no_grad():
        y = module["cnn"](torch.from_numpy(x).permute(0, 3, 1, 2)).squeeze(2)
        made = module["fc"](module["rnn"](y.permute(0, 2, 1))[0])
    return x, [made.numpy()], f"torch {torch.__version__}"
