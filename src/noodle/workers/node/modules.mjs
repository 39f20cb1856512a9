// Loading modules: built-ins, packages below a directory's node_modules, and files.

import { createRequire, isBuiltin } from "node:module";
import { extname, resolve as resolvePath } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
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
  return known?.loaded ? [known.exports] : undefined;
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

async function loadUrl(url) {
  if (url.startsWith("file:")) checkTypeScript(fileURLToPath(url));
  try {
    return toModule(await import(url), url);
  } catch (error) {
    // `import` takes no folders, JSON without attributes, or native parts; `require` does.
    const codes = ["ERR_UNSUPPORTED_DIR_IMPORT", "ERR_IMPORT_ATTRIBUTE_MISSING",
      "ERR_IMPORT_ASSERTION_TYPE_MISSING", "ERR_UNKNOWN_FILE_EXTENSION"];
    if (!codes.includes(error?.code)) throw error;
    const exports = createRequire(url)(fileURLToPath(url));
    return new Module(isContainer(exports) ? exports : { default: exports }, exports);
  }
}

const loaded = new Map();

// Loads a module once; the same module gives the same object.
export async function load(specifier, directory) {
  const base = directory ?? process.cwd();
  if (specifier.startsWith("node:") || (!isFile(specifier) && isBuiltin(specifier))) {
    const known = loaded.get(specifier) ?? loadBuiltin(specifier);
    loaded.set(specifier, known);
    return known;
  }
  const url = resolveSpecifier(specifier, base);
  const known = loaded.get(url) ?? await loadUrl(url);
  loaded.set(url, known);
  return known;
}
