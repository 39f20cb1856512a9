// The errors of a link to a host.

"use strict";

const {
  DeadlineExceededError, InputLimitError, InstanceUnavailableError, VersionError,
} = require("./errors.js");
const { FRAME_BYTES_MAX, STREAM_VERSION } = require("./frames.js");
const { WIRE_VERSION } = require("./wire.js");

function otherVersion({ stream, wire, version, executable }) {
  return new VersionError({
    summary: "this client and the installed Noodle do not speak the same protocol",
    expected: `version ${STREAM_VERSION} of the stream, ${WIRE_VERSION} of the wire format`,
    received: `${stream} and ${wire}, of Noodle ${version}`,
    where: String(executable),
    remedy: "install the same version of both: npm install noodle-ffi@VERSION, and "
      + "python -m pip install noodle-ffi==VERSION",
  });
}

function overdue({ what, deadline }) {
  return new DeadlineExceededError({
    summary: `${what} did not finish before its deadline`,
    received: `no answer after ${deadline} ms`,
    remedy: "allow more time with $options({ deadline: milliseconds })",
  });
}

// How long setTimeout(), which counts in 32 bits, has to wait.
function timerDelay(milliseconds) {
  return Math.min(Math.ceil(Math.max(milliseconds, 0)), 2 ** 31 - 1);
}

function otherHost(name) {
  return new InstanceUnavailableError({
    summary: `${name} belongs to another host`,
    remedy: "fetch its value with $copy(), and send that",
  });
}

function tooLarge(size) {
  return new InputLimitError({
    summary: "a message to the host is too large",
    expected: `at most ${FRAME_BYTES_MAX} bytes`,
    received: `${size} bytes`,
    remedy: "send less at once",
  });
}

// Whatever was thrown, as an Error that can be sent.
function asError(thrown) {
  if (thrown instanceof Error || Object.prototype.toString.call(thrown) === "[object Error]") {
    return thrown;
  }
  const error = new Error(typeof thrown === "string" ? thrown : String(thrown));
  return Object.assign(error, { name: "ThrownValue", stack: `ThrownValue: ${error.message}` });
}

module.exports = { asError, otherHost, otherVersion, overdue, timerDelay, tooLarge };
