// Memory of the host that JavaScript has let go: V8 does not know how much that is.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { addon } from "./addon.mjs";

// Chosen: a full collection of a heap of this size takes a few milliseconds.
const SMALL_HEAP_BYTES = 64 * 2 ** 20;

let collectGarbage;

function collect() {
  if (collectGarbage === undefined) {
    setFlagsFromString("--expose-gc");
    collectGarbage = runInNewContext("gc");
    setFlagsFromString("--no-expose-gc");
  }
  collectGarbage();
}

// In an idle worker nothing else would make V8 notice.
export function collectIfSmall() {
  if (process.memoryUsage().heapUsed <= SMALL_HEAP_BYTES) collect();
}

// The host has no more memory for this worker: whatever it takes.
export function collectAll() {
  addon.relax();
  collect();
  return null;
}
