// One of each kind of export.
import { EventEmitter } from "node:events";

export default function greet(name = "you") {
  return `hello ${name}`;
}

export class Point {
  constructor(x, y) {
    this.x = x;
    this.y = y;
  }

  norm() {
    return Math.hypot(this.x, this.y);
  }

  get doubled() {
    return new Point(2 * this.x, 2 * this.y);
  }

  static origin() {
    return new Point(0, 0);
  }
}

export const LIMIT = 3;
export const settings = { depth: 4, tags: ["a", "b"] };
export const shapes = {
  area: (width, height) => width * height,
  solids: { volume: (a, b, c) => a * b * c },
  sides: 4,
};

export let counter = 0;
export function count() {
  return ++counter;
}

export async function later(value) {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return value;
}

export function fail(message) {
  throw new RangeError(message);
}

export function* upTo(end) {
  for (let n = 1; n <= end; n++) yield n;
}

export const applyTo = (fn, ...values) => fn(...values);
export const kindOf = (value) => (Array.isArray(value) ? "array" : value?.constructor?.name ?? String(value));
export const isPoint = (fn) => fn === Point;
export const spread = ({ a, b }, [c], d = [1, 2].length, ...rest) => [a, b, c, d, rest];
export const half = (numbers) => [...numbers].map((number) => number / 2);
export const sameNames = new Function("a", "a", "return a");
export const sum = (numbers) => numbers.reduce((total, number) => total + number);
export const environment = (name) => process.env[name] ?? null;
export const processId = () => process.pid;
const emitter = new EventEmitter();
export const listen = (listener) => void emitter.on("told", listener);
export const unlisten = (listener) => void emitter.off("told", listener);
export const tell = (...values) => emitter.emit("told", ...values);
export const waitFor = async (fn, ...values) => await fn(...values);
export const promise = () => [Promise.resolve(42)];

export let aborted = 0;
export const untilAborted = () => new Promise((_, reject) => {
  const signal = noodle.signal();
  signal.addEventListener("abort", () => {
    aborted += 1;
    reject(signal.reason);
  });
});
export async function whenAborted(times) {
  while (aborted < times) await new Promise((resolve) => setTimeout(resolve, 1));
  return aborted;
}
export function spin() {
  for (;;);
}
