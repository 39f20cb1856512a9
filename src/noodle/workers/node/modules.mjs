// Loading modules: built-ins, packages below a directory's node_modules, and files.

import { createRequire, isBuiltin } from "node:module";
import { extname, resolve as resolvePath } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { types } from "node:util";
import { addon } from "./addon.mjs";
import { place, placeIfKnown } from "./mistakes.mjs";
import { Module } from "./references.mjs";

const TYPESCRIPT = new Set([".ts", ".mts", ".cts"]);

function coded(error, code) {
  error.code = code;
  return error;
}

function isFile(specifier) {
  return /^(\.{1,2}\/|\/|file:)/.test(specifier);
}

function checkTypeScript(path) {
  if (!TYPESCRIPT.has(extname(path)) || process.features.typescript) return;
  throw coded(
    new Error(`TypeScript needs Node.js 22.18 or later to run; this worker has ${process.version}: ${path}`),
    "NOODLE_TYPESCRIPT",
  );
}

// The URL that `import specifier` in a file of that directory would load.
function resolveSpecifier(specifier, directory) {
  if (isFile(specifier)) {
    const path = specifier.startsWith("file:") ? fileURLToPath(specifier)
      : resolvePath(directory, specifier);
    return pathToFileURL(path).href;
  }
  const parent = pathToFileURL(resolvePath(directory, "noodle.mjs")).href;
  return import.meta.resolve(specifier, parent);
}

// `module.exports` behind an imported namespace, as [exports], if it is CommonJS. Node.js before 23
// does not say so, but then `require` knows the file.
function commonJsOf(namespace, url) {
  if ("module.exports" in namespace) return [namespace["module.exports"]];
  if (!url.startsWith("file:")) return undefined;
  const known = createRequire(import.meta.url).cache[fileURLToPath(url)];
  if (!known?.loaded || types.isModuleNamespaceObject(known.exports)) return undefined;
  return [known.exports];
}

function isContainer(value) {
  return typeof value === "function" || (typeof value === "object" && value !== null);
}

// An ES module's own names come first, those of its default export after them. CommonJS is its
// `module.exports`; if that was compiled from an ES module, it counts as one.
function toModule(namespace, url) {
  const commonJs = commonJsOf(namespace, url);
  if (commonJs === undefined) return new Module(namespace, namespace.default);
  const [exports] = commonJs;
  const names = isContainer(exports) ? exports : { default: exports };
  return new Module(names, exports?.__esModule ? exports.default : exports);
}

function loadBuiltin(specifier) {
  const name = specifier.startsWith("node:") ? specifier : `node:${specifier}`;
  const exports = process.getBuiltinModule?.(name) ?? createRequire(import.meta.url)(name);
  if (exports === undefined) {
    throw coded(new Error(`Node.js ${process.version} has no module ${name}`), "ERR_UNKNOWN_BUILTIN_MODULE");
  }
  return new Module(exports, exports);
}

// What `require` gave: an ES module's namespace, or `module.exports`.
function toRequired(exports, url) {
  if (types.isModuleNamespaceObject(exports)) return toModule(exports, url);
  const names = isContainer(exports) ? exports : { default: exports };
  return new Module(names, exports?.__esModule ? exports.default : exports);
}

function requireUrl(url) {
  return toRequired(createRequire(url)(fileURLToPath(url)), url);
}

async function importUrl(url) {
  try {
    return toModule(await import(url), url);
  } catch (error) {
    // `import` takes no folders, JSON without attributes, or native parts; `require` does.
    const codes = ["ERR_UNSUPPORTED_DIR_IMPORT", "ERR_IMPORT_ATTRIBUTE_MISSING",
      "ERR_IMPORT_ASSERTION_TYPE_MISSING", "ERR_UNKNOWN_FILE_EXTENSION"];
    if (codes.includes(error?.code)) return requireUrl(url);
    await place(error, url);
    throw error;
  }
}

// A top-level await, a module that is being imported already, and, before Node.js 22.12, any ES module.
const NEED_THE_LOOP = new Set(["ERR_REQUIRE_ASYNC_MODULE", "ERR_REQUIRE_CYCLE_MODULE",
  "ERR_REQUIRE_ESM", "ERR_REQUIRE_ESM_RACE_CONDITION"]);

// While JavaScript waits for the host its loop stands still, and no `import` is ever settled.
function loadNow(url, specifier) {
  try {
    return requireUrl(url);
  } catch (cause) {
    placeIfKnown(cause);
    if (!NEED_THE_LOOP.has(cause?.code)) throw cause;
    const error = new Error(
      `${specifier} cannot be imported while JavaScript waits for a callback, as that needs the event loop: `
        + "load it before the call, or let the callback be awaited", { cause });
    throw coded(error, "NOODLE_DEADLOCK");
  }
}

const loaded = new Map();

function keep(key, module) {
  const known = loaded.get(key);
  if (known !== undefined) return known;
  loaded.set(key, module);
  return module;
}

// Loads a module once; the same module gives the same object. Returns it, or a promise of it.
export function load(specifier, directory) {
  if (specifier.startsWith("node:") || (!isFile(specifier) && isBuiltin(specifier))) {
    return loaded.get(specifier) ?? keep(specifier, loadBuiltin(specifier));
  }
  const url = resolveSpecifier(specifier, directory ?? process.cwd());
  const known = loaded.get(url);
  if (known !== undefined) return known;
  if (url.startsWith("file:")) checkTypeScript(fileURLToPath(url));
  if (addon.blocked() && url.startsWith("file:")) return keep(url, loadNow(url, specifier));
  return importUrl(url).then((module) => keep(url, module));
}
