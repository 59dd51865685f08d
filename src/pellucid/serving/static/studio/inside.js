// The view Look inside: the graph, a node's maps, an element's calculation.

import { latest, tried } from "./answers.js";
import { calculation, derivative, span } from "./calculation.js";
import { sample } from "./draw.js";
import { beginMap, CHANNELS, drawEdges, drawMap, forgetMaps, markNode, showMaps, shownNodes, unfoldFor } from "./network_map.js";
import { byId, count, counted, kindOf, make, number, on, state } from "./page.js";
import { bytes, onTheme, paintImage, paintLevels, strength } from "./paint.js";
import { choices, example, input, isSeveral, ofInput } from "./ports.js";
import { beginPatches, offerPatches } from "./patches.js";
import { source } from "./source.js";

const here = { node: null, channel: 0, at: null, values: null, isShown: false };

const isGradient = () => document.querySelector("input[name=mode]:checked").value === "gradient";
/** The network's nodes and, of activations, what its loss adds to them. */
const nodes = () => [...state.model.nodes, ...(isGradient() ? [] : state.model.ends)];
const isLoss = () => here.node === "loss" && !state.model.nodes.some((n) => n.name === "loss");
/** Whether an output is one number for each class, which has a gradient by itself. */
const isOfWhole = () => state.model.outputs.some(({ name }) => state.model.nodes.find((n) => n.name === name)?.shape.length === 1);
const chosenClass = () => choices()[Number(byId("of-class").value)] ?? choices()[0];
/** The class, label or value that is asked about; its output, where there are several. */
const ofClass = () => {
  const { output, index } = chosenClass();
  return isSeveral() ? { of_class: index, of_output: output } : { of_class: index };
};

function drawGraph() {
  for (const id of ["of-gradient", "class-choice"]) byId(id).hidden = !isOfWhole();
  offerMaps();
  if (!isOfWhole()) document.querySelector("input[name=mode]").checked = true;
  drawMap(nodes(), here.node, choose, unfold);
  const chosen = byId("of-class").value;
  byId("of-class").replaceChildren(...choices().map(({ name }, i) => new Option(name, i)));
  if (chosen && chosen < choices().length) byId("of-class").value = chosen;
}

/** Attributions are of pictures, for one number of an output. */
function offerMaps() { byId("map-choice").hidden = !input().takes_pictures || !isOfWhole(); }

function unfold() {
  drawGraph();
  lookAtAll();
}

/** Ask for the small maps of every node that is drawn. */
const lookAtAll = latest(async () => {
  if (!state.seen || !here.isShown) return;
  const found = await tried(() => source.maps({ image: example(), nodes: shownNodes(), channels: CHANNELS }));
  if (found) showMaps(found);
});

function choose(node, where = null) {
  const isChannel = typeof where === "number"; // a tile was clicked
  here.node = node;
  here.at = isChannel ? null : where;
  here.channel = isChannel ? where : where?.[2] ?? 0;
  here.isChannelKept = isChannel;
  byId("node-title").textContent = `${node}: calculating …`;
  if (unfoldFor(node)) unfold();
  markNode(node);
  open();
}

const open = latest(async () => {
  if (!here.node || !here.isShown) return;
  if (!state.seen) {
    const what = state.model.takes_pictures ? "a picture to look at" : "an input to look at";
    byId("node-title").textContent = `${here.node}: choose ${what} in Draw`;
    return;
  }
  const node = nodes().find((n) => n.name === here.node);
  const body = { image: example(), node: here.node, ...ofClass() };
  const found = await tried(() => (isGradient() ? source.gradient(body) : source.node(body)));
  if (!found) byId("node-title").textContent = `${here.node}: no answer`;
  if (!found || found.node !== here.node) return;
  here.values = { ...found, levels: bytes(found.levels) };
  describe(node, found);
  if (here.isChannelKept && !here.at) here.at = largestIn(here.channel);
  if (found.shape.length === 3) showChannels();
  else showVector();
  calculate();
});

function describe(node, { largest }) {
  offerMaps();
  const what = isGradient() ? `how output ${chosenClass().name} reacts to it` : "activations";
  byId("node-title").textContent = `${node.name}: ${what}`;
  const settings = Object.entries(node.settings).map(([k, v]) => `${k}=${v}`).join(", ");
  byId("node-words").textContent = `${kindOf(node, `(${settings})`)}, ${node.shape.join("×")}, `
    + `${counted(node)}, ${count(node.multiply_adds)} multiply-adds. `
    + `Blue is positive, orange negative; darkest = ${number(largest)}.`;
}

/** Whether what is drawn is of a node that is no longer the chosen one. */
const isStale = () => here.values.node !== here.node;

/** The place of a channel's largest value. */
function largestIn(channel) {
  const { levels, shape: [height, width, channels] } = here.values;
  const size = (place) => strength(levels[place * channels + channel]);
  let best = 0;
  for (let place = 1; place < height * width; place++) if (size(place) > size(best)) best = place;
  return [Math.floor(best / width), best % width, channel];
}

const levelAt = (channel) => {
  const { levels, shape: [, width, channels] } = here.values;
  return (i, j) => levels[(i * width + j) * channels + channel];
};

function showChannels() {
  const [height, width, channels] = here.values.shape;
  const grid = make("div", { className: "channels" });
  grid.setAttribute("role", "group");
  grid.ariaLabel = "Channels";
  for (let c = 0; c < channels && channels > 1; c++) {
    const canvas = make("canvas");
    paintLevels(canvas, height, width, levelAt(c));
    const button = make("button", { type: "button", title: `channel ${c}` }, canvas);
    button.ariaLabel = `Channel ${c}`;
    button.ariaPressed = String(c === here.channel);
    button.addEventListener("click", () => {
      if (isStale()) return;
      here.channel = c;
      here.at = here.at ? [here.at[0], here.at[1], c] : largestIn(c);
      for (const other of grid.children) other.ariaPressed = String(other === button);
      paintBig();
      calculate();
    });
    grid.append(button);
  }
  const big = make("canvas", { id: "big", className: "big", tabIndex: 0 });
  big.setAttribute("role", "application");
  for (const name of ["pointermove", "pointerdown"]) big.addEventListener(name, (event) => point(event, big));
  big.addEventListener("keydown", walk);
  const hint = make("p", { className: "quiet small", textContent: "Point at an element, or move with the arrow keys." });
  const shown = state.model.takes_pictures && state.model.inputs.length === 1 ? [pictureFigure()] : [];
  keepFocus(() => byId("node-view").replaceChildren(...(channels > 1 ? [grid] : []), big, hint, ...shown));
  paintBig();
}

/** The picture beside a node's map, on which the pixels that reach a cell are marked. */
function pictureFigure() {
  const canvas = make("canvas", { id: "picture", className: "pixels" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-labelledby", "picture-words");
  return make("figure", { className: "picture" }, canvas,
    make("figcaption", { id: "picture-words", className: "quiet small", textContent: "The picture" }));
}

/** Mark the pixels that reach the cell; null: only padding does. */
function markField(field) {
  const canvas = byId("picture");
  if (!canvas || field === undefined) return;
  const [height, width] = state.seen.shape;
  const zoom = Math.max(2, Math.round(340 / Math.max(height, width)));
  const small = make("canvas");
  paintImage(small, bytes(state.seen.image), state.seen.shape);
  canvas.width = width * zoom;
  canvas.height = height * zoom;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  byId("picture-words").textContent = field
    ? `This element sees ${span("row", field[0])}, ${span("column", field[1])} of the picture.`
    : "This element sees only padding.";
  canvas.dataset.field = JSON.stringify(field);
  if (!field) return;
  const [[top, bottom], [left, right]] = field;
  const box = [left * zoom, top * zoom, (right - left + 1) * zoom, (bottom - top + 1) * zoom];
  for (const [colour, line] of [["#000", 6], ["#ffb454", 3]]) { // seen on any picture
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.strokeRect(box[0] + 1.5, box[1] + 1.5, box[2] - 3, box[3] - 3);
  }
}

/** Replace the node's view; the focus stays where it was, if that is there again. */
function keepFocus(replace) {
  const id = document.activeElement?.id;
  const isInside = byId("node-view").contains(document.activeElement);
  replace();
  if (isInside && id) byId(id)?.focus();
}

const ZOOM = 12;

function paintBig() {
  const big = byId("big");
  if (!big) return;
  const [height, width] = here.values.shape;
  const small = make("canvas");
  paintLevels(small, height, width, levelAt(here.channel));
  const zoom = Math.max(ZOOM, Math.round(340 / Math.max(height, width)));
  big.width = width * zoom;
  big.height = height * zoom;
  big.style.aspectRatio = `${width} / ${height}`;
  const context = big.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, big.width, big.height);
  const place = here.at ? `, at row ${here.at[0]}, column ${here.at[1]}` : "";
  big.ariaLabel = `Channel ${here.channel} of ${here.node}${place}`;
  if (!here.at) return;
  for (const [colour, width] of [["#fff", 5], ["#000", 2]]) { // seen on any colour
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(here.at[1] * zoom, here.at[0] * zoom, zoom, zoom);
  }
}

function point(event, big) {
  const box = big.getBoundingClientRect();
  const [height, width] = here.values.shape;
  const within = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value * size)));
  go(within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width));
}

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function walk(event) {
  const move = MOVES[event.key];
  if (!move) return;
  event.preventDefault();
  const [height, width] = here.values.shape;
  const [row, column] = here.at ?? [0, 0];
  go(Math.min(height - 1, Math.max(0, row + move[0])), Math.min(width - 1, Math.max(0, column + move[1])));
}

function go(row, column) {
  if (isStale() || (here.at?.[0] === row && here.at?.[1] === column)) return;
  here.at = [row, column, here.channel];
  paintBig();
  calculate();
}

const unitId = (at) => `unit-${at.join("-")}`;

function showVector() {
  const { shape, units, largest } = here.values; // the floats themselves, not levels
  const { outputs } = state.model;
  const names = isSeveral()
    ? outputs.find(({ name }) => name === here.node)?.classes
    : nodes().slice(state.model.nodes.length - 1).some((n) => n.name === here.node) && outputs[0].classes;
  const isOutput = names && shape[0] === names.length;
  const rows = units.map(([unit, value]) => {
    const at = [unit].flat();
    const bar = make("div");
    const share = largest && value !== null ? Math.abs(value) / largest : 0;
    bar.style.width = `${50 * share}%`;
    bar.style.left = value < 0 ? `${50 - 50 * share}%` : "50%";
    bar.style.background = value < 0 ? "var(--negative)" : "var(--positive)";
    const button = make("button", { type: "button", textContent: isOutput ? names[unit] : at.join(", ") });
    button.ariaLabel = `Unit ${at.join(", ")}, ${number(value)}`;
    button.id = unitId(at);
    button.ariaPressed = String(here.at?.join() === at.join());
    button.addEventListener("click", () => {
      if (isStale()) return;
      here.at = at;
      for (const other of byId("node-view").querySelectorAll("button")) other.ariaPressed = String(other === button);
      calculate();
    });
    return make("tr", {}, make("td", {}, button), make("td", { className: "bar-cell" }, make("div", { className: "signed" }, bar)),
      make("td", { className: "number", textContent: number(value), title: String(value) }));
  });
  const total = shape.reduce((a, b) => a * b, 1);
  const left = total > units.length ? make("p", { className: "quiet small", textContent: `The ${units.length} largest of ${count(total)}.` }) : null;
  const table = make("table", { className: "bars" }, make("tbody", {}, ...rows));
  keepFocus(() => byId("node-view").replaceChildren(make("div", { className: "vector" }, table), ...(left ? [left] : [])));
}

const calculate = latest(async () => {
  if (!state.seen || !here.node) return;
  if (isGradient() && !here.at) mark(here.values.largest_at);
  const at = isLoss() ? null : here.at; // it is one number
  const body = { image: example(), node: here.node, at, ...ofClass() };
  const shown = await tried(() => (isGradient() ? source.derivative(body) : source.arithmetic(body)));
  if (!shown || shown.node !== here.node) return;
  if (!here.at && !isGradient()) mark(shown.at);
  markField(shown.field);
  const isMap = here.values.shape.length === 3;
  const isOffered = !isGradient() && !isLoss() && (isMap || here.at?.length === 1);
  offerPatches(isOffered ? here.node : null, isMap ? here.channel : here.at?.[0], !isMap);
  byId("calculation").replaceChildren(...(isGradient() ? derivative(shown) : calculation(shown)));
});

/** Stand at a place that was chosen for the reader. */
function mark(at) {
  here.at = at;
  if (!at.length) return;
  if (at.length !== 3) {
    const button = byId(unitId(at));
    if (button) button.ariaPressed = "true";
    return;
  }
  here.channel = at[2];
  const buttons = byId("node-view").querySelectorAll(".channels button");
  buttons.forEach((button, c) => { button.ariaPressed = String(c === here.channel); });
  paintBig();
}

/** Each attribution's title, and what its values are. */
const MAPS = {
  saliency: ["Saliency", "|∂ output / ∂ pixel|"],
  occlusion: ["Occlusion", "How far the probability falls where a grey square covers the pixel"],
  "grad-cam": ["Grad-CAM", "Where the last feature map speaks for the class"],
  "integrated-gradients": ["Integrated gradients", "Each pixel's share of the score's rise from a black image"],
  "guided-backpropagation": ["Guided backpropagation", "|∂ score / ∂ pixel|, positive gradients only at each ReLU"],
};

async function showMap(kind) {
  if (!state.seen) return;
  byId("map").hidden = false;
  byId("map-title").textContent = "Calculating …";
  const found = await tried(() => source.map({ image: example(), kind, ...ofClass(), ...ofInput() }));
  if (!found) {
    byId("map").hidden = true;
    return;
  }
  const { name } = chosenClass();
  const [title, words] = MAPS[kind];
  const of = state.model.inputs.length > 1 ? ` in ${input().name}` : "";
  byId("map-title").textContent = `${title} for ${name}${of}`;
  const [height, width] = found.shape;
  const levels = bytes(found.levels);
  paintLevels(byId("map-image"), height, width, (i, j) => levels[i * width + j]);
  byId("map-words").textContent = `${words}; darkest = ${number(found.largest)}.`;
}

/** Called when the view comes into sight; there is always an image to look at. */
export async function shown() {
  here.isShown = true;
  if (!state.model) return;
  if (!state.seen) await sample();
  const { wanted } = state;
  state.wanted = null;
  if (wanted) choose(wanted.node, wanted.at);
  else if (!here.node) choose(state.model.nodes.find((n) => n.layer === "Conv2D")?.name ?? state.model.nodes[0].name);
  else open();
  lookAtAll();
  drawEdges();
}

function changeMode() {
  drawGraph();
  if (nodes().some((node) => node.name === here.node)) open();
  else choose(state.model.nodes.at(-1).name);
}

let known = "";

function modelChanged() {
  const names = JSON.stringify(state.model.nodes);
  if (names !== known) {
    known = names;
    here.node = null;
    forgetMaps();
    drawGraph();
  }
  if (location.hash === "#inside") shown();
}

export function begin() {
  on("model", modelChanged);
  on("seen", () => {
    if (state.seen && !isSeveral()) byId("of-class").value = state.seen.best ?? 0;
    if (location.hash === "#inside") { open(); lookAtAll(); }
  });
  for (const input of document.querySelectorAll("input[name=mode]")) input.addEventListener("change", changeMode);
  byId("of-class").addEventListener("change", () => { if (isGradient() || isLoss()) open(); });
  byId("map-kind").addEventListener("change", () => {
    const kind = byId("map-kind").value;
    if (kind) showMap(kind);
    else byId("map").hidden = true;
  });
  beginMap();
  beginPatches();
  onTheme(() => open());
}
