"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const {
  FRAME, FRAME_BYTES_MAX, FrameReader, HEADER_BYTES, tableOf, writeHeader,
} = require("../../../../clients/node/lib/frames.js");

function frame(text, facts, attachments = []) {
  const message = Buffer.concat([Buffer.alloc(HEADER_BYTES), Buffer.from(text)]);
  writeHeader(message, FRAME.REPLY, { ...facts, attachments: attachments.length });
  return Buffer.concat([message, tableOf(attachments), ...attachments]);
}

function read(chunks) {
  const frames = [];
  const reader = new FrameReader(({ payload, attachments, ...facts }) => {
    frames.push({ ...facts, text: payload.toString(), attached: attachments.map(String) });
  });
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}

const FACTS = { callId: 2 ** 40 + 5, context: 7, deadline: 2 ** 52 + 2 };

test("frames come out whole, however they are cut", () => {
  const bytes = Buffer.concat([
    frame("one", FACTS),
    frame("", {}),
    frame("with arrays", { callId: 3 }, [Buffer.from("first"), Buffer.alloc(0), Buffer.from("third")]),
    frame("last", { callId: 4 }),
  ]);
  const whole = read([bytes]);
  assert.deepEqual(whole.map(({ text }) => text), ["one", "", "with arrays", "last"]);
  assert.deepEqual(whole[2].attached, ["first", "", "third"]);
  assert.deepEqual([whole[0].callId, whole[0].context, whole[0].deadline], Object.values(FACTS));
  for (let size = 1; size < 50; size++) {
    const chunks = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    assert.deepEqual(read(chunks), whole, `in pieces of ${size}`);
  }
});

test("an attachment lies in memory of its own", () => {
  const bytes = frame("x", {}, [Buffer.from([1, 2, 3])]);
  let attached;
  new FrameReader(({ attachments }) => ([attached] = attachments)).push(bytes);
  bytes.fill(0);
  assert.deepEqual([...attached], [1, 2, 3]);
  assert.equal(attached.byteOffset, 0);
  assert.equal(attached.buffer.byteLength, 3);
});

for (const [what, change] of [
  ["an unknown kind", (bytes) => (bytes[4] = 99)],
  ["a reserved byte", (bytes) => (bytes[5] = 1)],
  ["too many attachments", (bytes) => bytes.writeUInt16LE(2000, 6)],
  ["too long a payload", (bytes) => bytes.writeUInt32LE(FRAME_BYTES_MAX + 1, 0)],
]) {
  test(`a header with ${what} is no frame`, () => {
    const bytes = frame("x", {});
    change(bytes);
    assert.throws(() => read([bytes]), TypeError);
  });
}

test("attachments that are larger than any message are no frame", () => {
  const bytes = frame("x", {}, [Buffer.from("y")]);
  bytes.writeUInt32LE(1, HEADER_BYTES + 1 + 4);
  assert.throws(() => read([bytes]), TypeError);
});
