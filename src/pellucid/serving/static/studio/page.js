// Shared by all views: the model, the image, element factories.

import { source } from "./source.js";

export const byId = (id) => document.getElementById(id);

/** Make an element: tag, attributes or properties, children. */
export function make(tag, settings = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(settings)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const options = (names, chosen) =>
  names.map((name) => new Option(name, name, name === chosen, name === chosen));

export const state = { model: null, seen: null, wanted: null };
const listeners = { model: [], seen: [] };

/** Call `listener` whenever the model or the image is another, and for what is there. */
export function on(what, listener) {
  listeners[what].push(listener);
  if (state[what]) listener();
}

function changed(what) { for (const listener of listeners[what]) listener(); }

export async function readModel() {
  const ports = ({ inputs, outputs }) => JSON.stringify([inputs, outputs.length]);
  const former = state.model;
  state.model = await source.model();
  if (former && ports(former) !== ports(state.model)) see(null); // it fits no more
  const { title, engine, steps } = state.model;
  const learned = steps ? `, ${count(steps)} steps` : "";
  byId("model").textContent = `${title} on ${engine}: ${counted(state.model)}${learned}`;
  changed("model");
}

/** Open an element in Look inside. */
export function inspect(node, at) {
  state.wanted = { node, at };
  location.hash = "#inside";
}

export function see(seen) {
  state.seen = seen;
  changed("seen");
}

/** What stands where the server sends null: NaN and infinity are no JSON. */
const NOT_FINITE = "not finite";
const isFiniteNumber = (x) => typeof x === "number" && Number.isFinite(x);

export const count = (n) => n.toLocaleString("en-US");
/** Write how many parameters there are, and integer weights, which training does not change. */
export function counted({ parameters, integer_weights: whole = 0 }) {
  const integers = whole ? [`${count(whole)} integer weights`] : [];
  return [...(parameters || !whole ? [`${count(parameters)} parameters`] : []), ...integers].join(", ");
}

/** Write what a node computes, and in which numbers. */
export const kindOf = ({ layer, form }, settings = "") => `${layer}${settings}${form ? `, ${form}` : ""}`;

export const percent = (share) => isFiniteNumber(share) ? `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 2 : 1)} %` : NOT_FINITE;

/** Write a number with a few digits, as people read it. */
export function number(x, digits = 5) {
  if (!isFiniteNumber(x)) return NOT_FINITE;
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e-4 && size < 1e6 ? Number(x.toPrecision(digits)).toString() : Number(x.toExponential(digits > 5 ? digits - 1 : 3)).toExponential();
  return text.replaceAll("-", "−");
}

/** Write a formula's numbers as `number` does: minus signs, exponents without zeros. */
export const signed = (formula) => formula.replace(/e([+-])0?(?=\d)/g, "e$1").replace(/-(?=\d)/g, "−");
