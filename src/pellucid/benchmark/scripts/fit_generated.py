"""Script that runs what `pellucid code` has written, start to end.

Run as ``fit_generated.py SCRIPT FRAMEWORK OPTIONS…``; the script itself knows nothing
of it, nor of pellucid. Its imports are not timed.
"""

import contextlib
import importlib
import io
import json
import runpy
import sys
import time

from pellucid.benchmark.memory import peak_bytes


def main() -> None:
    """Run the script's `main`; report seconds, accuracy and memory."""
    path, framework, *sys.argv[1:] = sys.argv[1:]
    importlib.import_module(framework)
    names = runpy.run_path(path, run_name="generated")
    said = io.StringIO()
    begin = time.perf_counter()
    with contextlib.redirect_stdout(said):
        names["main"]()
    done = time.perf_counter()
    accuracy = float(said.getvalue().split()[-2]) / 100  # "test accuracy: 98.76 %"
    report = {"fit_s": done - begin, "accuracy": accuracy, "peak_bytes": peak_bytes()}
    print(json.dumps(report))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
