// Where in the program a call was made: the frames that a stack of Python lacks.

"use strict";

const path = require("node:path");

const OWN = __dirname + path.sep;

// Notes the place where a function of ours was called. Its text is made only when an error needs it.
function captureSite(below) {
  const site = {};
  Error.captureStackTrace(site, below);
  return site;
}

function framesOf(site) {
  const lines = site.stack.split("\n").slice(1);
  return lines.filter((line) => !line.includes(OWN) && !line.includes("node:internal/"));
}

// Whether a frame is of the program: not of ours, nor of Node.js's inside.
function isOfProgram([file]) {
  return file === null || !(file.startsWith(OWN) || file.startsWith("node:internal/"));
}

// Puts the program's frames below those that an error has brought along, which are all of a foreign
// stack, and none of ours.
function addSite(error, site) {
  const head = `${error.name}: ${error.message}`;
  const brought = error.language === undefined ? head : error.stack;
  const stack = [brought, ...(site === undefined ? [] : framesOf(site))].join("\n");
  Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
  return error;
}

module.exports = { addSite, captureSite, isOfProgram };
