// A window that slides over a map: what it covers, and the element that comes of it.

import { make, number } from "../page.js";
import { paintLevels } from "../paint.js";
import { enlarge, grid, repainted, value } from "./figures.js";

const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const FIRST_MS = 1400, LAST_MS = 70, QUICKER = 0.82; // between two places of the window
const FLIGHT_MS = 700;

const level = (x, largest) => (largest ? Math.round(128 + 127 * x / largest) : 128);
const most = (rows) => rows.reduce((m, row) => row.reduce((n, x) => Math.max(n, Math.abs(x)), m), 0);

/** Paint rows of numbers; null is not there yet. */
function paintRows(small, rows, largest) {
  paintLevels(small, rows.length, rows[0].length, (i, j) => (rows[i][j] === null ? 128 : level(rows[i][j], largest)));
}

/** What a window covers at one place of the output, and what comes of it. */
export function covered(window, i, j) {
  const { x, w, strides: [s, t], dilations: [d, e], kernel: [height, width] } = window;
  const rows = Array.from({ length: height }, (_, u) =>
    Array.from({ length: width }, (_, v) => x[i * s + u * d][j * t + v * e]));
  const products = w && rows.map((row, u) => row.map((one, v) => one * w[u][v]));
  const sum = products && products.flat().reduce((a, b) => a + b, 0);
  return { rows, products, sum };
}

/** Is the element of the window at (u, v) outside the map, so that it is padding? */
function isPadding({ x_from: [top, left], x_shape: [height, width], strides: [s, t], dilations: [d, e] }, i, j, u, v) {
  const [row, column] = [top + i * s + u * d, left + j * t + v * e];
  return row < 0 || column < 0 || row >= height || column >= width;
}

/** The sliding window as a figure; `stop` is one of the walk's. */
export function slidingWindow(stop) {
  const { window } = stop;
  const [rows, columns] = [window.y.length, window.y[0].length];
  const start = (stop.at[0] - window.y_from[0]) * columns + stop.at[1] - window.y_from[1];
  const here = { place: start, reached: rows * columns, timer: 0 };
  const [largestX, largestY] = [most(window.x), most(window.y)];
  const from = make("canvas", { className: "walk-map" }), to = make("canvas", { className: "walk-map" });
  for (const canvas of [from, to]) canvas.setAttribute("role", "img");
  const sums = make("div", { className: "windows walk-sums" });
  const words = make("p", { className: "walk-place" });
  const slider = make("input", { type: "range", min: 0, max: rows * columns - 1, value: start, className: "walk-slider" });
  slider.ariaLabel = "Place of the window";
  const play = make("button", { type: "button", textContent: "Play", className: "walk-play" });
  const smallFrom = make("canvas"), smallTo = make("canvas");

  function paint() {
    const [i, j] = [Math.floor(here.place / columns), here.place % columns];
    paintRows(smallFrom, window.x, largestX);
    enlarge(from, smallFrom, [{
      row: i * window.strides[0], column: j * window.strides[1],
      height: (window.kernel[0] - 1) * window.dilations[0] + 1, width: (window.kernel[1] - 1) * window.dilations[1] + 1,
    }]);
    paintRows(smallTo, window.y.map((row, r) => row.map((x, c) => (r * columns + c <= here.reached ? x : null))), largestY);
    enlarge(to, smallTo, [{ row: i, column: j }]);
  }

  function show() {
    const [i, j] = [Math.floor(here.place / columns), here.place % columns];
    const [row, column] = [i + window.y_from[0], j + window.y_from[1]];
    paint();
    from.ariaLabel = `Channel ${window.channel} of the input, the window around row ${row}, column ${column} marked`;
    to.ariaLabel = `Channel ${stop.at[2]} of ${stop.node}, row ${row}, column ${column} marked`;
    const found = covered(window, i, j);
    sums.replaceChildren(...(window.w ? products(found, i, j) : winners(found, i, j)));
    words.replaceChildren(...(window.w ? written(found, i, j) : [
      `Row ${row}, column ${column}: ${stop.layer === "MaxPool2D" ? "the largest is" : "the mean is"} `, value(window.y[i][j], "y")]));
    slider.value = here.place;
    slider.setAttribute("aria-valuetext", `row ${row}, column ${column}`);
  }

  function products(found, i, j) {
    const input = grid("window", found.rows, { largest: largestX });
    mute(input, (u, v) => isPadding(window, i, j, u, v));
    return [input, make("span", { textContent: "×" }), grid("kernel", window.w),
      make("span", { textContent: "=" }), grid("products", found.products)];
  }

  function winners(found, i, j) {
    const table = grid("window", found.rows, { largest: largestX });
    mute(table, (u, v) => isPadding(window, i, j, u, v));
    if (stop.layer !== "MaxPool2D") return [table];
    const cells = [...table.querySelectorAll("td:not(.padding)")];
    cells.find((cell) => Number(cell.dataset.value) === window.y[i][j])?.classList.add("winner");
    return [table];
  }

  function mute(table, isOutside) {
    [...table.rows].forEach((row, u) => [...row.cells].forEach((cell, v) => {
      if (!isOutside(u, v)) return;
      cell.classList.add("padding");
      cell.title = "padding";
    }));
  }

  function written(found, i, j) {
    const others = window.channels > 1 ? [` + ${window.channels - 1} other channels `, value(window.rest[i][j], "rest")] : [];
    const bias = window.has_bias ? [" + bias ", value(window.bias, "bias")] : [];
    return [`Row ${i + window.y_from[0]}, column ${j + window.y_from[1]}: sum of the products `,
      value(found.sum, "sum"), ...others, ...bias, " = ", value(window.y[i][j], "y")];
  }

  /** Let the coloured products fly into the element of the output. */
  function fly() {
    const cells = sums.querySelectorAll(window.w ? ".walk-grid:last-child td" : "td.winner");
    const end = to.getBoundingClientRect();
    const [i, j] = [Math.floor(here.place / columns), here.place % columns];
    const x = end.left + end.width * (j + 0.5) / columns, y = end.top + end.height * (i + 0.5) / rows;
    for (const cell of cells) {
      const box = cell.getBoundingClientRect();
      const flying = make("span", { className: "flying", textContent: cell.textContent, ariaHidden: "true" });
      flying.style.cssText = `left:${box.left}px;top:${box.top}px;width:${box.width}px;height:${box.height}px;background:${cell.style.background}`;
      document.body.append(flying);
      flying.animate([{ transform: "none", opacity: 1 },
        { transform: `translate(${x - box.left - box.width / 2}px, ${y - box.top - box.height / 2}px) scale(.2)`, opacity: 0.4 }],
      { duration: FLIGHT_MS, easing: "ease-in" }).finished.finally(() => flying.remove());
    }
  }

  function go(place, reached = rows * columns) {
    here.place = place;
    here.reached = reached;
    show();
  }

  function stopPlaying() {
    clearTimeout(here.timer);
    here.timer = 0;
    play.textContent = "Play";
  }

  function playOn(place, pause) {
    if (!play.isConnected || place >= rows * columns) {
      stopPlaying();
      if (play.isConnected) go(start);
      return;
    }
    go(place, place);
    if (pause > FLIGHT_MS / 2) fly();
    here.timer = setTimeout(() => playOn(place + 1, Math.max(LAST_MS, pause * QUICKER)), pause);
  }

  play.addEventListener("click", () => {
    if (here.timer) { stopPlaying(); return; }
    play.textContent = "Pause";
    playOn(here.place >= rows * columns - 1 || here.reached >= rows * columns ? 0 : here.place + 1, FIRST_MS);
  });
  slider.addEventListener("input", () => { stopPlaying(); go(Number(slider.value)); });
  repainted(paint);
  show();
  play.hidden = stillness.matches;
  const name = `channel ${window.channel}`;
  return make("div", { className: "walk-window" },
    make("figure", {}, from, make("figcaption", { className: "quiet small", textContent: `Input, ${name}; darkest = ${number(largestX, 4)}` })),
    make("div", { className: "walk-middle" }, sums, words, make("div", { className: "row" }, play, slider)),
    make("figure", {}, to, make("figcaption", { className: "quiet small", textContent: `Output, channel ${stop.at[2]}; darkest = ${number(largestY, 4)}` })));
}
