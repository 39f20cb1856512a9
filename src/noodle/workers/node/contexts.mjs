// Which call of the host the running JavaScript belongs to, also after an await or in a timer, and the
// AbortSignal of that call.

import { AsyncLocalStorage } from "node:async_hooks";
import { addon } from "./addon.mjs";

const storage = new AsyncLocalStorage();

// By call id; an entry goes when its call has been answered.
const controllers = new Map();

// After a call has ended there is nothing left to abort.
const NEVER = new AbortController().signal;

export function enter(callId) {
  storage.enterWith(callId);
}

export function current() {
  return storage.getStore();
}

function abort(callId, reason) {
  const entry = controllers.get(callId);
  if (entry === undefined) return;
  clearTimeout(entry.timer);
  entry.controller.abort(reason);
}

export function cancelled(callId) {
  abort(callId, new DOMException("The caller does not wait any more", "AbortError"));
}

export function closed(callId) {
  const entry = controllers.get(callId);
  if (entry === undefined) return;
  clearTimeout(entry.timer);
  controllers.delete(callId);
}

// By its code the host knows the error again, whichever side saw the deadline pass first.
function overdue(callId) {
  const reason = new DOMException("The deadline of the call has passed", "TimeoutError");
  Object.defineProperty(reason, "code", { value: "NOODLE_DEADLINE", enumerable: true });
  abort(callId, reason);
}

function makeSignal(callId, milliseconds, isCancelled) {
  const entry = { controller: new AbortController(), timer: undefined };
  controllers.set(callId, entry);
  if (isCancelled) cancelled(callId);
  else if (milliseconds <= 0) overdue(callId);
  else if (milliseconds !== undefined) {
    // setTimeout() counts in 32 bits.
    entry.timer = setTimeout(overdue, Math.min(milliseconds, 2 ** 31 - 1), callId).unref();
  }
  return entry.controller.signal;
}

// The AbortSignal of the running call: aborted when its caller gives up or its deadline passes.
// Outside of calls it is one that is never aborted.
function signal() {
  const facts = addon.current();
  if (facts === undefined) return NEVER;
  const [callId, milliseconds, isCancelled] = facts;
  return controllers.get(callId)?.controller.signal
    ?? makeSignal(callId, milliseconds, isCancelled);
}

// Milliseconds that are left for the running call; Infinity without a deadline.
function remaining() {
  return Math.max(addon.current()?.[1] ?? Infinity, 0);
}

export const noodle = Object.freeze({ signal, remaining });
