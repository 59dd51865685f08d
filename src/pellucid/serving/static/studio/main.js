// This file starts the page: its views, which one is shown, and the first questions.

import { tried } from "./api.js";
import { begin as beginBuild } from "./build.js";
import { begin as beginCompare } from "./compare.js";
import { begin as beginDraw } from "./draw.js";
import { begin as beginInside, shown as insideShown } from "./inside.js";
import { byId, readModel } from "./page.js";
import { begin as beginTrain } from "./train.js";

const VIEWS = ["draw", "inside", "train", "build", "compare"];

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
  if (view === "inside") insideShown();
}

beginDraw();
beginInside();
beginTrain();
beginBuild();
beginCompare();
addEventListener("hashchange", show);
show();
await tried(readModel);
