// The names of a function's parameters, read from its source, as JavaScript keeps nothing else about them;
// and calls with arguments by name.

const CLOSING = { "(": ")", "[": "]", "{": "}" };

// The end of a text, a template, or a comment that begins at `start`; else `start` itself.
function skip(source, start) {
  const two = source.slice(start, start + 2);
  if (two === "//" || two === "/*") {
    const end = source.indexOf(two === "//" ? "\n" : "*/", start + 2);
    return end < 0 ? source.length : end + (two === "//" ? 1 : 2);
  }
  const quote = source[start];
  if (!["'", '"', "`"].includes(quote)) return start;
  let at = start + 1;
  while (at < source.length && source[at] !== quote) at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

// The parts between the top-level commas of the parentheses that open at `start`.
function splitList(source, start) {
  const open = [];
  const parts = [""];
  for (let at = start; at < source.length;) {
    const end = skip(source, at);
    if (end > at) {
      at = end;
      continue;
    }
    const sign = source[at++];
    if (sign in CLOSING) open.push(CLOSING[sign]);
    else if (sign === open.at(-1)) open.pop();
    if (open.length === 0) break;
    if (sign === "," && open.length === 1) parts.push("");
    else if (at > start + 1) parts[parts.length - 1] += sign;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

// Where the parentheses of the parameters open; -1 where there are none.
function openingOf(source) {
  if (/^class\b/.test(source)) {
    const constructor = /(?<![.\w$])constructor\s*\(/.exec(source);
    return constructor === null ? -1 : constructor.index + constructor[0].length - 1;
  }
  return source.indexOf("(");
}

// A parameter that is taken apart has no name, but still its place.
function nameOf(part, index) {
  const written = /^(\.\.\.)?\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)/u.exec(part);
  if (written !== null) return `${written[1] ?? ""}${written[2]}`;
  return `${part.startsWith("...") ? "..." : ""}arg${index}`;
}

function refused(fn, name, taken, free) {
  const shown = fn.name || "the function";
  const error = new TypeError(taken ? `${shown} got ${name} twice` : `${shown} has no ${name}`);
  error.code = "NOODLE_ARITY";
  error.expected = free.length > 0 ? `keywords among ${free.join(", ")}` : "no keywords";
  error.received = name;
  error.where = shown;
  if (!taken) error.remedy = "options of JavaScript are one object: pass them as a dict";
  return error;
}

// The arguments of a call with some by name: these take the places of the parameters of their names, and
// what is left out between them is undefined. JavaScript itself has no such arguments.
export function placed(fn, args, named) {
  const parameters = parametersOf(fn).filter((name) => !name.startsWith("..."));
  const free = parameters.slice(args.length);
  const names = Object.keys(named);
  for (const name of names) {
    if (!free.includes(name)) throw refused(fn, name, parameters.includes(name), free);
  }
  const count = Math.max(0, ...names.map((name) => free.indexOf(name) + 1));
  return [...args, ...free.slice(0, count).map((name) => (names.includes(name) ? named[name] : undefined))];
}

export function parametersOf(fn) {
  const source = Function.prototype.toString.call(fn);
  if (/\{\s*\[native code\]\s*\}$/.test(source)) {
    return Array.from({ length: fn.length }, (_, index) => `arg${index}`);
  }
  const single = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u.exec(source);
  if (single !== null) return [single[1]];
  const opening = openingOf(source);
  if (opening >= 0) return splitList(source, opening).map(nameOf);
  // A class without a constructor has that of the class that it derives from.
  const parent = Object.getPrototypeOf(fn);
  return parent === null || parent === Function.prototype ? [] : parametersOf(parent);
}
