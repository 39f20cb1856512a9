// The names of a function's parameters, read from its source: JavaScript keeps nothing else about them.

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
    const constructor = /\bconstructor\s*\(/.exec(source);
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

export function parametersOf(fn) {
  const source = Function.prototype.toString.call(fn);
  if (/\{\s*\[native code\]\s*\}$/.test(source)) {
    return Array.from({ length: fn.length }, (_, index) => `arg${index}`);
  }
  const single = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u.exec(source);
  if (single !== null) return [single[1]];
  const opening = openingOf(source);
  return opening < 0 ? [] : splitList(source, opening).map(nameOf);
}
