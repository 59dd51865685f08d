"""Script that trains mnist-torch with pellucid, start to end."""

import json
import sys
import time

import pellucid as pl
from pellucid.benchmark.memory import peak_bytes


def main() -> None:
    """Load, train, validate; report seconds, accuracy and memory."""
    epochs = int(sys.argv[1])
    begin = time.perf_counter()
    train, test = pl.data.load("mnist")
    network, adam = pl.zoo("mnist-torch"), pl.Adam(1e-3)
    model = pl.Model(network, loss="cross_entropy", optimizer=adam, seed=0)
    model.fit(train, epochs=epochs, batch_size=64, validation_data=test, progress=False)
    done = time.perf_counter()
    accuracy = model.evaluate(test)["accuracy"]
    report = {"fit_s": done - begin, "accuracy": accuracy, "peak_bytes": peak_bytes()}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
