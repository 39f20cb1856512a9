// What the host asks of objects: calls, properties, items, texts and values.

import { inspect, types } from "node:util";
import { addon } from "./addon.mjs";
import { batch } from "./batches.mjs";
import * as iterators from "./iterators.mjs";
import { collectAll } from "./memory.mjs";
import { load } from "./modules.mjs";
import { parametersOf, placed } from "./parameters.mjs";
import { KIND, KIND_NAMES, OP } from "./protocol.mjs";
import { kindOf, Member, Module, proxyCount } from "./references.mjs";

// Chosen: deeper is not what anyone reads at one glance.
const TEXT_DEPTH = 2;

// The codes say which of Python's errors it is: AttributeError, KeyError or IndexError.
function missing(name, object, code = "NOODLE_NAME") {
  const error = new ReferenceError(`${describeShortly(object)} has no ${String(name)}`);
  error.code = code;
  return error;
}

function missingItem(key, object) {
  return missing(key, object, typeof key === "number" ? "NOODLE_INDEX" : "NOODLE_KEY");
}

function describeShortly(object) {
  if (object instanceof Module) return "the module";
  if (typeof object === "function") return `${object.name || "the function"}`;
  return `the ${object?.constructor?.name ?? typeof object}`;
}

// ------------------------------------------------------------------------------------ Looking up

function hasName(object, name) {
  return object !== null && object !== undefined && name in Object(object);
}

// Where a name is found: in the module's own names, then in its default export, which every module
// has under the name `default`.
function holderOf(object, name) {
  if (!(object instanceof Module)) return hasName(object, name) ? object : undefined;
  const holder = [object.names, object.main].find((part) => hasName(part, name));
  if (holder !== undefined || name !== "default" || object.main === undefined) return holder;
  return Object.create(null, { default: { value: object.main } });
}

const namespaces = new WeakMap();

// A plain object with functions in it, such as `path.posix`: by reference, like the module itself.
function isNamespace(value) {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  if (types.isModuleNamespaceObject(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(Object.getOwnPropertyDescriptors(value)).some(
    (property) => typeof property.value === "function",
  );
}

function namespaceOf(value) {
  let module = namespaces.get(value);
  if (module === undefined) namespaces.set(value, (module = new Module(value, undefined)));
  return module;
}

function isUnboundClass(value) {
  return !types.isProxy(value) && Object.hasOwn(value, "prototype")
    && Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

function get(object, name) {
  const holder = holderOf(object, name);
  if (holder === undefined) throw missing(name, object);
  const value = holder[name];
  if (object instanceof Module && isNamespace(value)) return namespaceOf(value);
  if (value === object.main && object instanceof Module) return value;
  if (typeof value !== "function" || isUnboundClass(value) || types.isModuleNamespaceObject(holder)) {
    return value;
  }
  if (typeof holder !== "object" && typeof holder !== "function") return value;
  return new Member(value, holder, !Object.hasOwn(holder, name));
}

function target(object) {
  return object instanceof Module ? callableOf(object) : object;
}

function callableOf(module) {
  if (typeof module.main === "function") return module.main;
  throw new TypeError("the module is no function, and neither is its default export");
}

function call(object, receiver, args) {
  const fn = target(object);
  if (typeof fn !== "function") throw new TypeError(`${describeShortly(object)} is no function`);
  return Reflect.apply(fn, receiver, args);
}

function callNamed(object, receiver, named, args) {
  const fn = target(object);
  if (typeof fn !== "function") throw new TypeError(`${describeShortly(object)} is no function`);
  const all = placed(fn, args, named);
  return kindOf(fn) === KIND.CLASS ? Reflect.construct(fn, all) : Reflect.apply(fn, receiver, all);
}

function callMethod(object, name, args) {
  const holder = holderOf(object, name);
  const fn = holder?.[name];
  if (holder === undefined) throw missing(name, object);
  if (typeof fn !== "function") {
    throw new TypeError(`${String(name)} of ${describeShortly(object)} is no function`);
  }
  return Reflect.apply(fn, types.isModuleNamespaceObject(holder) ? undefined : holder, args);
}

// The part of a module that can be written to.
function writable(object) {
  if (!(object instanceof Module)) return object;
  return types.isModuleNamespaceObject(object.names) ? object.main : object.names;
}

// --------------------------------------------------------------------------------------- Names

function namesOfChain(object) {
  const names = new Set(Object.keys(object));
  let at = object;
  while (at !== null && at !== Object.prototype && at !== Function.prototype) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    at = Object.getPrototypeOf(at);
  }
  return names;
}

const OF_FUNCTIONS = new Set(["length", "name", "prototype", "arguments", "caller"]);

function namesOf(object) {
  if (object === null || (typeof object !== "object" && typeof object !== "function")) return [];
  if (object instanceof Module) {
    const own = object.main === undefined ? [] : ["default"];
    return [...new Set([...own, ...namesOf(object.names), ...namesOf(object.main)])];
  }
  const hidden = typeof object === "function" ? OF_FUNCTIONS : new Set();
  return [...namesOfChain(object)].filter(
    (name) => name !== "constructor" && name !== "__esModule" && name !== "module.exports"
      && !name.startsWith("_") && !hidden.has(name),
  );
}

// -------------------------------------------------------------------------------------- Values

function length(object) {
  for (const name of ["length", "size", "byteLength"]) {
    const value = object?.[name];
    if (Number.isInteger(value)) return value;
  }
  throw new TypeError(`${describeShortly(object)} has no length`);
}

function text(object) {
  if (object instanceof Module) return inspect(object.names, { depth: 0 });
  return inspect(object, { depth: TEXT_DEPTH });
}

function isByValue(value) {
  return value === null || typeof value !== "object" || ArrayBuffer.isView(value)
    || types.isAnyArrayBuffer(value) || types.isDate(value) || types.isMap(value)
    || types.isSet(value) || types.isNativeError(value);
}

function copyMembers(object, path) {
  const copy = {};
  for (const [name, value] of Object.entries(object)) copy[name] = copyOf(value, path);
  return copy;
}

// A copy by value: class instances as plain objects, in every depth.
function copyOf(value, path = []) {
  if (isByValue(value)) {
    if (typeof value === "function" || typeof value === "symbol") {
      throw new TypeError(`a ${typeof value} has no value that could be copied`);
    }
    return value;
  }
  if (types.isPromise(value)) throw new TypeError("a promise has no value yet: await it");
  if (path.includes(value)) throw new TypeError("the object contains itself and cannot be copied");
  const inner = [...path, value];
  if (Array.isArray(value)) return value.map((item) => copyOf(item, inner));
  if (value instanceof Module) return copyMembers(value.names, inner);
  if (typeof value.toJSON === "function") return value.toJSON();
  return copyMembers(value, inner);
}

// --------------------------------------------------------------------------------- Descriptions

function describe(object, name) {
  const holder = name === null || name === undefined ? object : holderOf(object, name);
  if (holder === undefined) throw missing(name, object);
  const value = holder === object && (name === null || name === undefined) ? target(object) : holder[name];
  if (object instanceof Module && isNamespace(value)) return [KIND_NAMES[KIND.MODULE], [], null];
  if (typeof value !== "function") return [value === null ? "null" : typeof value, [], null];
  return [KIND_NAMES[kindOf(value)], parametersOf(value), null];
}

function statistics() {
  const memory = process.memoryUsage();
  return {
    ...addon.statistics(),
    proxies: proxyCount(),
    resident_bytes: memory.rss,
    heap_bytes: memory.heapUsed,
    external_bytes: memory.external,
  };
}

// ------------------------------------------------------------------------------------- Operations

const operations = {
  [OP.CALL]: (object, receiver, ...args) => call(object, receiver, args),
  [OP.CALL_NAMED]: (object, receiver, named, ...args) => callNamed(object, receiver, named, args),
  [OP.METHOD]: (object, _, name, ...args) => callMethod(object, name, args),
  [OP.NEW]: (object, _, ...args) => Reflect.construct(target(object), args),
  [OP.GET]: (object, _, name) => get(object, name),
  [OP.SET](object, _, name, value) {
    writable(object)[name] = value; // throws where it cannot be set: here everything is strict
    return null;
  },
  [OP.DELETE](object, _, name) {
    if (!Reflect.deleteProperty(writable(object), name)) {
      throw new TypeError(`${name} of ${describeShortly(object)} cannot be deleted`);
    }
    return null;
  },
  [OP.HAS]: (object, _, name) => holderOf(object, name) !== undefined,
  [OP.NAMES]: (object) => namesOf(object),
  [OP.ITEM](object, _, key) {
    if (!hasName(object, key)) throw missingItem(key, object);
    return get(object, key);
  },
  [OP.SET_ITEM](object, _, key, value) {
    object[key] = value;
    return null;
  },
  [OP.LENGTH]: (object) => length(object),
  [OP.ITERATE]: (object) => iterators.iterate(object),
  [OP.NEXT]: (object, _, most) => iterators.next(object, most),
  [OP.AWAIT]: (object) => Promise.resolve(object),
  [OP.TEXT]: (object) => text(object),
  [OP.VALUE]: (object) => copyOf(object),
  [OP.IMPORT]: (_, __, specifier, directory) => load(specifier, directory),
  [OP.DESCRIBE]: (object, _, name) => describe(object, name),
  [OP.STATISTICS]: () => statistics(),
  [OP.COLLECT]: () => collectAll(),
  [OP.BATCH]: (object, receiver, arity, items) =>
    batch(object, receiver, (args) => call(object, receiver, args), arity, items),
  [OP.CLOSE]: (object) => iterators.close(object),
};

const OF_THE_WORKER = new Set([OP.IMPORT, OP.STATISTICS, OP.COLLECT]);

// Does what the host asks of an object.
export function serve(operation, object, receiver, id, ...args) {
  const perform = operations[operation];
  if (perform === undefined) throw new TypeError(`there is no operation ${operation}`);
  if (id === 0 && !OF_THE_WORKER.has(operation)) {
    throw new TypeError(`the worker itself knows no operation ${operation}`);
  }
  return perform(object, receiver, ...args);
}
