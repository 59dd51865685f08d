// This file is the view Compare: one image through every engine.

import { get, post, Refused } from "./api.js";
import { byId, make, number, percent, state } from "./page.js";
import { sample } from "./draw.js";

const cell = (text) => make("td", { className: "number", textContent: text });

async function run() {
  const button = byId("run-compare");
  button.disabled = true;
  if (!state.seen) await sample();
  const { engines } = await get("/studio/choices");
  const rows = byId("engines").tBodies[0];
  rows.replaceChildren(...engines.map(({ name }) =>
    make("tr", { id: `engine-${name}` }, make("th", { scope: "row", textContent: name }), make("td", { colSpan: 5, textContent: "waits …" }))));
  for (const { name, is_installed } of engines) {
    const row = byId(`engine-${name}`);
    row.cells[1].textContent = is_installed ? "runs …" : "not installed";
    if (is_installed && state.seen) await one(row, name);
  }
  button.disabled = false;
}

async function one(row, engine) {
  try {
    const found = await post("/studio/compare", { image: state.seen.image, engine });
    const best = found.probabilities.indexOf(Math.max(...found.probabilities));
    const [first, third] = found.quartiles_ms;
    row.replaceChildren(row.cells[0],
      make("td", { textContent: state.model.classes[best] }),
      cell(percent(found.probabilities[best])),
      cell(number(found.difference)),
      cell(`${found.latency_ms.toFixed(3)} ms`),
      cell(`${first.toFixed(3)}–${third.toFixed(3)} ms`));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    row.cells[1].textContent = error.message;
  }
}

export function begin() {
  byId("run-compare").addEventListener("click", run);
}
