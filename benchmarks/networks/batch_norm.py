"""mnist-torch with batch normalisation after each convolution."""

import pellucid as pl

network = pl.Sequential(
    pl.Input(28, 28, 1),
    pl.Conv2D(32, kernel_size=3, padding=1, bias=False),
    pl.BatchNorm(),
    pl.ReLU(),
    pl.MaxPool2D(2),
    pl.Conv2D(64, kernel_size=3, padding=1, bias=False),
    pl.BatchNorm(),
    pl.ReLU(),
    pl.MaxPool2D(2),
    pl.Flatten(),
    pl.Dense(128, activation="relu"),
    pl.Dense(10),
    preprocessing=pl.Preprocessing.signed(),
)
