// The view Build: a network as an editable list.

import { latest, tried } from "./answers.js";
import { byId, count, counted, make, on, options } from "./page.js";
import { trainBuilt } from "./train.js";
import { source } from "./source.js";

const SHOWN = "", USUAL = "mnist-torch";
let kinds = [];
let network = null; // the JSON that is edited
let checked = null; // what the server said of it last

const kindOf = (layer) => kinds.find((kind) => kind.layer === layer);

function argumentsOf(node) {
  if (node.layer === "Input") return [{ name: "shape", value: node.shape, default: null }];
  return (kindOf(node.layer)?.arguments ?? []).map((argument) =>
    ({ ...argument, value: node[argument.name] ?? argument.default }));
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** Read what was typed: JSON where it is some, else text. */
function read(text) {
  try { return JSON.parse(text); } catch { return text.trim(); }
}

function set(node, { name, default: usual }, text) {
  const value = read(text);
  if (JSON.stringify(value) === JSON.stringify(usual)) delete node[name];
  else node[name] = value;
  check();
}

function row(node, i) {
  const fields = argumentsOf(node).map((argument) => {
    const input = make("input", { value: shown(argument.value), id: `argument-${i}-${argument.name}` });
    input.addEventListener("input", () => set(node, argument, input.value));
    return make("label", {}, argument.name, input);
  });
  const act = (text, name, work, isOff) => {
    const button = make("button", { type: "button", textContent: text, disabled: isOff });
    button.ariaLabel = `${name} ${node.name}`;
    button.addEventListener("click", work);
    return button;
  };
  const isInput = node.layer === "Input";
  const made = make("tr", {},
    make("th", { scope: "row", textContent: node.name }),
    make("td", { textContent: node.operation ? `${node.layer} ${node.operation.operation}` : node.layer }),
    make("td", {}, ...fields),
    make("td", { className: "number" }), make("td", { className: "number" }), make("td", { className: "number" }),
    make("td", { className: "changes" },
      act("+", "Add a layer after", () => add(i + 1)),
      act("×", "Remove", () => remove(i), isInput)));
  made.dataset.node = node.name;
  return made;
}

function render() {
  byId("layers").tBodies[0].replaceChildren(...network.nodes.map(row));
  check();
}

/** The number for a column that is called Parameters; integer weights are named. */
const parametersOf = (found) => (found.integer_weights ? counted(found) : count(found.parameters));

const check = latest(async () => {
  checked = await tried(() => source.build(network));
  if (!checked) return;
  const rows = [...byId("layers").tBodies[0].rows];
  rows.forEach((tr, i) => {
    const found = checked.rows.find((r) => r.name === tr.dataset.node);
    tr.cells[3].textContent = found ? found.shape.join("×") : "–";
    tr.cells[4].textContent = found ? parametersOf(found) : "–";
    tr.cells[5].textContent = found ? count(found.multiply_adds) : "–";
    tr.className = !checked.fits && i === checked.rows.length ? "is-wrong" : "";
  });
  byId("layers").tFoot.replaceChildren(...(checked.fits ? [make("tr", {},
    make("td", { textContent: "total" }), make("td"), make("td"), make("td"),
    make("td", { className: "number", textContent: parametersOf(checked) }),
    make("td", { className: "number", textContent: count(checked.multiply_adds) }), make("td"))] : []));
  byId("fits").className = checked.fits ? "quiet" : "bad";
  byId("fits").textContent = checked.fits
    ? `It fits: ${counted(checked)}, ${count(checked.multiply_adds)} multiply-adds for one image.`
    : checked.error;
  for (const id of ["train-built", "as-python", "as-json", "as-code"]) byId(id).disabled = !checked.fits;
  if (!byId("source-panel").hidden && checked.fits) showCode(byId("source-panel").dataset.kind);
});

function freeName(stem) {
  const taken = new Set(network.nodes.map((node) => node.name));
  let name = stem;
  for (let i = 1; taken.has(name); i++) name = `${stem}_${i}`;
  return name;
}

const NEEDED = { out_channels: 16, kernel_size: 3, units: 10, padding: 1, rate: 0.5 };

/** Put a layer of the chosen kind before place i; those that read there read it. */
function add(i) {
  const kind = kindOf(byId("kind").value);
  const before = network.nodes[i - 1].name;
  const node = { name: freeName(kind.stem), layer: kind.layer, inputs: [before] };
  for (const { name, is_needed } of kind.arguments) if (is_needed) node[name] = NEEDED[name] ?? 2;
  if (kind.arity[0] > 1) node.inputs.push(before);
  for (const other of network.nodes.slice(i)) {
    other.inputs = other.inputs.map((input) => (input === before ? node.name : input));
  }
  network.nodes.splice(i, 0, node);
  if (network.outputs[0] === before) network.outputs = [node.name];
  render();
  byId("layers").tBodies[0].rows[i].querySelector("input, button").focus();
}

/** Take a layer out; those that read it read what it read. */
function remove(i) {
  const [gone] = network.nodes.splice(i, 1);
  for (const other of network.nodes) {
    other.inputs = other.inputs.map((input) => (input === gone.name ? gone.inputs[0] : input));
  }
  if (network.outputs[0] === gone.name) network.outputs = [gone.inputs[0]];
  render();
  byId("layers").tBodies[0].rows[Math.max(0, i - 1)].querySelector(".changes button").focus();
}

/** What is shown as source: its title, its text, the file it is saved as. */
const SOURCES = {
  python: async () => ["Python", checked.python, "network.py"],
  json: async () => ["JSON", JSON.stringify(checked.json, null, 2), "network.json"],
  code: async () => {
    const framework = byId("framework").value;
    const recipe = byId("example").value || USUAL; // what it is trained with
    const body = { network: checked.json, framework, recipe };
    const { script } = await source.code(body);
    return [`A script for ${byId("framework").selectedOptions[0].text}, without pellucid`, script, `${framework}_network.py`];
  },
};

async function showCode(kind) {
  const found = await tried(SOURCES[kind]);
  if (!found) return;
  const [title, text, file] = found;
  byId("source-panel").hidden = false;
  byId("source-panel").dataset.kind = kind;
  byId("source-title").textContent = title;
  byId("source").textContent = text;
  const link = byId("source-file");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = file;
}

async function load(name) {
  network = await tried(() => (name === SHOWN ? source.network() : source.example(name)));
  if (network) render();
}

async function fill() {
  kinds = await source.layers();
  const { networks } = await source.choices();
  byId("kind").replaceChildren(...options(kinds.filter((kind) => kind.is_offered).map((kind) => kind.layer), "Conv2D"));
  byId("example").replaceChildren(new Option("the one shown", SHOWN), ...options(networks, SHOWN));
  byId("example").value = SHOWN;
  await load(SHOWN);
}

export function begin() {
  let isFilled = false;
  on("model", () => { if (!isFilled) { isFilled = true; tried(fill); } });
  byId("example").addEventListener("change", (event) => load(event.target.value));
  byId("add").addEventListener("click", () => add(network.nodes.length));
  byId("train-built").addEventListener("click", () => trainBuilt({ ...checked.json, name: "built" }));
  byId("as-python").addEventListener("click", () => showCode("python"));
  byId("as-json").addEventListener("click", () => showCode("json"));
  byId("as-code").addEventListener("click", () => showCode("code"));
}
