// Noodle from Node.js: `const np = await load("numpy")`.

"use strict";

const { describe, classFor, wireName, ...errors } = require("./lib/errors.js");
const { ByReference } = require("./lib/local_objects.js");
const { Noodle } = require("./lib/noodle.js");
const { Named, targetOf } = require("./lib/remote.js");
const { shaped } = require("./lib/wire_arrays.js");

let shared;

// Starts a host of one's own, and gives it when it is ready.
async function start(options) {
  const noodle = new Noodle(options);
  await noodle.started();
  return noodle;
}

// Loads a library into the host that the whole program shares, which is started by the first load.
function load(target, options) {
  shared ??= new Noodle();
  return shared.load(target, options);
}

// Ends the host that the program shares; the next load starts another.
async function close() {
  const closing = shared;
  shared = undefined;
  await closing?.close();
}

// Arguments by keyword, as the last argument: np.sum(values, named({ axis: 0 })).
function named(values) {
  return new Named({ ...values });
}

// A value that is sent by reference where it would be copied.
function ref(value) {
  return new ByReference(value);
}

// Whether a value is an object of Python, or a member of one.
function isRemote(value) {
  return targetOf(value) !== undefined;
}

module.exports = { ...errors, close, isRemote, load, named, ref, shaped, start };
