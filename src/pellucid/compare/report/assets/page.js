"use strict";
// The same formula as pellucid.compare.results.ranking: means of scores by weight.
(() => {
  const source = document.getElementById("steps");
  if (!source) return;
  const { engines, steps, questions, enough, unranked } = JSON.parse(source.textContent);
  const form = document.querySelector("#choose form");
  const sliders = [...form.querySelectorAll("input[type=range]")];
  const ranking = document.getElementById("ranking");
  const spoken = document.getElementById("spoken");
  const TIE = 0.005;
  let isTouched = false;

  const means = {};
  for (const slider of sliders) {
    const own = steps.filter((step) => step.priority === slider.name);
    if (!own.length) continue;
    means[slider.name] = Object.fromEntries(
      engines.map(({ name }) => [
        name,
        [0, 1, 2].map(
          (end) => own.reduce((sum, step) => sum + step.scores[name][end], 0) / own.length,
        ),
      ]),
    );
  }

  // Until a slider is moved, the weights are those that were asked for, unrounded.
  const weight = (slider) =>
    isTouched ? Number(slider.value) : Number(slider.dataset.share);

  // A priority of which no figure tells the engines apart has no share in the total.
  const share = (slider) => (means[slider.name] ? weight(slider) : 0);

  function isWanted(slider) {
    return isTouched ? Number(slider.value) > 0 : slider.dataset.asked === "1";
  }

  // Why there is no ranking, as pellucid.compare.results.coverage says it.
  function whyNot() {
    if (!isTouched) return unranked;
    const wanted = new Set(sliders.filter(isWanted).map((slider) => slider.name));
    const asked = questions.filter((one) => one.priorities.some((name) => wanted.has(name)));
    const measured = asked.filter((one) => one.measured.some((name) => wanted.has(name)));
    if (measured.length && measured.length >= enough * asked.length) return "";
    return `not enough measured: ${measured.length} of ${asked.length} questions`;
  }

  function places(shares) {
    const totals = engines.map(({ name, title }) => {
      const [value, low, high] = [0, 1, 2].map((end) =>
        Object.entries(shares).reduce(
          (sum, [priority, share]) => sum + share * means[priority][name][end], 0),
      );
      return { name, title, value, low, high };
    });
    totals.sort((one, other) => other.value - one.value);
    const groups = [];
    for (const total of totals) {
      const group = groups.at(-1);
      if (group && total.high >= group[0].low - TIE) group.push(total);
      else groups.push([total]);
    }
    let place = 1;
    return groups.flatMap((group) => {
      const these = group.map((total) => ({ ...total, place, isTied: group.length > 1 }));
      place += group.length;
      return these;
    });
  }

  function element(name, text, properties = {}) {
    const made = Object.assign(document.createElement(name), properties);
    made.textContent = text;
    return made;
  }

  function line({ name, title, value, low, high, place, isTied }) {
    const item = document.createElement("li");
    item.dataset.engine = name;
    const meter = element("meter", "", { min: 0, max: 1, value });
    meter.setAttribute("aria-hidden", "true");
    const tie = isTied ? ", tied" : "";
    item.append(
      element("span", `${place}.`, { className: "place" }),
      element("span", title, { className: "who" }),
      meter,
      element("span", value.toFixed(2), { className: "number" }),
      element("span", `${low.toFixed(2)} – ${high.toFixed(2)}${tie}`, { className: "spread" }),
    );
    return item;
  }

  function update() {
    const total = sliders.reduce((sum, slider) => sum + share(slider), 0);
    const shares = Object.fromEntries(
      sliders
        .filter((slider) => means[slider.name])
        .map((slider) => [slider.name, total ? share(slider) / total : 0]),
    );
    for (const slider of sliders) {
      const part = shares[slider.name];
      const said = part === undefined ? "–" : `${(100 * part).toFixed(0)} %`;
      slider.nextElementSibling.textContent = said;
      for (const cell of document.querySelectorAll(`[data-weight="${slider.name}"]`)) {
        cell.textContent = said;
      }
    }
    if (!sliders.some(isWanted)) {
      ranking.replaceChildren();
      spoken.textContent = "Nothing matters to you yet: move a slider.";
      return;
    }
    const why = whyNot() || (total ? "" : "nothing that was measured tells the engines apart");
    if (why) {
      ranking.replaceChildren();
      spoken.textContent = `No ranking: ${why}.`;
      return;
    }
    const found = places(shares);
    ranking.replaceChildren(...found.map(line));
    const first = found.filter(({ place }) => place === 1).map(({ title }) => title);
    spoken.textContent = first.length > 1
      ? `${first.join(" and ")} are tied for the first place.`
      : `${first[0]} comes first.`;
  }

  form.addEventListener("input", () => {
    isTouched = true;
    update();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
})();
