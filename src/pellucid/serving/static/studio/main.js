// Starts the page: the drawing view and the model first, the others later.

import { tell, tried } from "./answers.js";
import { begin as beginDraw } from "./draw.js";
import { byId, on, readModel } from "./page.js";
import { source } from "./source.js";

const views = new Map(source.views.map((name) => [name, null])); // to their modules

function show() {
  const wanted = location.hash.slice(1);
  if (wanted === "main") return; // the link that skips to the content
  const view = views.has(wanted) ? wanted : "draw";
  for (const name of views.keys()) {
    byId(`view-${name}`).hidden = name !== view;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = byId(`${view}-title`).textContent;
  document.title = `${title} · pellucid studio`;
  tell(null); // it was about another view
  views.get(view)?.shown?.();
}

/** Leave out the views for which the source has nothing. */
function leaveOut() {
  for (const link of document.querySelectorAll("nav a")) {
    link.hidden = !views.has(link.hash.slice(1));
  }
}

/** Read the views that are not seen first, and let them be used. */
async function readOthers() {
  const names = [...views.keys()].filter((name) => name !== "draw");
  const modules = await Promise.all(names.map((name) => import(`./${name}.js`)));
  names.forEach((name, i) => views.set(name, modules[i]));
  for (const module of modules) module.begin();
  for (const name of views.keys()) byId(`view-${name}`).inert = false;
}

beginDraw();
leaveOut();
addEventListener("hashchange", show);
show();
await tried(readModel);
byId("main").removeAttribute("aria-busy"); // what it holds has its size
await readOthers();
