// Runs pieces of JavaScript that come as lines of JSON, and answers each with a line of JSON. A piece is
// the body of an async function that sees the client's module as `noodle`, a host that all pieces share as
// `await host()`, and its `load`.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , client, samples] = process.argv;
const noodle = await import(pathToFileURL(client).href);
const require = createRequire(import.meta.url);
const AsyncFunction = (async () => {}).constructor;

let started;
const host = () => (started ??= noodle.start({ directory: samples }));
const load = async (...rest) => (await host()).load(...rest);

function shown(value) {
  if (typeof value === "bigint") return { bigint: String(value) };
  if (value === undefined) return { undefined: true };
  if (noodle.isRemote(value)) return { remote: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { number: String(value) };
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Array.from(value, shown);
  if (Buffer.isBuffer(value)) return { Buffer: [...value] };
  if (ArrayBuffer.isView(value)) {
    const { shape } = value;
    return { [value.constructor.name]: Array.from(value, shown), ...(shape && { shape }) };
  }
  if (value instanceof Map) return { Map: [...value].map(shown) };
  if (value instanceof Set) return { Set: [...value].map(shown) };
  if (value instanceof Date) return { Date: value.toISOString() };
  if (value instanceof Error) return { error: told(value) };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
}

function told(error) {
  if (!(error instanceof Error)) return { name: "thrown", message: String(error), classes: [] };
  const classes = [];
  for (let at = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    classes.push(at.constructor.name);
  }
  const { name, message, stack, code, summary, expected, received, where, remedy, cause } = error;
  return { name, message, stack, code, summary, expected, received, where, remedy, classes,
    ...(cause && { cause: told(cause) }) };
}

async function answer(source) {
  try {
    const seen = { noodle, host, load, require, samples };
    const piece = new AsyncFunction(...Object.keys(seen), source);
    return { value: shown(await piece(...Object.values(seen))) };
  } catch (error) {
    return { error: told(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
await (await started)?.close();
