// The walk's way forward: a title, a sentence and figures for each element it stops at.

import { list, named, steps } from "../calculation.js";
import { count, make, number, signed } from "../page.js";
import { bytes, paintImage } from "../paint.js";
import { bars, enlarge, figure, grid, levelMap, sentence, strip, value } from "./figures.js";
import { slidingWindow } from "./window.js";

const FEW = 8; // contributions that are shown one by one
const size = (shape) => shape.reduce((a, b) => a * b, 1);
const times = (shape) => shape.join("×");

/** Of weights that are rounded: to the multiples of which number. */
function rounding({ steps: lines }) {
  const s = lines.find(({ name }) => name === "s");
  return s ? [` The weights are rounded to multiples of s = ${signed(s.formula)} = `, s.value, ", as their integers will be."] : [];
}

/** The map of an element's channel, or the strip of its vector. */
export function mapOf(map, words, at) {
  const decoded = { ...map, levels: bytes(map.levels) };
  return map.shape.length === 2
    ? levelMap(decoded, words, { row: at[0], column: at[1] })
    : strip(decoded, words, at.at(-1) - (map.from ?? 0));
}

/** Whether pixels are bytes; others are floating-point numbers. */
const areBytes = ({ image, shape }) => bytes(image).length === size(shape);

function picture({ pixels }, stop) {
  const [top, left] = pixels.from;
  const rows = pixels.values;
  const canvas = make("canvas", { className: "walk-map" });
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = "The image; the part that is written as numbers is marked";
  const small = make("canvas");
  paintImage(small, bytes(pixels.image), pixels.shape);
  enlarge(canvas, small, [{ row: top, column: left, height: rows.length, width: rows[0].length }]);
  const table = grid(`rows ${top}–${top + rows.length - 1}, columns ${left}–${left + rows[0].length - 1}`, rows, areBytes(pixels) ? { largest: 255, write: String } : { write: (x) => number(x, 2) });
  table.classList.add("walk-pixels");
  table.rows[stop.at[0] - top].cells[stop.at[1] - left].classList.add("winner");
  return make("div", { className: "walk-pair" }, figure(`The image, ${times(pixels.shape)}`, canvas), table);
}

function entry(found, stop) {
  const { pixels } = found;
  const isPicture = pixels.shape.length === 3 && pixels.image;
  const step = stop.steps.at(-1);
  return {
    title: isPicture ? "Pixels become numbers" : "Numbers enter",
    say: sentence(`The ${isPicture ? "image" : "input"} is ${times(stop.shape)} = ${count(size(stop.shape))} numbers; `
      + `${named(stop.node, stop.at)}, which this walk follows, is ${signed(step.formula)} = `, step.value, "."),
    figures: isPicture ? [picture(found, stop)] : [bars("Inputs", ["input", "value"], [].concat(pixels.values.flat(2)).slice(0, 16)
      .map((x, k) => ({ name: k, cells: [x], size: x, mark: k === stop.at[0] })))],
  };
}

function convolution(found, stop) {
  const [height, width] = stop.window.kernel;
  const channels = stop.window.channels;
  return {
    title: `${stop.node}: a window slides over the map`,
    say: sentence(`At each place the kernel's ${height}×${width} weights${channels > 1 ? ` for each of ${channels} channels` : ""} are multiplied with what lies below, `
      + `and the products${stop.window.has_bias ? " and the bias" : ""} are added up: ${named(stop.node, stop.at)} = `, stop.value, ".", ...rounding(stop)),
    figures: [slidingWindow(stop)],
  };
}

function pool(found, stop) {
  const isMax = stop.layer === "MaxPool2D";
  const winner = stop.terms.find((t) => t.note === "largest");
  return {
    title: `${stop.node}: ${isMax ? "pooling picks the winner" : "pooling takes the mean"}`,
    say: isMax
      ? sentence(`Of each ${times(stop.window.kernel)} window only the largest number goes on: ${named(winner.source, winner.at)} = `, winner.x, ".")
      : sentence(`Each ${times(stop.window.kernel)} window becomes its mean: ${named(stop.node, stop.at)} = `, stop.value, "."),
    figures: [slidingWindow(stop)],
  };
}

/** Of a function of each element: what the title says of it, and the sentence. */
function words({ layer, equation, is_zero: zeros, shape }) {
  const cut = `${count(zeros)} of ${count(size(shape))} elements are 0 now, and `;
  if (layer === "ReLU") return ["ReLU cuts what is negative", `Negative numbers become 0, the others stay: ${cut}`];
  if (layer === "ReLU6") return ["ReLU6 cuts what is negative or above 6", `Negative numbers become 0, those above 6 become 6, the others stay: ${cut}`];
  if (layer === "FakeQuantize") return ["numbers are rounded as integers will be", `Each element becomes the nearest number that eight bits stand for: ${equation}; `];
  return [`${layer} bends the numbers`, `Each element by itself: ${equation}; `];
}

function activation(found, stop, before) {
  const [x] = stop.terms;
  const maps = [figure(stop.node, mapOf(stop.map, `${stop.node} after ${stop.layer}`, stop.at))];
  if (before?.node === x.source) maps.unshift(figure(`${before.node}, before`, mapOf(before.map, `${before.node} before ${stop.layer}`, before.at)));
  const [title, say] = words(stop);
  return {
    title: `${stop.node}: ${title}`,
    say: sentence(say, x.x, x.x === stop.value ? " stays " : " becomes ", stop.value, "."),
    figures: [make("div", { className: "walk-pair" }, ...maps)],
  };
}

function flatten(found, stop, before) {
  const [x] = stop.terms;
  const [, width, channels] = before?.shape ?? [];
  const is3D = x.at.length === 3 && before?.node === x.source;
  const how = is3D ? `(${x.at[0]}·${width} + ${x.at[1]})·${channels} + ${x.at[2]} = ` : "";
  return {
    title: `${stop.node}: the maps become one vector`,
    say: sentence(`Row by row, all channels of a pixel together: ${named(x.source, x.at)} is number ${how}${stop.at[0]} of ${count(stop.shape[0])}, and stays `, stop.value, "."),
    figures: [figure(`${stop.map.shape[0] < stop.shape[0] ? `${count(stop.map.shape[0])} of ${count(stop.shape[0])}` : `All ${count(stop.shape[0])}`} numbers, line after line`,
      mapOf(stop.map, `Numbers of ${stop.node}`, stop.at))],
  };
}

function dense(found, stop) {
  const sorted = [...stop.terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const few = sorted.slice(0, FEW);
  const others = sorted.length - few.length + stop.left_out.count;
  const rest = sorted.slice(FEW).reduce((a, t) => a + t.value, stop.left_out.sum);
  const bias = stop.parameters.find((p) => p.role === "bias");
  const rows = few.map((t) => ({ name: named(t.source, t.at), cells: [t.x, t.weight, t.value], size: t.value }));
  if (others) rows.push({ name: `${count(others)} others`, cells: ["", "", rest], size: rest });
  if (bias) rows.push({ name: "bias", cells: ["", "", bias.value], size: bias.value });
  rows.push({ name: "Sum", cells: ["", "", stop.value], size: stop.value, mark: true });
  const unit = found.logits?.node === stop.node || found.output?.node === stop.node ? `, the score of ${found.names[stop.at.at(-1)] ?? stop.at.at(-1)},` : "";
  return {
    title: `${stop.node}: every number counts`,
    say: sentence(`Each of ${count(stop.terms.length + stop.left_out.count)} numbers is multiplied with a weight of its own, and all products are added up: ${named(stop.node, stop.at)}${unit} is `, stop.value, ".", ...rounding(stop)),
    figures: [bars(`Largest contributions to ${named(stop.node, stop.at)}`, ["from", "x", "weight", "x · weight"], rows)],
  };
}

function softmax(found, stop) {
  const own = stop.terms.find((t) => t.note === "this one");
  const total = stop.steps.find((s) => s.name === "sum of exponentials")?.value;
  const logits = found.logits?.values ?? stop.terms.map((t) => t.x);
  const p = found.output?.values ?? [];
  const order = logits.map((_, k) => k);
  if (order.length > 12) order.sort((a, b) => logits[b] - logits[a]).splice(12);
  return {
    title: `${stop.node}: scores become probabilities`,
    say: sentence(`e to the power of each score (less the largest one), divided by the sum of all: ${found.names[stop.at.at(-1)] ?? ""} gets `,
      ...(own && total ? [own.value, " / ", total, " = "] : []), stop.value, "."),
    figures: [bars(order.length < logits.length ? "The 12 largest" : "All classes", ["class", "score", "probability"], order.map((k) =>
      ({ name: found.names[k] ?? k, cells: [logits[k], p[k] ?? ""], size: p[k] ?? 0, mark: k === stop.at.at(-1) })))],
  };
}

function merge(found, stop) {
  const { source } = stop.follows ?? {};
  return {
    title: `${stop.node}: branches meet`,
    say: sentence(`${stop.inputs.join(" and ")} come together (${stop.equation}): `, stop.value, `. The walk goes on from ${source}, whose contribution is the largest.`),
    figures: [list(stop), make("div", { className: "walk-pair" }, figure(stop.node, mapOf(stop.map, stop.node, stop.at)))],
  };
}

const TITLES = {
  BatchNorm: "batch norm brings numbers to one scale",
  Dropout: "dropout is off",
  GlobalAvgPool2D: "each channel becomes its mean",
  GlobalMaxPool2D: "each channel becomes its largest number",
};

function other(found, stop) {
  const few = stop.terms.length > 1 ? [list(stop)] : [];
  return {
    title: `${stop.node}: ${TITLES[stop.layer] ?? stop.layer}`,
    say: stop.layer === "Dropout"
      ? sentence("Dropout drops numbers only while a network trains; here ", stop.value, " stays as it is.")
      : sentence(`${stop.layer} computes ${stop.equation}: ${named(stop.node, stop.at)} = `, stop.value, "."),
    figures: [...few, steps(stop), ...(stop.shape.length === 3 ? [figure(stop.node, mapOf(stop.map, stop.node, stop.at))] : [])],
  };
}

/** Return the step of the walk for one of its stops: title, sentence, figures. */
export function forwardStep(found, stop, before) {
  const isPointwise = stop.terms.length === 1 && stop.steps.some((s) => s.name === "dy/dx");
  if (!stop.inputs.length) return entry(found, stop);
  if (stop.window?.w) return convolution(found, stop);
  if (stop.window) return pool(found, stop);
  if (stop.layer === "Flatten") return flatten(found, stop, before);
  if (stop.layer === "Dense") return dense(found, stop);
  if (stop.layer === "Softmax") return softmax(found, stop);
  if (isPointwise) return activation(found, stop, before);
  if (stop.inputs.length > 1) return merge(found, stop);
  return other(found, stop);
}
