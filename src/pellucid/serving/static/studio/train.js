// The view Train: a form, the training shared by all windows, its curves.

import { tried } from "./answers.js";
import { again } from "./draw.js";
import { draw, smooth } from "./chart.js";
import { byId, count, make, number, options, percent, readModel, state } from "./page.js";
import { bytes, onTheme, paintImage, paintLevels } from "./paint.js";
import { source } from "./source.js";

const MOST_KERNELS = 64;
const form = byId("wish");
let lanes = [];
let built = null; // a network from Build
let isPaused = false, isRunning = false;
let isSame = true; // whether all lanes compute the same

export function trainBuilt(network) {
  built = network;
  const select = form.elements.network;
  const name = "the one you built";
  if (![...select.options].some((o) => o.value === name)) select.add(new Option(name, name));
  select.value = name;
  location.hash = "#train";
}

/** Fill the form with what the recipe of a network says. */
function follow(wish) {
  for (const [name, value] of Object.entries(wish ?? {})) {
    const field = form.elements[name];
    const isChoice = field.options && ![...field.options].some((o) => o.value === value && !o.disabled);
    if (!isChoice) field.value = value;
    field.dispatchEvent(new Event("input"));
  }
}

async function fill() {
  const choices = await source.choices();
  const { run } = choices;
  const wishes = { ...choices.wishes, ...(run ? { run: run.wish } : {}) };
  form.elements.network.addEventListener("change", (event) => follow(wishes[event.target.value]));
  const here = choices.engines.filter((e) => e.is_installed).map((e) => e.name);
  const engine = here.includes("compiled") ? "compiled" : "numpy";
  form.elements.network.replaceChildren(...options(choices.networks, "mnist-torch"));
  form.elements.data.replaceChildren(...choices.data.map(({ name, available }) => {
    const option = new Option(available ? name : `${name} (not on this machine)`, name);
    option.disabled = !available;
    return option;
  }));
  if (run) form.elements.network.add(new Option(`the run ${run.title}`, "run"));
  if (run?.data) form.elements.data.add(new Option(`the run's: ${run.data}`, "run"));
  form.elements.engine.replaceChildren(...options(here, engine));
  form.elements.beside.replaceChildren(new Option("none", ""), ...options(here));
  form.elements.optimizer.replaceChildren(...options(choices.optimizers, "adam"));
  const besides = Object.entries(choices.beside ?? {});
  byId("beside-runs").hidden = !besides.length;
  byId("beside-runs").append(...besides.map(([value, label]) =>
    make("label", {}, make("input", { type: "checkbox", name: "variation", value }), ` ${label}`)));
  byId("beside-runs").addEventListener("change", allowThree);
  if (run) {
    form.elements.network.value = "run";
    follow(run.wish);
  }
}

/** More than three runs beside one are not told apart in a chart. */
function allowThree() {
  const boxes = [...byId("beside-runs").querySelectorAll("input")];
  const isFull = boxes.filter((box) => box.checked).length >= 3;
  boxes.forEach((box) => { box.disabled = isFull && !box.checked; });
}

async function start(event) {
  event.preventDefault();
  const fields = form.elements;
  const isBuilt = built && fields.network.value === "the one you built";
  const beside = fields.beside.value;
  await tried(() => source.train({
    network: isBuilt ? built : fields.network.value,
    data: fields.data.value,
    engines: [fields.engine.value, ...(beside ? [beside] : [])],
    optimizer: fields.optimizer.value,
    learning_rate: Number(fields.learning_rate.value),
    batch_size: Number(fields.batch_size.value),
    images: Number(fields.images.value),
    epochs: Number(fields.epochs.value),
    ...besideRuns(),
  }));
}

function besideRuns() {
  const checked = [...byId("beside-runs").querySelectorAll("input:checked")].map((box) => box.value);
  return checked.length ? { beside: checked } : {};
}

function listen() {
  const end = source.watch({
    begin({ wish, lanes: names }) {
      isSame = !wish?.beside?.length;
      lanes = (names ?? wish?.engines ?? []).map((name) => ({ name, points: [], steps: 0, step: 0 }));
    },
    news(news) {
      isPaused = news.paused;
      news.lanes.forEach((lane, i) => { if (lane) take(lanes[i], lane, i === 0); });
      isRunning = news.running;
      show();
    },
  });
  addEventListener("pagehide", end);
}

function take(lane, news, isFirst) {
  if (news.is_anew) lane.points = [];
  lane.points.push(...news.points);
  for (const key of ["status", "loss", "unit", "error", "step", "steps", "seconds", "rate", "tested"]) lane[key] = news[key];
  if (!news.snapshot?.metrics) return;
  lane.snapshot = news.snapshot;
  if (isFirst) {
    showSnapshot(news.snapshot);
    refresh();
  }
}

/** Let the other views follow what was learned. */
async function refresh() {
  await tried(readModel);
  await again();
}

function show() {
  showAccuracyOf();
  const steps = Math.max(1, ...lanes.map((lane) => lane.steps));
  const window = Math.max(1, Math.round(Math.max(...lanes.map((l) => l.points.length), 0) / 60));
  const { unit = "", loss = "" } = lanes[0] ?? {};
  byId("loss-title").textContent = unit ? `Loss (${unit})` : loss ? `Loss (${loss})` : "Loss";
  const curve = (k, scale) => lanes.map(({ name, points }) =>
    ({ name, points: smooth(points.map((p) => [p[0], ofOutput(p[k])]).filter(([, x]) => x !== null).map(([step, x]) => [step, scale * x]), k === 1 ? window : 1) }));
  const tests = lanes.map(({ name, tested = [] }, i) =>
    ({ name: `${name}, test`, points: tested.map(([step, share]) => [step, ofOutput(share)]).filter(([, share]) => share !== null).map(([step, share]) => [step, 100 * share]), lane: i, kind: "test" }));
  const hasTests = tests.some(({ points }) => points.length);
  const highest = Math.max(0, ...(lanes[0]?.points ?? []).map(([, loss]) => loss ?? 0));
  const most = isSame || !highest ? undefined : 2 * highest; // others may go far beyond the run
  draw(byId("loss-chart"), curve(1, 1), { most, steps, unit, what: "Loss over steps", axis: unit || "loss" });
  draw(byId("accuracy-chart"), [...curve(2, 100), ...(hasTests ? tests : [])], { steps, most: 100, unit: "%", what: "Accuracy over steps", axis: "%" });
  const words = lanes.map(said).join(" · ");
  byId("train-status").textContent = words;
  const key = (kind) => ({ name }, i) => make("span", { className: `key lane-${i} ${kind}`, textContent: kind ? `${name}, ${kind}` : name });
  const [ofLoss, ofAccuracy] = document.querySelectorAll("#view-train .legend");
  ofLoss.replaceChildren(...lanes.map(key("")));
  const ofTests = lanes.length > 2 ? [make("span", { className: "key test", textContent: "dotted: on test images" })] : lanes.map(key("test"));
  ofAccuracy.replaceChildren(...lanes.map(key("")), ...(hasTests ? ofTests : []));
  showApart();
  showLearning();
  byId("pause").disabled = byId("step").disabled = byId("stop").disabled = !isRunning;
  byId("pause").textContent = isPaused ? "Go on" : "Pause";
}

/** A number, or that of the chosen output where there is one for each. */
const ofOutput = (x) => (x !== null && typeof x === "object" ? x[byId("accuracy-of").value] ?? null : x);

/** Offer the outputs whose accuracy is measured, where there are several. */
function showAccuracyOf() {
  const last = lanes[0]?.points.findLast(([, , share]) => share !== null && typeof share === "object")?.[2];
  const names = Object.keys(last ?? {}), select = byId("accuracy-of");
  if ([...select.options].map((o) => o.value).join() !== names.join()) select.replaceChildren(...options(names, names[0]));
  byId("accuracy-of-label").hidden = !names.length;
}

/** Say how far two curves are from one another, where both have a point. */
function showApart() {
  const [one, other] = lanes;
  const losses = new Map((one?.points ?? []).map(([step, loss]) => [step, loss]));
  const both = (other?.points ?? []).filter(([step, loss]) => loss !== null && (losses.get(step) ?? null) !== null);
  byId("apart").hidden = !both.length || !isSame;
  if (byId("apart").hidden) return;
  const most = Math.max(...both.map(([step, loss]) => Math.abs(loss - losses.get(step))));
  byId("apart").textContent = `The losses of ${one.name} and ${other.name} on the same batches differ by at most ${most === 0 ? "0" : most.toExponential(1).replace("-", "−")}${one.unit ? ` ${one.unit}` : ""} in ${count(both.length)} steps.`;
}

/** Tell the view Draw that its network learns. */
function showLearning() {
  const [lane] = lanes;
  const [words, link] = byId("learning").children;
  const ends = { finished: "The training is finished", ended: "The training was stopped", failed: "The training failed" };
  const end = ends[lane?.status];
  link.hidden = !isRunning && !end;
  link.textContent = isRunning ? "Watch it" : "See how";
  if (isRunning && !lane.steps) words.textContent = "Training starts soon.";
  else if (isRunning) words.textContent = `It is learning: step ${count(lane.step)} of ${count(lane.steps)}.`;
  else if (lane?.status === "failed") words.textContent = `${end}.`;
  else words.textContent = end ? `${end}${right(lane)}.` : "\u00a0";
}

function said(lane) {
  if (lane.status === "failed") return lane.error;
  const { name, status, step, steps, seconds = 0, rate } = lane;
  const at = rate == null ? "" : `, learning rate ${number(rate, 3)} by its schedule`;
  const doing = isPaused && status === "training" ? "paused" : status;
  return `${name}: ${doing}, step ${count(step)} of ${count(steps)}, ${seconds.toFixed(1)} s${at}${right(lane)}`;
}

/** Say how good it is by the test data: what is right, or how far off it is. */
function right({ snapshot }) {
  const tests = `${snapshot?.looked_at} test ${state.model?.takes_pictures === false ? "examples" : "images"}`;
  const said = parts(snapshot).map(({ name, metrics: { accuracy, mean_absolute_error: error } = {} }) => {
    const of = name ? `${name}: ` : "";
    if (accuracy !== undefined) return `, ${of}${percent(accuracy)} of ${tests} right`;
    return error === undefined ? "" : `, ${of}mean absolute error ${number(error)} on ${tests}`;
  });
  return said.join("");
}

/** What a snapshot says of each output, with its name where there are several. */
const parts = (snapshot) => snapshot?.outputs ?? [snapshot ?? {}];

function showSnapshot(snapshot) {
  byId("kernels").replaceChildren(...kernelTiles(snapshot.kernels));
  byId("confusion").replaceChildren(...parts(snapshot).flatMap(({ name, confusion, classes }) =>
    [...(name ? [make("h4", { textContent: name })] : []), matrix(confusion, classes)]));
  byId("mistakes").replaceChildren(...parts(snapshot).flatMap(({ name, mistakes }) => mistakes.map((one) => mistake(one, name))));
}

function kernelTiles(kernels) {
  if (!kernels) return [];
  const [height, width, channels, outs] = kernels.shape;
  const parts = [channels > 1 && `input channel 0 of ${channels}`, outs > MOST_KERNELS && `the first ${MOST_KERNELS} of ${outs}`].filter(Boolean);
  byId("kernels-title").textContent = ["Kernels of the first convolution", ...parts].join(", ");
  const levels = bytes(kernels.levels);
  return Array.from({ length: Math.min(outs, MOST_KERNELS) }, (_, o) => {
    const canvas = make("canvas", { role: "img", ariaLabel: `Kernel ${o}` });
    canvas.setAttribute("role", "img");
    paintLevels(canvas, height, width, (i, j) => levels[((i * width + j) * channels) * outs + o]);
    return canvas;
  });
}

function matrix(confusion, classes) {
  if (!confusion.length) return make("p", { className: "quiet", textContent: "There is no confusion matrix: an example has no single class." });
  const most = confusion.map((row) => Math.max(1, row.reduce((a, b) => a + b, 0)));
  const body = confusion.map((row, i) => make("tr", {},
    make("th", { scope: "row", textContent: classes[i] }),
    ...row.map((n, j) => {
      const cell = make("td", { textContent: n || "", className: i === j ? "" : "wrong" });
      cell.style.setProperty("--share", n / most[i]);
      return cell;
    })));
  const head = make("tr", {}, make("th", { scope: "col", textContent: "is ↓ said →" }),
    ...classes.map((name) => make("th", { scope: "col", textContent: name })));
  return make("table", { className: "matrix" },
    make("caption", { className: "unseen", textContent: "Rows: labels; columns: predictions" }),
    make("thead", {}, head), make("tbody", {}, ...body));
}

function mistake({ images, label, predicted, probability }, output) {
  const canvases = images.map(({ image, shape }) => {
    const canvas = make("canvas");
    canvas.setAttribute("role", "img");
    canvas.ariaLabel = `A ${label} predicted as ${predicted}`;
    paintImage(canvas, bytes(image), shape);
    return canvas;
  });
  const words = `${output ? `${output}: ` : ""}${label} → ${predicted}, ${percent(probability)}`;
  return make("figure", {}, ...canvases, make("figcaption", { textContent: words }));
}

/** Keep a number and its slider, which has the number's logarithm, the same. */
function link(name, slider, base) {
  const number = form.elements[name];
  slider.addEventListener("input", () => { number.value = Number((base ** slider.value).toPrecision(base === 10 ? 2 : 4)); });
  const follow = () => { slider.value = Math.log(number.value) / Math.log(base); };
  number.addEventListener("input", follow);
  follow();
}

export function begin() {
  link("learning_rate", byId("rate-slider"), 10);
  link("batch_size", byId("batch-slider"), 2);
  form.addEventListener("submit", start);
  byId("save").href = source.file;
  byId("accuracy-of").addEventListener("change", () => show());
  const act = (action) => tried(() => source.act(action));
  byId("pause").addEventListener("click", () => act(isPaused ? "resume" : "pause"));
  byId("step").addEventListener("click", () => act("step"));
  byId("stop").addEventListener("click", () => act("stop"));
  draw(byId("loss-chart"), [], { steps: 1, most: 2.5, unit: "", what: "Loss over steps" });
  draw(byId("accuracy-chart"), [], { steps: 1, most: 100, unit: "%", what: "Accuracy over steps" });
  onTheme(() => { if (lanes[0]?.snapshot) showSnapshot(lanes[0].snapshot); });
  tried(fill);
  listen();
}
