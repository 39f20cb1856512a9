// What Python asks of our objects: calls, members, iteration, texts and values.

"use strict";

const { inspect, types } = require("node:util");
const { ArgumentTypeError } = require("./errors.js");
const { ByReference } = require("./local_objects.js");
const { OP } = require("./wire.js");

function nameOf(object) {
  return typeof object === "function" ? object.name || "the function" : object.constructor?.name;
}

function isObject(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function read(object, key) {
  if (!(key in Object(object))) {
    const error = new ReferenceError(`${nameOf(object) ?? "the object"} has no ${String(key)}`);
    error.code = "NOODLE_NAME";
    throw error;
  }
  const value = object[key];
  // A method keeps its object as `this`; a class is a value.
  const isMethod = typeof value === "function" && !Object.hasOwn(object, key)
    && Object.getOwnPropertyDescriptor(value, "prototype")?.writable !== false;
  return isMethod ? value.bind(object) : value;
}

function callable(object, what = nameOf(object)) {
  if (typeof object !== "function") throw new TypeError(`${what} is no function`);
  return object;
}

function construct(object, args) {
  const fn = callable(object);
  const isClass = Object.getOwnPropertyDescriptor(fn, "prototype")?.writable === false;
  return isClass ? Reflect.construct(fn, args) : fn(...args);
}

function length(object) {
  const found = ["length", "size", "byteLength"].map((name) => object[name]).find(Number.isInteger);
  if (found === undefined) throw new TypeError(`${nameOf(object)} has no length`);
  return found;
}

// A copy by value: class instances as plain objects, in every depth.
function copyOf(value, path = []) {
  if (typeof value === "function") throw new TypeError("a function has no value to copy");
  if (!isObject(value) || ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)
    || types.isDate(value) || types.isMap(value) || types.isSet(value) || types.isNativeError(value)) {
    return value;
  }
  if (path.includes(value)) throw new TypeError("the object contains itself and cannot be copied");
  const inner = [...path, value];
  if (Array.isArray(value)) return value.map((item) => copyOf(item, inner));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, copyOf(item, inner)]));
}

function iterate(object) {
  const make = object[Symbol.asyncIterator] ?? object[Symbol.iterator];
  if (make === undefined) throw new TypeError(`${nameOf(object)} is not iterable`);
  return new ByReference(make.call(object));
}

// By iterator: the error with which its next batch begins.
const failures = new WeakMap();

// [done, item...]: one item is waited for; further ones only of iterators that need no waiting. What
// came before an error is delivered first.
async function next(iterator, most) {
  if (failures.has(iterator)) {
    const { error } = failures.get(iterator);
    failures.delete(iterator);
    throw error;
  }
  const first = iterator.next();
  const waits = types.isPromise(first);
  const batch = [false];
  try {
    for (let step = await first; !step.done; step = iterator.next()) {
      batch.push(step.value);
      if (waits || batch.length > most) return batch;
    }
    batch[0] = true;
  } catch (error) {
    if (batch.length === 1) throw error;
    failures.set(iterator, { error });
  }
  return batch;
}

const actions = {
  [OP.CALL]: (object, ...args) => construct(object, args),
  [OP.METHOD]: (object, name, ...args) => callable(object[name], String(name)).apply(object, args),
  [OP.NEW]: (object, ...args) => Reflect.construct(callable(object), args),
  [OP.GET]: read,
  [OP.SET](object, name, value) {
    object[name] = value;
  },
  [OP.DELETE]: (object, name) => void Reflect.deleteProperty(object, name),
  [OP.HAS]: (object, name) => name in object,
  [OP.NAMES](object) {
    const names = new Set();
    for (let at = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    }
    return [...names].filter((name) => name !== "constructor");
  },
  [OP.ITEM]: (object, key) => (types.isMap(object) ? object.get(key) : read(object, key)),
  [OP.SET_ITEM](object, key, value) {
    if (types.isMap(object)) object.set(key, value);
    else object[key] = value;
  },
  [OP.LENGTH]: length,
  [OP.ITERATE]: iterate,
  [OP.NEXT]: next,
  [OP.AWAIT]: (object) => object,
  [OP.TEXT]: (object) => inspect(object, { depth: 2 }),
  [OP.VALUE]: (object) => copyOf(object),
  [OP.CLOSE]: (object) => object.return?.().then?.(() => undefined),
};

// Does what Python asks of an object; may give a promise.
function perform(operation, object, args) {
  const action = actions[operation];
  if (action === undefined) {
    throw new ArgumentTypeError(`objects of the client know no operation ${operation}`);
  }
  return action(object, ...args);
}

module.exports = { perform };
