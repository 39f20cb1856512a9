// What stands for libraries and objects of Python: proxies whose members are awaited and called.
//
// A member is a path, which is not looked up before it is awaited or called. Names that begin with `$`
// are what Noodle does with an object: no name of Python can be such.

"use strict";

const { inspect } = require("node:util");
const { ArgumentTypeError } = require("./errors.js");
const { overdue, timerDelay } = require("./failures.js");
const { callOptions } = require("./options.js");
const { addSite, captureSite } = require("./sites.js");
const { OP } = require("./wire.js");

// Chosen, as everywhere in Noodle: items that come with one request, if there are as many.
const ITEMS_A_CALL = 64;

// Arguments by keyword, the last one of a call.
class Named {
  constructor(values) {
    this.values = values;
  }
}

// Chosen: paths that are kept with the one that they begin with, so that naming one again is cheap.
const CHILDREN_MOST = 256;

// What a proxy stands for: a path from a base. The base knows where to send requests: place() gives
// { link, id }, or a promise of it.
class Target {
  #path;
  #shown;
  #children;

  constructor(base, steps, options) {
    this.base = base;
    this.steps = steps;
    this.options = options;
  }

  // As text where it has only names, which is the usual case; null where there are no steps.
  get path() {
    this.#path ??= this.steps.every((step) => typeof step === "string")
      ? this.steps.join(".") : this.steps;
    return this.steps.length === 0 ? null : this.#path;
  }

  // For messages.
  get shown() {
    const parts = () => this.steps.map((step) =>
      (typeof step === "string" ? `.${step}` : `[${String(step[0])}]`));
    this.#shown ??= this.base.name + parts().join("");
    return this.#shown;
  }

  // The path with further steps.
  longer(...steps) {
    return new Target(this.base, [...this.steps, ...steps], this.options);
  }

  // The proxy of a member.
  child(key) {
    this.#children ??= new Map();
    let proxy = this.#children.get(key);
    if (proxy === undefined) {
      proxy = makeProxy(this.longer(isIndex(key) ? [Number(key)] : key));
      if (this.#children.size < CHILDREN_MOST) this.#children.set(key, proxy);
    }
    return proxy;
  }
}

const targets = new WeakMap();

function targetOf(value) {
  return typeof value === "function" ? targets.get(value) : undefined;
}

// ------------------------------------------------------------------------------------- Names

function isIndex(key) {
  return /^-?(0|[1-9][0-9]{0,14})$/.test(key);
}

// ---------------------------------------------------------------------------------- Requests

function isWaitedFor(argument) {
  const found = targetOf(argument);
  if (found === undefined) return typeof argument?.then === "function";
  return found.steps.length > 0 || !found.base.isReady();
}

// What an argument stands for: a promise its value, a path the member, a library its namespace.
async function settled(argument) {
  const found = targetOf(argument);
  if (found !== undefined && found.steps.length === 0) {
    await found.base.place();
    return argument;
  }
  return await argument;
}

// Sends one request. Ours to wait for are: the library, if it has to be loaded again; arguments that
// are promises or paths. Without these, what is sent first arrives first.
function send(target, operation, args, site) {
  const place = target.base.place();
  if (place instanceof Promise || args.some(isWaitedFor)) {
    return sendLater(target, operation, args, site, place);
  }
  return sendTo(place, target, operation, args, site);
}

// spent: how many milliseconds of its deadline have passed.
function sendTo({ link, id }, target, operation, args, site, spent = 0) {
  const { deadline, signal, int64 } = target.options;
  const what = target.shown;
  return link.request(operation, id, args, { what, site, deadline, spent, signal, int64 });
}

async function sendLater(target, operation, args, site, place) {
  const waited = args.map((arg) => (isWaitedFor(arg) ? settled(arg) : arg));
  const begin = performance.now();
  // All at once: what fails behind something else that has failed is no rejection that nobody handles.
  const [found, ...ready] = await inTime(Promise.all([place, ...waited]), target, site);
  return sendTo(found, target, operation, ready, site, performance.now() - begin);
}

// Waits for what a call needs before it is sent: at most until its deadline, or until it is aborted.
function inTime(needed, { shown, options: { deadline, signal } }, site) {
  if (deadline === undefined && signal === undefined) return needed;
  let timer;
  let abort;
  const ended = new Promise((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    if (deadline === undefined) return;
    const late = () => reject(addSite(overdue({ what: shown, deadline }), site));
    timer = setTimeout(late, timerDelay(deadline));
  });
  return Promise.race([needed, ended]).finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  });
}

// Options that the host has to know, by the names that it gives them; undefined without any.
function hostOptions({ placement, signal }, reference = false) {
  if (placement === undefined && signal === undefined && !reference) return undefined;
  return {
    ...(placement === undefined ? undefined : { placement }),
    ...(signal === undefined ? undefined : { cancellable: true }),
    ...(reference ? { reference: true } : undefined),
  };
}

// The arguments by position, and those by keyword if there are any.
function split(args) {
  const last = args.at(-1);
  return last instanceof Named ? [args.slice(0, -1), last.values] : [args, undefined];
}

function call(target, args, reference = false, site = captureSite(call)) {
  const [positional, named] = split(args);
  const chosen = hostOptions(target.options, reference);
  const { path } = target;
  if (named !== undefined || chosen !== undefined) {
    const content = ["$call", path, chosen ?? {}, named ?? {}, ...positional];
    return send(target, OP.METHOD, content, site);
  }
  if (path === null) return send(target, OP.CALL, positional, site);
  return send(target, OP.METHOD, [path, ...positional], site);
}

// Asks something of what the path leads to; an object of its own has no path.
function ask(target, operation, args, site = captureSite(ask)) {
  return send(target, operation, args, site);
}

function get(target, site = captureSite(get)) {
  return send(target, OP.GET, [target.path], site);
}

// For what can only be asked of an object itself: of a path, it is fetched first.
async function askObject(target, operation, args) {
  const site = captureSite(askObject);
  if (target.steps.length === 0) return send(target, operation, args, site);
  const value = await get(target, site);
  const found = targetOf(value);
  if (found === undefined) {
    throw new ArgumentTypeError({
      summary: `${target.shown} is a value, which is here already`,
      expected: "an object of Python",
      received: typeof value,
      remedy: "await it, and use what you get",
    });
  }
  return send(found, operation, args, site);
}

// ---------------------------------------------------------------------------------- Iteration

async function* iterate(target) {
  const iterator = targetOf(await ask(target, OP.ITERATE, [target.path]));
  let done = false;
  try {
    while (!done) {
      const [ended, ...items] = await ask(iterator, OP.NEXT, [ITEMS_A_CALL]);
      done = ended;
      yield* items;
    }
  } catch (error) {
    done = true;
    throw error;
  } finally {
    if (!done) await ask(iterator, OP.CLOSE, []);
    iterator.base.release();
  }
}

// ------------------------------------------------------------------- What Noodle does with one

const OWN = {
  $options: ({ base, steps, options }, chosen) =>
    makeProxy(new Target(base, steps, { ...options, ...callOptions(chosen) })),
  $ref: (target, ...args) => call(target, args, true),
  $batch: (target, rows) => ask(target, OP.METHOD,
    ["$batch", target.path, hostOptions(target.options) ?? {}, rows.map(rowOf)]),
  $explain(target, ...args) {
    const [positional, named = {}] = split(args);
    const chosen = hostOptions(target.options) ?? {};
    return ask(target, OP.METHOD, ["$explain", target.path, chosen, named, ...positional]);
  },
  $stats: (target) => ask(target, OP.METHOD, ["$statistics", target.path]),
  $execute: (target, operation, data) => ask(target, OP.METHOD,
    ["$execute", target.longer(operation).path, data]),
  $copy: (target) => ask(target, OP.METHOD, ["$copy", target.path]),
  $get: (target, ...steps) => makeProxy(target.longer(...steps)),
  $item: (target, key) => makeProxy(target.longer([key])),
  $set: (target, name, value) => ask(target, OP.SET, [target.longer(name).path, value]),
  $setItem: (target, key, value) => ask(target, OP.SET, [target.longer([key]).path, value]),
  $delete: (target, name) => ask(target, OP.DELETE, [target.longer(name).path]),
  $has: (target, name) => askObject(target, OP.HAS, [name]),
  $names: (target) => askObject(target, OP.NAMES, []),
  $length: (target) => askObject(target, OP.LENGTH, []),
  $text: (target) => askObject(target, OP.TEXT, []),
  async $describe(target) {
    const [kind, parameters, documentation] = await ask(target, OP.DESCRIBE, [target.path]);
    return { kind, parameters, documentation };
  },
  $release: (target) => target.base.release(),
};

function rowOf(row) {
  return row instanceof Named ? row.values : row;
}

// ------------------------------------------------------------------------------------ Proxies

// A path can be awaited; an object itself must not, or every promise of it would fetch it again.
function thenable(target, name) {
  if (target.steps.length === 0) return undefined;
  return (...handlers) => get(target)[name](...handlers);
}

function symbolMember(target, key) {
  switch (key) {
    case Symbol.asyncIterator:
      return () => iterate(target);
    case Symbol.asyncDispose:
      return target.steps.length === 0 ? async () => target.base.release() : undefined;
    case Symbol.dispose:
      return target.steps.length === 0 ? () => target.base.release() : undefined;
    case Symbol.toPrimitive:
      return () => `[${target.shown} of Python]`;
    case Symbol.toStringTag:
      return "Remote";
    default:
      return undefined;
  }
}

function member(target, key) {
  if (typeof key === "symbol") return symbolMember(target, key);
  if (key === "then" || key === "catch" || key === "finally") return thenable(target, key);
  if (key === "toJSON") return undefined;
  if (Object.hasOwn(OWN, key)) return (...args) => OWN[key](target, ...args);
  return target.child(key);
}

function refuse(summary, remedy) {
  throw new ArgumentTypeError({ summary, remedy });
}

// One handler for all: each proxy's own function leads to what it stands for.
const handler = {
  get: (own, key) => member(targets.get(own), key),
  apply: (own, _, args) => call(targets.get(own), args),
  construct: (own, args) => call(targets.get(own), args),
  set: (_, key) => refuse(
    `${String(key)} cannot be assigned: JavaScript would not wait for it`,
    `await object.$set(${JSON.stringify(String(key))}, value)`),
  deleteProperty: (_, key) => refuse(
    `${String(key)} cannot be deleted: JavaScript would not wait for it`,
    `await object.$delete(${JSON.stringify(String(key))})`),
  has: (_, key) => refuse(
    "whether there is a member cannot be asked with `in`: JavaScript would not wait for it",
    `await object.$has(${JSON.stringify(String(key))})`),
};

// Node.js shows a proxy's own function, and calls this with the proxy.
function show() {
  return `[${targetOf(this).shown} of Python]`;
}

function makeProxy(target) {
  // A function, so that the proxy can be called and constructed.
  const own = function () {};
  own[inspect.custom] = show;
  const proxy = new Proxy(own, handler);
  targets.set(own, target);
  targets.set(proxy, target);
  return proxy;
}

// The proxy of a reference that has come, the same one as long as it lives.
function proxyOf(reference, options) {
  reference.proxy ??= makeProxy(new Target(reference, [], options));
  return reference.proxy;
}

// The reference behind a proxy, or undefined for any other value.
function referenceOf(value) {
  const found = targetOf(value);
  if (found === undefined) return undefined;
  if (found.steps.length > 0) {
    refuse(`${found.shown} is a path, and nothing that could be sent`,
      `await ${found.shown}, and send what you get`);
  }
  return found.base.reference();
}

module.exports = { Named, Target, makeProxy, proxyOf, referenceOf, targetOf };
