// Mutates a message and has the addon read it: `node wire_fuzz.cjs ADDON SEED ROUNDS`. Prints how many
// messages were good, and how often each error came. The same for the same seed.
const wire = require(process.argv[2]);
let state = Number(process.argv[3]);
const rounds = Number(process.argv[4]);

function random(below) {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return (state >> 8) % below;
}

const original = wire.encode([
  "Grüße \ud800",
  2n ** 100n,
  { a: [1.5, null], __proto__: null },
  new Map([[7, new Set([1, "x"])]]),
  new Float64Array(4),
  new Date(5),
  Object.assign(new TypeError("bad", { cause: new Error("cause") }), { code: "E" }),
  Buffer.from("bytes"),
  Array.from({ length: 2000 }, (_, index) => index),
]);
const codes = {};
let good = 0;
for (let round = 0; round < rounds; round++) {
  const bytes = Buffer.from(original);
  const reach = round % 2 ? bytes.length : 500;
  for (let times = random(5) + 1; times > 0; times--) {
    bytes[random(reach)] = [0, 1, 0xc0, 0xc7, 0xdd, 0xff, 9, random(256)][random(8)];
  }
  const length = round % 3 ? bytes.length : random(bytes.length);
  try {
    // A buffer of its own, so that the sanitizer sees one byte too many.
    const message = Buffer.from(new Uint8Array(bytes.subarray(0, length)).buffer);
    wire.encode(wire.decode(message, undefined, round % 4 === 0));
    good++;
  } catch (error) {
    codes[error.code] = (codes[error.code] ?? 0) + 1;
  }
}
console.log(JSON.stringify({ good, codes }));
