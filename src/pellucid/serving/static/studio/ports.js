// Several inputs and outputs: one example of all inputs, and what each output says.

import { byId, make, number, on, see, state } from "./page.js";
import { bytes, paintImage } from "./paint.js";
import { source } from "./source.js";

let chosen = null; // name of the input that is drawn for
let given = {}; // by input: what the reader gave, as the network sees it
let known = "";

/** Whether an example is asked about by names: of a network with several of either. */
export const isSeveral = () => state.model.inputs.length + state.model.outputs.length > 2;

/** The input that is drawn for and shown. */
export const input = () => state.model.inputs.find(({ name }) => name === chosen) ?? state.model.inputs[0];

/** What a question hands over of the example. */
export const example = () => state.seen.example ?? state.seen.image;

/** Whether what was asked about is what is seen now, named or not. */
export const isSeen = (asked) => state.seen !== null && JSON.stringify(asked) === JSON.stringify(example());

/** Name the input in a question, where there are several. */
export const ofInput = () => (isSeveral() ? { of_input: input().name } : {});

/** The inputs that a node depends on, from the network's list of nodes. */
export function inputsOf(name) {
  const { nodes, ends, inputs } = state.model, needed = new Set([name]);
  for (const node of [...nodes, ...ends].reverse()) if (needed.has(node.name)) node.inputs.forEach((one) => needed.add(one));
  return inputs.filter((one) => needed.has(one.name));
}

/** Every class, label or value of every output. */
export const choices = () => state.model.outputs.flatMap(({ name: output, classes }) =>
  classes.map((name, index) => ({ output, index, name: isSeveral() ? `${output}: ${name}` : name })));

/** Ask what the outputs say of all inputs; zeros stand for those that are not given. */
export async function askAll() {
  const image = Object.fromEntries(Object.entries(given).map(([name, part]) => [name, part.image]));
  const found = await source.predict({ image });
  return inSight({ example: found.image, outputs: found.outputs });
}

/** Return the answer to a part that is the whole example; else ask with the others. */
export async function complete(part) {
  if (!isSeveral()) return part;
  given = { ...given, [input().name]: part };
  return askAll();
}

/** Take a part for every input, and ask. */
export async function giveAll(parts) {
  given = parts;
  return askAll();
}

/** An example with the chosen input in sight. */
function inSight(seen) {
  const { name, shape } = input();
  const part = given[name];
  return { ...seen, image: seen.example[name], shape, values_in: part?.values_in, done: part?.done ?? ["Not given yet: zeros."] };
}

/** Forget what was given for the chosen input. */
export function forgetPart() {
  const { [input().name]: _, ...others } = given;
  given = others;
}

/** What the reader gave for the chosen input, if anything. */
export const part = () => given[input().name];

/** Show a button for each input, and call `changed` when another one is chosen. */
export function beginInputs(changed) {
  const choose = (name) => {
    chosen = name;
    if (state.seen) see(inSight(state.seen));
    showInputs();
    changed();
  };
  const showInputs = () => {
    const { model, seen } = state;
    if (!model) return;
    const names = JSON.stringify(model.inputs);
    if (names !== known) [known, given, chosen] = [names, {}, null];
    const box = byId("inputs");
    box.hidden = model.inputs.length < 2;
    if (box.hidden) return;
    const focused = document.activeElement?.id;
    box.replaceChildren(...model.inputs.map((one) => {
      const button = make("button", { type: "button", id: `input-${one.name}` }, figure(one, seen), make("span", { textContent: one.name }));
      button.ariaPressed = String(one.name === input().name);
      button.addEventListener("click", () => choose(one.name));
      return button;
    }));
    if (focused?.startsWith("input-")) byId(focused)?.focus();
  };
  on("model", showInputs);
  on("seen", showInputs);
}

/** A small picture of an input, or its first numbers. */
function figure({ name, shape, takes_pictures: isPicture }, seen) {
  if (!isPicture) {
    const values = given[name]?.values_in ?? Array(shape.reduce((a, b) => a * b, 1)).fill(0);
    const few = values.slice(0, 3).map((value) => number(value, 3)).join(", ");
    return make("span", { className: "number small", textContent: values.length > 3 ? `${few}, …` : few });
  }
  const canvas = make("canvas", { className: "pixels thumb", width: 28, height: 28, ariaHidden: "true" });
  if (seen) paintImage(canvas, bytes(seen.example[name]), shape);
  return canvas;
}
