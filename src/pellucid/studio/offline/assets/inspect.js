// Answers about a network's inside: its values, one element's arithmetic, gradients.

import { LAYERS, field } from "./layers.js";
import { flat, get, levels, show, size, sum, unbase64, unravel, wide, zeros } from "./tensor.js";

const THUMBNAIL = 64, THUMBNAIL_UNITS = 128; // of a node among many: rows, units
const FEW_UNITS = 40, MOST_UNITS = 200, MOST_TERMS = 1000, MOST_SHARES = 24;

/** A sentence for the reader, where something does not fit. */
export class Refusal extends Error {}

/**
 * The network with its weights as training has left them.
 *
 * code: the exported module; about: `model.json`.
 */
export class Inspector {
  constructor(code, about) {
    this.code = code;
    this.about = about;
    this.nodes = new Map(about.nodes.map((node) => [node.name, { ...node, ...about.geometry[node.name] }]));
    this.last = about.nodes.at(-1).name;
  }

  node(name) {
    const node = this.nodes.get(name);
    if (!node) throw new Refusal(`studio: there is no node '${name}'.`);
    return node;
  }

  weights(node) {
    const all = this.code.weights(), prefix = `${node.name}.`;
    const own = Object.entries(all).filter(([name]) => name.startsWith(prefix));
    return Object.fromEntries(own.map(([name, array]) => [name.slice(prefix.length), wide(array)]));
  }

  /** Return a picture's pixels as the network's input. */
  input(image) {
    const pixels = unbase64(image), { input } = this.about;
    if (pixels.length !== size(input)) {
      throw new Refusal(`studio: the image must have ${size(input)} bytes; got ${pixels.length}.`);
    }
    return { pixels, data: this.prepare(pixels) };
  }

  prepare(pixels) {
    const { scale, offset } = this.code.preprocessing, count = scale.length;
    return Float32Array.from(pixels, (pixel, i) =>
      Math.fround(pixel * Math.fround(scale[i % count])) + Math.fround(offset[i % count]));
  }

  inspect({ image, node: name }) {
    const node = this.node(name);
    const values = this.code.activations(this.input(image).data)[name];
    const found = { node: name, layer: node.layer, ...quantize(values) };
    const kernels = this.code.weights()[`${name}.weight`];
    return kernels?.shape.length === 4 ? { ...found, kernels: levels(kernels) } : found;
  }

  /** Return small pictures of several nodes: levels of their first channels. */
  maps({ image, nodes, channels }) {
    for (const name of nodes) this.node(name);
    const values = this.code.activations(this.input(image).data);
    return nodes.map((name) => ({ node: name, channels: values[name].shape.at(-1), ...levels(thumbnail(values[name], channels)) }));
  }

  arithmetic({ image, node: name, at }) {
    const node = this.node(name), { pixels, data } = this.input(image);
    const values = this.code.activations(data);
    const place = at ?? unravel(values[name].data.indexOf(values[name].data.reduce((a, b) => Math.max(a, b))), node.shape);
    this.check(node, place);
    const shown = this.explain(node, place, values, pixels);
    return { ...shorten(shown), then: shown.then.map(shorten), field: field(this.nodes, name, place) };
  }

  check(node, at) {
    const fits = at.length === node.shape.length
      && at.every((n, axis) => Number.isInteger(n) && n >= 0 && n < node.shape[axis]);
    if (!fits) throw new Refusal(`explain: a place in '${node.name}' must lie in ${node.shape.join("×")}; got ${at}.`);
  }

  explain(node, at, values, pixels) {
    const done = node.layer === "Input"
      ? this.explainPixel(at, pixels)
      : LAYERS[node.layer].element(node, wide(values[node.inputs[0]]), at, this.weights(node));
    const followers = this.about.nodes.filter(({ inputs }) => inputs.includes(node.name));
    const isFollowed = followers.length === 1 && node.layer !== "Input";
    const then = isFollowed ? followers.filter(({ layer }) => layer === "ReLU" || layer === "Softmax") : [];
    return {
      node: node.name, layer: node.layer, at, ...done,
      value: done.steps.at(-1).value,
      activation: get(values[node.name], at),
      then: then.map(({ name }) => this.explain(this.nodes.get(name), at, values, pixels)),
    };
  }

  explainPixel(at, pixels) {
    const x = pixels[flat(this.about.input, at)];
    const [channel] = this.code.preprocessing.scale.length > 1 ? at.slice(-1) : [0];
    const scale = this.code.preprocessing.scale[channel], offset = this.code.preprocessing.offset[channel];
    const y = x * scale + offset;
    return {
      equation: "y = pixel · scale + offset", parameters: [],
      terms: [{ source: "image", at, x, weight: scale, weight_at: null, value: x * scale, slope: scale, note: "" }],
      steps: [{ name: "y", formula: `${x} · ${show(scale)} ${offset < 0 ? "−" : "+"} ${show(Math.abs(offset))}`, value: y }],
    };
  }

  /** Return each node's output, and an output's gradient at each node and weight. */
  pullBack(image, column) {
    const { data } = this.input(image), values = new Map(), grads = new Map(), ofWeights = new Map();
    for (const node of this.nodes.values()) {
      values.set(node.name, node.layer === "Input"
        ? wide({ shape: node.shape, data })
        : LAYERS[node.layer].forward(node, values.get(node.inputs[0]), this.weights(node)));
    }
    const end = zeros(this.nodes.get(this.last).shape);
    end.data[column] = 1;
    grads.set(this.last, end);
    for (const node of [...this.nodes.values()].reverse()) {
      if (node.layer === "Input") continue;
      const [source] = node.inputs, x = values.get(source);
      const found = LAYERS[node.layer].backward(node, x, values.get(node.name), grads.get(node.name), this.weights(node));
      grads.set(source, found.into);
      for (const [role, grad] of Object.entries(found.grads ?? {})) ofWeights.set(`${node.name}.${role}`, grad);
    }
    return { values, grads, ofWeights };
  }

  chosen(image, column) {
    const output = this.code.predict(this.input(image).data);
    const found = column ?? output.indexOf(Math.max(...output));
    if (!(found >= 0 && found < output.length)) {
      throw new Refusal(`explain: class must be from 0 to ${output.length - 1}; got ${found}.`);
    }
    return found;
  }

  gradient({ image, node: name, of_class: column }) {
    this.node(name);
    const chosen = this.chosen(image, column);
    return { node: name, of_class: chosen, ...quantize(this.pullBack(image, chosen).grads.get(name)) };
  }

  derivative({ image, node: name, at, of_class: column }) {
    const chosen = this.chosen(image, column), node = this.node(name);
    const shown = this.arithmetic({ image, node: name, at });
    const { values, grads, ofWeights } = this.pullBack(image, chosen);
    const reaches = get(grads.get(name), shown.at);
    const full = this.explain(node, shown.at, Object.fromEntries(values), this.input(image).pixels);
    const share = (source, place, slope, total) => ({ name: source, at: place, slope, value: reaches * slope, total });
    const inputs = full.terms.filter((t) => t.at).map((t) =>
      share(t.source, t.at, t.slope, grads.has(t.source) ? get(grads.get(t.source), t.at) : null));
    const learned = [
      ...full.terms.filter((t) => t.weight_at).map((t) => ["weight", t.weight_at, t.x]),
      ...full.parameters.map((p) => [p.role, p.at, p.slope]),
    ].map(([role, place, slope]) => share(`${name}.${role}`, place, slope, get(ofWeights.get(`${name}.${role}`), place)));
    const largest = (shares) => shares.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, MOST_SHARES);
    return {
      node: name, at: shown.at, of: `output ${chosen} (${this.about.classes[chosen]})`,
      of_value: values.get(this.last).data[chosen],
      comes_from: this.about.nodes.filter(({ inputs: own }) => own.includes(name)).map((one) => one.name),
      reaches, inputs: largest(inputs), parameters: largest(learned), field: shown.field,
    };
  }

  /** Return |∂ output / ∂ pixel|, the largest over a pixel's channels. */
  saliency({ image, of_class: column }) {
    const chosen = this.chosen(image, column), [height, width, channels] = this.about.input;
    const grad = this.pullBack(image, chosen).grads.get(this.about.nodes[0].name), found = zeros([height, width]);
    grad.data.forEach((value, k) => {
      const pixel = Math.floor(k / channels);
      found.data[pixel] = Math.max(found.data[pixel], Math.abs(value));
    });
    return { kind: "saliency", of_class: chosen, ...levels(found) };
  }
}

function thumbnail(values, channels) {
  const { shape, data } = values;
  if (shape.length !== 3) return { shape: [Math.min(THUMBNAIL_UNITS, data.length)], data: data.slice(0, THUMBNAIL_UNITS) };
  const stride = Math.ceil(Math.max(shape[0], shape[1]) / THUMBNAIL);
  const small = zeros([Math.ceil(shape[0] / stride), Math.ceil(shape[1] / stride), Math.min(channels, shape[2])]);
  small.data.forEach((_, k) => {
    const [i, j, c] = unravel(k, small.shape);
    small.data[k] = get(values, [i * stride, j * stride, c]);
  });
  return small;
}

/** Keep the largest terms of an element's arithmetic, and the others' sum. */
export function shorten(shown) {
  const terms = [...shown.terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const rest = terms.slice(MOST_TERMS);
  const left = { count: rest.length, sum: sum(rest.map((t) => t.value)) };
  return { ...shown, terms: rest.length ? terms.slice(0, MOST_TERMS) : shown.terms, left_out: left };
}

/** Return levels to paint, and the numbers that are written. */
export function quantize(values) {
  const { shape, data } = values, found = levels(values);
  let most = 0;
  data.forEach((value, k) => { if (Math.abs(value) > Math.abs(data[most])) most = k; });
  found.largest_at = unravel(most, shape);
  if (shape.length !== 1) return found;
  let order = Array.from(data, (_, k) => k);
  if (order.length > FEW_UNITS) {
    order = order.sort((a, b) => Math.abs(data[b]) - Math.abs(data[a])).slice(0, MOST_UNITS);
  }
  return { ...found, units: order.map((k) => [k, data[k]]) };
}
