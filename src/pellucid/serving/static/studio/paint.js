// Paints arrays: images in grey or colour, signed values in two colours.

export function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Bytes to paint for pixels in float64: 0 to 1 as they are, others from least to largest. */
function greys(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low >= 0 && high <= 1) [low, high] = [0, 1];
  return values.map((value) => 255 * (value - low) / (high - low || 1));
}

/** Paint an image's bytes, of uint8 or float64, shape [height, width, channels]. */
export function paintImage(canvas, given, [height, width, channels]) {
  const pixels = given.length > height * width * channels ? greys(new Float64Array(given.buffer)) : given;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function ends() {
  return dark.matches
    ? { zero: [18, 24, 32], plus: [130, 182, 244], minus: [240, 160, 100] }
    : { zero: [246, 248, 250], plus: [16, 72, 148], minus: [176, 66, 8] };
}

/** Paint levels 1 … 255 around 128 = zero; `at(row, column)` finds them. */
export function paintLevels(canvas, height, width, at, strength = 1) {
  const { zero, plus, minus } = ends();
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const level = strength * (at(i, j) - 128) / 127;
      const end = level < 0 ? minus : plus;
      const share = Math.abs(level);
      const p = 4 * (i * width + j);
      for (let c = 0; c < 3; c++) image.data[p + c] = zero[c] + share * (end[c] - zero[c]);
      image.data[p + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Call `repaint` when the page turns dark or light. */
export const onTheme = (repaint) => dark.addEventListener("change", repaint);

/** How far a level is from that of zero. */
export const strength = (level) => Math.abs(level - 128);
