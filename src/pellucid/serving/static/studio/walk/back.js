// The walk's way back: the loss, gradients, one weight's update, the loss that falls.

import { list, named } from "../calculation.js";
import { count, make, number, signed } from "../page.js";
import { bytes } from "../paint.js";
import { bars, figure, levelMap, lossCurve, sentence, value } from "./figures.js";
import { mapOf } from "./forward.js";

const MANY = 12;

function lossStep(found) {
  const { loss, label, names } = found;
  if (!loss.steps) return { title: "The loss", say: sentence("The loss is ", loss.value, `. ${loss.words}`), figures: [] };
  const p = loss.terms.find((t) => t.note === "label")?.x;
  const isLog = loss.layer === "CrossEntropy" && p !== undefined;
  return {
    title: "The loss says how wrong this is",
    say: isLog
      ? sentence(`The right answer is ${names[label] ?? number(label)}; its probability is `, p, `, and the loss is ${signed(loss.steps[0].formula)} = `, loss.value, ".")
      : sentence(`With ${number(label)} as the right answer ${loss.equation.replace("loss", "the loss")} = ${loss.steps[0].formula} = `, loss.value, "."),
    figures: [isLog ? figure("A sure mistake costs much, a sure right answer nothing.", lossCurve(p)) : list({ ...loss, left_out: { count: 0, sum: 0 } })],
  };
}

/** p − t: how the loss reacts to each score. */
function outputGradient(found) {
  const { logits, output, label, names, kind } = found;
  const at = logits ?? output;
  const order = at.gradient.map((_, k) => k);
  if (order.length > MANY) order.sort((a, b) => Math.abs(at.gradient[b]) - Math.abs(at.gradient[a])).splice(MANY);
  const isClasses = kind === "classes" && logits;
  const p = logits ? output.values : at.values;
  return {
    title: "Back: the gradient of the scores",
    say: isClasses
      ? sentence("For each score the gradient of the loss is p − t, where t is 1 for the right answer and 0 else: for ", names[label] ?? String(label), " it is ", at.gradient[label], ".")
      : sentence(`For ${named(at.node, [order[0]])} the gradient of the loss is `, at.gradient[order[0]], ": how fast the loss rises with it."),
    figures: [bars(isClasses ? "p − t" : "Gradient of the loss", isClasses ? ["class", "p", "t", "p − t"] : ["output", "value", "gradient"], order.map((k) => ({
      name: names[k] ?? k, mark: k === label,
      cells: isClasses ? [p[k], number(Number((p[k] - at.gradient[k]).toFixed(9)), 6), at.gradient[k]] : [p[k], at.gradient[k]],
      size: at.gradient[k],
    })))],
  };
}

/** Say how a gradient passes a layer. */
function passage(stop) {
  const { slope } = stop.gradient;
  const { layer } = stop;
  if (layer === "MaxPool2D") return slope ? "the winner of the window gets all of it" : "it was not the winner";
  if (layer.startsWith("ReLU")) return slope ? "positive: it passes unchanged" : "cut: nothing passes";
  if (layer === "FakeQuantize") return slope ? "within the range: it passes as if nothing were rounded" : "beyond the range: nothing passes";
  if (["Conv2D", "Dense"].includes(layer)) return "times the weight it was multiplied with";
  if (["Flatten", "Dropout", "Add"].includes(layer)) return "passes unchanged";
  return "times the local derivative";
}

function flow(found) {
  const passed = found.stops.filter((stop) => stop.gradient && stop.gradient.slope !== null && stop.follows).reverse();
  const rows = passed.map((stop) => {
    const { gradient, follows } = stop;
    const more = typeof gradient.total === "number" && Math.abs(gradient.total - gradient.share) > 1e-12 * Math.abs(gradient.total)
      ? [". Together with all other ways that lead through it: ", value(gradient.total, "total")] : [];
    return make("li", {},
      mapOf(gradient.map, `Gradient of the loss at ${stop.node}`, stop.at),
      make("div", {}, make("h4", { textContent: `${stop.node} (${stop.layer})` }),
        make("p", { className: "small" }, `Gradient at ${named(stop.node, stop.at)}: `, value(gradient.reaches, "reaches"), "; ", passage(stop), ": × ",
          value(gradient.slope, "slope"), " = ", value(gradient.share, "share"), ` to ${named(follows.source, follows.at)}`, ...more, ".")));
  });
  return {
    title: "Back: where each gradient flows",
    say: sentence("Layer by layer, from the end: the gradient that arrives, times the local derivative, is what goes on to the number before (the chain rule)."),
    figures: [make("ol", { className: "walk-flow", reversed: true }, ...rows)],
  };
}

function weightStep(found) {
  const { weight } = found;
  const rows = weight.places.map((p) => ({ name: named(p.node, p.at), cells: [p.slope, p.upstream, p.value], size: p.value }));
  if (weight.left_out.count) rows.push({ name: `${count(weight.left_out.count)} others`, cells: ["", "", weight.left_out.sum], size: weight.left_out.sum });
  rows.push({ name: "Sum", cells: ["", "", weight.gradient], size: weight.gradient, mark: true });
  const map = weight.map ? [figure(`The products, by place; darkest = ${number(weight.map.largest, 4)}`,
    levelMap({ ...weight.map, levels: bytes(weight.map.levels) }, "The products by place"))] : [];
  const isRounded = found.stops.some(({ node, steps }) => node === weight.places[0]?.node && steps.some(({ name }) => name === "s"));
  const through = isRounded ? [" It is used rounded, and takes the rounded weight's gradient as its own (straight through)."] : [];
  const many = weight.count > 1 ? `was used at ${count(weight.count)} places, so its gradient is the sum of as many products` : "was used at one place, so its gradient is one product";
  return {
    title: "One weight's gradient",
    say: sentence(`${named(weight.name, weight.at)} = `, weight.weight, ` ${many}, input × gradient: `, weight.gradient, ".", ...through),
    figures: [...map, bars("Largest products", ["at", "input", "gradient here", "product"], rows)],
  };
}

function updateStep(found) {
  const { learning } = found;
  const lines = make("ul", { className: "sum walk-lines" });
  const tabs = make("div", { className: "row", ariaLabel: "Update" });
  tabs.setAttribute("role", "group");
  const buttons = learning.updates.map((_, i) => {
    const button = make("button", { type: "button", textContent: `Step ${i + 1}`, ariaPressed: "false" });
    button.addEventListener("click", () => choose(i));
    return button;
  });
  tabs.append(...buttons);
  function choose(i) {
    buttons.forEach((button, k) => { button.ariaPressed = String(k === i); });
    lines.replaceChildren(...learning.updates[i].steps.map(({ name, formula, value: x }, k, all) => {
      const line = make("li", { className: k === all.length - 1 ? "result" : "" }, `${name} = ${signed(formula)} = `, value(x, name));
      return line;
    }));
  }
  choose(0);
  const moments = learning.optimizer.startsWith("Adam") ? ", with its two moments m (of the gradient) and v (of its square)," : "";
  return {
    title: `One step of ${learning.optimizer}`,
    say: sentence(`The optimizer${moments} turns the gradient into a change: ${named(learning.weight, learning.at)} becomes `, learning.updates[0].steps.at(-1).value, "."),
    figures: [tabs, lines],
  };
}

function fallStep(found) {
  const { learning } = found;
  const [before, after] = learning.losses;
  const isLess = after < before;
  return {
    title: isLess ? "The loss falls" : "The loss after the step",
    say: sentence("After one update of all weights at once the loss of this example is ", after, " instead of ", before,
      isLess ? "; a training does this for one batch after the other." : ": the step was too large, or there was nothing left to learn."),
    figures: [bars("Loss", ["updates", "loss"], learning.losses.map((loss, i) => ({ name: i, cells: [loss], size: loss })))],
  };
}

/** Return the steps of the backward pass: title, sentence, figures; is the loss a node? */
export function backwardSteps(found, canInspect) {
  if (!found.loss) return [];
  const steps = [{ ...lossStep(found), inspect: canInspect && found.loss.steps ? ["loss", []] : null }, outputGradient(found), flow(found)];
  if (found.weight) steps.push(weightStep(found), updateStep(found), fallStep(found));
  return steps;
}
