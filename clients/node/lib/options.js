// Options of hosts and of calls, checked where they are given.

"use strict";

const { SettingsError } = require("./errors.js");

const isText = (value) => typeof value === "string" && value !== "";
const isDuration = (value) => typeof value === "number" && value > 0 && value < Infinity;
const isCount = (value) => Number.isSafeInteger(value) && value > 0;
const isSignal = (value) => typeof value?.addEventListener === "function" && "aborted" in value;
const isOutput = (value) => value === "inherit" || value === "ignore" || typeof value === "function"
  || typeof value?.write === "function";

const MILLISECONDS = [isDuration, "a positive number of milliseconds"];
const INT64 = [(value) => value === "bigint" || value === "number", '"bigint" or "number"'];
const OUTPUT = [isOutput, '"inherit", "ignore", a function of texts, or a stream'];

// By option: whether a value will do, and what would.
const HOST = {
  python: [isText, "the path of a Python"],
  command: [
    (value) => Array.isArray(value) && value.length > 0 && value.every(isText),
    "a list of a program and its arguments",
  ],
  directory: [isText, "the path of a directory"],
  config: [isText, "the path of a configuration file"],
  env: [(value) => typeof value === "object" && value !== null, "an object of texts"],
  threads: [isCount, "a positive integer"],
  stdout: OUTPUT,
  stderr: OUTPUT,
  int64: INT64,
  deadline: MILLISECONDS,
  startTimeout: MILLISECONDS,
  grace: MILLISECONDS,
};

const CALL = {
  deadline: MILLISECONDS,
  signal: [isSignal, "an AbortSignal"],
  int64: INT64,
  placement: [isText, "the name of a placement"],
};

function nearest(name, known) {
  return known.find((candidate) => candidate.toLowerCase().startsWith(name.slice(0, 3).toLowerCase()));
}

function check(options, known, where) {
  if (typeof options !== "object" || options === null) {
    throw new SettingsError({
      summary: `the options of ${where} are no object`,
      expected: `an object with some of ${Object.keys(known).join(", ")}`,
      received: String(options),
    });
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name)) {
      throw new SettingsError({
        summary: `${where} has no option ${name}`,
        expected: `one of ${Object.keys(known).join(", ")}`,
        received: name,
        remedy: nearest(name, Object.keys(known)),
      });
    }
    const [fits, expected] = known[name];
    if (value !== undefined && !fits(value)) {
      throw new SettingsError({
        summary: `the option ${name} of ${where} has a wrong value`,
        expected,
        received: String(value),
        where: name,
      });
    }
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

const hostOptions = (options) => check(options, HOST, "a host");
const callOptions = (options) => check(options, CALL, "a call");

module.exports = { callOptions, hostOptions };
