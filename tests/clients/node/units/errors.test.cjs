"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const errors = require("../../../../clients/node/lib/errors.js");

test("the parts of a message are read back from its text", () => {
  const parts = { summary: "it is wrong", expected: "a\nb", received: "c", where: "d", remedy: "e" };
  const made = new errors.SettingsError(parts);
  const again = new errors.SettingsError(made.message);
  for (const [name, value] of Object.entries(parts)) assert.equal(again[name], value, name);
  assert.equal(made.message,
    "it is wrong\n  expected: a\nb\n  received: c\n  where:    d\n  try:      e");
});

test("an error is of its class, of those above it, and an Error", () => {
  const error = new errors.ArityError("too few");
  for (const name of ["ArityError", "ArgumentError", "UsageError", "NoodleError"]) {
    assert.ok(error instanceof errors[name], name);
  }
  assert.ok(error instanceof Error);
  assert.equal(error.name, "ArityError");
  assert.match(error.stack, /^ArityError: too few\n/);
});

test("a type from the wire finds its class, and anything else is a foreign error", () => {
  assert.equal(errors.classFor("noodle.errors.ArityError"), errors.ArityError);
  for (const type of ["ValueError", "noodle.errors.Nothing", "noodle.errors.toString", "ArityError"]) {
    assert.equal(errors.classFor(type), errors.RemoteCallError, type);
  }
});

test("only our own errors cross by their names", () => {
  assert.equal(errors.wireName(new errors.ArityError("x")), "noodle.errors.ArityError");
  assert.equal(errors.wireName(new errors.RemoteCallError("x")), undefined);
  assert.equal(errors.wireName(new errors.HostCrashedError("x")), undefined);
  assert.equal(errors.wireName(new TypeError("x")), undefined);
});

test("values are shown short", () => {
  assert.equal(errors.describe("x".repeat(100)), "string of length 100");
  assert.equal(errors.describe([1, 2]), "[ 1, 2 ]");
  assert.equal(errors.describe(7n), "bigint 7");
  assert.equal(errors.describe(null), "object null");
});
