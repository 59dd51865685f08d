"""Script that trains by a recipe on an engine, start to end.

Run as ``fit_engine.py NETWORK ENGINE CHANGES``, the changes of the recipe as JSON.
"""

import json
import sys
import time

from pellucid import engines, recipes
from pellucid.benchmark.memory import peak_bytes


def main() -> None:
    """Load, train, test; report seconds, accuracy and memory."""
    network, name, changes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    engine = engines.make(name)  # imports the framework: not timed on either side
    begin = time.perf_counter()
    recipe = recipes.override(recipes.read(network), changes)
    outcome = recipes.train(recipe, engine=engine, progress=False)
    done = time.perf_counter()
    report = {
        "fit_s": done - begin,
        "accuracy": outcome.metrics["accuracy"],
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
