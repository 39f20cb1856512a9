// The native half of the worker: worker.node, beside worker.mjs.

import { fileURLToPath } from "node:url";

const loaded = { exports: {} };
process.dlopen(loaded, fileURLToPath(new URL("../worker.node", import.meta.url)));

export const addon = loaded.exports;
