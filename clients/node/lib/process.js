// The host's process: how it is started, and what is told about its end.

"use strict";

const { spawn } = require("node:child_process");
const { HostCrashedError, MissingToolError } = require("./errors.js");

// The descriptor behind the standard streams, where a host expects its socket.
const DESCRIPTOR = 3;

const OUTPUTS = new Set(["inherit", "ignore"]);

function stdioFor(output) {
  return OUTPUTS.has(output) ? output : "pipe";
}

function forward(stream, output) {
  if (stream === null || stream === undefined) return;
  stream.setEncoding?.("utf8");
  if (typeof output === "function") stream.on("data", output);
  else stream.on("data", (text) => output.write(text));
  stream.unref?.();
}

// The child, or the error for a system that has no more of what a process takes.
function started(start, name) {
  try {
    return start();
  } catch (error) {
    throw startError({ error }, { name });
  }
}

// One process, from its start to its end. Its socket is one half of a socketpair, which no other
// process can reach.
class HostProcess {
  constructor(command, { env, stdout, stderr }) {
    const [program, ...args] = command;
    this.name = program;
    const stdio = ["ignore", stdioFor(stdout), stdioFor(stderr), "pipe"];
    // A session of its own: Ctrl-C is the program's to answer, which then ends the host.
    this.child = started(() => spawn(program, args, { env, stdio, detached: true }), program);
    this.socket = this.child.stdio[DESCRIPTOR];
    this.ended = new Promise((resolve) => {
      this.child.once("exit", (code, signal) => resolve({ code, signal }));
      this.child.once("error", (error) => resolve({ error }));
    });
    forward(this.child.stdout, stdout);
    forward(this.child.stderr, stderr);
  }

  // Whether the program goes on for the sake of the host.
  keepAlive(needed) {
    for (const part of [this.child, this.socket]) {
      if (needed) part.ref();
      else part.unref();
    }
  }

  get pid() {
    return this.child.pid;
  }

  kill() {
    this.child.kill("SIGKILL");
  }
}

function endOf({ code, signal, error }) {
  if (error !== undefined) return error.message;
  if (signal !== null) return `killed by ${signal}`;
  return `exit code ${code}`;
}

// The error for calls to a host that has ended.
function crashError(end, { what, pid, reason }) {
  return new HostCrashedError({
    summary: what === undefined ? "the Noodle host has ended" : `the Noodle host ended during ${what}`,
    expected: "a host that answers",
    received: reason === undefined ? endOf(end) : `${endOf(end)}: ${reason}`,
    where: `process ${pid}`,
    remedy: "call again: a new host is started, and libraries are loaded into it anew",
  });
}

function startError(end, process) {
  if (end.error !== undefined) {
    return new MissingToolError({
      summary: "the Noodle host could not be started",
      expected: "a program",
      received: end.error.message,
      where: process.name,
    });
  }
  return new HostCrashedError({
    summary: "the Noodle host ended before it was ready",
    received: endOf(end),
    where: process.name,
    remedy: `see what it wrote to standard error; or type: ${process.name} -m noodle --version`,
  });
}

module.exports = { HostProcess, crashError, startError };
