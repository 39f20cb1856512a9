// The errors of noodle.errors, by the same names and in the same tree, and those of the client itself.

"use strict";

const { inspect } = require("node:util");

const LABELS = { expected: "expected", received: "received", where: "where", try: "remedy" };

// What noodle.errors puts below the first line, read back into its parts.
function partsOf(message) {
  const [summary, ...lines] = message.split("\n");
  const parts = { summary };
  let name;
  for (const line of lines) {
    const labelled = /^ {2}(expected|received|where|try): +(.*)$/.exec(line);
    if (labelled !== null) parts[(name = LABELS[labelled[1]])] = labelled[2];
    else if (name !== undefined) parts[name] += `\n${line.trimStart()}`;
  }
  return parts;
}

function messageOf({ summary, ...details }) {
  const lines = Object.entries(LABELS)
    .filter(([, name]) => details[name] !== undefined)
    .map(([label, name]) => `  ${`${label}:`.padEnd(10)}${details[name]}`);
  return [summary, ...lines].join("\n");
}

// The trunk. Made of a message in the form of noodle.errors, or of its parts.
class NoodleError extends Error {
  constructor(message, options) {
    const parts = typeof message === "object" ? message : partsOf(String(message));
    super(typeof message === "object" ? messageOf(message) : String(message), options);
    const { summary, expected, received, where, remedy } = parts;
    for (const [name, value] of Object.entries({ summary, expected, received, where, remedy })) {
      Object.defineProperty(this, name, { value, writable: true, configurable: true });
    }
  }
}

const TREE = {
  UsageError: {
    TargetError: { AmbiguousTargetError: {} },
    SettingsError: {},
    UnknownBridgeError: {},
    MissingError: { MissingPackageError: {}, MissingLibraryError: {}, MissingToolError: {} },
    VersionError: {},
    NameNotFoundError: { MissingSymbolError: {} },
    PrototypeError: {},
    ArgumentError: {
      ArityError: {},
      ArgumentTypeError: {},
      ArgumentRangeError: {},
      ShapeError: {},
      NoMatchingSignatureError: {},
    },
    PlacementError: {},
    PermissionDeniedError: {},
    InputLimitError: {},
    ForkedProcessError: {},
    DeadlockError: {},
    WorkerBlockedError: {},
    CallDepthError: {},
    ReferenceReleasedError: {},
    MemoryInUseError: {},
    CallbackResultError: {},
    CallbackReleasedError: {},
    LanguageError: {
      NoodleSyntaxError: {},
      NoodleNameError: {},
      NoodleTypeError: {},
      SourceError: {},
      ImportCycleError: {},
    },
  },
  ForeignError: {
    LibraryLoadError: { InstallationError: {} },
    CompilationError: {},
    InstanceUnavailableError: {},
    WorkerCrashedError: { MemoryLimitError: {} },
    RemoteCallError: {},
    FunctionFailedError: { FunctionErrnoError: {} },
    DeadlineExceededError: {},
    // The host itself has died, and with it what it held. Only clients know this one.
    HostCrashedError: {},
  },
  InternalError: {},
};

const errors = { NoodleError };

function define(tree, Parent) {
  for (const [name, children] of Object.entries(tree)) {
    const Class = { [name]: class extends Parent {} }[name];
    errors[name] = Class;
    define(children, Class);
  }
}

define(TREE, NoodleError);

for (const [name, Class] of Object.entries(errors)) {
  Object.defineProperty(Class.prototype, "name", {
    value: name,
    writable: true,
    configurable: true,
  });
}

const PREFIX = "noodle.errors.";

// The name under which an error crosses, for one of ours; undefined for any other.
function wireName(error) {
  if (!(error instanceof NoodleError) || error instanceof errors.RemoteCallError) return undefined;
  const name = Object.keys(errors).find((key) => errors[key] === error.constructor);
  return name === undefined || name === "HostCrashedError" ? undefined : PREFIX + name;
}

// The class for a type that came over the wire; RemoteCallError for what has no class here.
function classFor(type) {
  const name = type.startsWith(PREFIX) ? type.slice(PREFIX.length) : "";
  return Object.hasOwn(errors, name) ? errors[name] : errors.RemoteCallError;
}

// A value in messages: its type, and itself only when it is short.
function describe(value) {
  if (typeof value === "string") {
    return value.length <= 40 ? JSON.stringify(value) : `string of length ${value.length}`;
  }
  if (typeof value === "function") return value.name ? `function ${value.name}` : "a function";
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  const text = inspect(value, { depth: 0, breakLength: Infinity, customInspect: false });
  return text.length <= 40 ? text : `an object of ${value.constructor?.name ?? "no class"}`;
}

module.exports = { ...errors, classFor, describe, wireName };
