// The numbers of native/include/noodle/wire.h and protocol.h, and the errors of the codec.

"use strict";

const { InputLimitError } = require("./errors.js");

const WIRE_VERSION = 2;

const EXT = Object.freeze({
  TIMESTAMP: -1,
  BIGINT: 1,
  TEXT16: 2,
  SET: 3,
  UNDEFINED: 4,
  ARRAY: 5,
  REFERENCE: 6,
  ERROR: 7,
  LOCAL_TIME: 8,
  PYTHON: 9, // only between two Pythons: refused like an unknown one
});

const DEPTH_MAX = 512;
const ELEMENTS_MAX = 2 ** 28;
const BYTES_MAX = 2 ** 31;
const DIMENSIONS_MAX = 32;
const BIGINT_BYTES_MAX = 65536;
const NAME_BYTES_MAX = 255;

const OWNER = Object.freeze({ HOST: 0, CLIENT: 1 });

const KIND = Object.freeze({
  OBJECT: 1,
  FUNCTION: 2,
  ASYNC_FUNCTION: 3,
  CLASS: 4,
  ITERATOR: 5,
  ASYNC_ITERATOR: 6,
  AWAITABLE: 7,
  MODULE: 8,
});

const OP = Object.freeze({
  CALL: 0,
  CALL_NAMED: 1,
  METHOD: 2,
  NEW: 3,
  GET: 4,
  SET: 5,
  DELETE: 6,
  HAS: 7,
  NAMES: 8,
  ITEM: 9,
  SET_ITEM: 10,
  LENGTH: 11,
  ITERATE: 12,
  NEXT: 13,
  AWAIT: 14,
  TEXT: 15,
  VALUE: 16,
  IMPORT: 17,
  DESCRIBE: 18,
  STATISTICS: 19,
  BATCH: 20,
  CLOSE: 21,
  SEGMENT: 22,
  COLLECT: 23,
});

const TEXTS = {
  WIRE_TRUNCATED: "the message ends within a value",
  WIRE_TRAILING: "bytes follow the message",
  WIRE_INVALID: "the message is not MessagePack",
  WIRE_BAD_TEXT: "the message holds text that is not UTF-8",
  WIRE_BAD_EXTENSION: "the message holds an extension that is unknown or malformed",
  WIRE_BAD_ARRAY: "the message holds an array that contradicts itself or leaves its memory",
  WIRE_TOO_DEEP: "the value is nested deeper than the limit",
  WIRE_TOO_MANY: "the value has more elements than the limit",
  WIRE_TOO_LARGE: "the value takes more bytes than the limit",
  WIRE_UNSENDABLE: "the value cannot be sent",
  WIRE_UNREADABLE: "the message holds a value that this end cannot hold",
};

// What a value or a message makes the codec throw; `code` is the status of wire.h.
function wireError(code, detail) {
  const error = new InputLimitError(detail === undefined ? TEXTS[code] : `${TEXTS[code]}: ${detail}`);
  error.code = code;
  return error;
}

module.exports = {
  BIGINT_BYTES_MAX,
  BYTES_MAX,
  DEPTH_MAX,
  DIMENSIONS_MAX,
  ELEMENTS_MAX,
  EXT,
  KIND,
  NAME_BYTES_MAX,
  OP,
  OWNER,
  WIRE_VERSION,
  wireError,
};
