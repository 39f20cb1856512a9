// Our objects that Python holds: functions, class instances, whatever goes by reference.

"use strict";

const { types } = require("node:util");
const { ReferenceReleasedError } = require("./errors.js");
const { KIND, NAME_BYTES_MAX, OWNER } = require("./wire.js");

// A value that goes by reference although it could go by value.
class ByReference {
  constructor(value) {
    this.value = value;
  }
}

function isClass(fn) {
  const prototype = Object.getOwnPropertyDescriptor(fn, "prototype");
  return prototype !== undefined && !prototype.writable && !types.isGeneratorFunction(fn);
}

function kindOf(value) {
  if (typeof value === "function") {
    if (types.isAsyncFunction(value) && !types.isGeneratorFunction(value)) return KIND.ASYNC_FUNCTION;
    return isClass(value) ? KIND.CLASS : KIND.FUNCTION;
  }
  if (types.isPromise(value)) return KIND.AWAITABLE;
  if (typeof value.next !== "function") return KIND.OBJECT;
  return Symbol.asyncIterator in value ? KIND.ASYNC_ITERATOR : KIND.ITERATOR;
}

function nameOf(value) {
  const name = typeof value === "function" ? value.name || "anonymous" : value.constructor?.name;
  const text = Buffer.from(String(name ?? "Object").toWellFormed());
  return text.length <= NAME_BYTES_MAX ? text.toString() : "Object";
}

// Getters and Proxy objects of programs may throw; a reference can be made all the same.
function attempt(ask, value, otherwise) {
  try {
    return ask(value);
  } catch {
    return otherwise;
  }
}

// The objects that one host holds.
class LocalObjects {
  #ids = new WeakMap();
  #entries = new Map();
  #lastId = 0;

  get size() {
    return this.#entries.size;
  }

  // The fields of a REFERENCE to an object, which is kept until the host has let go of it.
  send(value) {
    const object = value instanceof ByReference ? value.value : value;
    let entry = this.#entries.get(this.#ids.get(object));
    if (entry === undefined) {
      entry = { id: ++this.#lastId, object, sendings: 0 };
      this.#ids.set(object, entry.id);
      this.#entries.set(entry.id, entry);
    }
    entry.sendings++;
    const kind = attempt(kindOf, object, KIND.OBJECT);
    return [OWNER.CLIENT, kind, 1, entry.id, 0, attempt(nameOf, object, "Object")];
  }

  // The host has let go of so many sendings of an object.
  release(id, sendings) {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.sendings -= sendings;
    if (entry.sendings <= 0) this.#entries.delete(id);
  }

  get(id) {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      throw new ReferenceReleasedError({
        summary: "an object of the client cannot be used any more",
        received: "it was released",
      });
    }
    return entry.object;
  }
}

module.exports = { ByReference, LocalObjects };
