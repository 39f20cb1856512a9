// Errors to wire values and back: V8's stacks as frames, causes, and further properties.

"use strict";

const { types } = require("node:util");
const { classFor, wireName } = require("./errors.js");
const { EXT, wireError } = require("./wire.js");

// Chosen, as in native/node: longer chains are loops of retries, deeper stacks recursions.
const CAUSES_MAX = 32;
const FRAMES_MAX = 256;
// Chosen, as there: of a message, those that others have collected.
const ERRORS_MAX = 256;

// ------------------------------------------------------------------------------- V8's stack text

function takeNumber(location) {
  const found = /^(.+):(\d{1,10})$/.exec(location);
  return found === null ? [location, null] : [found[1], Number(found[2])];
}

// Splits "name (location)" at the parenthesis that the last one closes.
function splitFunction(line) {
  if (!line.endsWith(")")) return [null, line];
  let depth = 0;
  for (let at = line.length - 1; at > 0; at--) {
    if (line[at] === ")") depth++;
    if (line[at] !== "(" || --depth > 0) continue;
    return line[at - 1] === " " ? [line.slice(0, at - 1), line.slice(at + 1, -1)] : [null, line];
  }
  return [null, line];
}

// [file, line, column, function] of one line of a stack; undefined for a line of the message.
function parseFrame(line) {
  const found = /^ {4}at (?:async )?(.*)$/.exec(line);
  if (found === null) return undefined;
  const [name, location] = splitFunction(found[1]);
  let [file, column] = takeNumber(location);
  let number = null;
  if (column !== null) [file, number] = takeNumber(file);
  if (number === null) [number, column] = [column, null];
  if (file.startsWith("file://") && !file.includes("%")) file = file.slice("file://".length);
  return [file === "" ? null : file, number, column, name];
}

// The frames of a stack, the outermost call first.
function parseStack(stack) {
  const frames = stack.split("\n").map(parseFrame).filter((frame) => frame !== undefined);
  return frames.slice(0, FRAMES_MAX).reverse();
}

function showFrame([file, line, column, name]) {
  const numbers = line === null ? "" : `:${line}${column === null ? "" : `:${column}`}`;
  const location = `${file ?? "<unknown>"}${numbers}`;
  return name === null ? `    at ${location}` : `    at ${name} (${location})`;
}

// ------------------------------------------------------------------------------------- Writing

// A property of the given type; undefined where there is none or its getter throws.
function propertyOf(object, name, type) {
  try {
    const value = object[name];
    return typeof value === type ? value : undefined;
  } catch {
    return undefined;
  }
}

// `name`, or the constructor's name where a subclass has not set its own.
function typeOf(error) {
  const name = propertyOf(error, "name", "string");
  const constructor = propertyOf(error, "constructor", "function");
  const own = constructor === undefined ? undefined : propertyOf(constructor, "name", "string");
  return (name === undefined || name === "Error") && own ? own : name ?? "Error";
}

const TOLD = new Set(["name", "message", "stack", "cause", "language"]);
const PRIMITIVE = new Set(["string", "number", "boolean", "bigint"]);

function extraOf(error) {
  const extra = [];
  for (const key of Object.keys(error)) {
    if (TOLD.has(key)) continue;
    let value;
    try {
      value = error[key];
    } catch {
      continue;
    }
    if (value === null || PRIMITIVE.has(typeof value)) extra.push([key, value]);
  }
  return extra;
}

// The errors that an AggregateError has collected; undefined where there are none, or not only errors.
function innerOf(writer, error) {
  const list = propertyOf(error, "errors", "object");
  if (!Array.isArray(list) || list.length === 0) return undefined;
  if (writer.errors + list.length > ERRORS_MAX) return undefined;
  try {
    const errors = Array.from(list);
    if (!errors.every(types.isNativeError)) return undefined;
    writer.errors += errors.length;
    return errors;
  } catch {
    return undefined;
  }
}

function writeInner(writer, errors, causes) {
  writer.string("errors");
  writer.counted(0x90, 0xdc, errors.length);
  writer.enter(errors, errors.length);
  for (const error of errors) writeError(writer, error, causes + 1);
  writer.leave();
}

function writeExtra(writer, error, causes) {
  const inner = causes < CAUSES_MAX ? innerOf(writer, error) : undefined;
  const extra = extraOf(error);
  const count = extra.length + (inner === undefined ? 0 : 1);
  writer.counted(0x80, 0xde, count);
  writer.enter(extra, 2 * count);
  if (inner !== undefined) writeInner(writer, inner, causes);
  for (const [key, value] of extra) {
    writer.string(key);
    writer.value(value);
  }
  writer.leave();
}

function writeError(writer, error, causes = 0) {
  const cause = propertyOf(error, "cause", "object");
  writer.nested(EXT.ERROR, () => {
    writer.counted(0x90, 0xdc, 6);
    writer.enter(error, 6);
    writer.string(propertyOf(error, "language", "string") ?? "javascript");
    writer.string(wireName(error) ?? typeOf(error));
    writer.string(propertyOf(error, "message", "string") ?? "");
    const frames = parseStack((propertyOf(error, "stack", "string") ?? "").toWellFormed());
    writer.list(frames.filter(writer.hooks.keepFrame ?? (() => true)));
    if (types.isNativeError(cause) && causes < CAUSES_MAX) writeError(writer, cause, causes + 1);
    else writer.byte(0xc0);
    writeExtra(writer, error, causes);
    writer.leave();
  });
}

// ------------------------------------------------------------------------------------- Reading

function malformed() {
  return wireError("WIRE_BAD_EXTENSION");
}

function isFrame(frame) {
  const isText = (value) => value === null || typeof value === "string";
  const isNumber = (value) => value === null || typeof value === "number" || typeof value === "bigint";
  return Array.isArray(frame) && frame.length === 4
    && isText(frame[0]) && isNumber(frame[1]) && isNumber(frame[2]) && isText(frame[3]);
}

function define(error, name, value, enumerable) {
  Object.defineProperty(error, name, { value, enumerable, writable: true, configurable: true });
}

// Reads what is behind the header of an ERROR: an error of ours by its name, else a RemoteCallError
// that has the foreign one's name.
function readError(reader) {
  const count = reader.listHeader();
  if (count !== 6) throw malformed();
  reader.descend();
  const [language, type, message] = [reader.value(), reader.value(), reader.value()];
  if ([language, type, message].some((part) => typeof part !== "string")) throw malformed();
  const frames = reader.value();
  if (!Array.isArray(frames) || !frames.every(isFrame)) throw malformed();
  const cause = reader.cause();
  const extra = reader.textMap();
  reader.ascend();
  return makeError({ language, type, message, frames, cause, extra });
}

function makeError({ language, type, message, frames, cause, extra }) {
  const Class = classFor(type);
  const error = new Class(message);
  const foreign = Class.prototype.name === "RemoteCallError";
  define(error, "name", foreign ? type : Class.prototype.name, false);
  define(error, "language", language, false);
  const shown = frames.slice(-FRAMES_MAX).reverse().map(showFrame);
  define(error, "stack", [`${error.name}: ${message}`, ...shown].join("\n"), false);
  if (cause !== null) define(error, "cause", cause, false);
  // As in JavaScript's own errors, collected ones are none that a loop over the properties shows.
  for (const [name, value] of extra) define(error, name, value, name !== "errors");
  return error;
}

module.exports = { makeError, parseStack, readError, writeError };
