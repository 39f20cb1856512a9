// Where a module cannot be parsed: added to the stack of its syntax error, as the innermost call.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { types } from "node:util";

// What Node.js writes before an error where it knows the place:
//
//     /srv/tool.cjs:3
//     exports.b = {;
//                  ^
const PLACE = /^(\S.*):(\d+)\n(?:.*\n){1,5}?( *)\^/;

// Chosen: a load that fails may take that much longer.
const MILLISECONDS = 5_000;

const FLAGS = ["--no-warnings", "--experimental-vm-modules", "--experimental-import-meta-resolve"];
const PROGRAM = fileURLToPath(new URL("find_mistake.mjs", import.meta.url));

// What a program that finds the mistake says of it, which ends with it.
function search(error, url) {
  return new Promise((resolve) => {
    const settings = { timeout: MILLISECONDS, env: {} };
    execFile(process.execPath, [...FLAGS, PROGRAM, url, error.message], settings,
      (_, __, said) => resolve(said));
  });
}

function isSyntaxError(error) {
  return types.isNativeError(error) && error.name === "SyntaxError" && typeof error.stack === "string";
}

// Moves what is told before an error, if its place is among it, into the error's stack; returns whether it was.
function take(told, error) {
  const found = PLACE.exec(told);
  if (found === null) return false;
  const [, file, line, indent] = found;
  const path = file.startsWith("file:") ? fileURLToPath(file) : file;
  error.stack = `${error}\n    at ${path}:${line}:${indent.length + 1}`;
  return true;
}

// Adds the place to a syntax error, if Node.js has told it.
export function placeIfKnown(error) {
  return isSyntaxError(error) && take(error.stack, error);
}

// Adds the place to the syntax error with which the import of a module failed.
export async function place(error, url) {
  if (!isSyntaxError(error) || take(error.stack, error) || !url.startsWith("file:")) return;
  take(await search(error, url), error);
}
