// Folds a long network: a branch that comes together again becomes one block.

const LONG = 20; // nodes, from which a network is folded
const LONGEST_BLOCK = 14;
const LONG_STILL = 26; // items, from which runs of layers are folded, too
const HEADS = /^(Conv|Dense|Input)/;

/** Return each node's place among `nodes`, and the places that lead to it. */
function ancestors(nodes) {
  const place = new Map(nodes.map((node, i) => [node.name, i]));
  const above = nodes.map(() => new Set());
  nodes.forEach((node, i) => {
    above[i].add(i);
    for (const input of node.inputs) for (const j of above[place.get(input)] ?? []) above[i].add(j);
  });
  return { place, above };
}

/** Return the first and last place of each block, in order. */
function blocks(nodes) {
  const { place, above } = ancestors(nodes);
  const found = [];
  nodes.forEach((node, i) => {
    if (node.inputs.length < 2) return;
    const shared = node.inputs.map((input) => above[place.get(input)]).reduce((a, b) => new Set([...a].filter((j) => b.has(j))));
    const first = Math.max(...shared) + 1;
    let last = i;
    const next = nodes[i + 1]; // the activation that follows
    const readers = nodes.filter((n) => n.inputs.includes(node.name));
    if (next && readers.length === 1 && readers[0] === next && next.inputs.length === 1 && !HEADS.test(next.layer)) last = i + 1;
    const inside = new Set(nodes.slice(first, last).map((n) => n.name));
    const leaks = nodes.slice(last + 1).some((n) => n.inputs.some((input) => inside.has(input)));
    if (!leaks && last - first < LONGEST_BLOCK && (found.at(-1)?.[1] ?? -1) < first) found.push([first, last]);
  });
  return found;
}

/** Fold runs of a layer with weights and what follows it, among items of one node. */
function runs(items) {
  const out = [];
  for (const item of items) {
    const before = out.at(-1);
    const [node] = item;
    const isNext = item.length === 1 && before?.isRun && node.inputs.length === 1
      && node.inputs[0] === before.at(-1).name && !HEADS.test(node.layer) && !/Pool|Flatten|Softmax|Entropy/.test(node.layer);
    if (isNext) { before.push(node); continue; }
    const copy = [...item];
    copy.isRun = item.length === 1 && HEADS.test(node.layer) && node.layer !== "Input";
    out.push(copy);
  }
  return out;
}

/** Return a network as items to draw: each a list of the nodes that it holds. */
export function fold(nodes) {
  if (nodes.length <= LONG) return nodes.map((node) => [node]);
  const items = [];
  const found = blocks(nodes);
  for (let i = 0; i < nodes.length;) {
    const block = found.find(([first]) => first === i);
    items.push(block ? nodes.slice(block[0], block[1] + 1) : [nodes[i]]);
    i = block ? block[1] + 1 : i + 1;
  }
  return items.length > LONG_STILL ? runs(items) : items;
}
