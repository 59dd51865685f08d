// The parts of test images at which a node's channel is largest.

import { Refusal } from "./inspect.js";
import { field } from "./layers.js";
import { base64, size, unravel } from "./tensor.js";

const SHOWN = 8;

/** Return the patches of a channel, or of a vector's unit, the largest value first. */
export function strongest(inspector, images, { node: name, channel }) {
  const node = inspector.node(name), { input } = inspector.about;
  const count = node.shape.at(-1), one = size(input);
  if (!(Number.isInteger(channel) && channel >= 0 && channel < count)) {
    throw new Refusal(`studio: a channel of '${name}' must be from 0 to ${count - 1}; got ${channel}.`);
  }
  const found = Array.from({ length: images.length / one }, (_, index) => {
    const pixels = images.subarray(index * one, (index + 1) * one);
    const { data } = inspector.code.activations(inspector.prepare(pixels))[name];
    let best = channel;
    for (let i = channel; i < data.length; i += count) if (data[i] > data[best]) best = i;
    return { index, pixels, value: data[best], at: unravel(best, node.shape) };
  });
  found.sort((a, b) => b.value - a.value);
  return found.slice(0, SHOWN).map(({ index, pixels, value, at }) =>
    ({ index, value, at, ...cut(pixels, input, field(inspector.nodes, name, at)) }));
}

function cut(pixels, [, width, channels], box) {
  const [[top, bottom], [left, right]] = box ?? [[0, -1], [0, -1]];
  const lines = [];
  for (let row = top; row <= bottom; row++) {
    lines.push(...pixels.subarray((row * width + left) * channels, (row * width + right + 1) * channels));
  }
  return { field: box, image: base64(Uint8Array.from(lines)), shape: [bottom - top + 1, right - left + 1, channels] };
}
