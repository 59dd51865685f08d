// The view Compare: one image on every engine.

import { Refused, tried } from "./answers.js";
import { byId, make, number, on, percent, state } from "./page.js";
import { sample } from "./draw.js";
import { example, isSeen } from "./ports.js";
import { source } from "./source.js";

const MOST_OUTPUTS = 100; // beyond it a table of all of them helps nobody
let compared = null; // the image and the steps of what stands in the table
let outputs = {}; // by engine
let columns = []; // names of the outputs

const cell = (text) => make("td", { className: "number", textContent: text });

async function run() {
  const button = byId("run-compare");
  button.disabled = true;
  if (!state.seen) await sample();
  const found = await tried(() => source.choices());
  if (!found || !state.seen) { button.disabled = false; return; }
  const { engines } = found;
  compared = { image: example(), steps: state.model.steps };
  outputs = {};
  showOutputs();
  showAge();
  const rows = byId("engines").tBodies[0];
  rows.replaceChildren(...engines.map(({ name }) =>
    make("tr", { id: `engine-${name}` }, make("th", { scope: "row", textContent: name }), make("td", { colSpan: 5, textContent: "waits …" }))));
  for (const { name, is_installed } of engines) {
    const row = byId(`engine-${name}`);
    row.cells[1].textContent = is_installed ? "runs …" : "not installed";
    if (is_installed) await one(row, name);
  }
  button.disabled = false;
}

async function one(row, engine) {
  try {
    const found = await source.compare({ image: compared.image, engine });
    const [first, third] = found.quartiles_ms;
    row.replaceChildren(row.cells[0],
      make("td", { textContent: found.says }),
      cell(found.best === null ? "–" : percent(found.probabilities[found.best])),
      cell(number(found.difference)),
      cell(`${found.latency_ms.toFixed(3)} ms`),
      cell(`${first.toFixed(3)}–${third.toFixed(3)} ms`));
    outputs[engine] = found.output;
    columns = found.columns;
    showOutputs();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    row.cells[1].textContent = error.message;
  }
}

/** Write every output by every engine, with the digits in which they differ. */
function showOutputs() {
  const names = Object.keys(outputs);
  const size = names.length ? outputs[names[0]].length : 0;
  byId("outputs-panel").hidden = !size || size > MOST_OUTPUTS;
  byId("outputs").tHead.replaceChildren(make("tr", {}, make("th", { scope: "col", textContent: "Output" }),
    ...names.map((name) => make("th", { scope: "col", className: "number", textContent: name }))));
  byId("outputs").tBodies[0].replaceChildren(...Array.from({ length: size }, (_, i) =>
    make("tr", {}, make("th", { scope: "row", textContent: size === columns.length ? columns[i] : i }), ...names.map((name) => cell(number(outputs[name][i], 8))))));
}

/** Say so where the table is of another image, or of earlier weights. */
function showAge() {
  if (!compared) return;
  const isOld = !isSeen(compared.image) ? "another image" : compared.steps !== state.model.steps ? "earlier weights" : "";
  byId("compare-words").textContent = isOld ? `These rows are of ${isOld}; run it again.` : "\u00a0";
}

export function begin() {
  on("seen", showAge);
  on("model", showAge);
  byId("run-compare").addEventListener("click", run);
}
