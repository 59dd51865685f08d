"""What threads gain in WebAssembly: Node and Chromium, as a table.

Usage: python benchmarks/wasm_threads.py [NETWORK] [--threads 1,2] [--rounds 15]

One module of ``wasm32-threads`` is loaded once for each number of threads, which take
turns, forth in one round and back in the next; wall time, so the machine must do
nothing else. Chromium's page is isolated, as its memory is shared. Needs Node, and
Chromium by Playwright.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pages import page_of

import pellucid as pl

BATCH = 64
MEASURE = """
export const measure = async (counts, rounds, batch) => {
  const models = [];
  for (const count of counts) {
    const model = await import(`./m.wasm.mjs?threads=${count}`);
    await model.ready;
    if (model.threads !== count)
      throw new Error(`${count} threads must run; got ${model.threads}`);
    models.push(model);
  }
  const size = models[0].inputShape.reduce((a, b) => a * b);
  let seed = 1;
  const draw = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const many = Float32Array.from({ length: batch * size }, draw);
  const one = many.slice(0, size);
  const labels = Array.from({ length: batch }, (_, i) => i % 10);
  const work = {
    one: [50, (model) => model.predict(one)],
    many: [5, (model) => model.predict(many)],
    step: [3, (model) => model.trainStep(many, labels, 1e-4)],
  };
  const found = {};
  for (const [what, [calls, run]] of Object.entries(work)) {
    found[what] = counts.map(() => []);
    for (let round = -2; round < rounds; round++) { // the first are to warm up
      const order = [...models.keys()];
      for (const i of round % 2 ? order.reverse() : order) {
        const begin = performance.now();
        for (let n = 0; n < calls; n++) run(models[i]);
        if (round >= 0) found[what][i].push((performance.now() - begin) / calls);
      }
    }
  }
  return found;
};
"""
NODE = """
import { measure } from "./measure.mjs";
console.log(JSON.stringify(await measure(...JSON.parse(process.argv[2]))));
process.exit(0);
"""
PAGE = """<!doctype html><title>benchmark</title>
<script type="module">
import { measure } from "./measure.mjs";
window.measure = measure;
</script>"""
TITLES = {
    "one": "one image",
    "many": f"{BATCH} images",
    "step": f"training step of {BATCH}",
}


def in_node(folder: Path, arguments: list[Any]) -> dict[str, Any]:
    """Return times in ms by what and by number of threads."""
    done = subprocess.run(
        ["node", "run.mjs", json.dumps(arguments)],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def in_chromium(folder: Path, arguments: list[Any]) -> dict[str, Any]:
    """Return the same of an isolated page."""
    with page_of(folder, is_isolated=True) as page:
        page.wait_for_function("Boolean(window.measure)")
        given = ", ".join(map(json.dumps, arguments))
        found: dict[str, Any] = page.evaluate(f"window.measure({given})")
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="mnist-torch")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    counts = [int(count) for count in given.threads.split(",")]
    model = pl.Model(
        pl.zoo(given.network), engine="numpy", loss="cross_entropy", optimizer="adam"
    )
    how: dict[str, Any] = {"train": True, "batch_size": BATCH}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pl.exchange.write(model, folder / "m.wasm.mjs", target="wasm32-threads", **how)
        for name, text in (
            ("measure.mjs", MEASURE),
            ("run.mjs", NODE),
            ("index.html", PAGE),
        ):
            (folder / name).write_text(text)
        columns = " | ".join(f"{count} threads" for count in counts)
        print(f"| {model.network.name}, median (least) in ms | {columns} | gain |")
        print("|---|" + "---:|" * (len(counts) + 1))
        for where, measure in (("Node", in_node), ("Chromium", in_chromium)):
            found = measure(folder, [counts, given.rounds, BATCH])
            for what, times in found.items():
                middle = [statistics.median(row) for row in times]
                cells = [
                    f"{m:.3f} ({min(row):.3f})"
                    for m, row in zip(middle, times, strict=True)
                ]
                gain = f"{middle[0] / middle[-1]:.2f} ×"
                print(f"| {where}, {TITLES[what]} | {' | '.join([*cells, gain])} |")


if __name__ == "__main__":
    main()
