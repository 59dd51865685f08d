// The view Draw: a pad, the image as the network sees it, the prediction.

import { latest, tried } from "./answers.js";
import { byId, make, number, on, percent, see, state } from "./page.js";
import { bytes, paintImage } from "./paint.js";
import { askAll, beginInputs, complete, forgetPart, giveAll, input, isSeveral, ofInput, part } from "./ports.js";
import { source } from "./source.js";

const MOST_FIELDS = 64; // of numbers; beyond it there are test examples
const SIDE = 280, SENT = 112, PEN = 22;
const DIGITS = byId("draw-words").textContent;
const pad = byId("pad");
const ink = pad.getContext("2d", { willReadFrequently: true });
const small = new OffscreenCanvas(SENT, SENT).getContext("2d", { willReadFrequently: true });
const pen = { x: SIDE / 2, y: SIDE / 2, isDown: false, isShown: false };
let asked = null; // {question, shown?}: asked again when the network has learned
let drawing = null; // the ink without the keyboard's pen

function wipe() {
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, SIDE, SIDE);
  drawing = null;
}

function line(from, to) {
  ink.strokeStyle = "#fff";
  ink.lineWidth = PEN;
  ink.lineCap = ink.lineJoin = "round";
  ink.beginPath();
  ink.moveTo(from.x, from.y);
  ink.lineTo(to.x, to.y + 0.01);
  ink.stroke();
  asked = ofPad;
  answer();
}

function readPad() {
  small.drawImage(drawing ?? pad, 0, 0, SENT, SENT);
  const { data } = small.getImageData(0, 0, SENT, SENT);
  const grey = new Uint8Array(SENT * SENT);
  for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i];
  return source.draw(SENT, grey, ofInput());
}

const ofPad = { question: async () => complete(await readPad()) };

/** Ask what is to be asked, and show the answer if it is wanted still. */
const answer = latest(async () => {
  if (!asked) return;
  const box = document.querySelector(".predictions");
  box.ariaBusy = "true"; // until no later stroke is to be answered
  try { await answerTo(asked); } finally { box.ariaBusy = "false"; }
});

async function answerTo(now) {
  const start = performance.now();
  const seen = await tried(now.question);
  if (asked !== now) return;
  if (!seen) {
    if (now.shown && !now.isShown) asked = null; // it cannot be shown at all
    return;
  }
  const took = performance.now() - start;
  see(seen);
  byId("took").textContent = `answered in ${took.toFixed(0)} ms, ${source.way}`;
  now.shown?.(seen);
  now.isShown = true;
}

/** Show what an output says: in words, and a bar for each class or value. */
function renderOutput(verdict, table, names, said) {
  const rows = table.tBodies[0];
  if (rows.rows.length !== names.length || rows.dataset.names !== names.join()) {
    rows.dataset.names = names.join();
    rows.replaceChildren(...names.map((name) => make("tr", {},
      make("th", { scope: "row", textContent: name }),
      make("td", { className: "bar-cell" }, make("div", { className: "fill", ariaHidden: "true" }, make("div"))),
      make("td", { className: "number", textContent: "–" }))));
  }
  const { probabilities: shares, values } = said ?? {};
  [...rows.rows].forEach((row, i) => {
    row.className = said && i === said.best ? "best" : "";
    row.querySelector(".fill").hidden = Boolean(values && !shares); // a value is no share of anything
    row.querySelector(".fill > div").style.width = `${100 * (shares?.[i] ?? 0)}%`;
    row.cells[2].textContent = shares ? percent(shares[i]) : values ? number(values[i]) : "–";
  });
  verdict.textContent = said ? said.says + (said.is_of_pixels ? " (of most pixels)" : "") : "–";
}

/** Make a panel for each output but the first. */
function showPanels(outputs) {
  const title = ({ name }) => (outputs.length > 1 ? `Prediction: ${name}` : "Prediction");
  byId("prediction-title").textContent = title(outputs[0]);
  for (const panel of document.querySelectorAll(".other-output")) panel.remove();
  byId("prediction").after(...outputs.slice(1).map((output) => {
    const table = byId("probabilities").cloneNode(true);
    table.removeAttribute("id");
    table.tBodies[0].replaceChildren();
    delete table.tBodies[0].dataset.names;
    const verdict = make("p", { className: "verdict", role: "status" });
    return make("section", { className: "panel wide other-output", ariaLabel: output.name }, make("h3", { textContent: title(output) }), verdict, table);
  }));
}

function renderOutputs({ outputs }, seen) {
  const names = outputs.map(({ name }) => name).join("\n");
  if (byId("prediction").dataset.names !== names) showPanels(outputs);
  byId("prediction").dataset.names = names;
  renderOutput(byId("verdict"), byId("probabilities"), outputs[0].classes, seen?.outputs?.[0] ?? seen);
  document.querySelectorAll(".other-output").forEach((panel, i) => {
    renderOutput(panel.querySelector(".verdict"), panel.querySelector("table"), outputs[i + 1].classes, seen?.outputs[i + 1]);
  });
}

function render() {
  const { seen, model } = state;
  const names = model?.classes ?? [];
  if (model) renderOutputs(model, seen);
  if (model) showFields(input());
  const areUnnamed = names.every((name, i) => name === String(i));
  const values = !areUnnamed ? known(names) : names.length === 1 ? "one number" : `${names.length} numbers`;
  const given = model?.kind === "regression" ? `It gives ${values}.` : `This network knows ${known(names)}.`;
  if (model && isSeveral()) byId("draw-words").textContent = several(model);
  else if (model && !model.takes_pictures) byId("draw-words").textContent = `This network takes ${model.input.join("×")} numbers. ${given}`;
  else if (model) byId("draw-words").textContent = areUnnamed && names.length === 10 && model.kind !== "regression" ? DIGITS : `Draw something, or drop a picture. ${given}`;
  if (!seen) byId("took").textContent = "Nothing drawn yet.";
  byId("done").replaceChildren(...(seen?.done ?? [model && !input().takes_pictures ? "The input appears here." : "Your drawing appears here as the network sees it."]).map((text) => make("li", { textContent: text })));
  for (const id of ["seen", "walk-image", "inside-image", "map-seen", "compare-image"]) paintSeen(byId(id));
}

function paintSeen(canvas) {
  const { seen } = state;
  canvas.hidden = Boolean(state.model) && !input().takes_pictures;
  if (!seen || canvas.hidden) {
    canvas.width = canvas.height = 28;
    canvas.ariaLabel = "Nothing yet";
    return;
  }
  paintImage(canvas, bytes(seen.image), seen.shape);
  canvas.ariaLabel = `The image that the network sees, ${seen.shape[0]} by ${seen.shape[1]} pixels`;
}

/** Say what a network of several inputs or outputs takes and gives. */
function several({ inputs, outputs }) {
  const list = (ports) => ports.map(({ name }) => name).join(", ");
  const how = inputs.length > 1 ? "Choose an input, then draw it, open a picture or type its numbers. Zeros stand for those not given yet." : "Draw something, or drop a picture.";
  return `This network takes ${list(inputs)} and gives ${list(outputs)}. ${how}`;
}

/** Say a few names of many. */
function known(names) {
  const few = names.slice(0, 6).join(", ");
  return names.length > 6 ? `${few} and ${names.length - 6} others` : few;
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return { x: (event.clientX - box.left) * SIDE / box.width, y: (event.clientY - box.top) * SIDE / box.height };
}

function byPointer() {
  let last = null;
  pad.addEventListener("pointerdown", (event) => {
    hidePen();
    pad.setPointerCapture(event.pointerId);
    last = place(event);
    line(last, last);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const to = place(one);
      line(last, to);
      last = to;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => { last = null; });
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function byKeyboard() {
  pad.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move && ![" ", "Delete", "Backspace"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Delete" || event.key === "Backspace") { clear(); return; }
    showInk();
    const from = { x: pen.x, y: pen.y };
    if (move) {
      pen.x = Math.min(SIDE - 8, Math.max(8, pen.x + 10 * move[0]));
      pen.y = Math.min(SIDE - 8, Math.max(8, pen.y + 10 * move[1]));
    } else pen.isDown = !pen.isDown;
    if (pen.isDown) line(from, pen);
    showPen();
  });
  pad.addEventListener("blur", hidePen);
}

/** Show where the keyboard's pen stands, without leaving it in the drawing. */
function showPen() {
  drawing = new OffscreenCanvas(SIDE, SIDE);
  drawing.getContext("2d").drawImage(pad, 0, 0);
  pen.isShown = true;
  ink.strokeStyle = pen.isDown ? "#ffb454" : "#7fb4ff";
  ink.lineWidth = 2;
  ink.beginPath();
  ink.arc(pen.x, pen.y, PEN / 2, 0, 7);
  ink.stroke();
  pad.ariaLabel = `Drawing pad, pen ${pen.isDown ? "down" : "up"} at ${Math.round(pen.x)}, ${Math.round(pen.y)} of ${SIDE}`;
}

function showInk() {
  if (drawing) ink.drawImage(drawing, 0, 0);
  drawing = null;
}

function hidePen() {
  showInk();
  pen.isShown = pen.isDown = false;
}

function clear() {
  hidePen();
  wipe();
  asked = null;
  if (!isSeveral()) { see(null); return; }
  forgetPart();
  asked = ofAll;
  answer();
}

const ofAll = { question: askAll };

/** Show what was given for another input. */
function changeInput() {
  hidePen();
  wipe();
  asked = ofAll;
  if (!state.seen) answer();
  else if (part()) paintSample(state.seen);
}

async function open(file) {
  if (!file) return;
  clear();
  const content = await file.arrayBuffer();
  const bitmap = await createImageBitmap(file).catch(() => null); // the source says what is wrong
  asked = {
    question: async () => complete(await source.drop(content, ofInput())),
    shown: () => paintFile(bitmap, file.name),
  };
  await answer();
}

function paintFile(bitmap, name) {
  byId("took").textContent = name;
  if (!bitmap) return; // the server reads more kinds of files than the browser
  const scale = SIDE / Math.max(bitmap.width, bitmap.height);
  const width = bitmap.width * scale, height = bitmap.height * scale;
  ink.drawImage(bitmap, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
}

function byFile() {
  byId("file").addEventListener("change", (event) => open(event.target.files[0]));
  pad.addEventListener("dragover", (event) => { event.preventDefault(); pad.classList.add("is-target"); });
  pad.addEventListener("dragleave", () => pad.classList.remove("is-target"));
  pad.addEventListener("drop", (event) => {
    event.preventDefault();
    pad.classList.remove("is-target");
    open(event.dataTransfer.files[0]);
  });
}

let samples = 0;

/** Show a test image, and its pixels on the pad; nothing where there is none. */
export async function sample() {
  if (state.model && isSeveral()) {
    const place = samples;
    const give = { question: async () => giveAll((await source.sample(place)).parts), shown: paintSample };
    asked = state.model.has_samples ? give : ofAll;
    samples += state.model.has_samples;
    await answer();
    return;
  }
  if (!state.model?.has_samples) return;
  const index = samples++;
  const question = () => (state.model.has_samples ? source.sample(index) : null);
  asked = { question, shown: paintSample };
  await answer();
}

function paintSample(seen) {
  if (seen.values_in) {
    fields().forEach((field, i) => { field.value = seen.values_in[i]; });
    return;
  }
  if (!input().takes_pictures) return;
  hidePen();
  wipe();
  ink.imageSmoothingEnabled = false;
  ink.drawImage(byId("seen"), 0, 0, SIDE, SIDE);
}

/** Ask again about the same input, for the network has learned. */
export const again = answer;

const fields = () => [...byId("values").querySelectorAll("input")];

/** Show a field for each number that a network takes which takes no pictures. */
function showFields({ name, takes_pictures: takesPictures, shape }) {
  const size = takesPictures ? 0 : shape.reduce((a, b) => a * b, 1);
  byId("values").hidden = !size;
  byId("sample").hidden = !state.model.has_samples;
  for (const id of ["pad", "pad-help", "clear", "file-label"]) byId(id).hidden = !takesPictures;
  const shown = size <= MOST_FIELDS ? size : 0;
  const former = byId("values").dataset;
  if (former.of === name && fields().length === shown) return;
  if (former.of === name) asked = null; // it was for another network's input
  former.of = name;
  byId("values").replaceChildren(...Array.from({ length: shown }, (_, i) => {
    const value = state.seen?.values_in?.[i] ?? 0;
    const field = make("input", { type: "number", step: "any", value, id: `value-${i}` });
    field.addEventListener("input", answerValues);
    return make("label", {}, `Input ${i} `, field);
  }));
}

function answerValues() {
  const values = fields().map((field) => field.valueAsNumber);
  if (!values.length || !values.every(Number.isFinite)) return;
  asked = { question: async () => complete(await source.values(values, ofInput())) };
  answer();
}

export function begin() {
  wipe();
  byPointer();
  byKeyboard();
  byFile();
  byId("clear").addEventListener("click", clear);
  byId("sample").addEventListener("click", sample);
  on("seen", render);
  on("model", render);
  beginInputs(changeInput);
}
