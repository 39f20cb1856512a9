// Wire values to JavaScript values: what native/node/wire_node_read.c makes of the same bytes.
//
// Nothing here trusts a length, a count or a depth of the message. What is returned keeps no part of
// the message's memory.

"use strict";

const { isAscii, isUtf8 } = require("node:buffer");
const { readArray } = require("./wire_arrays.js");
const { readError } = require("./wire_errors.js");
const {
  BIGINT_BYTES_MAX, BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX, EXT, KIND, NAME_BYTES_MAX, wireError,
} = require("./wire.js");

const TWO_32 = 2 ** 32;
const DATE_MAX = 8.64e15;
const SHORT = 24;

class Reader {
  // hooks: reference(owner, kind, sendings, id, incarnation, name), attachment(index), int64.
  constructor(buffer, hooks) {
    if (buffer.length > BYTES_MAX) throw wireError("WIRE_TOO_LARGE");
    this.buffer = buffer;
    this.hooks = hooks;
    this.at = 0;
    this.end = buffer.length;
    this.elements = ELEMENTS_MAX;
    this.depth = DEPTH_MAX;
  }

  // Takes `size` bytes and returns where they begin.
  take(size) {
    const start = this.at;
    if (size > this.end - start) throw wireError("WIRE_TRUNCATED");
    this.at = start + size;
    return start;
  }

  descend() {
    if (this.depth === 0) throw wireError("WIRE_TOO_DEEP");
    this.depth--;
  }

  ascend() {
    this.depth++;
  }

  // Charges the elements of a list or map before anything is allocated for them.
  charge(elements) {
    if (elements > this.end - this.at) throw wireError("WIRE_TRUNCATED");
    if (elements > this.elements) throw wireError("WIRE_TOO_MANY");
    this.elements -= elements;
  }

  unsigned(size) {
    return this.buffer.readUIntBE(this.take(size), size);
  }

  // -------------------------------------------------------------------------------- numbers

  signed64() {
    const at = this.take(8);
    const number = this.buffer.readInt32BE(at) * TWO_32 + this.buffer.readUInt32BE(at + 4);
    return Number.isSafeInteger(number) ? number : this.buffer.readBigInt64BE(at);
  }

  unsigned64() {
    const at = this.take(8);
    const number = this.buffer.readUInt32BE(at) * TWO_32 + this.buffer.readUInt32BE(at + 4);
    return Number.isSafeInteger(number) ? number : this.buffer.readBigUInt64BE(at);
  }

  // ---------------------------------------------------------------------------------- texts

  text(length) {
    const start = this.take(length);
    const { buffer } = this;
    if (length < SHORT) {
      let text = "";
      for (let at = start; at < start + length; at++) {
        const byte = buffer[at];
        if (byte >= 0x80) return this.longText(start, length);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return this.longText(start, length);
  }

  longText(start, length) {
    const bytes = this.buffer.subarray(start, start + length);
    if (isAscii(bytes)) return bytes.latin1Slice();
    if (!isUtf8(bytes)) throw wireError("WIRE_BAD_TEXT");
    return bytes.utf8Slice();
  }

  binary(length) {
    const start = this.take(length);
    return Buffer.from(this.buffer.subarray(start, start + length));
  }

  // ----------------------------------------------------------------------------- containers

  list(count) {
    this.charge(count);
    this.descend();
    const items = new Array(count);
    for (let index = 0; index < count; index++) items[index] = this.value();
    this.ascend();
    return items;
  }

  // A plain object as long as every key is a text, else a Map.
  map(count) {
    this.charge(2 * count);
    this.descend();
    let object = {};
    let map;
    for (let index = 0; index < count; index++) {
      const key = this.value();
      if (map === undefined && typeof key !== "string") map = new Map(Object.entries(object));
      const value = this.value();
      if (map !== undefined) map.set(key, value);
      else if (key === "__proto__") defineProto(object, value);
      else object[key] = value;
    }
    this.ascend();
    return map ?? object;
  }

  // The entries of a map whose keys are texts.
  textMap() {
    const lead = this.buffer[this.take(1)];
    const count = (lead & 0xf0) === 0x80 ? lead & 0x0f
      : lead === 0xde ? this.unsigned(2)
      : lead === 0xdf ? this.unsigned(4)
      : undefined;
    if (count === undefined) throw wireError("WIRE_BAD_EXTENSION");
    this.charge(2 * count);
    this.descend();
    const entries = [];
    for (let index = 0; index < count; index++) {
      const key = this.value();
      if (typeof key !== "string") throw wireError("WIRE_BAD_EXTENSION");
      entries.push([key, this.value()]);
    }
    this.ascend();
    return entries;
  }

  // The count of a list whose items the caller reads.
  listHeader() {
    const lead = this.buffer[this.take(1)];
    const count = (lead & 0xf0) === 0x90 ? lead & 0x0f
      : lead === 0xdc ? this.unsigned(2)
      : lead === 0xdd ? this.unsigned(4)
      : undefined;
    if (count === undefined) throw wireError("WIRE_BAD_EXTENSION");
    this.charge(count);
    return count;
  }

  // ----------------------------------------------------------------------------- extensions

  // Reads an extension's payload with `read`, which must take all of it.
  within(length, read) {
    const end = this.end;
    this.end = this.take(length) + length;
    this.at = this.end - length;
    this.descend();
    const value = read();
    this.ascend();
    if (this.at !== this.end) throw wireError("WIRE_BAD_EXTENSION");
    this.end = end;
    return value;
  }

  // An ERROR or nil: what may stand in the place of a cause.
  cause() {
    const value = this.value();
    if (value !== null && !(value instanceof Error)) throw wireError("WIRE_BAD_EXTENSION");
    return value;
  }

  bigint(payload) {
    if (payload.length < 1 || payload.length - 1 > BIGINT_BYTES_MAX || payload[0] > 1) {
      throw wireError("WIRE_BAD_EXTENSION");
    }
    const hex = Buffer.from(payload.subarray(1)).reverse().toString("hex");
    const magnitude = BigInt(`0x0${hex}`);
    const value = payload[0] === 1 ? -magnitude : magnitude;
    // Not the shortest form, but allowed: it must come out like any other int.
    return magnitude <= 0x1fffffffffffffn ? Number(value) : value;
  }

  instant(payload) {
    const { length } = payload;
    let seconds;
    let nanoseconds = 0;
    if (length === 4) {
      seconds = payload.readUInt32BE(0);
    } else if (length === 8) {
      const high = payload.readUInt32BE(0);
      nanoseconds = high >>> 2;
      seconds = (high & 3) * TWO_32 + payload.readUInt32BE(4);
    } else if (length === 12) {
      nanoseconds = payload.readUInt32BE(0);
      seconds = Number(payload.readBigInt64BE(4));
    } else throw wireError("WIRE_BAD_EXTENSION");
    if (nanoseconds >= 1e9) throw wireError("WIRE_BAD_EXTENSION");
    const milliseconds = seconds * 1000 + Math.floor(nanoseconds / 1e6);
    if (Math.abs(milliseconds) > DATE_MAX) {
      throw wireError("WIRE_UNREADABLE", "an instant beyond the range of Date");
    }
    return new Date(milliseconds);
  }

  reference(payload) {
    const wellFormed = payload.length >= 24 && payload.length - 24 <= NAME_BYTES_MAX
      && payload[0] <= 1 && payload[1] >= KIND.OBJECT && payload[1] <= KIND.MODULE
      && payload.readUInt16LE(2) === 0;
    if (!wellFormed) throw wireError("WIRE_BAD_EXTENSION");
    if (this.hooks.reference === undefined) {
      throw wireError("WIRE_UNREADABLE", "no references are taken here");
    }
    return this.hooks.reference(
      payload[0], payload[1], payload.readUInt32LE(4), Number(payload.readBigUInt64LE(8)),
      payload.readBigUInt64LE(16), payload.toString("utf8", 24),
    );
  }

  extension(length) {
    const type = this.buffer.readInt8(this.take(1));
    if (length > this.end - this.at) throw wireError("WIRE_TRUNCATED");
    if (type === EXT.SET) return new Set(this.within(length, () => this.setItems()));
    if (type === EXT.ERROR) return this.within(length, () => readError(this));
    const start = this.take(length);
    const payload = this.buffer.subarray(start, start + length);
    switch (type) {
      case EXT.TIMESTAMP:
        return this.instant(payload);
      case EXT.BIGINT:
        return this.bigint(payload);
      case EXT.TEXT16:
        if (length % 2 !== 0) throw wireError("WIRE_BAD_TEXT");
        return payload.toString("utf16le");
      case EXT.UNDEFINED:
        if (length !== 0) throw wireError("WIRE_BAD_EXTENSION");
        return undefined;
      case EXT.ARRAY:
        return readArray(this, payload);
      case EXT.REFERENCE:
        return this.reference(payload);
      case EXT.LOCAL_TIME:
        throw wireError("WIRE_UNREADABLE",
          "a datetime without a zone; give it one before it is sent");
      default:
        throw wireError("WIRE_BAD_EXTENSION");
    }
  }

  setItems() {
    const count = this.listHeader();
    this.descend();
    const items = [];
    for (let index = 0; index < count; index++) items.push(this.value());
    this.ascend();
    return items;
  }

  // --------------------------------------------------------------------------------- values

  value() {
    const lead = this.buffer[this.take(1)];
    if (lead < 0x80) return lead;
    if (lead >= 0xe0) return lead - 0x100;
    if (lead < 0x90) return this.map(lead & 0x0f);
    if (lead < 0xa0) return this.list(lead & 0x0f);
    if (lead < 0xc0) return this.text(lead & 0x1f);
    return this.numbered(lead);
  }

  numbered(lead) {
    switch (lead) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.binary(this.unsigned(1));
      case 0xc5: return this.binary(this.unsigned(2));
      case 0xc6: return this.binary(this.unsigned(4));
      case 0xc7: return this.extension(this.unsigned(1));
      case 0xc8: return this.extension(this.unsigned(2));
      case 0xc9: return this.extension(this.unsigned(4));
      case 0xca: return this.buffer.readFloatBE(this.take(4));
      case 0xcb: return this.buffer.readDoubleBE(this.take(8));
      case 0xcc: return this.unsigned(1);
      case 0xcd: return this.unsigned(2);
      case 0xce: return this.unsigned(4);
      case 0xcf: return this.unsigned64();
      case 0xd0: return this.buffer.readInt8(this.take(1));
      case 0xd1: return this.buffer.readInt16BE(this.take(2));
      case 0xd2: return this.buffer.readInt32BE(this.take(4));
      case 0xd3: return this.signed64();
      case 0xd4: return this.extension(1);
      case 0xd5: return this.extension(2);
      case 0xd6: return this.extension(4);
      case 0xd7: return this.extension(8);
      case 0xd8: return this.extension(16);
      case 0xd9: return this.text(this.unsigned(1));
      case 0xda: return this.text(this.unsigned(2));
      case 0xdb: return this.text(this.unsigned(4));
      case 0xdc: return this.list(this.unsigned(2));
      case 0xdd: return this.list(this.unsigned(4));
      case 0xde: return this.map(this.unsigned(2));
      case 0xdf: return this.map(this.unsigned(4));
      default: throw wireError("WIRE_INVALID");
    }
  }
}

// Assigning to `__proto__` would call the setter of Object.prototype.
function defineProto(object, value) {
  Object.defineProperty(object, "__proto__", {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

// Returns the one value that a message holds.
function decode(buffer, hooks = {}) {
  const reader = new Reader(buffer, hooks);
  const value = reader.value();
  if (reader.at !== reader.end) throw wireError("WIRE_TRAILING");
  return value;
}

module.exports = { decode };
