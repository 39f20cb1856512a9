// The numbers of native/include/noodle/protocol.h and wire.h that JavaScript needs.

export const OP = Object.freeze({
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

export const KIND = Object.freeze({
  OBJECT: 1,
  FUNCTION: 2,
  ASYNC_FUNCTION: 3,
  CLASS: 4,
  ITERATOR: 5,
  ASYNC_ITERATOR: 6,
  AWAITABLE: 7,
  MODULE: 8,
});

export const KIND_NAMES = Object.freeze({
  1: "object",
  2: "function",
  3: "async function",
  4: "class",
  5: "iterator",
  6: "async iterator",
  7: "awaitable",
  8: "module",
});
