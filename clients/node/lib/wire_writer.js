// JavaScript values to wire values: the same bytes as native/node/wire_node_write.c.
//
// Differences that are wanted: a `shape` that does not fit is an error, and plain objects, Maps, Sets and
// errors of other realms count as such.

"use strict";

const { types } = require("node:util");
const { writeArray } = require("./wire_arrays.js");
const { writeError } = require("./wire_errors.js");
const { BIGINT_BYTES_MAX, BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX, EXT, wireError } = require("./wire.js");

const SMALL = 4096;
const TWO_32 = 2 ** 32;

// One spare buffer: most messages are small, and are copied out of it.
let spare = Buffer.allocUnsafeSlow(SMALL);

class Writer {
  // hooks: reference(value) gives the fields of a REFERENCE; attach(view) the number of an attachment,
  // or -1; keepFrame(frame) says whether an error keeps a frame. `headroom` bytes are left free in front.
  constructor(hooks, headroom) {
    this.hooks = hooks;
    this.buffer = spare ?? Buffer.allocUnsafeSlow(SMALL);
    spare = undefined;
    this.at = headroom;
    this.elements = ELEMENTS_MAX;
    // How many errors of this message others have collected.
    this.errors = 0;
    this.path = [];
  }

  // The message, in memory of its own. The writer cannot be used after it.
  finish() {
    const { buffer, at } = this;
    if (buffer.length > SMALL) return buffer.subarray(0, at);
    const message = Buffer.allocUnsafe(at);
    buffer.copy(message, 0, 0, at);
    spare = buffer;
    return message;
  }

  // Makes room for `size` more bytes and returns where they begin. `buffer` may be another one then.
  claim(size) {
    const start = this.at;
    const end = start + size;
    if (end > this.buffer.length) this.grow(end);
    this.at = end;
    return start;
  }

  grow(needed) {
    if (needed > BYTES_MAX) throw wireError("WIRE_TOO_LARGE");
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, 2 * this.buffer.length), BYTES_MAX));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }

  byte(value) {
    const at = this.claim(1);
    this.buffer[at] = value;
  }

  // A lead byte and a number of one, two or four bytes.
  sized(lead, size, value) {
    const at = this.claim(1 + size);
    this.buffer[at] = lead;
    this.buffer.writeUIntBE(value, at + 1, size);
  }

  bytes(source) {
    const at = this.claim(source.length);
    this.buffer.set(source, at);
  }

  // A header whose form depends on a length: of one byte, of two, or of four.
  length(lead8, lead16, lead32, length) {
    if (length < 0x100) this.sized(lead8, 1, length);
    else if (length < 0x10000) this.sized(lead16, 2, length);
    else if (length < TWO_32) this.sized(lead32, 4, length);
    else throw wireError("WIRE_TOO_LARGE");
  }

  extension(type, length) {
    const fixed = [1, 2, 4, 8, 16].indexOf(length);
    if (fixed >= 0) this.byte(0xd4 + fixed);
    else this.length(0xc7, 0xc8, 0xc9, length);
    this.byte(type & 0xff);
  }

  // ------------------------------------------------------------------------------- numbers

  integer(value) {
    if (value >= 0) {
      if (value < 0x80) this.byte(value);
      else if (value < 0x100) this.sized(0xcc, 1, value);
      else if (value < 0x10000) this.sized(0xcd, 2, value);
      else if (value < TWO_32) this.sized(0xce, 4, value);
      else this.word(0xcf, Math.floor(value / TWO_32), value % TWO_32);
    } else if (value >= -32) this.byte(value & 0xff);
    else if (value >= -0x80) this.sized(0xd0, 1, value & 0xff);
    else if (value >= -0x8000) this.sized(0xd1, 2, value & 0xffff);
    else if (value >= -0x80000000) this.sized(0xd2, 4, value >>> 0);
    else {
      const high = Math.floor(value / TWO_32);
      this.word(0xd3, high >>> 0, value - high * TWO_32);
    }
  }

  word(lead, high, low) {
    const at = this.claim(9);
    this.buffer[at] = lead;
    this.buffer.writeUInt32BE(high, at + 1);
    this.buffer.writeUInt32BE(low, at + 5);
  }

  number(value) {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.integer(value);
      return;
    }
    const at = this.claim(9);
    this.buffer[at] = 0xcb;
    this.buffer.writeDoubleBE(value, at + 1);
  }

  bigint(value) {
    if (value >= -0x1fffffffffffffn && value <= 0x1fffffffffffffn) {
      this.integer(Number(value));
    } else if (value >= 0n && value < 1n << 64n) {
      const at = this.claim(9);
      this.buffer[at] = 0xcf;
      this.buffer.writeBigUInt64BE(value, at + 1);
    } else if (value < 0n && value >= -(1n << 63n)) {
      const at = this.claim(9);
      this.buffer[at] = 0xd3;
      this.buffer.writeBigInt64BE(value, at + 1);
    } else {
      this.longInteger(value);
    }
  }

  longInteger(value) {
    const hex = (value < 0n ? -value : value).toString(16);
    const magnitude = Buffer.from(hex.length % 2 ? `0${hex}` : hex, "hex").reverse();
    if (magnitude.length > BIGINT_BYTES_MAX) {
      throw wireError("WIRE_TOO_LARGE", "a BigInt of more than 524288 bits");
    }
    this.extension(EXT.BIGINT, 1 + magnitude.length);
    this.byte(value < 0n ? 1 : 0);
    this.bytes(magnitude);
  }

  // --------------------------------------------------------------------------------- texts

  string(value) {
    const count = value.length;
    if (count < 32) {
      const start = this.claim(1 + count);
      const { buffer } = this;
      buffer[start] = 0xa0 | count;
      let index = 0;
      for (; index < count; index++) {
        const unit = value.charCodeAt(index);
        if (unit >= 0x80) break;
        buffer[start + 1 + index] = unit;
      }
      if (index === count) return;
      this.at = start;
    }
    this.longString(value);
  }

  longString(value) {
    const length = Buffer.byteLength(value);
    if (length !== value.length && !value.isWellFormed()) {
      this.extension(EXT.TEXT16, 2 * value.length);
      this.encoded(value, 2 * value.length, "utf16le");
      return;
    }
    if (length < 32) this.byte(0xa0 | length);
    else this.length(0xd9, 0xda, 0xdb, length);
    this.encoded(value, length, length === value.length ? "latin1" : "utf8");
  }

  encoded(text, length, encoding) {
    const at = this.claim(length);
    this.buffer.write(text, at, encoding);
  }

  // ---------------------------------------------------------------------------- containers

  enter(container, elements) {
    if (this.path.length === DEPTH_MAX) throw this.tooDeep(container);
    if (elements > this.elements) throw wireError("WIRE_TOO_MANY");
    this.elements -= elements;
    this.path.push(container);
  }

  leave() {
    this.path.pop();
  }

  tooDeep(container) {
    const first = this.path.lastIndexOf(container);
    if (container === null || first < 0) return wireError("WIRE_TOO_DEEP");
    const levels = this.path.slice(first).filter((level) => level !== null).length;
    const containers = levels === 1 ? "container" : "containers";
    return wireError("WIRE_TOO_DEEP", `it contains itself, through ${levels} ${containers}`);
  }

  counted(leadFixed, lead16, count) {
    if (count < 16) this.byte(leadFixed | count);
    else if (count < 0x10000) this.sized(lead16, 2, count);
    else this.sized(lead16 + 1, 4, count);
  }

  list(items, container = items) {
    const count = items.length;
    this.counted(0x90, 0xdc, count);
    this.enter(container, count);
    for (let index = 0; index < count; index++) this.value(items[index]);
    this.leave();
  }

  plainObject(object) {
    const keys = Object.keys(object);
    this.counted(0x80, 0xde, keys.length);
    this.enter(object, 2 * keys.length);
    for (const key of keys) {
      this.string(key);
      this.value(object[key]);
    }
    this.leave();
  }

  // The entries are a snapshot, which getters of them cannot change.
  map(map) {
    const entries = [...Map.prototype.entries.call(map)];
    this.counted(0x80, 0xde, entries.length);
    this.enter(map, 2 * entries.length);
    for (const [key, value] of entries) {
      this.value(key);
      this.value(value);
    }
    this.leave();
  }

  // An extension whose payload is a value that `write` writes. It is a level without a container.
  nested(type, write) {
    this.sized(0xc9, 4, 0);
    this.byte(type);
    const start = this.at;
    this.enter(null, 0);
    write();
    this.leave();
    this.buffer.writeUInt32BE(this.at - start, start - 5);
  }

  set(set) {
    const members = [...Set.prototype.values.call(set)];
    this.nested(EXT.SET, () => this.list(members, set));
  }

  date(date) {
    const milliseconds = date.getTime();
    if (Number.isNaN(milliseconds)) throw wireError("WIRE_UNSENDABLE", "an invalid Date");
    const seconds = Math.floor(milliseconds / 1000);
    const nanoseconds = (milliseconds - seconds * 1000) * 1_000_000;
    if (seconds >= 0 && seconds < TWO_32 && nanoseconds === 0) {
      this.extension(EXT.TIMESTAMP, 4);
      const at = this.claim(4);
      this.buffer.writeUInt32BE(seconds, at);
    } else if (seconds >= 0 && seconds < 2 ** 34) {
      this.extension(EXT.TIMESTAMP, 8);
      const at = this.claim(8);
      this.buffer.writeBigUInt64BE((BigInt(nanoseconds) << 34n) | BigInt(seconds), at);
    } else {
      this.extension(EXT.TIMESTAMP, 12);
      const at = this.claim(12);
      this.buffer.writeUInt32BE(nanoseconds, at);
      this.buffer.writeBigInt64BE(BigInt(seconds), at + 4);
    }
  }

  // -------------------------------------------------------------------------------- others

  binary(bytes) {
    this.length(0xc4, 0xc5, 0xc6, bytes.length);
    this.bytes(bytes);
  }

  reference(value) {
    const fields = this.hooks.reference?.(value);
    if (fields === undefined) {
      throw wireError("WIRE_UNSENDABLE", "it goes by reference, and none can be made here");
    }
    const [owner, kind, sendings, id, incarnation, name] = fields;
    const text = Buffer.from(name);
    this.extension(EXT.REFERENCE, 24 + text.length);
    const at = this.claim(24);
    this.buffer.fill(0, at, at + 24);
    this.buffer[at] = owner;
    this.buffer[at + 1] = kind;
    this.buffer.writeUInt32LE(sendings, at + 4);
    this.buffer.writeBigUInt64LE(BigInt(id), at + 8);
    this.buffer.writeBigUInt64LE(BigInt(incarnation), at + 16);
    this.bytes(text);
  }

  specialObject(object) {
    if (ArrayBuffer.isView(object) || types.isArrayBuffer(object)) writeArray(this, object);
    else if (types.isDate(object)) this.date(object);
    else if (types.isNativeError(object)) writeError(this, object);
    else if (types.isMap(object)) this.map(object);
    else if (types.isSet(object)) this.set(object);
    else this.reference(object);
  }

  value(value) {
    switch (typeof value) {
      case "number":
        this.number(value);
        break;
      case "string":
        this.string(value);
        break;
      case "boolean":
        this.byte(value ? 0xc3 : 0xc2);
        break;
      case "undefined":
        this.extension(EXT.UNDEFINED, 0);
        break;
      case "bigint":
        this.bigint(value);
        break;
      case "object":
        if (value === null) this.byte(0xc0);
        else if (Array.isArray(value)) this.list(value);
        else if (isPlain(value)) this.plainObject(value);
        else this.specialObject(value);
        break;
      default: // function, symbol
        this.reference(value);
    }
  }
}

// Whether an object is nothing but its properties, in whatever realm it was made.
function isPlain(object) {
  const prototype = Object.getPrototypeOf(object);
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

// Returns a message of one value, behind `headroom` free bytes.
function encode(value, hooks = {}, headroom = 0) {
  const writer = new Writer(hooks, headroom);
  writer.value(value);
  return writer.finish();
}

module.exports = { encode, isPlain };
