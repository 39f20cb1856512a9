"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { decode } = require("../../../../clients/node/lib/wire_reader.js");
const { encode } = require("../../../../clients/node/lib/wire_writer.js");

const refused = (code) => (error) => error.name === "InputLimitError" && error.code === code;

test("a message leaves the bytes in front of it free", () => {
  const message = encode([1, "two"], {}, 32);
  assert.deepEqual(decode(message.subarray(32)), [1, "two"]);
});

test("a message larger than the spare buffer keeps every byte", () => {
  const value = { text: "é".repeat(5000), bytes: Buffer.alloc(70_000, 7), list: [..."x".repeat(3000)] };
  assert.deepEqual(decode(encode(value)), value);
});

test("a getter may write another message meanwhile", () => {
  let inner;
  const value = { a: 1, get b() { inner = encode(["inside"]); return 2; }, c: 3 };
  assert.deepEqual(decode(encode(value)), { a: 1, b: 2, c: 3 });
  assert.deepEqual(decode(inner), ["inside"]);
});

test("after a value that could not be written the next one can be", () => {
  assert.throws(() => encode([1, new Date(NaN)]), refused("WIRE_UNSENDABLE"));
  assert.deepEqual(decode(encode([1, 2])), [1, 2]);
});

test("a large array is attached, a small one is not", () => {
  const attached = [];
  const hooks = { attach: (bytes) => attached.push(Buffer.from(bytes)) - 1 };
  const value = [new Float64Array(8192).fill(1.5), new Uint8Array(3)];
  const message = encode(value, hooks);
  assert.equal(attached.length, 1);
  assert.ok(message.length < 300);
  const [large, small] = decode(message, { attachment: (index) => attached[index] });
  assert.deepEqual([large.length, large[8191], small.length], [8192, 1.5, 3]);
});

test("an attachment of another length, or a missing one, is refused", () => {
  const message = encode(new Float64Array(8192), { attach: () => 0 });
  for (const size of [0, 65535]) {
    assert.throws(() => decode(message, { attachment: () => Buffer.alloc(size) }),
      refused("WIRE_BAD_ARRAY"));
  }
  assert.throws(() => decode(message, { attachment: () => undefined }), refused("WIRE_UNREADABLE"));
  assert.throws(() => decode(message), refused("WIRE_UNREADABLE"));
});

test("what is read shares no memory with the message", () => {
  const message = encode([Buffer.from("bytes"), new Uint8Array([1, 2])]);
  const [bytes, array] = decode(message);
  message.fill(0);
  assert.equal(bytes.toString(), "bytes");
  assert.deepEqual([...array], [1, 2]);
});

test("an object, a Map and an error of another realm go by value", () => {
  const { runInNewContext } = require("node:vm");
  const value = runInNewContext("[{ a: [1] }, new Map([[1, 2]]), new TypeError('other')]");
  const [object, map, error] = decode(encode(value));
  assert.deepEqual(object, { a: [1] });
  assert.deepEqual(map, new Map([[1, 2]]));
  assert.equal(error.name, "TypeError");
});

test("an instance of a class goes by reference", () => {
  class Point {}
  assert.throws(() => encode(new Point()), refused("WIRE_UNSENDABLE"));
  const seen = [];
  encode([new Point()], { reference: (value) => seen.push(value) && [1, 1, 1, 7, 0, "Point"] });
  assert.ok(seen[0] instanceof Point);
});

test("a half-precision number is what it is in Python", () => {
  // 1.5, -2, the smallest one above 0, infinity, as numpy.float16 has them.
  const bits = Uint16Array.of(0x3e00, 0xc000, 0x0001, 0x7c00);
  const message = encode(bits);
  message[message.indexOf(7, 3)] = 10; // the dtype: u16 becomes f16
  assert.deepEqual([...decode(message)], [1.5, -2, 2 ** -24, Infinity]);
});

test("64-bit integers come as numbers if each is exact", () => {
  const message = encode(BigInt64Array.of(1n, -5n));
  assert.deepEqual(decode(message, { int64: "number" }), Float64Array.of(1, -5));
  const large = encode(BigUint64Array.of(2n ** 63n));
  assert.throws(() => decode(large, { int64: "number" }), refused("WIRE_UNREADABLE"));
});

test("a shape that does not fit is refused", () => {
  for (const shape of [[2, 2], [-1, -3], [1.5, 2], "3", Array(33).fill(1)]) {
    const array = Object.assign(new Int8Array(3), { shape });
    assert.throws(() => encode(array), refused("WIRE_UNSENDABLE"), String(shape));
  }
});
