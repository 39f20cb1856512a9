// The codec of the npm package with the functions that the addon for tests has.

"use strict";

const { decode } = require("../../../clients/node/lib/wire_reader.js");
const { encode } = require("../../../clients/node/lib/wire_writer.js");

module.exports = {
  encode: (value, reference) => encode(value, { reference }),
  decode: (bytes, reference) => decode(bytes, { reference }),
  encodeArguments: (...values) => encode(values),
  decodeArguments(bytes, room) {
    const values = decode(bytes);
    return values.length > room ? values.length : values;
  },
};
