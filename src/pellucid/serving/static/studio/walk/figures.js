// Figures that several steps of the walk share: numbers, maps, bars, a curve.

import { make, number } from "../page.js";
import { onTheme, paintLevels } from "../paint.js";

/** Six digits; near 1, six of the distance from it, of which logarithms are made. */
function digitsOf(x) {
  const distance = Math.abs(x - 1);
  return distance > 0 && distance < 0.01 ? Math.min(15, 6 + Math.ceil(-Math.log10(distance))) : 6;
}

/** A number, written with six digits; the whole of it is in `data-value`. */
export function value(x, name = "") {
  const shown = make("span", { className: "value", textContent: number(x, digitsOf(x)), title: String(x) });
  shown.dataset.value = x;
  if (name) shown.dataset.name = name;
  return shown;
}

/** A sentence of texts and numbers: numbers are written as `value` does. */
export const sentence = (...parts) =>
  make("p", { className: "say" }, ...parts.map((part) => (typeof part === "number" ? value(part) : part)));

export const figure = (caption, ...parts) =>
  make("figure", {}, ...parts, make("figcaption", { className: "quiet small" }, caption));

/** Tint a cell like the maps: blue is positive, orange negative. */
export function tint(cell, x, largest) {
  const share = largest ? Math.min(1, Math.abs(x) / largest) : 0;
  const end = x < 0 ? "negative" : "positive";
  cell.style.background = `color-mix(in srgb, var(--${end}) ${(34 * share).toFixed(0)}%, var(--panel))`;
  return cell;
}

/** A table of numbers, tinted; `write` says how one is written. */
export function grid(caption, rows, { largest, write = (x) => number(x, 3) } = {}) {
  const most = largest ?? Math.max(...rows.flat().map(Math.abs), 0);
  const body = rows.map((row) => make("tr", {}, ...row.map((x) => {
    const cell = make("td", { textContent: write(x) });
    cell.dataset.value = x;
    return tint(cell, x, most);
  })));
  return make("table", { className: "grid walk-grid" },
    make("caption", { className: "grid-caption", textContent: caption }), make("tbody", {}, ...body));
}

/** Repaint what is painted in colours of the theme. */
const painted = new Set();
onTheme(() => { for (const paint of painted) paint(); });
export function forget() { painted.clear(); }

/** Paint `paint` now, and again when the page turns dark or light. */
export function repainted(paint) {
  painted.add(paint);
  paint();
}

const SIDE = 196; // pixels of a map on the page

/** Enlarge a small canvas so that an element is a square of whole pixels. */
export function enlarge(canvas, small, marks = []) {
  const zoom = Math.max(1, Math.round((2 * SIDE) / Math.max(small.width, small.height)));
  canvas.width = small.width * zoom;
  canvas.height = small.height * zoom;
  canvas.style.aspectRatio = `${small.width} / ${small.height}`;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  for (const { row, column, height = 1, width = 1 } of marks) {
    for (const [colour, line] of [["#000", 6], ["#ffb454", 3]]) { // seen on any colour
      context.lineWidth = line;
      context.strokeStyle = colour;
      context.strokeRect(column * zoom + 1.5, row * zoom + 1.5, width * zoom - 3, height * zoom - 3);
    }
  }
}

/** A map of levels, with an element marked; `words` say what it is. */
export function levelMap({ shape, levels }, words, mark) {
  const [height, width] = shape;
  const canvas = make("canvas", { className: "walk-map" });
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = words;
  const small = make("canvas");
  repainted(() => {
    paintLevels(small, height, width, (i, j) => levels[i * width + j]);
    enlarge(canvas, small, mark ? [mark] : []);
  });
  return canvas;
}

/** A vector as a strip of levels, wrapped to lines. */
export function strip({ levels }, words, at) {
  const width = Math.min(levels.length, 40), height = Math.ceil(levels.length / width);
  const padded = new Uint8Array(width * height).fill(128);
  padded.set(levels);
  const mark = at >= 0 && at < levels.length ? { row: Math.floor(at / width), column: at % width } : undefined;
  return levelMap({ shape: [height, width], levels: padded }, words, mark);
}

/** Rows of a name, a bar around zero and a number. */
export function bars(caption, head, rows) {
  const most = Math.max(...rows.map((row) => Math.abs(row.size)), 0) || 1;
  const [zero, reach] = rows.some((row) => row.size < 0) ? [50, 50] : [0, 100]; // per cent
  const body = rows.map(({ name, cells, size, mark }) => {
    const bar = make("div");
    const share = reach * Math.abs(size) / most;
    bar.style.width = `${share}%`;
    bar.style.left = `${size < 0 ? zero - share : zero}%`;
    bar.style.background = size < 0 ? "var(--negative)" : "var(--positive)";
    return make("tr", { className: mark ? "best" : "" }, make("th", { scope: "row", textContent: name }),
      ...cells.map((x) => make("td", { className: "number" }, typeof x === "number" ? value(x) : x)),
      make("td", { className: "bar-cell" }, make("div", { className: "signed", ariaHidden: "true" }, bar)));
  });
  const region = make("div", { className: "scroll", tabIndex: 0, ariaLabel: caption });
  region.setAttribute("role", "region");
  region.append(make("table", { className: `bars walk-bars${head.length > 3 ? " is-wide" : ""}` },
    make("caption", { className: "grid-caption", textContent: caption }),
    make("thead", {}, make("tr", {}, ...head.map((h, i) => make("th", { scope: "col", textContent: h, className: i ? "number" : "" })),
      make("th", { scope: "col" }, make("span", { className: "unseen", textContent: "Bar" })))),
    make("tbody", {}, ...body)));
  return region;
}

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, settings, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, x] of Object.entries(settings)) made.setAttribute(key, x);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The curve −ln p, and where the right answer's probability stands on it. */
export function lossCurve(p) {
  const [width, height, left, bottom] = [320, 180, 34, 30];
  const most = Math.max(5, Math.min(12, Math.ceil(-Math.log(Math.max(p, 1e-12)))));
  const x = (share) => left + (width - left - 10) * share;
  const y = (loss) => 8 + (height - bottom - 8) * (1 - Math.min(loss, most) / most);
  const points = Array.from({ length: 120 }, (_, i) => Math.exp(-most * (1 - i / 119)));
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart walk-curve", role: "img",
    "aria-label": `The curve of minus the logarithm of p: at p = ${number(p, 4)} it is ${number(-Math.log(p), 4)}` });
  for (const loss of [0, most]) {
    svg.append(drawn("line", { x1: left, x2: width - 10, y1: y(loss), y2: y(loss), class: "axis" }),
      drawn("text", { x: left - 5, y: y(loss) + 4, "text-anchor": "end" }, loss));
  }
  svg.append(drawn("text", { x: left, y: height - 14 }, "0"), drawn("text", { x: width - 10, y: height - 14, "text-anchor": "end" }, "1"),
    drawn("text", { x: (left + width) / 2, y: height - 2, "text-anchor": "middle" }, "p of the right answer"),
    drawn("text", { x: left + 4, y: 20 }, "loss"),
    drawn("polyline", { points: points.map((s) => `${x(s).toFixed(1)},${y(-Math.log(s)).toFixed(1)}`).join(" "), class: "lane-0" }),
    drawn("circle", { cx: x(p), cy: y(-Math.log(p)), r: 5, class: "dot" }));
  return svg;
}
