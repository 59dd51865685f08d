"""Process that takes one training step with pellucid and ends."""

import json
import time


def main() -> None:
    """Import, make the model, take the step; report the seconds."""
    begin = time.perf_counter()
    import numpy as np

    import pellucid as pl

    imported = time.perf_counter()
    network, adam = pl.zoo("mnist-torch"), pl.Adam(1e-3)
    model = pl.Model(network, loss="cross_entropy", optimizer=adam)
    model.train_step(np.zeros((64, 28, 28, 1), np.float32), np.arange(64) % 10)
    done = time.perf_counter()
    report = {"import_s": imported - begin, "first_step_s": done - imported}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
