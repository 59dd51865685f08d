// The network at a glance: each node with its feature maps, edges, folded blocks.

import { byId, kindOf, make, state } from "./page.js";
import { bytes, onTheme, paintLevels } from "./paint.js";
import { fold } from "./folding.js";

const SVG = "http://www.w3.org/2000/svg";
const CHANNELS = 12; // of a node, painted side by side
const UNITS = 128; // of a vector, that the source answers
const GAP = 2;

const open = new Set(); // first nodes of blocks that are unfolded
const maps = new Map(); // what was painted last, by node
let drawn = { nodes: [], choose: null };

/** The nodes that are drawn now, for whose maps the source is asked. */
export const shownNodes = () => [...byId("nodes").querySelectorAll("button[data-node]")]
  .map((button) => button.dataset.node).filter((name) => state.model.nodes.some((n) => n.name === name));
export { CHANNELS };

/** Draw all nodes; `choose(name, at)` is called where one is chosen, `again` on unfolding. */
export function drawMap(nodes, chosen, choose, again) {
  drawn = { nodes, choose };
  const items = fold(nodes).flatMap((item) => (item.length > 1 && open.has(item[0].name) ? item.map((node) => [node, item]) : [item]));
  const cards = items.map((item) => {
    const block = Array.isArray(item[1]) ? item[1] : null; // an unfolded one
    return card(block ? [item[0]] : item, block, chosen, again);
  });
  byId("nodes").replaceChildren(...cards);
  for (const name of shownNodes()) if (maps.has(name)) paint(name);
  requestAnimationFrame(drawEdges);
}

function card(item, block, chosen, again) {
  const node = item.at(-1);
  const before = drawn.nodes[drawn.nodes.indexOf(item[0]) - 1]?.name;
  const isPlain = item.length > 1 || (node.inputs.length <= 1 && (!node.inputs.length || node.inputs[0] === before));
  const from = isPlain ? "" : ` from ${node.inputs.join(" and ")}`;
  const button = make("button", { type: "button" },
    make("span", {}, ...breakable(node.name)),
    make("span", { className: "shape", textContent: `${item.length > 1 ? `block of ${item.length}` : kindOf(node)} ${node.shape.join("×")}${from}` }));
  button.dataset.node = node.name;
  button.ariaPressed = String(node.name === chosen);
  button.addEventListener("click", () => drawn.choose(node.name));
  const canvas = make("canvas", { className: "maps", width: 1, height: 1, ariaHidden: "true" });
  if (state.model.nodes.includes(node)) measure(canvas, node.shape); // so that nothing moves when it is painted
  canvas.addEventListener("click", (event) => drawn.choose(node.name, channelAt(canvas, event)));
  const first = (block ?? item)[0];
  const isFirst = block && node === first;
  const toggle = item.length > 1 || isFirst ? make("button", { type: "button", className: "fold",
    textContent: isFirst ? `Fold ${block.length} nodes` : `+ ${item.length - 1} nodes`, ariaExpanded: String(Boolean(isFirst)) }) : null;
  toggle?.setAttribute("aria-label", `${toggle.textContent} from ${first.name}`); // begins as it is seen
  toggle?.addEventListener("click", () => {
    if (open.has(first.name)) open.delete(first.name);
    else open.add(first.name);
    again();
    byId("nodes").querySelector(`[aria-label$="from ${CSS.escape(first.name)}"]`)?.focus();
  });
  const made = make("li", { className: item.length > 1 ? "is-block" : block ? "is-inside" : "" }, button, canvas, toggle);
  made.dataset.names = item.map((n) => n.name).join(" ");
  return made;
}

/** A name that may be broken after its underscores. */
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));

/** The channel whose tile was clicked. */
function channelAt(canvas, event) {
  const found = maps.get(canvas.closest("li").querySelector("button").dataset.node);
  if (!found || found.shape.length !== 3) return undefined;
  const box = canvas.getBoundingClientRect();
  const { columns, rows } = layout(found.shape);
  const column = Math.min(columns - 1, Math.floor(columns * (event.clientX - box.left) / box.width));
  const row = Math.min(rows - 1, Math.floor(rows * (event.clientY - box.top) / box.height));
  return Math.min(found.shape[2] - 1, row * columns + column);
}

/** How a node's tiles are laid out: so many columns and rows. */
function layout(shape) {
  const isMap = shape.length === 3;
  const count = isMap ? Math.min(shape[2], CHANNELS) : Math.min(shape.reduce((a, b) => a * b, 1), UNITS);
  const columns = isMap ? (count <= 1 ? 1 : count <= 4 ? 2 : 3) : Math.min(8, count);
  return { count, columns, rows: Math.ceil(count / columns) };
}

/** Keep what the source answered, and paint it. */
export function showMaps(found) {
  for (const one of found) {
    maps.set(one.node, { ...one, levels: bytes(one.levels) });
    paint(one.node);
  }
}

export function forgetMaps() { maps.clear(); }

/** Give a canvas the size of a node's tiles, and return how they lie in it. */
function measure(canvas, shape) {
  const isMap = shape.length === 3;
  const [height, width] = isMap ? shape : [1, 1];
  const { count, columns, rows } = layout(shape);
  const zoom = Number(byId("map-zoom").value);
  const tile = isMap ? zoom : Math.max(8, zoom / 3);
  const scale = Math.max(1, Math.round(2 * tile / Math.max(height, width))); // whole pixels of the screen
  const [w, h] = [width * scale, height * scale];
  canvas.width = columns * (w + GAP) - GAP;
  canvas.height = rows * (h + GAP) - GAP;
  canvas.style.width = `${columns * (tile * width / Math.max(height, width) + GAP / 2)}px`;
  return { count, columns, height, width, w, h };
}

function paint(name) {
  const button = [...byId("nodes").querySelectorAll("button[data-node]")].find((b) => b.dataset.node === name);
  const canvas = button?.parentElement.querySelector("canvas");
  if (!canvas) return;
  const found = maps.get(name);
  const { count, columns, height, width, w, h } = measure(canvas, found.shape);
  const channels = found.shape.length === 3 ? found.shape[2] : 1;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  const small = make("canvas");
  for (let c = 0; c < count; c++) {
    paintLevels(small, height, width, (i, j) => (found.shape.length === 3 ? found.levels[(i * width + j) * channels + c] : found.levels[c]));
    context.drawImage(small, (c % columns) * (w + GAP), Math.floor(c / columns) * (h + GAP), w, h);
  }
  canvas.title = found.channels > count ? `${count} of ${found.channels} channels of ${name}` : name;
}

/** Draw an edge per input, from card to card; an arc past others. */
export function drawEdges() {
  const cards = [...byId("nodes").children];
  const isRow = getComputedStyle(byId("nodes")).gridAutoFlow.startsWith("column");
  const holder = new Map(cards.flatMap((one, i) => one.dataset.names.split(" ").map((name) => [name, i])));
  const paths = new Map();
  if (isRow) {
    for (const node of drawn.nodes) {
      for (const input of node.inputs) {
        const [from, to] = [holder.get(input), holder.get(node.name)];
        if (from === undefined || from === to) continue;
        const [a, b] = [cards[from], cards[to]];
        const [x, y, end] = [a.offsetLeft + a.offsetWidth, 26, b.offsetLeft];
        const lift = Math.min(22, 8 + 3 * (to - from));
        paths.set(`${from} ${to}`, to - from === 1 ? `M${x} ${y} L${end} ${y}`
          : `M${a.offsetLeft + a.offsetWidth / 2} 2 C${a.offsetLeft + a.offsetWidth / 2} ${-lift}, ${b.offsetLeft + b.offsetWidth / 2} ${-lift}, ${b.offsetLeft + b.offsetWidth / 2} 2`);
      }
    }
  }
  byId("edges").style.width = `${byId("nodes").scrollWidth}px`;
  byId("edges").replaceChildren(...[...paths.values()].map((d) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    return path;
  }));
}

/** Mark the chosen node, and bring it into sight. */
export function markNode(name) {
  for (const button of byId("nodes").querySelectorAll("button[data-node]")) {
    const is = button.dataset.node === name;
    button.ariaPressed = String(is);
    if (!is) continue;
    const [frame, one] = [byId("nodes").parentElement, button.parentElement];
    const left = one.offsetLeft - frame.scrollLeft;
    if (left < 0 || left + one.offsetWidth > frame.clientWidth) frame.scrollLeft = one.offsetLeft - 40;
  }
}

/** Unfold the block that a node is hidden in. */
export function unfoldFor(name) {
  const item = fold(drawn.nodes).find((nodes) => nodes.some((n) => n.name === name));
  if (!item || item.length === 1 || item.at(-1).name === name || open.has(item[0].name)) return false;
  open.add(item[0].name);
  return true;
}

export function beginMap() {
  const repaint = () => { for (const name of maps.keys()) paint(name); };
  byId("map-zoom").addEventListener("input", () => { repaint(); drawEdges(); });
  onTheme(repaint);
  addEventListener("resize", () => { if (drawn.nodes.length) drawEdges(); });
}
