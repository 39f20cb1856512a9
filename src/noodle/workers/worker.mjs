// The Node.js worker: serves the host that started it, through descriptors 3 to 6.
//
//     node --experimental-import-meta-resolve worker.mjs [options as JSON]
//
//     mapReadOnly     read-only arrays are mapped, not copied; writing to one kills the worker
//     int64Numbers    int64 arrays become Float64Arrays, if all items are exact, not BigInts

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { addon } from "./node/addon.mjs";
import * as contexts from "./node/contexts.mjs";
import { reportable, watchUncaught } from "./node/errors.mjs";
import { letGo } from "./node/iterators.mjs";
import { serve } from "./node/members.mjs";
import { claim, introduce, proxy } from "./node/references.mjs";

// Chosen: a full collection of a heap of this size takes a few milliseconds.
const SMALL_HEAP_BYTES = 64 * 2 ** 20;

function settle(promise, callId) {
  promise.then(
    (value) => addon.answer(callId, value),
    (error) => addon.fail(callId, error),
  );
}

let collectGarbage;

// In an idle worker nothing else would make V8 notice that it holds memory of the host.
function collect() {
  if (process.memoryUsage().heapUsed > SMALL_HEAP_BYTES) return;
  if (collectGarbage === undefined) {
    setFlagsFromString("--expose-gc");
    collectGarbage = runInNewContext("gc");
    setFlagsFromString("--no-expose-gc");
  }
  collectGarbage();
}

process.setSourceMapsEnabled(true);
watchUncaught();
Object.defineProperty(globalThis, "noodle", { value: contexts.noodle });

addon.start(
  {
    serve,
    introduce,
    claim,
    proxy,
    settle,
    reportable,
    enter: contexts.enter,
    current: contexts.current,
    cancelled: contexts.cancelled,
    closed: contexts.closed,
    letGo,
    stop: () => process.exit(0),
    collect,
  },
  JSON.parse(process.argv[2] ?? "{}"),
);
