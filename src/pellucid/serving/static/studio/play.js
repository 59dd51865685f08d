// The view Experiment: settings, presets, and runs side by side on points in a plane.

import { latest, tried } from "./answers.js";
import { draw, smooth } from "./chart.js";
import { byId, count, make, number } from "./page.js";
import { bytes, onTheme, paintLevels } from "./paint.js";
import { source } from "./source.js";

const FRAME_MS = 110, PAUSE_MS = 250;
const MOST_RUNS = 4; // side by side
const still = matchMedia("(prefers-reduced-motion: reduce)");
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 2, 3, 10, 20, 30, 100];

/** What the form asks: a list of choices, or a slider over values. */
const FIELDS = [
  ["problem", "Points", { choices: ["circles", "xor", "spirals"] }],
  ["learning_rate", "Learning rate", { values: RATES }],
  ["batch_size", "Batch size", { values: [1, 4, 8, 16, 32, 64, 200] }],
  ["depth", "Hidden layers", { values: [0, 1, 2, 3, 4, 5, 6] }],
  ["width", "Units a layer", { values: [1, 2, 3, 4, 6, 8, 16, 32] }],
  ["activation", "Activation", { choices: ["relu", "tanh", "sigmoid", "none"] }],
  ["start", "Initial weights", { choices: ["usual", "small", "zeros"] }],
  ["optimizer", "Optimizer", { choices: ["adam", "sgd"] }],
  ["dropout", "Dropout", { values: [0, 0.1, 0.2, 0.3, 0.5, 0.7] }],
  ["jitter", "Augmentation", { values: [0, 0.1, 0.2, 0.4, 0.6, 1] }],
  ["points", "Training points", { values: [24, 50, 100, 200, 400] }],
  ["noise", "Noise", { values: [0, 0.05, 0.1, 0.2, 0.4, 0.6] }],
  ["batch_norm", "Batch norm", { choices: ["off", "on"] }],
];

let settings = null; // of the newest run
let runs = []; // {settings, found, name}: what is shown side by side
let frame = 0, timer = 0;
let newest = 0; // of the questions; an older one's answer comes too late

/** Settings as the form has them: hidden layers are a number and a width. */
const asForm = ({ hidden, batch_norm: norm, ...rest }) =>
  ({ ...rest, depth: hidden.length, width: hidden[0] ?? 8, batch_norm: norm ? "on" : "off" });
const asSettings = ({ depth, width, batch_norm: norm, ...rest }) =>
  ({ ...rest, hidden: Array(depth).fill(width), batch_norm: norm === "on" });

const nearest = (values, x) => values.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(values[best] - x) ? i : best), 0);

function field([name, title, { choices, values }]) {
  const shown = make("output", { className: "number" });
  const input = choices
    ? make("select", { name: `play_${name}` }, ...choices.map((choice) => new Option(choice, choice)))
    : make("input", { name: `play_${name}`, type: "range", min: 0, max: values.length - 1, step: 1 });
  input.addEventListener("input", () => {
    const form = asForm(settings);
    form[name] = choices ? input.value : values[Number(input.value)];
    settings = asSettings(form);
    fill();
    byId("preset-lesson").textContent = "Your own settings.";
    press(null);
    run();
  });
  return make("label", {}, make("span", { textContent: title }), input, choices ? null : shown);
}

function fill() {
  const form = asForm(settings);
  for (const [name, , { choices, values }] of FIELDS) {
    const input = byId("settings").elements[`play_${name}`];
    if (choices) { input.value = form[name]; continue; }
    input.value = nearest(values, form[name]);
    input.setAttribute("aria-valuetext", number(form[name]));
    input.parentElement.querySelector("output").textContent = number(form[name]);
  }
}

const ask = (wanted) => tried(() => source.experiment(wanted));

/** Run the settings of the form; a run that was kept stays beside it. */
const run = latest(async () => {
  const mine = ++newest;
  await new Promise((done) => { setTimeout(done, PAUSE_MS); }); // while a slider moves
  const wanted = settings;
  const found = await ask(wanted);
  if (!found || mine !== newest) return;
  runs = [...runs.filter((one) => one.isKept), { settings: wanted, found, name: "Your run" }];
  show();
});

/** Mark the lesson that is shown; none where the settings are the reader's. */
function press(title) {
  for (const button of byId("presets").children) button.ariaPressed = String(button.textContent === title);
}

const preset = latest(async ({ title, lesson, runs: pair }) => {
  const mine = ++newest;
  settings = pair[1];
  fill();
  press(title);
  byId("preset-lesson").textContent = `${lesson} Training …`;
  const found = [];
  for (const one of pair) found.push(await ask(one));
  if (mine !== newest) return;
  if (found.some((one) => !one)) { byId("preset-lesson").textContent = "No answer."; return; }
  byId("preset-lesson").textContent = lesson;
  runs = pair.map((one, i) => ({ settings: one, found: found[i], name: i ? "With the change" : "Before", isKept: !i }));
  show();
});

/** Write what is different between two settings. */
function difference(one, other) {
  const [a, b] = [asForm(one), asForm(other)];
  const changed = FIELDS.filter(([name]) => a[name] !== b[name]);
  const write = (x) => (typeof x === "number" ? number(x) : x);
  return changed.map(([name, title]) => `${title.toLowerCase()} ${write(b[name])} instead of ${write(a[name])}`).join(", ");
}

function show() {
  byId("play-keep").disabled = runs.length >= MOST_RUNS;
  byId("runs").replaceChildren(...runs.map((one, i) => {
    const { found, name, settings: own } = one;
    const words = i ? difference(runs[0].settings, own) : `${count(found.parameters)} parameters`;
    const canvas = make("canvas", { className: "plane" });
    canvas.setAttribute("role", "img");
    const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    chart.setAttribute("class", "chart");
    chart.setAttribute("role", "img");
    const remove = make("button", { type: "button", className: "play-remove", textContent: "Remove", ariaLabel: `Remove ${name}`, hidden: runs.length < 2 || !source.hasSettings });
    remove.addEventListener("click", () => {
      runs = runs.filter((other) => other !== one);
      show();
      byId("play-again").focus();
    });
    return make("section", { className: "panel play-run", ariaLabel: name }, make("div", { className: "row play-title" }, make("h3", { textContent: name }), remove),
      make("p", { className: "quiet small", textContent: words || "the same settings" }), canvas, make("p", { className: "play-now small" }),
      legend(), chart, make("p", { className: "play-says", textContent: found.says }));
  }));
  byId("runs").scrollLeft = byId("runs").scrollWidth; // on a phone one swipes from run to run
  play();
}

const legend = () => make("p", { className: "legend", ariaHidden: "true" },
  ...["batches", "new points"].map((name, i) => make("span", { className: `key lane-${i}`, textContent: name })));

function play() {
  clearTimeout(timer);
  const last = Math.max(...runs.map(({ found }) => found.frames.length)) - 1;
  byId("play-step").max = last;
  frame = still.matches ? last : 0;
  const next = () => {
    paint();
    if (frame >= last) return;
    frame += 1;
    timer = setTimeout(next, FRAME_MS);
  };
  next();
}

function paint() {
  const slider = byId("play-step");
  slider.value = frame;
  const frames = runs[0]?.found.frames ?? [];
  const step = (frames[frame] ?? frames.at(-1))?.step;
  if (step !== undefined) slider.setAttribute("aria-valuetext", `step ${step}`);
  [...byId("runs").children].forEach((card, i) => paintRun(card, runs[i].found));
}

/** A share in per cent, of which one point of a few hundred is not rounded away. */
const share = (x) => `${Number((100 * x).toFixed(1))} %`;

function paintRun(card, found) {
  const now = found.frames[Math.min(frame, found.frames.length - 1)];
  paintPlane(card.querySelector("canvas"), found, now);
  const right = `${share(now.test.accuracy)} of new points right`;
  card.querySelector("canvas").ariaLabel = `The plane at step ${now.step}: ${right}`;
  card.querySelector(".play-now").textContent = `Step ${now.step}: loss ${number(now.train.loss, 4)} on its points, ${number(now.test.loss, 4)} on new ones; ${right}`
    + (now.dead ? `; ${share(now.dead)} of the ReLUs are 0 everywhere` : "");
  const frames = found.frames.filter((one) => one.step <= now.step);
  const curve = (of) => frames.filter((one) => one[of].loss !== null).map((one) => [one.step, one[of].loss]);
  const every = found.losses.slice(0, now.step).map((loss, k) => [k + 1, loss]).filter(([, loss]) => loss !== null);
  draw(card.querySelector("svg"), [
    { name: "batches", points: smooth(every, 8), lane: 0 },
    { name: "new points", points: curve("test"), lane: 1 },
  ], { steps: found.frames.at(-1).step, most: top(), unit: "nats", what: "Loss over steps", axis: "loss" });
}

/** One scale for all curves, so that they can be compared: not more than 2 nats. */
function top() {
  const all = runs.flatMap(({ found }) => found.frames.flatMap((one) => [one.train.loss, one.test.loss])).filter((x) => x !== null);
  return Math.min(2, Math.max(0.1, ...all));
}

const SIDE = 300;

function paintPlane(canvas, { side, points, tests }, { grid }) {
  const [height, width] = grid.shape;
  const levels = bytes(grid.levels);
  const small = make("canvas");
  // half as strong as a map, so that the points stand out
  paintLevels(small, height, width, (i, j) => levels[i * width + j], 0.55);
  canvas.width = canvas.height = 2 * SIDE;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const colours = getComputedStyle(document.documentElement);
  const fill = [colours.getPropertyValue("--negative"), colours.getPropertyValue("--positive")];
  const ring = colours.getPropertyValue("--panel");
  const place = (x) => (x / side + 1) * SIDE;
  const dot = ([x, y, kind], radius, isHollow) => {
    context.beginPath();
    context.arc(place(x), place(-y), radius, 0, 7);
    context.fillStyle = isHollow ? ring : fill[kind];
    context.fill();
    context.lineWidth = isHollow ? 2 : 1.5;
    context.strokeStyle = isHollow ? fill[kind] : ring;
    context.stroke();
  };
  for (const one of tests.slice(0, 60)) dot(one, 3.5, true);
  for (const one of points) dot(one, 6, false);
}

let isBegun = false;

/** Called when the view comes into sight. */
export async function shown() {
  if (isBegun) return;
  isBegun = true;
  const presets = await tried(() => source.presets());
  if (!presets) { isBegun = false; return; }
  byId("presets").replaceChildren(...presets.map((one) => {
    const button = make("button", { type: "button", textContent: one.title });
    button.addEventListener("click", () => preset(one));
    button.ariaPressed = "false";
    return button;
  }));
  if (!source.hasSettings) {
    preset(presets[0]);
    return;
  }
  settings = presets[0].runs[0];
  settings = { ...settings, optimizer: "adam", learning_rate: 0.03, hidden: [8] };
  fill();
  run();
}

export function begin() {
  byId("settings").replaceChildren(...FIELDS.map(field));
  byId("settings").addEventListener("submit", (event) => event.preventDefault());
  byId("play-again").addEventListener("click", () => { if (runs.length) play(); });
  byId("play-step").addEventListener("input", () => {
    clearTimeout(timer);
    frame = Number(byId("play-step").value);
    paint();
  });
  byId("play-keep").addEventListener("click", () => {
    if (!runs.length) return;
    runs = runs.map((one, i) => (one.isKept ? one : { ...one, isKept: true, name: `Run ${i + 1}` }));
    show();
  });
  onTheme(() => { if (runs.length) paint(); });
  if (location.hash === "#play") shown();
}
