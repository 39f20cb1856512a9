// Iteration for the host: in batches, and without losing what an iterator gives before it fails.

import { types } from "node:util";

// By iterator: `error`, with which the next batch begins; `pending`, a step that is under way.
const states = new WeakMap();

function stateOf(iterator) {
  let state = states.get(iterator);
  if (state === undefined) states.set(iterator, (state = {}));
  return state;
}

function isObject(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

export function iterate(object) {
  if (typeof object?.[Symbol.iterator] === "function") return asReference(object[Symbol.iterator]());
  if (typeof object?.[Symbol.asyncIterator] === "function") {
    return asReference(object[Symbol.asyncIterator]());
  }
  if (isObject(object) && typeof object.next === "function") return asReference(object);
  throw new TypeError(`${typeof object} is not iterable`);
}

// A class of its own, so that an iterator that is a plain object does not go by value.
class Iterator {
  #source;

  constructor(source) {
    this.#source = source;
  }

  next(value) {
    return this.#source.next(value);
  }

  return(value) {
    return this.#source.return?.(value) ?? { done: true, value };
  }
}

class SyncIterator extends Iterator {
  [Symbol.iterator]() {
    return this;
  }
}

class AsyncIterator extends Iterator {
  [Symbol.asyncIterator]() {
    return this;
  }
}

function isPlain(object) {
  const prototype = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}

function asReference(iterator) {
  if (!isPlain(iterator)) return iterator;
  return Symbol.asyncIterator in iterator ? new AsyncIterator(iterator) : new SyncIterator(iterator);
}

function throwKept(state) {
  if (!("error" in state)) return;
  const { error } = state;
  delete state.error;
  throw error;
}

// At most `most` items; what came before an error is delivered first.
function nextSync(iterator, state, first, most) {
  const batch = [false];
  let step = first;
  while (!step.done) {
    batch.push(step.value);
    if (batch.length > most) return batch;
    try {
      step = iterator.next();
    } catch (error) {
      state.error = error;
      return batch;
    }
  }
  batch[0] = true;
  return batch;
}

const LATER = Symbol("later");

function afterThisTurn() {
  return new Promise((resolve) => setImmediate(resolve, LATER));
}

// One item is waited for; of the others those are taken that are there at once.
async function nextAsync(iterator, state, pending, most) {
  const batch = [false];
  let step = await pending;
  const turn = most > 1 ? afterThisTurn() : undefined;
  while (!step.done) {
    batch.push(step.value);
    if (batch.length > most) return batch;
    const following = Promise.resolve(iterator.next());
    try {
      step = await Promise.race([following, turn]);
    } catch (error) {
      state.error = error;
      return batch;
    }
    if (step === LATER) {
      following.catch(() => {});
      state.pending = following;
      return batch;
    }
  }
  batch[0] = true;
  return batch;
}

// Returns [done, item...], with at most `most` items, or a promise of it.
export function next(iterator, most) {
  const state = stateOf(iterator);
  throwKept(state);
  const first = state.pending ?? iterator.next();
  delete state.pending;
  const limit = Math.max(1, most);
  return typeof first?.then === "function"
    ? nextAsync(iterator, state, first, limit)
    : nextSync(iterator, state, first, limit);
}

// A generator whose last reference of the host is gone ends, as it would in Python: its `finally` runs.
export function letGo(iterator) {
  if (types.isGeneratorObject(iterator)) closeQuietly(iterator);
}

async function closeQuietly(iterator) {
  try {
    await close(iterator);
  } catch {
    // Nobody is left who could be told.
  }
}

// Ends an iterator early, or whatever else can be closed. Returns null, or a promise of it where that
// takes time.
export function close(object) {
  const closing = ["return", Symbol.asyncDispose, Symbol.dispose, "close", "destroy"];
  const name = closing.find((key) => key !== undefined && typeof object?.[key] === "function");
  const ended = name === undefined ? undefined : object[name]();
  return typeof ended?.then === "function" ? Promise.resolve(ended).then(() => null) : null;
}
