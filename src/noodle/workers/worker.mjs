// The Node.js worker: serves the host that started it, through descriptors 3 to 6.
//
//     node --experimental-import-meta-resolve worker.mjs [options as JSON]
//
//     mapReadOnly     read-only arrays are mapped, not copied; writing to one kills the worker
//     int64Numbers    int64 arrays become Float64Arrays, if all items are exact, not BigInts

import { addon } from "./node/addon.mjs";
import * as contexts from "./node/contexts.mjs";
import { reportable, watchUncaught } from "./node/errors.mjs";
import { letGo } from "./node/iterators.mjs";
import { serve } from "./node/members.mjs";
import { collectIfSmall } from "./node/memory.mjs";
import { claim, introduce, proxy } from "./node/references.mjs";

function settle(promise, callId) {
  promise.then(
    (value) => addon.answer(callId, value),
    (error) => addon.fail(callId, error),
  );
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
    collect: collectIfSmall,
  },
  JSON.parse(process.argv[2] ?? "{}"),
);
