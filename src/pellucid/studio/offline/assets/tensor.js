// Arrays with shapes, sums and numbers as text, as NumPy and Python have them.

/** Return the place of an element in a flat array. */
export const flat = (shape, at) => at.reduce((place, n, axis) => place * shape[axis] + n, 0);

/** Return the element's place by axes. */
export function unravel(place, shape) {
  const at = shape.map(() => 0);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return at;
}

export const size = (shape) => shape.reduce((a, b) => a * b, 1);

export const zeros = (shape) => ({ shape, data: new Float64Array(size(shape)) });

export const wide = ({ shape, data }) => ({ shape, data: Float64Array.from(data) });

export const get = ({ shape, data }, at) => data[flat(shape, at)];

/** Add numbers up with what rounding loses (Neumaier's sum). */
export function sum(values) {
  let total = 0, lost = 0;
  for (const value of values) {
    const next = total + value;
    lost += Math.abs(total) >= Math.abs(value) ? total - next + value : value - next + total;
    total = next;
  }
  return total + lost;
}

/** Round to the nearest integer, halves to the even one. */
export function rint(x) {
  const low = Math.floor(x), rest = x - low;
  if (rest !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** Write a number as Python's format `.6g` does. */
export function show(x) {
  if (x === 0) return "0";
  const [digits, exponent] = x.toExponential(5).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(Number(x.toPrecision(6)));
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  return `${short}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** Write a number of which a logarithm is taken: near 1 with more digits, as `show_share` does. */
export function showShare(x) {
  const distance = Math.abs(x - 1);
  if (!(distance > 0 && distance < 0.01)) return show(x);
  return String(Number(x.toPrecision(Math.min(15, 6 + Math.ceil(-Math.log10(distance))))));
}

/** Return bytes as base64. */
export function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return btoa(text);
}

export const unbase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Return values as 8-bit levels around 128, and the value that is furthest from zero. */
export function levels({ shape, data }) {
  let largest = 0;
  for (const value of data) largest = Math.max(largest, Math.abs(value));
  const scale = largest > 0 ? 127 / largest : 0;
  const painted = Uint8Array.from(data, (value) => rint(value * scale) + 128);
  return { shape, levels: base64(painted), largest };
}
