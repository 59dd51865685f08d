// Where the page's numbers come from: a worker with the network in WebAssembly.
//
// Stands in the place of the module of that name that asks a server.

import { Refused } from "./answers.js";

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
const watchers = new Set();
let asked = 0;

let heard = null;
const ready = new Promise((done) => { heard = done; });

worker.addEventListener("message", ({ data }) => {
  if (data.event === "ready") heard();
  else if (data.event) for (const watcher of watchers) watcher[data.event](data.document);
  else {
    const { answer, refuse } = waiting.get(data.id);
    waiting.delete(data.id);
    if ("refusal" in data) refuse(new Refused(data.refusal));
    else answer(data.value);
  }
});
worker.addEventListener("error", () => {
  const refusal = new Refused("This browser cannot run the lesson: it needs WebAssembly with SIMD, in module workers.");
  for (const { refuse } of waiting.values()) refuse(refusal);
  waiting.clear();
});

async function ask(method, ...values) {
  const id = asked++;
  const answered = new Promise((answer, refuse) => { waiting.set(id, { answer, refuse }); });
  ready.then(() => worker.postMessage({ id, method, values }));
  return answered;
}

export const source = {
  views: [...document.querySelectorAll("header nav a")].map((link) => link.hash.slice(1)),
  hasSettings: false,
  way: "on this device",
  model: () => ask("model"),
  draw: (side, grey) => ask("draw", side, grey),
  drop: (file) => ask("drop", file),
  sample: (index) => ask("sample", index),
  node: (question) => ask("node", question),
  arithmetic: (question) => ask("arithmetic", question),
  gradient: (question) => ask("gradient", question),
  derivative: (question) => ask("derivative", question),
  map: (question) => ask("map", question),
  patches: (question) => ask("patches", question),
  walk: (question) => ask("walk", question),
  maps: (question) => ask("maps", question),
  presets: () => ask("presets"),
  experiment: (settings) => ask("experiment", settings),
  choices: () => ask("choices"),
  train: (wish) => ask("train", wish),
  act: (action) => ask("act", action),
  watch(watcher) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
  file: "#train", // its button is not shown
};

if ("serviceWorker" in navigator) navigator.serviceWorker.register("sw.js");
