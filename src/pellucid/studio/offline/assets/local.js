// What the page asks, answered here: the same documents as the studio's server sends.

import { prepareDigit } from "./digit.js";
import { Inspector, Refusal, quantize } from "./inspect.js";
import { Lesson } from "./lesson.js";
import { strongest } from "./strongest.js";
import { base64, size } from "./tensor.js";
import { explainLoss, walk } from "./walking.js";

const LOSS = "loss"; // the node after the network

/**
 * Answer the page's questions.
 *
 * code: the exported module; about: `model.json`; load(name): a packed data set;
 * tell(kind, document): says what a training does.
 */
export class Local {
  constructor(code, about, load, tell) {
    Object.assign(this, { code, about, load, tell, lesson: null, version: 0 });
    this.inspector = new Inspector(code, about);
    this.files = new Map();
  }

  /** Load a data set once. */
  data(name) {
    if (!this.files.has(name)) this.files.set(name, this.load(name));
    return this.files.get(name);
  }

  model() {
    return { ...this.about.document, version: this.version, steps: this.lesson?.lane.step ?? 0 };
  }

  /** Return an image, and what the network says of it. */
  see(pixels, rest) {
    const probabilities = [...this.code.predictPixels(pixels)];
    if (!probabilities.every(Number.isFinite)) {
      throw new Refusal("studio: the output must be finite; got NaN or infinity. Has a training diverged?");
    }
    const best = probabilities.indexOf(Math.max(...probabilities));
    return { image: base64(pixels), shape: this.about.input, says: this.about.classes[best], best,
      probabilities, is_of_pixels: false, ...rest };
  }

  draw(side, grey) { return this.prepare(grey, side, side); }

  prepare(grey, height, width) {
    const found = prepareDigit(grey, height, width);
    if (!found) throw new Refusal(`digit: the picture must show a digit; got ${grey[0]} in every pixel.`);
    return this.see(found.image, { done: found.done });
  }

  async drop(content) {
    let picture;
    try {
      picture = await createImageBitmap(new Blob([content]));
    } catch {
      throw new Refusal("This file is not an image we can read (PNG, JPEG, …).");
    }
    const { width, height } = picture;
    const ink = new OffscreenCanvas(width, height).getContext("2d");
    ink.drawImage(picture, 0, 0);
    const { data } = ink.getImageData(0, 0, width, height);
    const grey = Uint8Array.from({ length: width * height }, (_, i) =>
      Math.round(0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]));
    return this.prepare(grey, height, width);
  }

  async sample(index) {
    const { images, labels } = await this.data("samples"), one = size(this.about.input);
    const place = index % labels.length;
    const truth = `test image ${place} of ${this.about.data}; it is: ${this.about.classes[labels[place]]}`;
    return this.see(images.slice(place * one, (place + 1) * one), { done: [truth], label: labels[place] });
  }

  node(question) {
    if (question.node !== LOSS) return this.inspector.inspect(question);
    const { layer, activation } = explainLoss(this.inspector, question);
    return { node: LOSS, layer, ...quantize({ shape: [1], data: [activation] }) };
  }

  arithmetic(question) {
    return question.node === LOSS ? explainLoss(this.inspector, question) : this.inspector.arithmetic(question);
  }

  gradient(question) { return this.inspector.gradient(question); }
  derivative(question) { return this.inspector.derivative(question); }
  map(question) { return this.inspector.saliency(question); }

  async patches(question) {
    const { images, labels } = await this.data("samples");
    return { ...question, data: this.about.data, looked_at: labels.length, patches: strongest(this.inspector, images, question) };
  }

  walk(question) { return walk(this.inspector, question); }
  maps(question) { return this.inspector.maps(question); }

  /** Return the experiments that were run when the lesson was written. */
  async experiments() {
    const { json } = await this.data("experiments");
    this.kept ??= JSON.parse(new TextDecoder().decode(json));
    return this.kept;
  }

  async presets() { return (await this.experiments()).presets; }

  async experiment(settings) {
    const { runs } = await this.experiments(), wanted = JSON.stringify(settings);
    const found = runs.find((run) => JSON.stringify(run.settings) === wanted);
    if (!found) throw new Refusal("studio: the settings must be a lesson's; got others. Run: pellucid studio");
    return found;
  }

  choices() {
    const { network, wish, data } = this.about;
    return { networks: [network], wishes: { [network]: wish }, data: [{ name: data, available: true }],
      engines: [{ name: "WebAssembly", is_installed: true }], optimizers: [wish.optimizer] };
  }

  async train(wish) {
    const [train, test, initial] = await Promise.all(["train", "test", "initial"].map((name) => this.data(name)));
    const lesson = new Lesson(this.code, this.about, { train, test, initial }, wish, (news) => {
      if (lesson === this.lesson) this.tell("news", news);
    });
    if (this.lesson) this.lesson.isEnded = true;
    this.lesson = lesson;
    this.version += 1;
    this.tell("begin", { lesson: this.version, wish: { ...wish, engines: ["WebAssembly"] } });
    lesson.run();
    return { lesson: this.version };
  }

  act(action) {
    if (!this.lesson) throw new Refusal("studio: there must be a training; got none. Start one.");
    return this.lesson.act(action);
  }
}
