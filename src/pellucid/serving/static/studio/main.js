// Starts the page: the drawing view and the model first, the others later.

import { tried } from "./api.js";
import { begin as beginDraw } from "./draw.js";
import { byId, readModel } from "./page.js";

const VIEWS = ["draw", "inside", "train", "build", "compare"];
let insideShown = null; // there when that view is

function show() {
  const wanted = location.hash.slice(1);
  if (wanted === "main") return; // the link that skips to the content
  const view = VIEWS.includes(wanted) ? wanted : "draw";
  for (const name of VIEWS) {
    byId(`view-${name}`).hidden = name !== view;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = byId(`${view}-title`).textContent;
  document.title = `${title} · pellucid studio`;
  if (view === "inside") insideShown?.();
}

/** Read the views that are not seen first, and let them be used. */
async function readOthers() {
  const [inside, ...others] = await Promise.all(
    ["inside", "train", "build", "compare"].map((name) => import(`./${name}.js`)));
  insideShown = inside.shown;
  for (const module of [inside, ...others]) module.begin();
  for (const name of VIEWS) byId(`view-${name}`).inert = false;
}

beginDraw();
addEventListener("hashchange", show);
show();
await tried(readModel);
await readOthers();
