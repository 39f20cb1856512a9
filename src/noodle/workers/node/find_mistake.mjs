// A program of its own: parses a module and those that it imports, and fails as the first one that has this
// syntax error does. Nothing of them is run.
//
//     node --experimental-vm-modules --experimental-import-meta-resolve find_mistake.mjs URL MESSAGE
//
// Node.js tells file and line of a syntax error in an ES module only where it ends a program.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SourceTextModule } from "node:vm";

// Chosen: what is parsed within about a second.
const FILES_MOST = 500;

const [, , first, message] = process.argv;
const seen = new Set();

function parsed(url) {
  const path = fileURLToPath(url);
  try {
    return new SourceTextModule(readFileSync(path, "utf8"), { identifier: path });
  } catch (error) {
    if (error.message === message) throw error;
    return undefined;
  }
}

function importedBy(module) {
  return module.moduleRequests?.map((request) => request.specifier) ?? module.dependencySpecifiers;
}

function search(url) {
  if (!url.startsWith("file:") || !/\.m?js$/.test(url) || seen.has(url) || seen.size === FILES_MOST) return;
  seen.add(url);
  const module = parsed(url);
  if (module !== undefined) importedBy(module).forEach((one) => search(import.meta.resolve(one, url)));
}

search(first);
