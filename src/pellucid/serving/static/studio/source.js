// Where the page's numbers come from: here the server that the page came from.
//
// The views know this object only. A page without a server puts another module in the
// place of this one, which exports a `source` with the same methods (its answers have
// the same JSON) and throws `Refused` with a sentence where something does not fit.

import { Refused } from "./answers.js";

async function checked(response) {
  if (response.ok) return response.json();
  let sentence = `studio: the server did not answer; status ${response.status}.`;
  try { sentence = (await response.json()).error ?? sentence; } catch { /* no JSON */ }
  throw new Refused(sentence);
}

async function ask(path, options) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error instanceof TypeError) throw new Refused("studio: the server must be running; got no connection.");
    throw error;
  }
}

const get = (path) => ask(`/studio/${path}`);

const post = (path, document) => ask(`/studio/${path}`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(document ?? {}),
});

const send = (path, bytes) => ask(`/studio/${path}`, {
  method: "POST",
  headers: { "Content-Type": "application/octet-stream" },
  body: bytes,
});

export const source = {
  /** The views that have something to show; others are left out of the page. */
  views: ["draw", "walk", "inside", "play", "train", "build", "compare"],

  /** What an answer's time has in it. */
  way: "including the network round trip",

  model: () => get("model"),

  // an image as the network sees it, and its prediction
  // of several inputs one of them, which is named, without a prediction
  draw: (side, grey, of = {}) => send(`draw?${new URLSearchParams({ side, ...of })}`, grey),
  drop: (file, of = {}) => send(`drop?${new URLSearchParams(of)}`, file),
  values: (values, of = {}) => post("values", { values, ...of }),
  predict: (question) => post("predict", question),
  sample: (index) => get(`sample?index=${index}`),

  // {image, node, at?, of_class?}
  node: (question) => post("node", question),
  arithmetic: (question) => post("arithmetic", question),
  gradient: (question) => post("gradient", question),
  derivative: (question) => post("derivative", question),
  map: (question) => post("map", question),

  /** {node, channel}: what it looks for, the parts of test images at which it is largest. */
  patches: (question) => post("patches", question),
  excite: (question) => post("excite", question),

  /** {image, nodes, channels}: small pictures of several nodes, in their order. */
  maps: (question) => post("maps", question),

  /** {image, label?}: one example through the network, its loss, and back. */
  walk: (question) => post("walk", question),

  /** Whether an experiment's settings are the reader's to change. */
  hasSettings: true,

  /** Experiments on points in a plane: each preset's two runs; what happens in one. */
  presets: () => get("presets"),
  experiment: (settings) => post("experiment", settings),

  choices: () => get("choices"),
  train: (wish) => post("training", wish),
  act: (action) => post(`training/${action}`),

  /** Call `begin` and `news` with what a training tells; return a function that ends it. */
  watch({ begin, news }) {
    const events = new EventSource("/studio/training/events");
    events.addEventListener("begin", (event) => begin(JSON.parse(event.data)));
    events.addEventListener("news", (event) => news(JSON.parse(event.data)));
    return () => events.close();
  },

  /** Address of the shown model's file. */
  file: "/studio/file",

  network: () => get("network"),
  layers: () => get("layers"),
  example: (name) => get(`example/${encodeURIComponent(name)}`),
  build: (network) => post("build", { network }),
  code: (question) => post("code", question),

  compare: (question) => post("compare", question),
};
