// Answers of the source: what it refuses, and which of several questions counts.

/** A refusal: its message is the sentence that the page shows. */
export class Refused extends Error {}

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
