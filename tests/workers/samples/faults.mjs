// What goes wrong in JavaScript, each in a function of its own.

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

export const pid = () => process.pid;
export const add = (a, b) => a + b;
export const echo = (value) => value;
export const sleep = (ms, value) => new Promise((settle) => setTimeout(settle, ms, value));
export const never = () => new Promise(() => {});
export const call = (f, ...rest) => f(...rest);
export const callForever = (f) => {
  for (;;) f();
};
export const callLater = async (f, ...rest) => f(...rest);
export const callUnblocked = async (f, ...rest) => f.async(...rest);

export const exit = (code) => process.exit(code);
export const kill = (signal) => {
  process.kill(process.pid, signal);
  for (;;);
};
export const abort = () => process.abort();
export const spin = (begun) => {
  if (begun) begun[0] = 1;
  for (;;);
};
export const busy = (ms) => {
  const end = Date.now() + ms;
  while (Date.now() < end);
};
export const neverFrom = (begun) => {
  begun[0] = 1;
  return never();
};
export const busyFrom = (begun, ms) => {
  begun[0] = 1;
  busy(ms);
};
export const doubled = (thing) => thing.double();
let gate;
export const waitForGate = (value) => new Promise((settle) => (gate = () => settle(value)));
export const openGate = () => gate();
export const throwUncaught = () => {
  setTimeout(() => {
    throw new Error("nobody catches this");
  }, 0);
  return never();
};
export const rejectUnhandled = () => {
  Promise.reject(new Error("nobody handles this"));
  return never();
};
export const exhaust = () => {
  const kept = [];
  for (;;) kept.push(new Array(100_000).fill(kept.length));
};
export const exhaustBuffers = () => {
  const kept = [];
  for (;;) kept.push(Buffer.alloc(4_000_000, 1));
};
export const exhaustLater = () => {
  const kept = [];
  setInterval(() => kept.push(Buffer.alloc(4_000_000, 1)), 1);
};
export const recurse = () => recurse() + 1;

export const numbers = () => [
  NaN, Infinity, -Infinity, -0, 2 ** 53 - 1, 2n ** 53n + 1n, 2n ** 70n, -(2n ** 70n), 5e-324,
];
export const texts = (...values) => values.map((value) => (Object.is(value, -0) ? "-0" : String(value)));
export const types = (...values) => values.map((value) => typeof value);
export const codes = (text) => Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
export const lone = () => "a\ud800b";

export const nested = (depth) => {
  let list = [];
  for (let i = 0; i < depth; i++) list = [list];
  return list;
};
const sum = (a, b) => a + b;
export const shared = () => sum;
export const sharedAndUnsendable = () => [sum, cyclicList()];
export const cyclicList = () => {
  const list = [];
  list.push(list);
  return list;
};
export const cyclicObject = () => {
  const object = {};
  object.inner = { object };
  return object;
};
export const cyclicMap = () => {
  const map = new Map();
  map.set("self", map);
  return map;
};
export const getter = () => ({
  get value() {
    throw new RangeError("a getter");
  },
});
const hostile = new Error("hidden");
Object.defineProperty(hostile, "stack", {
  get() {
    throw new Error("no stack");
  },
});
const thrown = [undefined, null, 1, -0, NaN, "text", Symbol("s"), {}, Object.create(null), () => 1, 10n,
  cyclicList(), hostile, new Proxy(new Error("inside"), {
    get() {
      throw new Error("a trap");
    },
  })];
export const throwValue = (index) => {
  throw thrown[index];
};
export const thrownCount = () => thrown.length;

export const text = (length) => "x".repeat(length);
export const fill = (array, value) => array.fill(value);
export const floats = (length) => new Float64Array(length).fill(1.5);

export class Thing {
  constructor(value) {
    this.value = value;
  }
  double() {
    return 2 * this.value;
  }
}
export const count = function* (end) {
  for (let n = 0; n < end; n++) yield n;
};

export const print = (lines) => {
  for (let i = 0; i < lines; i++) {
    console.log(`out ${i}`);
    console.error(`err ${i}`);
  }
};
export const writeAll = (descriptor, text) => writeSync(descriptor, text);

// Writes into the memory of the control block and the rings, as hostile native code could.
export const corrupt = (bytes, position) => {
  const line = readFileSync("/proc/self/maps", "utf8").split("\n").find((text) => text.includes("noodle-control"));
  const memory = openSync("/proc/self/mem", "r+");
  try {
    return writeSync(memory, bytes, 0, bytes.length, parseInt(line.split("-")[0], 16) + position);
  } finally {
    closeSync(memory);
  }
};
