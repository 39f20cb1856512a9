// What tests of calls across several workers call; relay.py has the same in Python.

export const call = (f, ...rest) => f(...rest);
export const add = (a, b) => a + b;
export const same = (a, b) => a === b;
export const item = (object, key) => object[key];
export const method = (object, name, ...rest) => object[name](...rest);
export const listed = (object) => [...object];
export const construct = (kind, ...rest) => new kind(...rest);
export const sum = (values) => values.reduce((a, b) => a + b, 0);

let held;
let told;

export function keep(object) {
  held = object;
}

export function kept() {
  return held;
}

export function setItem(object, key, value) {
  object[key] = value;
}

export function fill(values, value) {
  values.fill(value);
  return values;
}

export class Counter {
  constructor(n) {
    this.n = n;
  }

  up(by = 1) {
    this.n += by;
    return this.n;
  }

  *[Symbol.iterator]() {
    for (let i = 0; i < this.n; i++) yield i;
  }
}

export const make = (n) => new Counter(n);

export function makeAdder(n) {
  return (m) => n + m;
}

export function fail(text) {
  throw Object.assign(new RangeError(text), { code: "E_FAR" });
}

export function failWithType(text) {
  throw new TypeError(text);
}

// Lets the error of a callback through, and notes it.
export function relay(f, ...rest) {
  try {
    return f(...rest);
  } catch (error) {
    told = { name: error.name, message: error.message, stack: error.stack };
    throw error;
  }
}

export function handle(f, ...rest) {
  try {
    return f(...rest);
  } catch (error) {
    return `handled ${error.name}`;
  }
}

export const lastTold = () => told;

export const floats = (count) => Float64Array.from({ length: count }, (_, i) => i);

export function stall() {
  for (;;);
}
