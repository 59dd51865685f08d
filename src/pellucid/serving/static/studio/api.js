// Requests to the server, and its errors.

export class Refused extends Error {}

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

export const get = (path) => ask(path);

export const post = (path, document) => ask(path, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(document ?? {}),
});

export const send = (path, bytes) => ask(path, {
  method: "POST",
  headers: { "Content-Type": "application/octet-stream" },
  body: bytes,
});

/** Return a function that runs `work` for the newest call only, one at a time. */
export function latest(work) {
  let next = null, busy = false;
  return async function run(...values) {
    next = values;
    if (busy) return;
    busy = true;
    try {
      while (next) {
        const now = next;
        next = null;
        await work(...now);
      }
    } finally { busy = false; }
  };
}

const problem = document.getElementById("problem");

/** Show a refusal as the sentence it is; null takes it away. */
export function tell(error) {
  problem.hidden = !error;
  problem.textContent = error ? error.message : "";
}

/** Run `work`, and show what is refused. */
export async function tried(work) {
  try {
    const result = await work();
    tell(null);
    return result;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tell(error);
    return undefined;
  }
}
