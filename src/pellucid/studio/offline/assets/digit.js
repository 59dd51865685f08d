// MNIST's preparation of a digit: its ink scaled to 20×20, its centre of mass at (14, 14).
//
// The same pixels as the library's `prepare_digit`, whose resampling is Pillow's: Lanczos
// with coefficients of 22 bits, rows first, each pass rounded to bytes.

import { rint } from "./tensor.js";

const SIDE = 28, BOX = 20, INK = 0.2, BITS = 2 ** 22, SUPPORT = 3;

/**
 * Return what the network sees of a drawing, and what was done to it.
 *
 * grey: bytes, height × width; light on dark or dark on light. Null: nothing is drawn.
 */
export function prepareDigit(grey, height, width) {
  const border = [];
  for (let j = 0; j < width; j++) border.push(grey[j], grey[(height - 1) * width + j]);
  for (let i = 0; i < height; i++) border.push(grey[i * width], grey[(i + 1) * width - 1]);
  const isInverted = median(border) > 127;
  const ink = isInverted ? grey.map((value) => 255 - value) : grey;
  const box = findBox(ink, height, width);
  if (!box) return null;
  const [top, left, bottom, right] = box;
  const scale = BOX / Math.max(bottom - top, right - left);
  const small = resize(crop(ink, width, box), scale);
  const start = [0, 1].map((axis) => startOf(small, axis));
  const image = new Uint8Array(SIDE * SIDE);
  for (let i = 0; i < small.height; i++) {
    image.set(small.data.subarray(i * small.width, (i + 1) * small.width), (start[0] + i) * SIDE + start[1]);
  }
  return { image, done: [
    ...(isInverted ? ["dark on light, so it was inverted"] : []),
    `ink found in rows ${top}–${bottom - 1} and columns ${left}–${right - 1} of ${height}×${width} pixels`,
    `scaled by ${scale.toFixed(3)} to fit 20×20 pixels`,
    `placed at row ${start[0]}, column ${start[1]}, so that its centre of mass is the centre of 28×28`,
  ] };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length / 2;
  return Number.isInteger(half) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[Math.floor(half)];
}

/** The box of what is clearly lighter than the background; null where all is one grey. */
function findBox(ink, height, width) {
  let low = 255, high = 0;
  for (const value of ink) { low = Math.min(low, value); high = Math.max(high, value); }
  if (low === high) return null;
  const least = Math.max(INK * high, low), box = [height, width, 0, 0];
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      if (ink[i * width + j] <= least) continue;
      box[0] = Math.min(box[0], i);
      box[1] = Math.min(box[1], j);
      box[2] = Math.max(box[2], i + 1);
      box[3] = Math.max(box[3], j + 1);
    }
  }
  return box;
}

function crop(ink, width, [top, left, bottom, right]) {
  const data = new Uint8Array((bottom - top) * (right - left));
  for (let i = top; i < bottom; i++) {
    data.set(ink.subarray(i * width + left, i * width + right), (i - top) * (right - left));
  }
  return { data, height: bottom - top, width: right - left };
}

function resize(image, scale) {
  const height = Math.max(1, rint(image.height * scale)), width = Math.max(1, rint(image.width * scale));
  let { data } = image;
  if (width !== image.width) data = resample(data, image.height, image.width, width, { pixel: 1, line: image.width });
  if (height !== image.height) {
    const down = resample(data, width, image.height, height, { pixel: width, line: 1 });
    data = new Uint8Array(height * width);
    for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) data[i * width + j] = down[j * height + i];
  }
  return { data, height, width };
}

/** Resample each of `lines` lines from `count` pixels to `size`; the result line by line. */
function resample(data, lines, count, size, { pixel, line }) {
  const out = new Uint8Array(lines * size);
  coefficients(count, size).forEach(({ first, shares }, to) => {
    for (let k = 0; k < lines; k++) {
      let total = BITS / 2;
      shares.forEach((share, i) => { total += share * data[k * line + (first + i) * pixel]; });
      out[k * size + to] = Math.min(255, Math.max(0, Math.floor(total / BITS)));
    }
  });
  return out;
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
const lanczos = (x) => (x >= -SUPPORT && x < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0);

function coefficients(count, size) {
  const scale = count / size, wide = Math.max(1, scale), support = SUPPORT * wide;
  return Array.from({ length: size }, (_, to) => {
    const centre = (to + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(count, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: last - first }, (__, i) => lanczos((i + first - centre + 0.5) / wide));
    const total = raw.reduce((a, b) => a + b, 0);
    return { first, shares: raw.map((value) => Math.trunc(value / total * BITS + (value < 0 ? -0.5 : 0.5))) };
  });
}

/** Where the box begins, so that its centre of mass is in the middle. */
function startOf({ data, height, width }, axis) {
  const length = axis ? width : height;
  let mass = 0, moment = 0;
  data.forEach((value, k) => {
    mass += value;
    moment += value * (axis ? k % width : Math.floor(k / width));
  });
  return Math.min(SIDE - length, Math.max(0, rint(SIDE / 2 - moment / mass)));
}
