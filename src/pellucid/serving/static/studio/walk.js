// The view Walk: one example through the network and back, a sentence a step.

import { latest, tried } from "./answers.js";
import { sample } from "./draw.js";
import { byId, count, inspect, make, on, options, state } from "./page.js";
import { example, isSeen, isSeveral } from "./ports.js";
import { source } from "./source.js";
import { backwardSteps } from "./walk/back.js";
import { forget } from "./walk/figures.js";
import { forwardStep } from "./walk/forward.js";

const here = { example: null, output: "", steps: -1, version: -1, current: 0 };

/** Let the page paint and answer between two steps that are built. */
const breath = () => new Promise((done) => { setTimeout(done); });

const load = latest(async () => {
  if (location.hash !== "#walk") return;
  if (!state.seen) {
    empty("Choose an input in Draw, and the walk begins here.");
    return;
  }
  const { seen, model } = state;
  const chosen = byId("right-answer").value, output = chooseOutput();
  const isSame = isSeen(here.example) && here.version === model.version && here.output === output;
  const label = isSame && chosen !== "" ? Number(chosen) : seen.label ?? null;
  Object.assign(here, { example: example(), output, steps: model.steps, version: model.version });
  byId("walk-again").hidden = true;
  byId("walk-words").textContent = "Calculating …";
  const found = await tried(() => source.walk({ image: here.example, label, ...(isSeveral() ? { of_output: output } : {}) }));
  if (!found) {
    empty("There is no walk.");
    return;
  }
  showLabels(found);
  byId("walk-words").textContent = introduction(found);
  await build(found);
});

function empty(words) {
  here.example = null;
  byId("walk-words").textContent = words;
  byId("walk-steps").replaceChildren();
  byId("walk-nav").hidden = byId("walk-label").hidden = true;
}

/** Offer the outputs, where there are several; return the chosen one. */
function chooseOutput() {
  const { outputs } = state.model, select = byId("walk-output");
  const names = outputs.map(({ name }) => name);
  if ([...select.options].map((o) => o.value).join() !== names.join()) select.replaceChildren(...options(names, names[0]));
  byId("walk-output-label").hidden = names.length < 2;
  return select.value;
}

function showLabels(found) {
  const { names, kind, label, loss } = found;
  byId("walk-label").hidden = !loss || kind === "regression";
  byId("right-answer").replaceChildren(...names.map((name, i) => new Option(name, i)));
  if (kind === "binary") byId("right-answer").replaceChildren(...[0, 1].map((k) => new Option(names.length === 2 ? names[k] : k, k)));
  if (label !== null) byId("right-answer").value = label;
}

function introduction(found) {
  const skipped = new Set(found.thread).size - found.stops.length;
  const beside = found.nodes - new Set(found.thread).size;
  const parts = [];
  if (state.model.outputs.length > 1) parts.push(`The walk leads to ${found.of_output}${found.loss ? ", whose loss it follows back, before its weight in the sum" : ""}.`);
  const said = found.kind === "regression" ? "The whole number nearest to what the network says" : "What the network says";
  if (found.is_own_answer && found.loss) parts.push(`${said} is taken as the right answer.`);
  const isSure = found.kind === "classes" && found.output?.values[found.label] > 0.9;
  if (isSure) parts.push("Choose another right answer to see larger gradients.");
  if (skipped > 0) parts.push(`${count(skipped)} more nodes of the same kinds are not shown.`);
  if (beside > 0) parts.push(`${count(beside)} nodes on other branches are left out.`);
  const many = found.kind === "regression" ? "There are several values and no right answer" : "There is an answer for each pixel and no single loss";
  if (!found.loss) parts.push(`${many}, so the walk ends at the output.`);
  return parts.join(" ") || "Every number is computed in float64 from the network's weights.";
}

async function build(found) {
  forget();
  const steps = byId("walk-steps");
  const former = steps.children.length ? here.current : 0;
  const made = [];
  steps.ariaBusy = "true";
  /** Put a step into its place at once: laid out together, all would be one long task. */
  async function add(step) {
    const one = section(made.length, step);
    if (made.length < steps.children.length) steps.children[made.length].replaceWith(one);
    else steps.append(one);
    made.push(one);
    await breath();
  }
  for (const [i, stop] of found.stops.entries()) {
    await add({ ...forwardStep(found, stop, found.stops[i - 1]), inspect: isNode(stop.node) ? [stop.node, stop.at] : null });
  }
  for (const step of backwardSteps(found, state.model.ends.some(({ name }) => name === "loss"))) await add(step);
  while (steps.children.length > made.length) steps.lastChild.remove();
  steps.ariaBusy = "false";
  byId("walk-step").replaceChildren(...made.map((one, i) => new Option(one.querySelector("h3").textContent, i)));
  byId("walk-nav").hidden = false;
  watch(made);
  if (former) stand(Math.min(former, made.length - 1));
}

/** Whether Look inside knows a node: the softmax after one of several outputs it does not. */
const isNode = (name) => [...state.model.nodes, ...state.model.ends].some((node) => node.name === name);

function section(i, { title, say, figures, inspect: place }) {
  const heading = make("h3", { id: `walk-${i}`, textContent: `${i + 1}. ${title}`, tabIndex: -1 });
  const button = place && make("button", { type: "button", className: "walk-inspect", textContent: "Open in the inspector" });
  button?.addEventListener("click", () => inspect(...place));
  const made = make("section", { className: "panel walk-section" },
    make("div", { className: "walk-text" }, heading, say, button), make("div", { className: "walk-figures" }, ...figures));
  made.setAttribute("aria-labelledby", heading.id);
  return made;
}

let observer = null;

/** Let the list of steps follow the reader. */
function watch(sections) {
  observer?.disconnect();
  observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) stand(sections.indexOf(entry.target));
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const one of sections) observer.observe(one);
}

function stand(i) {
  here.current = i;
  byId("walk-step").value = i;
  byId("walk-back").disabled = i === 0;
  byId("walk-next").disabled = i === byId("walk-steps").children.length - 1;
}

function jump(i) {
  const one = byId("walk-steps").children[i];
  if (!one) return;
  stand(i);
  one.scrollIntoView({ block: "start" });
  one.querySelector("h3").focus({ preventScroll: true });
}

/** Called when the view comes into sight; there is always an image to walk with. */
export async function shown() {
  if (!state.model) return;
  if (!state.seen) await sample();
  const isOld = !isSeen(here.example) || here.version !== state.model.version;
  if (isOld) load();
}

export function begin() {
  on("seen", () => { if (!isSeen(here.example)) load(); });
  on("model", () => {
    if (location.hash !== "#walk") return;
    if (here.version !== state.model.version) shown();
    else byId("walk-again").hidden = here.steps === state.model.steps;
  });
  byId("walk-again").addEventListener("click", load);
  byId("right-answer").addEventListener("change", load);
  byId("walk-output").addEventListener("change", load);
  byId("walk-step").addEventListener("change", () => jump(Number(byId("walk-step").value)));
  byId("walk-back").addEventListener("click", () => jump(here.current - 1));
  byId("walk-next").addEventListener("click", () => jump(here.current + 1));
}
