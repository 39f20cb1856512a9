// What stands for the host's objects: real functions, and Proxy objects whose members are asked for.

import { inspect } from "node:util";
import { addon } from "./addon.mjs";
import { addCallers } from "./errors.mjs";
import { KIND, OP } from "./protocol.mjs";
import { methodOf } from "./sequences.mjs";

// Items that an iteration asks for at once.
const BATCH = 64;

// An error of the host has the calls over there in its stack; those of JavaScript that led to the request
// come after them.
function ask(operation, id, ...rest) {
  try {
    return addon.request(true, operation, id, ...rest);
  } catch (error) {
    addCallers(error, ask);
    throw error;
  }
}

const askLater = (operation, id, ...rest) => addon.request(false, operation, id, ...rest);

// ------------------------------------------------------------------------------------ Functions

function nameFunction(fn, name, members) {
  Object.defineProperty(fn, "name", { value: name, configurable: true });
  for (const [key, value] of Object.entries(members)) {
    Object.defineProperty(fn, key, { value, configurable: true, writable: true });
  }
  return fn;
}

// A promise that is rejected, and a call that is cancelled over there, when the signal is aborted.
function askUntil(signal, id, ...rest) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const answered = askLater(OP.CALL, id, ...rest);
    const number = addon.lastRequest();
    const stop = () => {
      addon.abandon(number);
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    answered.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

// `f(...)` waits, `f.async(...)` gives a promise; of an async function it is the other way round by
// default, and `f.sync(...)` waits. `f.until(signal, ...)` gives a promise that an AbortSignal ends.
function makeFunction(id, kind, name) {
  const sync = (...rest) => ask(OP.CALL, id, ...rest);
  const async = (...rest) => askLater(OP.CALL, id, ...rest);
  const until = (signal, ...rest) => askUntil(signal, id, ...rest);
  const fn = kind === KIND.ASYNC_FUNCTION
    ? (...rest) => askLater(OP.CALL, id, ...rest)
    : (...rest) => ask(OP.CALL, id, ...rest);
  return nameFunction(fn, name, { sync, async, until });
}

// ------------------------------------------------------------------------------------ Iteration

function* iterate(id) {
  const iterator = ask(OP.ITERATE, id);
  const iteratorId = idOf(iterator);
  try {
    for (;;) {
      const [done, ...items] = ask(OP.NEXT, iteratorId, BATCH);
      yield* items;
      if (done) return;
    }
  } finally {
    ask(OP.CLOSE, iteratorId);
  }
}

async function* iterateLater(id) {
  const iterator = await askLater(OP.ITERATE, id);
  const iteratorId = idOf(iterator);
  try {
    for (;;) {
      const [done, ...items] = await askLater(OP.NEXT, iteratorId, 1);
      yield* items;
      if (done) return;
    }
  } finally {
    await askLater(OP.CLOSE, iteratorId);
  }
}

function next(id) {
  const [done, ...items] = ask(OP.NEXT, id, 1);
  return items.length > 0 ? { done: false, value: items[0] } : { done, value: undefined };
}

async function nextLater(id) {
  const [done, ...items] = await askLater(OP.NEXT, id, 1);
  return items.length > 0 ? { done: false, value: items[0] } : { done, value: undefined };
}

function end(id, value) {
  ask(OP.CLOSE, id);
  return { done: true, value };
}

async function endLater(id, value) {
  await askLater(OP.CLOSE, id);
  return { done: true, value };
}

// -------------------------------------------------------------------------------------- Objects

class HostObject {
  constructor(id, kind, name) {
    this.id = id;
    this.kind = kind;
    this.name = name;
  }
}

const targets = new WeakMap();

function idOf(made) {
  const target = targets.get(made);
  if (target === undefined) throw new TypeError("expected an object of the host");
  return target.id;
}

// A decimal is its number, to the digits of a double; a text that says no number is none.
const numberOf = (text) => (text.trim() === "" ? NaN : Number(text));

// Members that JavaScript itself asks every object for, and which no host object has.
function wellKnown({ id, kind, name }, key, self) {
  switch (key) {
    case Symbol.iterator:
      return kind === KIND.ASYNC_ITERATOR ? undefined
        : kind === KIND.ITERATOR ? () => self
        : () => iterate(id);
    case Symbol.asyncIterator:
      return kind === KIND.ASYNC_ITERATOR ? () => self : () => iterateLater(id);
    case Symbol.toPrimitive:
      return (hint) => (hint === "number" ? numberOf(ask(OP.TEXT, id)) : ask(OP.TEXT, id));
    case Symbol.toStringTag:
      return name;
    case inspect.custom:
      return () => `[${name} of the host]`;
    default:
      return undefined;
  }
}

const isIndex = (key) => /^(0|[1-9][0-9]{0,15})$/.test(key);

// JavaScript asks for what may not be there, and expects undefined.
function orUndefined(work) {
  try {
    return work();
  } catch (error) {
    if (["AttributeError", "KeyError", "IndexError", "NameNotFoundError"].includes(error?.name)) {
      return undefined;
    }
    throw error;
  }
}

function member({ id }, key) {
  return isIndex(key) ? ask(OP.ITEM, id, Number(key)) : ask(OP.GET, id, key);
}

function has({ id }, key) {
  return ask(OP.HAS, id, isIndex(key) ? Number(key) : key);
}

function read(target, key, self) {
  const { id, kind } = target;
  if (typeof key === "symbol") return wellKnown(target, key, self);
  if (key === "then") {
    if (kind !== KIND.AWAITABLE) return undefined;
    return (...handlers) => askLater(OP.AWAIT, id).then(...handlers);
  }
  if (key === "next" && kind === KIND.ITERATOR) return () => next(id);
  if (key === "next" && kind === KIND.ASYNC_ITERATOR) return () => nextLater(id);
  if (key === "return" && kind === KIND.ITERATOR) return (value) => end(id, value);
  if (key === "return" && kind === KIND.ASYNC_ITERATOR) return (value) => endLater(id, value);
  if (key === "toString") return () => ask(OP.TEXT, id);
  if (key === "toJSON") return () => ask(OP.VALUE, id);
  if (key === "length" && !ask(OP.HAS, id, key)) return orUndefined(() => ask(OP.LENGTH, id));
  const found = orUndefined(() => member(target, key));
  return found === undefined && kind === KIND.OBJECT ? methodOf(target, key, ask, iterate) : found;
}

function write({ id }, key, value) {
  if (isIndex(key)) ask(OP.SET_ITEM, id, Number(key), value);
  else ask(OP.SET, id, key, value);
  return true;
}

// `unwrap` finds the facts about a Proxy's target, which of a class is a function.
function traps(unwrap) {
  return {
    get: (target, key, self) => read(unwrap(target), key, self),
    set: (target, key, value) => typeof key === "string" && write(unwrap(target), key, value),
    has: (target, key) => typeof key === "string" && has(unwrap(target), key),
    deleteProperty(target, key) {
      if (typeof key === "string") ask(OP.DELETE, unwrap(target).id, key);
      return true;
    },
    getPrototypeOf: () => HostObject.prototype,
    defineProperty: () => false,
    preventExtensions: () => false,
  };
}

const objectTraps = {
  ...traps((target) => target.facts),
  ownKeys: ({ facts }) => ask(OP.NAMES, facts.id),
  getOwnPropertyDescriptor({ facts }, key) {
    if (typeof key !== "string" || !has(facts, key)) return undefined;
    const value = orUndefined(() => member(facts, key));
    return { value, writable: true, enumerable: true, configurable: true };
  },
};

const classFacts = new WeakMap();

const classTraps = {
  ...traps((target) => classFacts.get(target)),
  apply: (target, _, rest) => ask(OP.CALL, classFacts.get(target).id, ...rest),
  construct: (target, rest) => ask(OP.NEW, classFacts.get(target).id, ...rest),
};

function makeObject(facts) {
  // The facts are not the target itself: Proxy compares what traps say with what the target has.
  const box = Object.create(null);
  Object.defineProperty(box, "facts", { value: facts, configurable: true, enumerable: false });
  return new Proxy(box, objectTraps);
}

function makeClass(facts) {
  const target = function () {};
  classFacts.set(target, facts);
  return new Proxy(target, classTraps);
}

// Makes what stands for an object of the host.
export function makeProxy(id, kind, name) {
  if (kind === KIND.FUNCTION || kind === KIND.ASYNC_FUNCTION) return makeFunction(id, kind, name);
  const facts = new HostObject(id, kind, name);
  const made = kind === KIND.CLASS ? makeClass(facts) : makeObject(facts);
  targets.set(made, facts);
  return made;
}
