// A training in this worker: batches, the curve, snapshots on test images.

import { Refusal } from "./inspect.js";
import { base64, levels, size } from "./tensor.js";

const LOOKED_AT = 500, MISTAKES = 8;
const MS_OF_STEPS = 40, MS_BETWEEN_LOOKS = 300; // between answers to the page

/** Return a generator of numbers from 0 to 1, the same for the same seed (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Return 0 … count − 1 in another order (Fisher and Yates). */
export function shuffled(count, next) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** One training; `tell(news)` gets what the page is told. */
export class Lesson {
  constructor(code, about, { train, test, initial }, wish, tell) {
    check(wish, code.batchSize, train.labels.length);
    Object.assign(this, { code, about, train, test, wish, tell });
    this.images = Math.min(wish.images, train.labels.length);
    this.perEpoch = Math.ceil(this.images / wish.batch_size);
    this.lane = {
      engine: "WebAssembly", status: "training", loss: "cross_entropy", unit: "nats", error: "",
      step: 0, steps: this.perEpoch * wish.epochs, seconds: 0, is_anew: true,
    };
    this.points = [];
    this.isPaused = this.isEnded = false;
    this.next = random(wish.seed ?? 0);
    this.one = size(code.inputShape);
    this.batch = new Float32Array(wish.batch_size * this.one);
    code.loadWeights(initial);
  }

  async run() {
    this.look();
    let looked = performance.now();
    const { lane } = this;
    while (lane.step < lane.steps && !this.isEnded) {
      const start = performance.now();
      while (!this.isPaused && lane.step < lane.steps && performance.now() - start < MS_OF_STEPS) this.step();
      lane.seconds += (performance.now() - start) / 1000;
      if (performance.now() - looked > MS_BETWEEN_LOOKS && !this.isPaused) {
        this.look();
        looked = performance.now();
      } else this.report();
      await new Promise((done) => { setTimeout(done, this.isPaused ? 50 : 0); });
    }
    lane.status = lane.step < lane.steps ? "ended" : "finished";
    this.look(this.test.labels.length);
  }

  step() {
    const { code, lane, train, wish, one } = this;
    const at = lane.step % this.perEpoch;
    if (at === 0) this.order = shuffled(this.images, this.next);
    const chosen = this.order.subarray(at * wish.batch_size, (at + 1) * wish.batch_size);
    const [scale] = code.preprocessing.scale, [offset] = code.preprocessing.offset;
    chosen.forEach((index, k) => {
      const from = index * one, to = k * one;
      for (let i = 0; i < one; i++) this.batch[to + i] = train.images[from + i] * scale + offset;
    });
    const labels = Array.from(chosen, (index) => train.labels[index]);
    const rate = wish.learning_rate * this.share();
    const loss = code.trainStep(this.batch.subarray(0, chosen.length * one), labels, rate);
    lane.step += 1;
    this.points.push([lane.step, Number.isFinite(loss) ? loss : null, null]);
    if (!Number.isFinite(loss)) {
      lane.error = `training: the loss must be finite; got ${loss} at step ${lane.step}. Is the learning rate too large?`;
      this.isEnded = true;
    }
  }

  /** The share of the learning rate: constant, then down to nothing in the last third. */
  share() {
    const left = 1 - this.lane.step / this.lane.steps;
    return Math.min(1, 3 * left);
  }

  report(snapshot = null) {
    const status = this.lane.error ? "failed" : this.lane.status;
    this.tell({ paused: this.isPaused, running: status === "training",
      lanes: [{ ...this.lane, status, points: this.points, snapshot }] });
    this.points = [];
    this.lane.is_anew = false;
  }

  /** Take a snapshot: kernels, accuracy, confusion matrix, surest mistakes. */
  look(count = Math.min(LOOKED_AT, this.test.labels.length)) {
    const { code, test, about, one } = this, classes = about.classes.length;
    const answers = code.predictPixels(test.images.subarray(0, count * one));
    const confusion = about.classes.map(() => new Array(classes).fill(0)), wrong = [];
    let right = 0;
    for (let i = 0; i < count; i++) {
      const own = answers.subarray(i * classes, (i + 1) * classes), said = own.indexOf(Math.max(...own));
      const label = test.labels[i];
      confusion[label][said] += 1;
      if (said === label) right += 1;
      else wrong.push({ i, label, said, probability: own[said] });
    }
    wrong.sort((a, b) => b.probability - a.probability);
    this.points.push([this.lane.step, null, right / count]);
    const kernels = Object.values(code.weights()).find(({ shape }) => shape.length === 4);
    this.report({
      step: this.lane.step, metrics: { accuracy: right / count }, looked_at: count,
      classes: about.classes, meaning: "classes", confusion, kernels: kernels ? levels(kernels) : null,
      mistakes: wrong.slice(0, MISTAKES).map(({ i, label, said, probability }) => ({
        images: [{ image: base64(test.images.subarray(i * one, (i + 1) * one)), shape: about.input }],
        label: about.classes[label], predicted: about.classes[said], probability })),
    });
  }

  act(action) {
    if (action === "pause") this.isPaused = true;
    else if (action === "resume") this.isPaused = false;
    else if (action === "stop") this.isEnded = true;
    else if (action === "step" && this.isPaused && this.lane.step < this.lane.steps) this.step();
    if (action !== "stop") this.report();
    return { paused: this.isPaused };
  }
}

function check({ batch_size: batch, images, epochs, learning_rate: rate }, most, available) {
  const refuse = (what, rule, got) => { throw new Refusal(`studio: ${what} must be ${rule}; got ${got}.`); };
  if (!(Number.isInteger(batch) && batch >= 1 && batch <= most)) refuse("batch", `1 to ${most}, for which the kernels were made`, batch);
  if (!(Number.isInteger(images) && images >= 1)) refuse("images", `at least 1, of which ${available} are here`, images);
  if (!(Number.isInteger(epochs) && epochs >= 1)) refuse("epochs", "at least 1", epochs);
  if (!(rate > 0 && rate <= 10)) refuse("learning rate", "more than 0, at most 10", rate);
}
