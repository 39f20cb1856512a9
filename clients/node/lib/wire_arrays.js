// Typed arrays, ArrayBuffer, DataView and Buffer to wire values and back.
//
// A typed array of one dimension is just that; any other has a property `shape`, and its items in C
// order. What was an array of bools has the property `dtype`, and is one again while it holds no other.

"use strict";

const { types } = require("node:util");
const { describe } = require("./errors.js");
const { DIMENSIONS_MAX, EXT, wireError } = require("./wire.js");

const HEAD = 32;
const READ_ONLY = 1;
const FORTRAN = 2;
const BOOL = 1;
const TEXT = 18;

// Chosen, as everywhere in Noodle: smaller arrays travel inside the message.
const ATTACHED_LEAST = 65536;

// A half-precision float has a typed array only in newer engines; a single holds it exactly.
const Float16 = globalThis.Float16Array;

// By dtype of wire.h: item size and typed array.
const DTYPES = [
  [0, undefined],
  [1, Uint8Array],
  [1, Int8Array],
  [2, Int16Array],
  [4, Int32Array],
  [8, BigInt64Array],
  [1, Uint8Array],
  [2, Uint16Array],
  [4, Uint32Array],
  [8, BigUint64Array],
  [2, Float16],
  [4, Float32Array],
  [8, Float64Array],
];
const FLOAT16 = 10;
const SIZES_BEYOND = { 13: 8, 14: 16, 15: 8, 16: 8 };

const DTYPE_OF_TAG = {
  Int8Array: 2,
  Int16Array: 3,
  Int32Array: 4,
  BigInt64Array: 5,
  Uint8Array: 6,
  Uint8ClampedArray: 6,
  Uint16Array: 7,
  Uint32Array: 8,
  BigUint64Array: 9,
  Float16Array: 10,
  Float32Array: 11,
  Float64Array: 12,
};

// ------------------------------------------------------------------------------------- Writing

function bytesOf(memory) {
  if (types.isArrayBuffer(memory)) return new Uint8Array(memory);
  return new Uint8Array(memory.buffer, memory.byteOffset, memory.byteLength);
}

function shapeOf(view, items) {
  const { shape } = view;
  if (shape === undefined) return [items];
  const fits = Array.isArray(shape) && shape.length <= DIMENSIONS_MAX
    && shape.every((length) => Number.isSafeInteger(length) && length >= 0)
    && shape.reduce((product, length) => product * length, 1) === items;
  if (!fits) {
    throw wireError("WIRE_UNSENDABLE", `its shape ${describe(shape)} is not that of ${items} items`);
  }
  return shape;
}

function holdsBools(memory) {
  return types.isUint8Array(memory) && memory.every((byte) => byte <= 1);
}

function writeDescriptor(writer, dtype, size, shape, attachment, length) {
  const inline = attachment < 0 ? length : 0;
  writer.extension(EXT.ARRAY, HEAD + 16 * shape.length + inline);
  const at = writer.claim(HEAD + 16 * shape.length);
  const { buffer } = writer;
  buffer.fill(0, at, at + HEAD);
  buffer[at] = attachment < 0 ? 0 : 1;
  buffer[at + 1] = dtype;
  buffer[at + 2] = shape.length;
  buffer.writeUInt32LE(size, at + 4);
  if (attachment > 0) buffer.writeUInt32LE(attachment, at + 16);
  let stride = size;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    buffer.writeBigInt64LE(BigInt(shape[axis]), at + HEAD + 8 * axis);
    buffer.writeBigInt64LE(BigInt(stride), at + HEAD + 8 * (shape.length + axis));
    if (length > 0) stride *= shape[axis];
  }
}

// Writes memory as an ARRAY; a Buffer, which is JavaScript's bytes, as binary.
function writeArray(writer, memory) {
  const bytes = bytesOf(memory);
  if (Buffer.isBuffer(memory)) {
    writer.binary(bytes);
    return;
  }
  // The tag's getter cannot be hidden by a property of the array.
  const typed = ArrayBuffer.isView(memory) && !types.isDataView(memory);
  let dtype = typed ? DTYPE_OF_TAG[memory[Symbol.toStringTag]] : DTYPE_OF_TAG.Uint8Array;
  if (typed && memory.dtype === "bool" && holdsBools(memory)) dtype = BOOL;
  const [size] = DTYPES[dtype];
  const shape = shapeOf(memory, bytes.length / size);
  const attach = bytes.length >= ATTACHED_LEAST ? writer.hooks.attach : undefined;
  const attachment = attach === undefined ? -1 : attach(bytes);
  writeDescriptor(writer, dtype, size, shape, attachment, bytes.length);
  if (attachment < 0) writer.bytes(bytes);
}

// ------------------------------------------------------------------------------------- Reading

function bad() {
  return wireError("WIRE_BAD_ARRAY");
}

function readDescriptor(bytes) {
  if (bytes.length < HEAD) throw bad();
  const dimensions = bytes[2];
  const axes = HEAD + 16 * dimensions;
  const wellFormed = bytes[0] <= 1 && dimensions <= DIMENSIONS_MAX && bytes[9] === 0
    && bytes.readUInt32LE(12) === 0 && bytes.length >= axes;
  if (!wellFormed) throw bad();
  const numbers = (from) => Array.from({ length: dimensions },
    (_, axis) => bytes.readBigInt64LE(from + 8 * axis));
  return {
    attached: bytes[0] === 1,
    dtype: bytes[1],
    flags: bytes[3],
    size: bytes.readUInt32LE(4),
    unit: bytes[8],
    unitCount: bytes.readUInt16LE(10),
    segment: bytes.readBigUInt64LE(16),
    offset: bytes.readBigUInt64LE(24),
    shape: numbers(HEAD),
    strides: numbers(HEAD + 8 * dimensions),
    memory: bytes.subarray(axes),
  };
}

function sizeFits({ dtype, size }) {
  if (dtype === 17) return size >= 1 && size <= 0x7fffffff;
  if (dtype === TEXT) return size >= 4 && size % 4 === 0 && size <= 0x7fffffff;
  const expected = DTYPES[dtype]?.[0] ?? SIZES_BEYOND[dtype];
  return size !== 0 && size === expected;
}

function unitFits({ dtype, unit, unitCount }) {
  if (dtype !== 15 && dtype !== 16) return unit === 0 && unitCount === 0;
  return unit === 0 ? unitCount === 0 : unit <= 13 && unitCount >= 1;
}

function isPacked({ size, shape, strides }, fortran) {
  let expected = BigInt(size);
  for (let position = 0; position < shape.length; position++) {
    const axis = fortran ? position : shape.length - 1 - position;
    if (shape[axis] !== 1n && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

function liesInside({ size, shape, strides, offset }, granted) {
  let low = offset;
  let high = offset;
  for (let axis = 0; axis < shape.length; axis++) {
    const reach = (shape[axis] - 1n) * strides[axis];
    if (reach < 0n) low += reach;
    else high += reach;
  }
  return low >= 0n && high + BigInt(size) <= BigInt(granted);
}

// Checks a descriptor against the bytes that it may touch, as wire_array_check does; sets `items` and
// `packed`.
function check(array, granted, most) {
  const { flags, shape } = array;
  if ((flags & ~(READ_ONLY | FORTRAN)) !== 0 || !sizeFits(array) || !unitFits(array)) throw bad();
  if (shape.some((length) => length < 0n)) throw bad();
  const items = shape.reduce((product, length) => product * length, 1n);
  if (items > BigInt(most)) throw items >= 1n << 64n ? bad() : wireError("WIRE_TOO_MANY");
  array.items = Number(items);
  array.packed = true;
  if (array.items === 0) {
    if (array.offset > BigInt(granted) || (flags & FORTRAN) !== 0) throw bad();
    return;
  }
  if (!liesInside(array, granted)) throw bad();
  array.packed = isPacked(array, false);
  if ((!array.packed && isPacked(array, true)) !== ((flags & FORTRAN) !== 0)) throw bad();
}

// Copies the items into memory of their own, last axis fastest.
function packed(array, memory) {
  const { items, size } = array;
  const start = Number(array.offset);
  const result = new Uint8Array(items * size);
  if (array.packed) {
    result.set(memory.subarray(start, start + items * size));
    return result;
  }
  const shape = array.shape.map(Number);
  const strides = array.strides.map(Number);
  const index = shape.map(() => 0);
  for (let item = 0, from = start; item < items; item++) {
    for (let byte = 0; byte < size; byte++) result[item * size + byte] = memory[from + byte];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis] < shape[axis]) {
        from += strides[axis];
        break;
      }
      from -= strides[axis] * (shape[axis] - 1);
      index[axis] = 0;
    }
  }
  return result;
}

function halfToSingle(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// 64-bit integers as doubles, if every one of them is exact.
function exactNumbers(integers) {
  const result = Float64Array.from(integers, Number);
  const inexact = result.findIndex((number) => !Number.isSafeInteger(number));
  if (inexact >= 0) {
    throw wireError("WIRE_UNREADABLE",
      `${integers[inexact]} at index ${inexact} is no exact number; leave int64: "number" out`);
  }
  return result;
}

function typedArray(dtype, bytes, int64) {
  if (dtype === FLOAT16 && Float16 === undefined) {
    return Float32Array.from(new Uint16Array(bytes.buffer), halfToSingle);
  }
  const Type = DTYPES[dtype]?.[1];
  if (Type === undefined) {
    throw wireError("WIRE_UNREADABLE", "an array whose dtype has no typed array in JavaScript");
  }
  if (dtype === BOOL && bytes.some((byte) => byte > 1)) throw bad();
  const result = new Type(bytes.buffer);
  const wide = Type === BigInt64Array || Type === BigUint64Array;
  return wide && int64 === "number" ? exactNumbers(result) : result;
}

// Reads the payload of an ARRAY. hooks: attachment(index) gives the memory of one, or undefined;
// int64 is "bigint" or "number".
function readArray(reader, payload) {
  const array = readDescriptor(payload);
  if (!array.attached && array.segment !== 0n) throw bad();
  const attached = array.attached ? reader.hooks.attachment?.(Number(array.segment)) : undefined;
  if (array.attached && (attached === undefined || array.memory.length !== 0)) {
    throw array.memory.length !== 0 ? bad() : wireError("WIRE_UNREADABLE", "an array in a segment");
  }
  const memory = attached ?? array.memory;
  check(array, memory.length, reader.elements);
  reader.elements -= array.items;
  // An attachment that is one array as it lies need not be copied.
  const asItLies = attached !== undefined && array.packed && array.offset === 0n
    && array.items * array.size === attached.length && attached.byteOffset === 0;
  const bytes = asItLies ? attached : packed(array, memory);
  const result = typedArray(array.dtype, bytes, reader.hooks.int64);
  if (array.dtype === BOOL) result.dtype = "bool";
  if (array.shape.length !== 1) result.shape = array.shape.map(Number);
  return result;
}

// Gives a typed array a shape, which it then has wherever it is sent.
function shaped(view, shape) {
  if (!ArrayBuffer.isView(view) || types.isDataView(view)) {
    throw wireError("WIRE_UNSENDABLE", `expected a typed array, got ${describe(view)}`);
  }
  const before = Object.getOwnPropertyDescriptor(view, "shape");
  view.shape = [...shape];
  try {
    shapeOf(view, view.length);
  } catch (error) {
    if (before === undefined) delete view.shape;
    else Object.defineProperty(view, "shape", before);
    throw error;
  }
  return view;
}

module.exports = { readArray, shaped, writeArray };
