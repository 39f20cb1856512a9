// Frames over the socket: the layout of src/noodle/client_host/frames.py.

"use strict";

const STREAM_VERSION = 1;
const HEADER_BYTES = 32;
const ATTACHMENTS_MAX = 1024;
const FRAME_BYTES_MAX = 2 ** 31;
const TWO_32 = 2 ** 32;

const FRAME = Object.freeze({
  CONTROL: 0,
  CALL: 1,
  REPLY: 2,
  ERROR: 3,
  CALLBACK: 4,
  CANCEL: 5,
  RELEASE: 6,
});

const SUBJECT = Object.freeze({ READY: 0, STOP: 1, UNCAUGHT: 3, REFUSED: 16 });

function writeWord(buffer, value, at) {
  buffer.writeUInt32LE(value % TWO_32, at);
  buffer.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
}

function readWord(buffer, at) {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * TWO_32;
}

// Fills in the header of a message that was encoded behind HEADER_BYTES free bytes. `deadline` is in
// nanoseconds of the monotonic clock.
function writeHeader(message, kind, { callId = 0, context = 0, deadline = 0, attachments = 0 }) {
  message.writeUInt32LE(message.length - HEADER_BYTES, 0);
  message.writeUInt16LE(kind, 4);
  message.writeUInt16LE(attachments, 6);
  writeWord(message, callId, 8);
  writeWord(message, context, 16);
  writeWord(message, deadline, 24);
}

function tableOf(attachments) {
  const table = Buffer.alloc(8 * attachments.length);
  attachments.forEach(({ length }, index) => writeWord(table, length, 8 * index));
  return table;
}

// Cuts what comes over the socket into frames, each given to `onFrame`. Throws a TypeError for what
// is no frame: nothing that follows can be understood then. A payload is valid while it is handled;
// attachments have memory of their own.
class FrameReader {
  constructor(onFrame) {
    this.onFrame = onFrame;
    this.begin(this.takeHeader, HEADER_BYTES);
  }

  // Waits for `size` bytes, which `take` is then given.
  begin(take, size, own = false) {
    this.take = take;
    this.size = size;
    this.own = own;
    this.memory = undefined;
    this.filled = 0;
  }

  push(chunk) {
    let at = 0;
    while (at < chunk.length || this.size === 0) {
      const there = Math.min(this.size - this.filled, chunk.length - at);
      if (there === this.size && !this.own) {
        at += there;
        this.take(chunk.subarray(at - there, at));
        continue;
      }
      this.memory ??= Buffer.allocUnsafeSlow(this.size);
      chunk.copy(this.memory, this.filled, at, at + there);
      at += there;
      this.filled += there;
      if (this.filled === this.size) this.take(this.memory);
    }
  }

  takeHeader(bytes) {
    const count = bytes.readUInt16LE(6);
    const length = bytes.readUInt32LE(0);
    const wellFormed = bytes[4] <= FRAME.RELEASE && bytes[5] === 0 && count <= ATTACHMENTS_MAX
      && length <= FRAME_BYTES_MAX;
    if (!wellFormed) throw new TypeError("its header is none");
    this.frame = {
      kind: bytes[4],
      callId: readWord(bytes, 8),
      context: readWord(bytes, 16),
      deadline: readWord(bytes, 24),
      payload: undefined,
      attachments: [],
    };
    this.length = length;
    this.begin(this.takeBody, length + 8 * count);
  }

  takeBody(bytes) {
    this.frame.payload = bytes.subarray(0, this.length);
    this.sizes = [];
    let total = 0;
    for (let at = this.length; at < bytes.length; at += 8) {
      this.sizes.push(readWord(bytes, at));
      total += this.sizes.at(-1);
    }
    if (total > FRAME_BYTES_MAX) throw new TypeError("its attachments are too large");
    // The chunk that the payload lies in is gone when the last attachment has come.
    if (this.sizes.length > 0) this.frame.payload = Buffer.from(this.frame.payload);
    this.next();
  }

  takeAttachment(bytes) {
    this.frame.attachments.push(bytes);
    this.next();
  }

  next() {
    if (this.sizes.length > 0) {
      this.begin(this.takeAttachment, this.sizes.shift(), true);
      return;
    }
    const { frame } = this;
    this.begin(this.takeHeader, HEADER_BYTES);
    this.onFrame(frame);
  }
}

module.exports = {
  ATTACHMENTS_MAX,
  FRAME,
  FRAME_BYTES_MAX,
  FrameReader,
  HEADER_BYTES,
  STREAM_VERSION,
  SUBJECT,
  tableOf,
  writeHeader,
};
