// Data sets and weights as the lesson's files have them: arrays behind each other, gzip.

const KINDS = { "<f4": Float32Array, "|u1": Uint8Array };

/** Return a file's arrays by name; `parts` lists [name, type, count]. */
export async function unpack(packed, parts) {
  const isPacked = packed[0] === 0x1f && packed[1] === 0x8b; // a server may have unpacked it
  const stream = new Blob([packed]).stream();
  const opened = isPacked ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
  const bytes = await new Response(opened).arrayBuffer();
  const found = {};
  let start = 0;
  for (const [name, kind, count] of parts) {
    found[name] = new KINDS[kind](bytes, start, count);
    start += found[name].byteLength;
  }
  return found;
}
