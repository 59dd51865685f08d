// Curves: a line per lane over the steps, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 520, HEIGHT = 190, LEFT = 44, BOTTOM = 22, TOP = 8, RIGHT = 10;

function element(tag, settings, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(settings)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Draw curves into an svg.
 *
 * lanes: [{name, points: [[step, value], …], lane, kind}]; the largest step and value
 * set the axes. `lane` is the place of its colour, its own by default; `axis` labels y.
 */
export function draw(svg, lanes, { steps, most, unit, what, axis = "" }) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const values = lanes.flatMap(({ points }) => points.map((p) => p[1]));
  const top = most ?? (Math.max(0, ...values) || 1);
  const isCut = values.some((value) => value > top); // and drawn at the top
  const x = (step) => LEFT + (WIDTH - LEFT - RIGHT) * step / Math.max(1, steps);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(value, top) / top);
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const at = y(share * top);
    parts.push(element("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at, class: "axis" }));
    parts.push(element("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" },
      `${share === 1 && isCut ? "≥ " : ""}${Number((share * top).toPrecision(3))}`));
  }
  parts.push(element("text", { x: LEFT, y: HEIGHT - 5 }, "0"));
  parts.push(element("text", { x: WIDTH - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }, `step ${steps}`));
  parts.push(element("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 5, "text-anchor": "middle" }, "steps (updates of the weights)"));
  lanes.forEach(({ points, lane, kind = "" }, i) => {
    const line = points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    parts.push(element("polyline", { points: line, class: `lane-${lane ?? i} ${kind}`.trim() }));
  });
  if (axis) parts.push(element("text", { x: LEFT + 5, y: TOP + 12, class: "axis-name" }, axis)); // above the curves
  svg.replaceChildren(...parts);
  const last = lanes.map(({ name, points }) => {
    const end = points.at(-1);
    return end ? `${name}: ${end[1].toPrecision(3)} ${unit} at step ${end[0]}` : `${name}: nothing yet`;
  });
  svg.setAttribute("aria-label", `${what}. ${last.join("; ") || "Nothing yet"}`);
}

/** Average each run of points, so that a curve of single batches can be read. */
export function smooth(points, window) {
  if (window <= 1) return points;
  const out = [];
  let sum = 0;
  for (let i = 0; i < points.length; i++) {
    sum += points[i][1];
    if (i >= window) sum -= points[i - window][1];
    out.push([points[i][0], sum / Math.min(i + 1, window)]);
  }
  return out;
}
