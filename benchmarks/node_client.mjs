// Times calls from Node.js: `node node_client.mjs CLIENT PYTHON REPEATS CALLS` prints, as JSON, a list of
// figures for each side, one a repeat. Sides take turns. The last result of each timing is checked.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";

const [, , client, python, repeats, calls] = process.argv;
const CALLS = Number(calls);
const { start } = createRequire(import.meta.url)(client);

const ECHO = `
import socket
peer = socket.socket(fileno=3)
while data := peer.recv(65536):
    peer.sendall(data)
`;

function check(right, what) {
  if (!right) throw new Error(`${what} gave a wrong result`);
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

// Median microseconds of one call at a time.
async function oneByOne(call, right) {
  const taken = [];
  let result;
  for (let turn = 0; turn < CALLS; turn++) {
    const begin = process.hrtime.bigint();
    result = await call();
    taken.push(Number(process.hrtime.bigint() - begin) / 1000);
  }
  check(right(result), call);
  return median(taken);
}

// A socket like a host's, whose other end sends back what comes: what any call costs at least.
function bareEcho() {
  const child = spawn(python, ["-c", ECHO], { stdio: ["ignore", "inherit", "inherit", "pipe"] });
  const socket = child.stdio[3];
  const message = Buffer.alloc(64);
  let arrived;
  socket.on("data", () => arrived());
  return {
    call: () => new Promise((resolve) => {
      arrived = resolve;
      socket.write(message);
    }),
    end: () => socket.destroy(),
  };
}

async function milliseconds(work) {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function firstResult() {
  const host = await start({ python });
  const math = await host.load("python:math");
  check((await math.sqrt(9)) === 3, "the first call");
  return host;
}

const host = await start({ python });
const math = await host.load("python:math");
const functools = await host.load("python:functools");
const np = await host.load("numpy");
const echo = bareEcho();
const add = (a, b) => a + b;
const arrays = Object.fromEntries([1, 100].map((megabytes) => {
  const array = new Float64Array(megabytes * 2 ** 17).fill(1.5);
  return [megabytes, array];
}));
const kept = Object.fromEntries(await Promise.all([1, 100].map(async (megabytes) =>
  [megabytes, await np.ones.$ref(megabytes * 2 ** 17)])));

const sides = {
  echo: () => oneByOne(echo.call, () => true),
  call: () => oneByOne(() => math.sqrt(9), (result) => result === 3),
  callback: () => oneByOne(() => functools.reduce(add, [1, 2]), (result) => result === 3),
  async gather() {
    const count = 10 * CALLS;
    let results;
    const taken = await milliseconds(async () => {
      results = await Promise.all(Array.from({ length: count }, () => math.sqrt(9)));
    });
    check(results.every((result) => result === 3), "a call among many");
    return taken * 1000 / count;
  },
  async start() {
    let host;
    const taken = await milliseconds(async () => (host = await firstResult()));
    await host.close();
    return taken;
  },
  ...Object.fromEntries([1, 100].flatMap((megabytes) => [
    [`to ${megabytes}`, async () => {
      let items;
      const taken = await milliseconds(async () => (items = await np.size(arrays[megabytes])));
      check(items === megabytes * 2 ** 17, "an array sent");
      return taken;
    }],
    [`from ${megabytes}`, async () => {
      let array;
      const taken = await milliseconds(async () => (array = await kept[megabytes].$copy()));
      check(array.length === megabytes * 2 ** 17 && array.at(-1) === 1, "an array fetched");
      return taken;
    }],
  ])),
};

const figures = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
const order = Object.keys(sides);
for (const name of order) await sides[name]();
for (let repeat = 0; repeat < Number(repeats); repeat++) {
  for (const name of order) figures[name].push(await sides[name]());
  order.push(order.shift());
}
echo.end();
await host.close();
console.log(JSON.stringify(figures));
