// Shows /openapi.json without requests to other machines.

const element = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
};

const EXAMPLES = {
  predict: "curl -F file=@seven.png ORIGIN/predict",
  infer: `curl -H 'Content-Type: application/json' ORIGIN/v2/models/NAME/infer \\
  -d '{"inputs": [{"name": "input", "shape": [1, 28, 28, 1], "datatype": "FP32", "data": [0, …]}]}'`,
  tensorflow_predict: `curl -H 'Content-Type: application/json' ORIGIN/v1/models/NAME:predict \\
  -d '{"instances": [{"b64": "…a picture…"}]}'`,
};

function operation(path, method, about) {
  const section = element("section", undefined, "operation");
  const heading = element("h3");
  heading.append(element("span", method.toUpperCase(), "method"), element("code", path));
  section.append(heading);
  const words = about.description || about.summary;
  if (words) section.append(element("p", words));
  const taken = Object.keys(about.requestBody?.content ?? {});
  if (taken.length) section.append(element("p", `Takes ${taken.join(", ")}.`, "quiet"));
  const asked = (about.parameters ?? []).filter((p) => p.in !== "path");
  for (const p of asked) {
    section.append(element("p", `${p.in} ${p.name}${p.description ? ": " + p.description : ""}`, "quiet"));
  }
  section.append(element("p", `Answers ${Object.keys(about.responses).join(", ")}.`, "quiet"));
  const example = EXAMPLES[about.operationId];
  if (example) {
    const shown = element("pre", example.replace("ORIGIN", location.origin));
    shown.tabIndex = 0;
    section.append(shown);
  }
  return section;
}

async function show() {
  const place = document.getElementById("operations");
  const response = await fetch("/openapi.json");
  const description = await response.json();
  const groups = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const [method, about] of Object.entries(item)) {
      const tag = about.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, about));
    }
  }
  place.replaceChildren();
  for (const [tag, sections] of groups) place.append(element("h2", tag), ...sections);
}

show();
