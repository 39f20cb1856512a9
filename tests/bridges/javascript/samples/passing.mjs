// What happens to functions, objects and errors that are passed.
import { EventEmitter } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const emitter = new EventEmitter();
export const on = (listener) => void emitter.on("told", listener);
export const off = (listener) => void emitter.off("told", listener);
export const listeners = () => emitter.listenerCount("told");
export const tell = (...values) => emitter.emit("told", ...values);
export const tellLater = (...values) => void setTimeout(() => emitter.emit("told", ...values), 1);
export const rejectLater = (fn, ...values) => void setTimeout(() => fn.async(...values), 1);

export const call = (fn, ...values) => fn(...values);
export const callMember = (options, ...values) => options.callback(...values);
export const echo = (value) => value;
export const echoInList = (value) => [value];
export const isSame = (first, second) => first === second;
export const isSameInside = ([first], { value }) => first === value;
export const greet = (name) => `hello ${name}`;
export const evaluate = (source, ...values) => (0, eval)(source)(...values);

export class Counter {
  constructor(start = 0, step = 1) {
    this.count = start;
    this.step = step;
  }

  add(times = 1, { twice = false } = {}, note = "") {
    this.count += this.step * times * (twice ? 2 : 1);
    return [this.count, note];
  }

  wait() {
    return new Promise(() => {});
  }
}

export const waiting = {
  forEver: () => new Promise(() => {}),
  end: () => process.exit(3),
};

export const spread = (first, second = 2, third = 3, ...rest) => [first, second, third, ...rest];
export class Spreader {
  spread(first, second = 2, third = 3, ...rest) {
    return [first, second, third, ...rest];
  }
}
export class Spread {
  #all;

  constructor(first, second = 2, third = 3) {
    this.#all = [first, second, third];
  }

  all() {
    return this.#all;
  }
}

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
export async function collect() {
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    gc();
  }
}
