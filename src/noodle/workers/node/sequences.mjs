// What sequences of the host have in JavaScript beside their own members: the methods of arrays.

import { OP } from "./protocol.mjs";

// They work on the items as they are at the call, which come in batches.
const READING = new Set([
  "at", "concat", "entries", "every", "filter", "find", "findIndex", "findLast", "findLastIndex", "flat",
  "flatMap", "forEach", "includes", "indexOf", "join", "keys", "lastIndexOf", "map", "reduce",
  "reduceRight", "slice", "some", "toReversed", "toSorted", "toSpliced", "values", "with",
]);

// The index that an argument of splice() means.
function indexOf(argument, length) {
  const index = Math.trunc(Number(argument)) || 0;
  return index < 0 ? Math.max(0, length + index) : Math.min(index, length);
}

const CHANGING = {
  push(ask, id, items) {
    ask(OP.SET_ITEM, id, [ask(OP.LENGTH, id), 0], items);
    return ask(OP.LENGTH, id);
  },
  unshift(ask, id, items) {
    ask(OP.SET_ITEM, id, [0, 0], items);
    return ask(OP.LENGTH, id);
  },
  shift: (ask, id) => ask(OP.SET_ITEM, id, [0, 1], [])[0],
  splice(ask, id, rest) {
    const [start, count, ...items] = rest;
    const length = ask(OP.LENGTH, id);
    const from = indexOf(start, length);
    const most = rest.length === 0 ? 0 : length - from;
    const asked = rest.length === 1 ? most : Math.trunc(Number(count)) || 0;
    return ask(OP.SET_ITEM, id, [from, Math.max(0, Math.min(asked, most))], items);
  },
};

// Returns the method of that name, or undefined where an object has none. `facts` keep what is asked
// once of each object; `items` iterates over it.
export function methodOf(facts, key, ask, items) {
  const isReading = READING.has(key);
  if (!isReading && !Object.hasOwn(CHANGING, key)) return undefined;
  facts.like ??= ask(OP.DESCRIBE, facts.id);
  const [kind, isMutable] = facts.like;
  if (kind !== "array") return undefined;
  if (isReading) return (...rest) => Array.from(items(facts.id))[key](...rest);
  return isMutable ? (...rest) => CHANGING[key](ask, facts.id, rest) : undefined;
}
