// Errors on their way to the host: whatever was thrown becomes an Error that the codec can write.

import { inspect, types } from "node:util";
import { addon } from "./addon.mjs";

// Frames of the worker itself and of Node.js's inside say nothing about the program.
const OWN = new URL("../", import.meta.url).href;
const INTERNAL = /^\s+at .*?(?:\(|\s)(?:node:internal\/|node:async_hooks)/;

const isCall = (line) => line.startsWith("    at ");
const isOwn = (line) => isCall(line) && line.includes(OWN);

// The calls of the program among the lines of a stack. Behind the worker's own functions, which called them,
// lie those of outer calls, which wait for the host: it knows where they belong.
function programCalls(lines) {
  const begin = lines.findIndex((line) => !isOwn(line));
  if (begin < 0) return [];
  const calls = lines.slice(begin);
  const end = calls.findIndex(isOwn);
  return calls.slice(0, end < 0 ? undefined : end).filter((line) => !INTERNAL.test(line));
}

function withoutInternals(error) {
  const { stack } = error;
  if (typeof stack !== "string") return;
  const lines = stack.split("\n");
  const begin = lines.findIndex(isCall);
  if (begin < 0) return;
  const kept = [...lines.slice(0, begin), ...programCalls(lines.slice(begin))];
  if (kept.length === lines.length) return;
  Object.defineProperty(error, "stack", {
    value: kept.join("\n"),
    writable: true,
    configurable: true,
  });
}

// Adds the calls that led to a request to the stack of the host's error that answers it.
export function addCallers(error, below) {
  if (!types.isNativeError(error) || typeof error.language !== "string") return;
  const here = {};
  Error.captureStackTrace(here, below);
  const [, ...lines] = String(here.stack).split("\n");
  const calls = programCalls(lines);
  if (calls.length > 0) define(error, { stack: [error.stack, ...calls].join("\n") });
}

function define(error, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    Object.defineProperty(error, name, { value, writable: true, configurable: true });
  }
  return error;
}

const isPrimitive = (value) => value === null || !["object", "function"].includes(typeof value);

// `throw 42` and the like: the value goes along where it can.
function fromThrownValue(thrown) {
  const text = typeof thrown === "string" ? thrown : inspect(thrown, { depth: 1 });
  const error = new Error(text);
  define(error, { name: "ThrownValue", stack: `ThrownValue: ${text}` });
  if (isPrimitive(thrown) && typeof thrown !== "symbol") {
    error.thrown = thrown === undefined ? null : thrown;
  }
  return error;
}

// DOMException and errors of libraries that only look like one.
function fromErrorLike({ name, message, stack, cause, code }) {
  const error = define(new Error(String(message)), {
    name: String(name),
    stack: typeof stack === "string" ? stack : `${name}: ${message}`,
    cause,
  });
  if (isPrimitive(code) && code !== undefined) error.code = code;
  return error;
}

function looksLikeError(thrown) {
  return typeof thrown === "object" && thrown !== null
    && typeof thrown.message === "string" && typeof thrown.name === "string";
}

function toError(thrown) {
  if (types.isNativeError(thrown)) return thrown;
  return looksLikeError(thrown) ? fromErrorLike(thrown) : fromThrownValue(thrown);
}

// Reading the stack is what applies the source maps. Getters of programs may throw: then the codec
// leaves out what cannot be read.
function cleanChain(error) {
  try {
    for (let at = error, depth = 0; types.isNativeError(at) && depth < 32; at = at.cause, depth++) {
      withoutInternals(at);
    }
  } catch {
    return;
  }
}

export function reportable(thrown) {
  const error = toError(thrown);
  cleanChain(error);
  return error;
}

// The codec sets `language` so that no program's own property can be taken for it.
function isOfHost(error) {
  if (!types.isNativeError(error)) return false;
  const language = Object.getOwnPropertyDescriptor(error, "language");
  return language?.value === "python" && !language.enumerable;
}

// An error that nothing handles is told to the host; then Node.js does what it always does, and ends.
// An error of the host's own is no fault of the program: it goes on, as if there were a listener.
export function watchUncaught() {
  process.on("uncaughtExceptionMonitor", (error) => {
    if (process.listenerCount("uncaughtException") > 0) return;
    addon.uncaught(error);
    if (isOfHost(error) && !process.hasUncaughtExceptionCaptureCallback()) {
      process.once("uncaughtException", () => {});
    }
  });
}
