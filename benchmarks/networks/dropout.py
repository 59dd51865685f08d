"""mnist-torch with dropout before its two dense layers."""

import pellucid as pl

network = pl.Sequential(
    pl.Input(28, 28, 1),
    pl.Conv2D(32, kernel_size=3, padding=1, activation="relu"),
    pl.MaxPool2D(2),
    pl.Conv2D(64, kernel_size=3, padding=1, activation="relu"),
    pl.MaxPool2D(2),
    pl.Flatten(),
    pl.Dropout(0.25),
    pl.Dense(128, activation="relu"),
    pl.Dropout(0.5),
    pl.Dense(10),
    preprocessing=pl.Preprocessing.signed(),
)
