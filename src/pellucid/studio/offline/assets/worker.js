// Answers the page's questions in a worker, so that the page itself never waits.

import * as code from "./model.wasm.mjs";
import { Refusal } from "./inspect.js";
import { Local } from "./local.js";
import { unpack } from "./unpack.js";

const about = await (await fetch(new URL("model.json", import.meta.url))).json();

async function load(name) {
  const response = await fetch(new URL(`${name}.bin.gz`, import.meta.url));
  if (!response.ok) throw new Refusal(`studio: the data must be reachable; got status ${response.status} for ${name}.`);
  return unpack(new Uint8Array(await response.arrayBuffer()), about.files[name]);
}

const local = new Local(code, about, load, (event, document) => postMessage({ event, document }));

addEventListener("message", async ({ data: { id, method, values } }) => {
  try {
    postMessage({ id, value: await local[method](...values) });
  } catch (error) {
    const isOurs = error instanceof Refusal || error instanceof RangeError || error instanceof TypeError;
    if (!isOurs) throw error;
    postMessage({ id, refusal: error.message });
  }
});
postMessage({ event: "ready" });
