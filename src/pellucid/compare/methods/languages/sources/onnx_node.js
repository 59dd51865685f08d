const [place, path, dimensions] = process.argv.slice(1);
const runtime = require(place);
const fs = require("fs");
(async () => {
  const session = await runtime.InferenceSession.create(path);
  const shape = JSON.parse(dimensions);
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = fs.readFileSync(0);
  const images = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const outputs = [];
  for (let i = 0; i < images.length; i += size) {
    const x = new runtime.Tensor("float32", images.slice(i, i + size), shape);
    const y = await session.run({ [session.inputNames[0]]: x });
    outputs.push(...y[session.outputNames[0]].data);
  }
  console.log(JSON.stringify(outputs));
})();
