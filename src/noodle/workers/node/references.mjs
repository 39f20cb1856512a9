// Objects that cross by reference: ours, which the host names by id, and the host's, for which proxies
// stand here.

import { types } from "node:util";
import { addon } from "./addon.mjs";
import { makeProxy } from "./proxies.mjs";
import { KIND } from "./protocol.mjs";

// A function as it was read from an object: calling it passes that object as `this`.
export class Member {
  #function;
  #receiver;
  #bound;

  // bound: whether the function comes back to JavaScript bound to its receiver.
  constructor(fn, receiver, bound) {
    this.#function = fn;
    this.#receiver = receiver;
    this.#bound = bound;
  }

  static is(value) {
    return typeof value === "object" && #function in value;
  }

  static parts(member) {
    return [member.#function, member.#receiver, member.#bound];
  }
}

// What import gave: the names of an ES module, then those of its default export.
export class Module {
  constructor(names, main) {
    this.names = names;
    this.main = main;
  }
}

// ------------------------------------------------------------------------------------- Kinds

function isClass(fn) {
  const prototype = Object.getOwnPropertyDescriptor(fn, "prototype");
  if (prototype === undefined || types.isGeneratorFunction(fn)) return false;
  if (!prototype.writable) return true;
  // Before there was `class`, a constructor was a function with a capital and methods.
  return /^\p{Lu}/u.test(fn.name) && Object.getOwnPropertyNames(prototype.value ?? {}).length > 1;
}

function kindOfFunction(fn) {
  if (types.isAsyncFunction(fn) && !types.isGeneratorFunction(fn)) return KIND.ASYNC_FUNCTION;
  return isClass(fn) ? KIND.CLASS : KIND.FUNCTION;
}

export function kindOf(value) {
  if (typeof value === "function") return kindOfFunction(value);
  if (typeof value !== "object") return KIND.OBJECT;
  if (value instanceof Module) return KIND.MODULE;
  if (typeof value.next === "function") {
    if (Symbol.asyncIterator in value) return KIND.ASYNC_ITERATOR;
    if (Symbol.iterator in value) return KIND.ITERATOR;
  }
  return typeof value.then === "function" ? KIND.AWAITABLE : KIND.OBJECT;
}

export function nameOf(value) {
  if (typeof value === "function") return String(value.name || "anonymous");
  if (typeof value === "symbol") return String(value);
  return String(value.constructor?.name ?? "Object");
}

// Getters and proxies of programs may throw; a reference can be made all the same.
function attempt(ask, value, otherwise) {
  try {
    return ask(value);
  } catch {
    return otherwise;
  }
}

// --------------------------------------------------------------------------------- Our objects

const ids = new WeakMap();
const memberIds = new WeakMap();
const hostIds = new WeakMap();

function known(map, key) {
  const id = map?.get(key);
  return id !== undefined && addon.holds(id) ? id : undefined;
}

function introduceMember(member) {
  const [fn, receiver, bound] = Member.parts(member);
  let byReceiver = memberIds.get(fn);
  const id = known(byReceiver, receiver);
  if (id !== undefined) return id;
  if (byReceiver === undefined) memberIds.set(fn, (byReceiver = new WeakMap()));
  const kind = attempt(kindOf, fn, KIND.FUNCTION);
  const own = attempt(nameOf, fn, "anonymous");
  const name = bound ? `${attempt(nameOf, receiver, "Object")}.${own}` : own;
  const added = addon.add(fn, receiver, kind, name, bound);
  byReceiver.set(receiver, added);
  return added;
}

// Symbols of the global registry cannot be weak keys: each sending gets an id of its own.
function isWeakKey(value) {
  return typeof value !== "symbol" || Symbol.keyFor(value) === undefined;
}

// The id of an object that goes to the host; -1 - id for one of the host's.
export function introduce(value) {
  if (Member.is(value)) return introduceMember(value);
  const host = hostIds.get(value);
  if (host !== undefined) return -1 - host;
  const id = known(ids, value);
  if (id !== undefined) return id;
  const kind = attempt(kindOf, value, KIND.OBJECT);
  // What it is rejected with is the host's to see: it is no rejection that nobody handles.
  if (types.isPromise(value)) value.catch(() => {});
  const added = addon.add(value, undefined, kind, attempt(nameOf, value, "Object"), false);
  if (isWeakKey(value)) ids.set(value, added);
  return added;
}

// Whether an object without a prototype goes by reference. The addon sees no prototype of a Proxy.
export function claim(value) {
  if (!types.isProxy(value)) return false;
  if (hostIds.has(value) || Array.isArray(value)) return true;
  const prototype = attempt(Object.getPrototypeOf, value, null);
  return prototype !== null && prototype !== Object.prototype;
}

// ------------------------------------------------------------------------------ The host's objects

// By host id: { id, sent, weak }.
const proxies = new Map();
let released = [];

function flushReleases() {
  const list = released;
  released = [];
  addon.release(list);
}

// Finalizers write nothing themselves: they collect, and the loop sends.
const registry = new FinalizationRegistry((entry) => {
  if (proxies.get(entry.id) === entry) proxies.delete(entry.id);
  if (released.length === 0) setImmediate(flushReleases);
  released.push(entry.id, entry.sent);
});

export function proxy(id, kind, sent, name) {
  const entry = proxies.get(id);
  const living = entry?.weak.deref();
  if (living !== undefined) {
    entry.sent += sent;
    return living;
  }
  const made = makeProxy(id, kind, name);
  const added = { id, sent, weak: new WeakRef(made) };
  proxies.set(id, added);
  hostIds.set(made, id);
  registry.register(made, added);
  return made;
}

export function proxyCount() {
  return proxies.size;
}
