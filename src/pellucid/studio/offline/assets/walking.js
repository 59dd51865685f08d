// The walk of one example through the network and back, as the studio's server gives it.
//
// All in float64, from the weights as training has left them.

import { shorten } from "./inspect.js";
import { LAYERS, field } from "./layers.js";
import { flat, get, levels, show, showShare, size, sum, unravel, wide, zeros } from "./tensor.js";

const UNITS = 400, PATCH = 9, SIDE = 28, PLACES = 12, UPDATES = 4;
const factor = (x) => (x < 0 ? `(${show(x)})` : show(x));
const step = (name, formula, value) => ({ name, formula, value });

/** One example with its label: values, gradients, and the loss. */
class Example {
  constructor(inspector, data, label, weights) {
    Object.assign(this, { inspector, data, label, weights });
    this.nodes = [...inspector.nodes.values()];
    const values = new Map();
    for (const node of this.nodes) {
      values.set(node.name, node.layer === "Input" ? wide({ shape: node.shape, data })
        : LAYERS[node.layer].forward(node, values.get(node.inputs[0]), this.of(node)));
    }
    this.values = values;
    const output = this.nodes.at(-1), [head] = output.inputs;
    this.output = output.name;
    this.head = head;
    const logits = values.get(head).data, p = values.get(output.name);
    const largest = Math.max(...logits);
    this.loss = largest + Math.log(sum(logits.map((z) => Math.exp(z - largest)))) - logits[label];
    this.pullBack(p);
  }

  of(node) {
    return Object.fromEntries(["weight", "bias"].filter((role) => this.weights.has(`${node.name}.${role}`))
      .map((role) => [role, this.weights.get(`${node.name}.${role}`)]));
  }

  /** From p − t at the logits back to every node and weight. */
  pullBack(p) {
    const { values, label, nodes, head, output } = this;
    this.grads = new Map([
      [output, { shape: p.shape, data: p.data.map((y, k) => (k === label ? -1 / y : 0)) }],
      [head, { shape: p.shape, data: p.data.map((y, k) => y - Number(k === label)) }],
    ]);
    this.ofWeights = new Map();
    for (const node of nodes.slice(1, -1).reverse()) {
      const [source] = node.inputs;
      const found = LAYERS[node.layer].backward(node, values.get(source), values.get(node.name), this.grads.get(node.name), this.of(node));
      this.grads.set(source, found.into);
      for (const [role, grad] of Object.entries(found.grads ?? {})) this.ofWeights.set(`${node.name}.${role}`, grad);
    }
  }
}

/** Return an image's example; label null: what the network says is right. */
function exampleOf(inspector, image, given) {
  const { pixels, data } = inspector.input(image), label = inspector.chosen(image, given ?? undefined);
  const weights = new Map(Object.entries(inspector.code.weights()).map(([name, array]) => [name, wide(array)]));
  return { pixels, example: new Example(inspector, data, label, weights) };
}

/** Return the arithmetic of the loss, with a class as the right answer. */
export const explainLoss = (inspector, { image, of_class: label }) => shorten(lossOf(exampleOf(inspector, image, label).example));

/** Return the walk of an image; label null: what the network says is right. */
export function walk(inspector, { image, label: given }) {
  const { about } = inspector, { pixels, example } = exampleOf(inspector, image, given), { label } = example;
  const thread = follow(example, pixels);
  const weight = chooseWeight(example, thread);
  return {
    names: about.classes, kind: "classes", label, is_own_answer: given === null || given === undefined,
    pixels: patch(pixels, about.input, thread[0], image),
    nodes: about.nodes.length, thread: thread.map(({ node }) => node),
    stops: thread.map((shown) => stop(example, shown)),
    loss: lossOf(example),
    output: { node: example.output, ...ends(example, example.output) },
    logits: { node: example.head, ...ends(example, example.head) },
    weight: weightDocument(example, weight),
    learning: learn(example, weight, about.optimizer),
  };
}

const ends = ({ values, grads }, node) => ({ values: [...values.get(node).data], gradient: [...grads.get(node).data] });

/** The element that each node's followed one owes most to, from the input on. */
function follow(example, pixels) {
  const { inspector, values, label } = example, found = [];
  let node = inspector.nodes.get(example.output), at = [label];
  for (;;) {
    const done = node.layer === "Input" ? inspector.explainPixel(at, pixels)
      : LAYERS[node.layer].element(node, values.get(node.inputs[0]), at, example.of(node));
    const shown = { node: node.name, layer: node.layer, at, ...done,
      value: done.steps.at(-1).value, activation: get(values.get(node.name), at) };
    found.unshift(shown);
    if (node.layer === "Input") return found;
    const term = followed(shown);
    node = inspector.nodes.get(node.inputs[0]);
    const { data } = values.get(node.name);
    at = term ? term.at : unravel(data.indexOf(data.reduce((a, b) => Math.max(a, b))), node.shape);
  }
}

function followed({ terms }) {
  const inside = terms.filter((t) => t.at);
  const marked = inside.find(({ note }) => note === "largest" || note === "this one");
  return marked ?? inside.reduce((best, t) => (best && Math.abs(best.value) >= Math.abs(t.value) ? best : t), null);
}

function patch(pixels, [height, width, channels], { at: [row, column, channel] }, image) {
  const start = (n, most) => Math.min(Math.max(0, n - Math.floor(PATCH / 2)), Math.max(0, most - PATCH));
  const top = start(row, height), left = start(column, width);
  const values = Array.from({ length: Math.min(PATCH, height) }, (_, i) => Array.from({ length: Math.min(PATCH, width) },
    (__, j) => pixels[flat([height, width, channels], [top + i, left + j, channel])]));
  return { values, from: [top, left], shape: [height, width, channels], image };
}

/** A channel of an image, or a part of a vector, to paint. */
function mapOf(array, at) {
  const { shape, data } = array;
  if (shape.length === 3) return levels(channelOf(array, at[2]));
  const start = Math.min(Math.max(0, at.at(-1) - UNITS / 2), Math.max(0, data.length - UNITS));
  const part = data.slice(start, start + UNITS);
  return { ...levels({ shape: [part.length], data: part }), from: start };
}

function channelOf({ shape: [height, width, channels], data }, channel) {
  return { shape: [height, width], data: Float64Array.from({ length: height * width }, (_, k) => data[k * channels + channel]) };
}

function stop(example, shown) {
  const { inspector, values, grads } = example, node = inspector.nodes.get(shown.node);
  const output = values.get(shown.node), term = followed(shown), reaches = get(grads.get(shown.node), shown.at);
  const readers = inspector.about.nodes.filter(({ inputs }) => inputs.includes(node.name)).map(({ name }) => name);
  const total = term && grads.has(term.source) ? get(grads.get(term.source), term.at) : null;
  return {
    ...shorten(shown), shape: node.shape, inputs: node.inputs,
    follows: term && { source: term.source, at: term.at },
    map: mapOf(output, shown.at),
    is_below_zero: output.data.filter((y) => y < 0).length,
    is_zero: output.data.filter((y) => y === 0).length,
    field: field(inspector.nodes, shown.node, shown.at),
    window: shown.at.length === 3 && term ? slidingWindow(example, node, shown, term) : null,
    gradient: {
      reaches, comes_from: shown.node === example.output ? ["loss"] : readers,
      slope: term ? term.slope : null, share: term ? reaches * term.slope : null, total,
      map: mapOf(grads.get(shown.node), shown.at),
    },
  };
}

/** Numbers under a sliding window: the followed channel, the kernel, every sum nearby. */
function slidingWindow(example, node, shown, term) {
  if (!node.kernel) return null;
  const x = example.values.get(term.source), y = example.values.get(node.name), [,, channel] = term.at;
  const dilations = node.dilations ?? [1, 1];
  const visited = [0, 1].map((axis) => {
    const start = Math.min(Math.max(0, shown.at[axis] - SIDE / 2), Math.max(0, y.shape[axis] - SIDE));
    return [start, Math.min(y.shape[axis], start + SIDE)];
  });
  const covered = visited.map(([first, last], axis) => [
    first * node.strides[axis] - node.pads[axis][0],
    (last - 1) * node.strides[axis] - node.pads[axis][0] + (node.kernel[axis] - 1) * dilations[axis] + 1]);
  const cut = (array, c, [[top, bottom], [left, right]]) => Array.from({ length: bottom - top }, (_, i) =>
    Array.from({ length: right - left }, (__, j) => {
      const [row, column] = [top + i, left + j], [height, width] = array.shape;
      return row >= 0 && row < height && column >= 0 && column < width ? get(array, [row, column, c]) : 0;
    }));
  const under = cut(x, channel, covered), part = cut(y, shown.at[2], visited);
  const found = {
    channel, channels: x.shape[2], kernel: node.kernel, strides: node.strides, dilations,
    x_from: covered.map(([first]) => first), x_shape: x.shape.slice(0, 2), x: under,
    y_from: visited.map(([first]) => first), y_shape: y.shape.slice(0, 2), y: part,
  };
  if (!term.weight_at) return found;
  const { weight, bias } = example.of(node), [,, c, o] = term.weight_at;
  const w = Array.from({ length: node.kernel[0] }, (_, u) => Array.from({ length: node.kernel[1] }, (__, v) => get(weight, [u, v, c, o])));
  const added = node.bias ? bias.data[o] : 0;
  const own = (i, j) => w.reduce((total, line, u) => total + line.reduce((a, value, v) =>
    a + value * under[i * node.strides[0] + u * dilations[0]][j * node.strides[1] + v * dilations[1]], 0), 0);
  return { ...found, w, has_bias: node.bias, bias: added,
    rest: part.map((line, i) => line.map((value, j) => value - added - own(i, j))) };
}

function lossOf({ values, output, label, loss }) {
  const { data } = values.get(output);
  const terms = Array.from(data, (p, k) => ({ source: output, at: [k], x: p, weight: null, weight_at: null,
    value: k === label ? -Math.log(p) : 0, slope: k === label ? -1 / p : 0, note: k === label ? "label" : "" }));
  const value = -Math.log(data[label]);
  return { node: "loss", layer: "CrossEntropy", at: [], equation: "loss = −Σ t[k] · ln p[k]", terms, parameters: [],
    steps: [step("loss", `−ln ${showShare(data[label])}`, value)], value, activation: loss, then: [] };
}

/** The first layer's weight with the largest gradient, among those of the thread. */
function chooseWeight({ ofWeights }, thread) {
  for (const shown of thread) {
    const name = `${shown.node}.weight`, used = shown.terms.find((t) => t.weight_at);
    if (!used || !ofWeights.has(name)) continue;
    const grad = ofWeights.get(name), last = used.weight_at.at(-1), count = grad.shape.at(-1);
    let best = last;
    for (let place = last; place < size(grad.shape); place += count) {
      if (Math.abs(grad.data[place]) > Math.abs(grad.data[best])) best = place;
    }
    return { node: shown.node, name, at: unravel(best, grad.shape) };
  }
  return null;
}

function weightDocument(example, { node: name, name: array, at }) {
  const { inspector, values, grads, weights, ofWeights, label, loss } = example, node = inspector.nodes.get(name);
  const x = values.get(node.inputs[0]), upstream = grads.get(name), places = [];
  const add = (place, slope) => {
    if (slope) places.push({ node: name, at: place, slope, upstream: get(upstream, place), value: slope * get(upstream, place) });
  };
  if (node.layer === "Dense") add([at[1]], x.data[at[0]]);
  else {
    const [u, v, c, o] = at;
    for (let i = 0; i < node.shape[0]; i++) {
      for (let j = 0; j < node.shape[1]; j++) {
        const row = i * node.strides[0] + u * node.dilations[0] - node.pads[0][0];
        const column = j * node.strides[1] + v * node.dilations[1] - node.pads[1][0];
        if (row >= 0 && row < x.shape[0] && column >= 0 && column < x.shape[1]) add([i, j, o], get(x, [row, column, c]));
      }
    }
  }
  const order = [...places].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)), rest = order.slice(PLACES);
  let map = null;
  if (node.shape.length === 3) {
    const products = zeros(node.shape.slice(0, 2));
    for (const place of places) products.data[flat(products.shape, place.at.slice(0, 2))] += place.value;
    map = levels(products);
  }
  return { name: array, at, weight: get(weights.get(array), at), of: `cross_entropy with label ${label}`, of_value: loss,
    gradient: get(ofWeights.get(array), at), places: order.slice(0, PLACES),
    left_out: { count: rest.length, sum: rest.reduce((a, b) => a + b.value, 0) }, count: order.length, map };
}

/** What some updates of Adam do to the weight and to the loss; all weights learn. */
function learn(first, { name, at }, settings) {
  const { learning_rate: rate, beta1, beta2, epsilon } = settings;
  const losses = [first.loss], updates = [];
  const m = new Map(), v = new Map();
  let example = first;
  for (let t = 1; t <= UPDATES; t++) {
    const weights = new Map(), place = flat(example.weights.get(name).shape, at);
    const lines = linesOf(example, { name, at, place }, { m, v, t }, settings);
    for (const [key, array] of example.weights) {
      const grad = example.ofWeights.get(key), zero = () => new Float64Array(array.data.length);
      const first_ = m.get(key) ?? zero(), second = v.get(key) ?? zero();
      const data = array.data.map((w, k) => {
        first_[k] = beta1 * first_[k] + (1 - beta1) * grad.data[k];
        second[k] = beta2 * second[k] + (1 - beta2) * grad.data[k] ** 2;
        return w - rate * (first_[k] / (1 - beta1 ** t)) / (Math.sqrt(second[k] / (1 - beta2 ** t)) + epsilon);
      });
      m.set(key, first_);
      v.set(key, second);
      weights.set(key, { shape: array.shape, data });
    }
    example = new Example(first.inspector, first.data, first.label, weights);
    losses.push(example.loss);
    updates.push({ steps: lines, loss: example.loss });
  }
  return { optimizer: "Adam", settings, weight: name, at, losses, updates };
}

function linesOf({ weights, ofWeights }, { name, at, place }, { m, v, t }, { learning_rate: rate, beta1, beta2, epsilon }) {
  const w = get(weights.get(name), at), g = get(ofWeights.get(name), at);
  const before = m.get(name)?.[place] ?? 0, square = v.get(name)?.[place] ?? 0;
  const first = beta1 * before + (1 - beta1) * g, second = beta2 * square + (1 - beta2) * g * g;
  const top = first / (1 - beta1 ** t), bottom = Math.sqrt(second / (1 - beta2 ** t)) + epsilon;
  const change = -rate * top / bottom;
  return [
    step("g", "∂ loss / ∂ w", g),
    step("m", `${show(beta1)} · ${factor(before)} + ${show(1 - beta1)} · ${factor(g)}`, first),
    step("v", `${show(beta2)} · ${show(square)} + ${show(1 - beta2)} · ${factor(g)}²`, second),
    step("m̂", `${show(first)} / (1 − ${show(beta1)}^${t})`, top),
    step("v̂", `${show(second)} / (1 − ${show(beta2)}^${t})`, second / (1 - beta2 ** t)),
    step("change", `−${show(rate)} · ${factor(top)} / ${show(bottom)}`, change),
    step("new w", `${show(w)} ${change < 0 ? "−" : "+"} ${show(Math.abs(change))}`, w + change),
  ];
}
