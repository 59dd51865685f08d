// What each layer computes, in float64: forward, backward, and one element's arithmetic.
//
// node: {name, layer, inputs, shape, kernel?, strides?, dilations?, pads?, bias?}, as the
// file `model.json` has it; x: the layer's input; weights: by role.

import { flat, get, show, size, sum, unravel, zeros } from "./tensor.js";

const term = (source, at, x, rest) => (
  { source, at, x, weight: null, weight_at: null, value: x, slope: 1, note: "", ...rest });

const step = (name, formula, value) => ({ name, formula, value });

/** Return the calculation that adds the terms' values and the bias. */
function addUp(node, at, equation, terms, weights) {
  const total = sum(terms.map((t) => t.value));
  const steps = [step("sum of products", `Σ of ${terms.length}`, total)];
  if (!node.bias) {
    return { equation, terms, parameters: [], steps: [...steps, step("y", show(total), total)] };
  }
  const last = at.at(-1), bias = weights.bias.data[last];
  steps.push(step("bias", `${node.name}.bias[${last}]`, bias));
  steps.push(step("y", `${show(total)} ${bias < 0 ? "−" : "+"} ${show(Math.abs(bias))}`, total + bias));
  return { equation, terms, parameters: [{ role: "bias", at: [last], value: bias, slope: 1 }], steps };
}

/** Call `visit(row, column, u, v)` for what a window covers; outside: the zero padding. */
function window({ kernel, strides, dilations = [1, 1], pads: [[top], [left]] }, [i, j], visit) {
  for (let u = 0; u < kernel[0]; u++) {
    for (let v = 0; v < kernel[1]; v++) {
      visit(i * strides[0] + u * dilations[0] - top, j * strides[1] + v * dilations[1] - left, u, v);
    }
  }
}

const isInside = (row, column, [height, width]) => row >= 0 && row < height && column >= 0 && column < width;

/** Call `visit(y, x, w, o)` for each product's places: output, input and weight. */
function products(node, x, visit) {
  const [, width, channels] = x.shape, [rows, columns, outs] = node.shape;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const y = (i * columns + j) * outs;
      window(node, [i, j], (row, column, u, v) => {
        if (!isInside(row, column, x.shape)) return;
        const first = (row * width + column) * channels;
        const kernel = (u * node.kernel[1] + v) * channels * outs;
        for (let c = 0; c < channels; c++) visit(y, first + c, kernel + c * outs, outs);
      });
    }
  }
}

const conv = {
  forward(node, x, weights) {
    const y = zeros(node.shape), w = weights.weight.data;
    if (node.bias) y.data.forEach((_, k) => { y.data[k] = weights.bias.data[k % node.shape[2]]; });
    products(node, x, (to, from, at, outs) => {
      const value = x.data[from];
      if (value !== 0) for (let o = 0; o < outs; o++) y.data[to + o] += value * w[at + o];
    });
    return y;
  },
  backward(node, x, y, grad, weights) {
    const w = weights.weight.data, into = zeros(x.shape), grads = { weight: zeros(weights.weight.shape) };
    products(node, x, (to, from, at, outs) => {
      let total = 0;
      for (let o = 0; o < outs; o++) {
        total += grad.data[to + o] * w[at + o];
        grads.weight.data[at + o] += grad.data[to + o] * x.data[from];
      }
      into.data[from] += total;
    });
    if (node.bias) grads.bias = columnSums(grad, node.shape[2]);
    return { into, grads };
  },
  element(node, x, at, weights) {
    const terms = [], [source] = node.inputs, o = at[2];
    window(node, at, (row, column, u, v) => {
      const inside = isInside(row, column, x.shape);
      for (let c = 0; c < x.shape[2]; c++) {
        const weightAt = [u, v, c, o], weight = get(weights.weight, weightAt);
        const value = inside ? get(x, [row, column, c]) : 0;
        terms.push(term(source, inside ? [row, column, c] : null, value, {
          weight, weight_at: weightAt, value: value * weight, slope: weight, note: inside ? "" : "padding" }));
      }
    });
    return addUp(node, at, "y[i,j,o] = b[o] + Σ x[i·s+u·d−top, j·s+v·d−left, c] · w[u,v,c,o]", terms, weights);
  },
};

function columnSums(grad, count) {
  const total = zeros([count]);
  grad.data.forEach((value, k) => { total.data[k % count] += value; });
  return total;
}

const dense = {
  forward(node, x, weights) {
    const y = zeros(node.shape), [outs] = node.shape, w = weights.weight.data;
    x.data.forEach((value, k) => { for (let o = 0; o < outs; o++) y.data[o] += value * w[k * outs + o]; });
    if (node.bias) y.data.forEach((_, o) => { y.data[o] += weights.bias.data[o]; });
    return y;
  },
  backward(node, x, y, grad, weights) {
    const [outs] = node.shape, w = weights.weight.data;
    const into = zeros(x.shape), grads = { weight: zeros(weights.weight.shape) };
    x.data.forEach((value, k) => {
      for (let o = 0; o < outs; o++) {
        into.data[k] += grad.data[o] * w[k * outs + o];
        grads.weight.data[k * outs + o] = value * grad.data[o];
      }
    });
    if (node.bias) grads.bias = columnSums(grad, outs);
    return { into, grads };
  },
  element(node, x, at, weights) {
    const terms = Array.from(x.data, (value, k) => {
      const weightAt = [k, at[0]], weight = get(weights.weight, weightAt);
      return term(node.inputs[0], [k], value, { weight, weight_at: weightAt, value: value * weight, slope: weight });
    });
    return addUp(node, at, "y[o] = b[o] + Σ x[k] · w[k,o]", terms, weights);
  },
};

const relu = {
  forward: (node, x) => ({ shape: node.shape, data: x.data.map((value) => Math.max(value, 0)) }),
  backward: (node, x, y, grad) => ({ into: { shape: x.shape, data: grad.data.map((g, k) => (x.data[k] > 0 ? g : 0)) } }),
  element(node, x, at) {
    const value = get(x, at), y = Math.max(value, 0), slope = value > 0 ? 1 : 0;
    const steps = [step("dy/dx", `(1 if ${show(value)} > 0, else 0)`, slope), step("y", `max(${show(value)}, 0)`, y)];
    return { equation: "y = max(x, 0)", terms: [term(node.inputs[0], at, value, { value: y, slope })], parameters: [], steps };
  },
};

/** The elements of a pool's window, and which of them is the first largest. */
function winner(node, x, [i, j, c]) {
  const places = [];
  window(node, [i, j], (row, column) => { if (isInside(row, column, x.shape)) places.push([row, column, c]); });
  const values = places.map((at) => get(x, at));
  return { places, values, best: values.indexOf(Math.max(...values)) };
}

const maxPool = {
  forward(node, x) {
    const y = zeros(node.shape);
    y.data.forEach((_, k) => {
      const { values, best } = winner(node, x, unravel(k, node.shape));
      y.data[k] = values[best];
    });
    return y;
  },
  backward(node, x, y, grad) {
    const into = zeros(x.shape);
    grad.data.forEach((value, k) => {
      const { places, best } = winner(node, x, unravel(k, node.shape));
      into.data[flat(x.shape, places[best])] += value;
    });
    return { into };
  },
  element(node, x, at) {
    const { places, values, best } = winner(node, x, at);
    const terms = places.map((place, k) => term(node.inputs[0], place, values[k], {
      slope: Number(k === best), note: k === best ? "largest" : "" }));
    const steps = [step("y", `max(${values.map(show).join(", ")})`, values[best])];
    return { equation: "y[i,j,c] = the largest x of the window", terms, parameters: [], steps };
  },
};

const flatten = {
  forward: (node, x) => ({ shape: node.shape, data: x.data }),
  backward: (node, x, y, grad) => ({ into: { shape: x.shape, data: grad.data } }),
  element(node, x, at) {
    const place = unravel(at[0], x.shape), value = get(x, place);
    return { equation: "y[k] = x[i,j,c] with k = (i·W + j)·C + c", terms: [term(node.inputs[0], place, value)],
      parameters: [], steps: [step("y", show(value), value)] };
  },
};

const softmax = {
  forward(node, x) {
    const largest = Math.max(...x.data);
    const raised = x.data.map((value) => Math.exp(value - largest)), total = sum(raised);
    return { shape: node.shape, data: raised.map((e) => e / total) };
  },
  backward(node, x, y, grad) {
    const mean = sum(grad.data.map((g, k) => g * y.data[k]));
    return { into: { shape: x.shape, data: grad.data.map((g, k) => y.data[k] * (g - mean)) } };
  },
  element(node, x, at) {
    const [k] = at, row = x.data, largest = Math.max(...row);
    const raised = row.map((value) => Math.exp(value - largest)), total = sum(raised);
    const y = raised.map((e) => e / total);
    const terms = Array.from(row, (value, m) => term(node.inputs[0], [m], value, {
      value: raised[m], slope: y[k] * (Number(m === k) - y[m]), note: m === k ? "this one" : "" }));
    const steps = [
      step("largest x", `the largest of ${row.length}`, largest),
      step("e^(x − largest)", `e^(${show(row[k])} − ${show(largest)})`, raised[k]),
      step("sum of exponentials", `${row.length} terms`, total),
      step("y", `${show(raised[k])} / ${show(total)}`, y[k]),
    ];
    return { equation: "y[k] = e^(x[k] − max x) / Σ e^(x[m] − max x)", terms, parameters: [], steps };
  },
};

export const LAYERS = { Conv2D: conv, Dense: dense, Flatten: flatten, MaxPool2D: maxPool, ReLU: relu, Softmax: softmax };

/** Return which pixels reach an element: rows and columns, each first and last; or null. */
export function field(nodes, name, at) {
  let node = nodes.get(name), place = at;
  if (node.layer === "Flatten") {
    node = nodes.get(node.inputs[0]);
    place = unravel(at[0], node.shape);
  }
  const whole = (shape) => (shape.length === 3 ? [[0, shape[0] - 1], [0, shape[1] - 1]] : [[0, 0], [0, 0]]);
  let box = place.length === 3 ? [[place[0], place[0]], [place[1], place[1]]] : whole(node.shape);
  while (node.inputs.length) {
    const before = nodes.get(node.inputs[0]);
    if (before.shape.length === 3 && node.kernel) {
      box = box.map(([first, last], axis) => {
        const start = node.pads[axis][0], reach = (node.kernel[axis] - 1) * (node.dilations?.[axis] ?? 1);
        return [Math.max(0, first * node.strides[axis] - start),
          Math.min(before.shape[axis] - 1, last * node.strides[axis] - start + reach)];
      });
      if (box.some(([first, last]) => first > last)) return null;
    } else if (node.layer !== "ReLU") box = whole(before.shape);
    node = before;
  }
  return box;
}
