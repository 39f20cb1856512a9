// Batches: many calls of one function in one request, as native/include/noodle/protocol.h has them.

import { types } from "node:util";
import { reportable } from "./errors.mjs";

// With the usual numbers of arguments spelled out, V8 inlines the function: 10 ns a call, not 60.
const CALLERS = {
  1: (fn, receiver, items, results) => {
    for (let at = 0; at < items.length; at += 1) {
      results.push(fn.call(receiver, items[at]));
    }
  },
  2: (fn, receiver, items, results) => {
    for (let at = 0; at < items.length; at += 2) {
      results.push(fn.call(receiver, items[at], items[at + 1]));
    }
  },
  3: (fn, receiver, items, results) => {
    for (let at = 0; at < items.length; at += 3) {
      results.push(fn.call(receiver, items[at], items[at + 1], items[at + 2]));
    }
  },
};

function callEach(perform, arity, items, results) {
  if (arity === null) {
    for (const row of items) results.push(perform(row));
    return;
  }
  for (let at = 0; at < items.length; at += arity) {
    results.push(perform(items.slice(at, at + arity)));
  }
}

function answer(results, failures) {
  return failures.length === 0 ? [results] : [results, reportable(failures[0])];
}

async function settled(results, failures) {
  const outcomes = await Promise.allSettled(results);
  const first = outcomes.findIndex((outcome) => outcome.status === "rejected");
  const values = outcomes.map((outcome) => outcome.value);
  return first < 0
    ? answer(values, failures)
    : answer(values.slice(0, first), [outcomes[first].reason]);
}

function checkForm(arity, items) {
  const rows = arity === null || (Number.isInteger(arity) && arity > 0);
  if (rows && Array.isArray(items) && (arity !== null || items.every(Array.isArray))) return;
  const error = new Error("the request has not the form of a batch");
  error.code = "NOODLE_PROTOCOL";
  throw error;
}

// Calls once for each `arity` items, or, where arity is null, for each list of arguments among them.
// `perform` takes one list; `fn` is what it calls, where that is a plain function.
export function batch(fn, receiver, perform, arity, items) {
  checkForm(arity, items);
  const results = [];
  const failures = [];
  const caller = typeof fn === "function" ? CALLERS[arity] : undefined;
  try {
    if (caller !== undefined) caller(fn, receiver, items, results);
    else callEach(perform, arity, items, results);
  } catch (error) {
    failures.push(error);
  }
  const waits = (result) => typeof result === "object" && types.isPromise(result);
  return results.some(waits) ? settled(results, failures) : answer(results, failures);
}
