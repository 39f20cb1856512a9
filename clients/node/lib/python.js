// Which Python to start a host with, and what to say when there is none.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { MissingPackageError, MissingToolError, SettingsError, VersionError } = require("./errors.js");

const OLDEST = "3.11";

// Exit codes by which the program below says what is missing.
const EXIT = Object.freeze({ NOT_INSTALLED: 86, OLD_PYTHON: 87, OLD_NOODLE: 88 });

// Leaves out the working directory, whose files could stand in for any module.
const PROGRAM = `
import sys
sys.path[:] = [entry for entry in sys.path if entry]
if sys.version_info < (${OLDEST.replace(".", ", ")}): sys.exit(${EXIT.OLD_PYTHON})
from importlib.util import find_spec
if find_spec("noodle") is None: sys.exit(${EXIT.NOT_INSTALLED})
if find_spec("noodle.client_host") is None: sys.exit(${EXIT.OLD_NOODLE})
import json
from noodle.cli.host import host
sys.exit(host(**json.loads(sys.argv[2])))
`;

// The command line that starts a host with a Python; the options are those of `noodle host`.
function commandOf(python, options) {
  return [python, "-c", PROGRAM, "noodle-host", JSON.stringify(options)];
}

function isProgram(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function onPath(name, environment) {
  const folders = (environment.PATH ?? "").split(path.delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => path.join(folder, name)).find(isProgram);
}

function named(file, where, environment) {
  const found = file.includes("/") ? path.resolve(file) : onPath(file, environment);
  if (found === undefined || !isProgram(found)) {
    throw new MissingToolError({
      summary: `${where} names no program`,
      expected: "the path of a Python in which Noodle is installed",
      received: file,
      where,
      remedy: "set it to the output of: command -v python3",
    });
  }
  return { python: found, from: where };
}

// The Pythons to try, in order. What the caller names is the only one.
function candidates(python, environment) {
  if (python !== undefined) {
    if (typeof python !== "string" || python === "") {
      throw new SettingsError({
        summary: "the option python must be the path of a Python",
        expected: "a string",
        received: String(python),
        where: "python",
      });
    }
    return [named(python, "python", environment)];
  }
  if (environment.NOODLE_PYTHON) {
    return [named(environment.NOODLE_PYTHON, "NOODLE_PYTHON", environment)];
  }
  const found = [];
  if (environment.VIRTUAL_ENV) {
    const own = path.join(environment.VIRTUAL_ENV, "bin", "python");
    if (isProgram(own)) found.push({ python: own, from: "VIRTUAL_ENV" });
  }
  for (const name of ["python3", "python"]) {
    const program = onPath(name, environment);
    if (program !== undefined) found.push({ python: program, from: "PATH" });
  }
  if (found.length === 0) {
    throw new MissingToolError({
      summary: "there is no Python to start a Noodle host with",
      expected: `Python ${OLDEST} or later on PATH, or the option python, or NOODLE_PYTHON`,
      received: "none of them",
      remedy: "install Python, then: python3 -m pip install noodle-ffi",
    });
  }
  return found;
}

// The error for a Python that ended with one of the exit codes above; undefined for any other code.
function refusal({ python, from }, exitCode) {
  const where = `${python} (from ${from})`;
  switch (exitCode) {
    case EXIT.NOT_INSTALLED:
      return new MissingPackageError({
        summary: "Noodle is not installed in this Python",
        expected: "the package noodle-ffi",
        received: "none",
        where,
        remedy: `${python} -m pip install noodle-ffi`,
      });
    case EXIT.OLD_PYTHON:
      return new VersionError({
        summary: "this Python is too old for Noodle",
        expected: `Python ${OLDEST} or later`,
        received: "an older one",
        where,
        remedy: "name another one with the option python, or NOODLE_PYTHON",
      });
    case EXIT.OLD_NOODLE:
      return new VersionError({
        summary: "the Noodle in this Python is too old for this client",
        expected: "one that has hosts",
        received: "an older one",
        where,
        remedy: `${python} -m pip install --upgrade noodle-ffi`,
      });
    default:
      return undefined;
  }
}

module.exports = { candidates, commandOf, refusal };
