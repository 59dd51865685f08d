// What a channel looks for: the patches of test images at which it is largest.

import { latest, tried } from "./answers.js";
import { span } from "./calculation.js";
import { byId, make, number, state } from "./page.js";
import { bytes, paintImage } from "./paint.js";
import { inputsOf } from "./ports.js";
import { source } from "./source.js";

let wanted = null; // {node, channel, what}
let shown = ""; // of which the tiles are

const key = ({ node, channel }) => `${state.model.version} ${state.model.steps} ${node} ${channel}`;

const ask = latest(async () => {
  if (!wanted || !byId("patches").open || shown === key(wanted)) return;
  const now = wanted, of = key(now);
  byId("patches-words").textContent = "Looking at test images …";
  const found = await tried(() => source.patches({ node: now.node, channel: now.channel }));
  if (!found || now !== wanted) return;
  shown = of;
  byId("patches-words").textContent = `The ${found.patches.length} of ${found.looked_at} test images (${found.data}) at which ${now.what} `
    + "is largest, each cut to the pixels that it sees there; below each the value.";
  byId("patches-tiles").replaceChildren(...found.patches.map(tile));
});

function tile({ index, value, field, image, shape }) {
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = field ? `Test image ${index}, ${span("row", field[0])}, ${span("column", field[1])}` : `Test image ${index}, only padding`;
  canvas.title = canvas.ariaLabel;
  if (field) paintImage(canvas, bytes(image), shape);
  const caption = make("figcaption", { textContent: number(value, 4) });
  caption.dataset.value = value;
  return make("figure", {}, canvas, caption);
}

/** Show an image that gradient ascent on the pixels made for the channel. */
async function excite() {
  const now = wanted;
  byId("excite").disabled = true;
  byId("excited-words").textContent = "Climbing the gradient …";
  const found = await tried(() => source.excite({ node: now.node, channel: now.channel }));
  byId("excite").disabled = false;
  if (!found || now !== wanted) return forget();
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = `Image made for ${now.what}`;
  paintImage(canvas, bytes(found.image), found.shape);
  byId("excited").replaceChildren(canvas);
  byId("excited-words").textContent = `Made from noise in ${found.steps} steps along the gradient of ${now.what} by the pixels: `
    + `${found.is_map ? "the root mean square of what is above zero" : "its value"} went from ${number(found.before, 4)} to ${number(found.after, 4)}.`;
}

function forget() {
  byId("excited").replaceChildren();
  byId("excited-words").textContent = "";
}

/** Offer the patches of a channel, or of a vector's unit; null: there are none. */
export function offerPatches(node, channel, isUnit) {
  const inputs = inputsOf(node);
  const isOffered = state.model.has_samples && inputs.length === 1 && inputs[0].takes_pictures;
  byId("patches").hidden = !isOffered;
  forget();
  wanted = isOffered ? { node, channel, what: `${isUnit ? "unit" : "channel"} ${channel} of ${node}` } : null;
  if (!isOffered) return;
  byId("patches-title").textContent = `What ${isUnit ? "unit" : "channel"} ${channel} looks for`;
  ask();
}

export function beginPatches() {
  byId("patches").addEventListener("toggle", ask);
  byId("excite").hidden = !source.excite;
  byId("excite").addEventListener("click", excite);
}
