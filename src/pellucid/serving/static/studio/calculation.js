// One element's calculation: windows, terms, sums, steps.

import { make, number, signed } from "./page.js";

const FEW = 12; // terms that are shown one by one

/** Write an element as `conv2d[5, 7, 3]`; the loss is one number. */
export const named = (name, at) => (!at ? "padding" : at.length ? `${name}[${at.join(", ")}]` : name);

/** Write rows or columns, as `rows 3 to 5`. */
export const span = (what, [first, last]) => (first === last ? `${what} ${first}` : `${what}s ${first} to ${last}`);

/** Return elements that show an arithmetic as the server sends it. */
export function calculation(shown) {
  const parts = [
    make("h3", { textContent: `${shown.layer} ${named(shown.node, shown.at)}` }),
    ...terms(shown),
    steps(shown),
    make("details", {}, make("summary", { textContent: "The formula" }),
      make("pre", { className: "formula", textContent: [shown.equation, ...filled(shown)].join("\n\n"), tabIndex: 0 })),
  ];
  for (const then of shown.then ?? []) parts.push(...calculation(then));
  return parts;
}

/** The formula with the numbers put in, the largest products first. */
function filled({ terms: all, left_out: rest, steps: lines, node, at }) {
  const products = all.filter((t) => typeof t.weight === "number");
  if (!products.length) return [];
  const sorted = [...products].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const inBrackets = (x) => (x < 0 ? `(${number(x)})` : number(x));
  const parts = sorted.slice(0, FEW).map((t) => `${number(t.x)} · ${inBrackets(t.weight)}`);
  const others = sorted.slice(FEW);
  const left = others.length + rest.count;
  if (left) parts.push(`${number(others.reduce((a, t) => a + t.value, rest.sum))} (${left} other products)`);
  const bias = lines.find((line) => line.name === "bias");
  if (bias) parts.push(`${inBrackets(bias.value)} (bias)`);
  return [`${named(node, at)} = ${parts.join("\n  + ")}\n  = ${number(lines.at(-1).value)}`];
}

function terms(shown) {
  if (shown.layer === "Conv2D") return windows(shown);
  if (shown.layer.includes("Pool2D") && shown.terms.length > 1) return [pool(shown)];
  return shown.terms.length > 1 ? [list(shown)] : [];
}

/** A convolution's windows, one input channel after the other, the largest first. */
function windows({ terms: all, left_out: rest }) {
  const channels = new Map();
  for (const term of all) {
    const channel = term.weight_at[2];
    if (!channels.has(channel)) channels.set(channel, []);
    channels.get(channel).push(term);
  }
  const sums = [...channels].map(([channel, own]) => ({ channel, own, sum: own.reduce((a, t) => a + t.value, 0) }));
  sums.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const seen = sums.slice(0, 3);
  const parts = seen.map(({ channel, own, sum }) => {
    const grid = (caption, key) => cells(caption, own, (t) => t.weight_at, (t) => t[key]);
    const block = make("div", { className: "windows" },
      grid("window", "x"), make("span", { textContent: "×" }),
      grid("weights", "weight"), make("span", { textContent: "=" }),
      grid("products", "value"));
    block.dataset.sum = sum;
    const title = sums.length > 1 ? `channel ${channel}, sum ${number(sum)}` : `Sum: ${number(sum)}`;
    return make("div", {}, make("p", { className: "small quiet", textContent: title }), block);
  });
  const others = sums.slice(3).reduce((a, s) => a + s.sum, rest.sum);
  if (sums.length > 3) {
    const words = make("p", { className: "small", textContent: `${sums.length - 3} other channels, sum ${number(others)}` });
    words.dataset.sum = others;
    parts.push(words);
  }
  return parts;
}

function cells(caption, own, at, value, mark = () => "") {
  const rows = new Map();
  for (const term of own) {
    const [row] = at(term);
    if (!rows.has(row)) rows.set(row, []);
    rows.get(row).push(make("td", { textContent: number(value(term), 4), className: mark(term) }));
  }
  return make("table", { className: "grid" }, make("caption", { className: "grid-caption", textContent: caption }),
    make("tbody", {}, ...[...rows.values()].map((row) => make("tr", {}, ...row))));
}

/** A pool's window; the pixel that won stands out. */
function pool({ terms: all, layer }) {
  const inside = all.filter((t) => t.at);
  const mark = (t) => (t.note ? "winner" : "");
  const caption = layer === "MaxPool2D" ? "window; its maximum is the output" : "window; its mean is the output";
  return make("div", { className: "windows" }, cells(caption, inside, (t) => t.at, (t) => t.x, mark));
}

/** What enters, the largest contribution first. */
export function list({ terms: all, left_out: rest }) {
  const sorted = [...all].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const few = sorted.slice(0, FEW);
  const others = sorted.slice(FEW);
  const hasWeights = few.some((t) => t.weight !== null);
  const head = ["from", "x", ...(hasWeights ? ["weight"] : []), hasWeights ? "x · weight" : "gives"];
  const body = few.map((t) => make("tr", {},
    make("td", { textContent: named(t.source, t.at) + (t.note ? ` (${t.note})` : "") }),
    ...[t.x, ...(hasWeights ? [t.weight ?? 1] : []), t.value].map((n) => make("td", { className: "number", textContent: number(n) }))));
  const left = others.length + rest.count;
  if (left) {
    const sum = others.reduce((a, t) => a + t.value, rest.sum);
    body.push(make("tr", {}, make("td", { textContent: `${left} others, sum` }),
      ...Array.from({ length: head.length - 2 }, () => make("td")), make("td", { className: "number", textContent: number(sum) })));
  }
  return make("table", { className: "small" },
    make("caption", { className: "grid-caption", textContent: "inputs, largest contribution first" }),
    make("thead", {}, make("tr", {}, ...head.map((h, i) => make("th", { scope: "col", textContent: h, className: i ? "number" : "" })))),
    make("tbody", {}, ...body));
}

/** Whether a formula says more than its value does, in few words. */
const hasFormula = (formula) => formula.length < 160 && !/^[-+\d.e]+$/.test(formula);

/** Return the lines of an element's calculation, and the engine's own value. */
export function steps(shown) {
  const lines = shown.steps.map(({ name, formula, value }, i) => {
    const isLast = i === shown.steps.length - 1;
    const line = make("li", { textContent: `${name} = ${hasFormula(formula) ? signed(formula) + " = " : ""}${number(value)}`, className: isLast ? "result" : "" });
    line.dataset.name = name;
    line.dataset.value = value;
    return line;
  });
  const engine = make("li", { className: "quiet", textContent: `value in the engine: ${number(shown.activation)}` });
  engine.dataset.activation = shown.activation;
  return make("ul", { className: "sum" }, ...lines, engine);
}

/** Return elements that show a gradient: upstream, then with respect to inputs and weights. */
export function derivative(shown) {
  const row = (share) => make("tr", {},
    make("td", { textContent: named(share.name, share.at) }),
    ...[share.slope, share.value].map((n) => make("td", { className: "number", textContent: number(n) })));
  const table = (caption, shares) => shares.length && make("table", { className: "small" },
    make("caption", { className: "grid-caption", textContent: caption }),
    make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "to" }),
      make("th", { scope: "col", className: "number", textContent: "local derivative" }),
      make("th", { scope: "col", className: "number", textContent: "upstream gradient × local derivative" }))),
    make("tbody", {}, ...shares.slice(0, FEW).map(row)));
  const from = shown.comes_from.length ? ` through ${shown.comes_from.join(", ")}` : "";
  return [
    make("h3", { textContent: `Gradient at ${named(shown.node, shown.at)}` }),
    make("ul", { className: "sum" },
      make("li", { textContent: `${shown.of} = ${number(shown.of_value)}` }),
      make("li", { className: "result", textContent: `Raising this value by 0.01 changes ${shown.of} by about ${number(shown.reaches / 100)} (gradient ${number(shown.reaches)}${from})` })),
    ...(shown.reaches === 0
      ? [make("p", { className: "quiet", textContent: "A small change here has no effect on the output." })]
      : [
        table("Gradient with respect to the inputs, largest first", shown.inputs) || "",
        table("Gradient with respect to the weights, largest first", shown.parameters) || "",
      ]),
  ];
}
