// The link to one host process: calls that wait for their answers, and callbacks that are served.

"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const { ForeignError, InstanceUnavailableError, InternalError } = require("./errors.js");
const { asError, otherHost, otherVersion, overdue, timerDelay, tooLarge } = require("./failures.js");
const {
  ATTACHMENTS_MAX, FRAME, FRAME_BYTES_MAX, FrameReader, HEADER_BYTES, STREAM_VERSION, SUBJECT,
  tableOf, writeHeader,
} = require("./frames.js");
const { HostObjects } = require("./host_objects.js");
const { LocalObjects } = require("./local_objects.js");
const { perform } = require("./members.js");
const { crashError } = require("./process.js");
const { addSite, isOfProgram } = require("./sites.js");
const { OP, OWNER, WIRE_VERSION, wireError } = require("./wire.js");
const { decode } = require("./wire_reader.js");
const { encode } = require("./wire_writer.js");

// The callback that the running JavaScript belongs to, also after an await: { link, callId }.
const serving = new AsyncLocalStorage();

// Chosen: how long the reason of a process's end is waited for, once its socket has closed.
const END_MILLISECONDS = 1000;

const SECOND = 1e9;
const MILLISECOND = 1e6;

// Nanoseconds of CLOCK_MONOTONIC, which Python's time.monotonic() reads too.
function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * SECOND + nanoseconds;
}

class Link {
  #process;
  #socket;
  #pending = new Map();
  #lastId = 0;
  #corked = false;
  #origins = new WeakMap();
  #grace;
  #reason;
  #over = false;
  #toldEnd;

  // makeReference: makes the proxy of an object of Python; referenceOf: gives the reference behind one.
  constructor(hostProcess, { makeReference, referenceOf, grace }) {
    this.#process = hostProcess;
    this.#socket = hostProcess.socket;
    this.#grace = grace;
    this.makeReference = makeReference;
    this.referenceOf = referenceOf;
    this.hostObjects = new HostObjects((list) => this.#send(FRAME.RELEASE, list));
    this.localObjects = new LocalObjects();
    // The error for whatever is asked of it from now on.
    this.failure = undefined;
    this.greeting = new Promise((resolve, reject) => {
      this.greeted = resolve;
      this.refused = reject;
    });
    this.greeting.catch(() => {});
    this.ended = new Promise((resolve) => (this.#toldEnd = resolve));
    this.#listen();
    this.#send(FRAME.CONTROL, [SUBJECT.READY, STREAM_VERSION, WIRE_VERSION, "javascript"]);
  }

  get pid() {
    return this.#process.pid;
  }

  // Throws unless the host lives; `otherwise` makes a better error for the case that it has died.
  check(otherwise) {
    if (this.failure === undefined) return;
    throw this.failure instanceof InstanceUnavailableError ? this.failure : otherwise();
  }

  #listen() {
    const reader = new FrameReader((frame) => this.#take(frame));
    this.#socket.on("data", (chunk) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.condemn(`it sent what cannot be read: ${error.message}`);
      }
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.#socketClosed());
    this.#process.ended.then((end) => {
      // What the host sent before its end is read first.
      if (this.#socket.destroyed || this.#socket.readableEnded) this.#end(end);
      else setTimeout(() => this.#end(end), END_MILLISECONDS).unref();
      this.#socket.once("close", () => this.#end(end));
    });
  }

  #socketClosed() {
    // Without its socket a host is of no use; it ends by itself, unless it is stuck.
    setTimeout(() => this.#process.kill(), END_MILLISECONDS).unref();
  }

  // Ends a host that cannot be trusted, or does not answer, any more.
  condemn(reason) {
    this.#reason ??= reason;
    this.#process.kill();
    this.#socket.destroy();
  }

  #end(end) {
    if (this.#over) return;
    this.#over = true;
    const facts = { pid: this.pid, reason: this.#reason };
    this.failure ??= crashError(end, facts);
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const call of waiting) {
      const error = addSite(crashError(end, { ...facts, what: call.what }), call.site);
      this.#settle(call, call.reject, error);
    }
    this.#toldEnd(end);
  }

  // ------------------------------------------------------------------------------- sending

  // sent: gets the numbers of our objects that the message refers to.
  #hooks(attachments, sent) {
    let total = 0;
    return {
      keepFrame: isOfProgram,
      reference: (value) => {
        const reference = this.referenceOf(value);
        if (typeof value === "symbol") throw wireError("WIRE_UNSENDABLE", "a symbol");
        if (reference === undefined) {
          const fields = this.localObjects.send(value);
          sent.push(fields[3]);
          return fields;
        }
        const place = reference.place();
        if (place.link !== this) {
          throw otherHost(reference.name);
        }
        return place.fields();
      },
      attach(bytes) {
        if (attachments.length === ATTACHMENTS_MAX) return -1;
        total += bytes.length;
        if (total > FRAME_BYTES_MAX) throw tooLarge(total);
        // A copy: the socket takes it later, when the program may have changed it.
        attachments.push(Buffer.from(bytes));
        return attachments.length - 1;
      },
    };
  }

  #encoded(content, attachments) {
    const sent = [];
    try {
      const message = encode(content, this.#hooks(attachments, sent), HEADER_BYTES);
      const size = attachments.reduce((sum, { length }) => sum + length, message.length);
      if (size > FRAME_BYTES_MAX) throw tooLarge(size);
      return message;
    } catch (error) {
      // Nobody will let go of what was not sent.
      for (const id of sent) this.localObjects.release(id, 1);
      throw error;
    }
  }

  #send(kind, content, facts = {}) {
    if (this.failure !== undefined) return;
    const attachments = [];
    const message = this.#encoded(content, attachments);
    writeHeader(message, kind, { ...facts, attachments: attachments.length });
    this.#cork();
    this.#socket.write(message);
    if (attachments.length === 0) return;
    this.#socket.write(tableOf(attachments));
    for (const attachment of attachments) this.#socket.write(attachment);
  }

  // What is sent in one turn of the event loop goes in one system call.
  #cork() {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  // ---------------------------------------------------------------------------------- calls

  // Asks something of an object of Python and gives a promise of the answer. The call, which is kept,
  // has: what (for messages), deadline (milliseconds), spent (how many of these have passed), signal,
  // int64, site (where in the program).
  request(operation, id, args, call) {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const { signal, deadline, spent = 0 } = call;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const callId = ++this.#lastId;
    const store = serving.getStore();
    const facts = {
      callId,
      context: store?.link === this ? store.callId : 0,
      deadline: deadline === undefined ? 0 : now() + (deadline - spent) * MILLISECOND,
    };
    return new Promise((resolve, reject) => {
      this.#send(FRAME.CALL, [operation, id, ...args], facts);
      call.resolve = resolve;
      call.reject = reject;
      this.#pending.set(callId, call);
      if (this.#pending.size === 1) this.#process.keepAlive(true);
      if (deadline !== undefined) {
        call.timer = setTimeout(() => this.#overdue(callId), timerDelay(deadline - spent));
      }
      if (signal !== undefined) {
        call.abort = () => this.#giveUp(callId, signal.reason);
        signal.addEventListener("abort", call.abort, { once: true });
      }
    });
  }

  #overdue(callId) {
    const call = this.#pending.get(callId);
    if (call === undefined) return;
    this.#giveUp(callId, addSite(overdue(call), call.site));
    this.#demandLife(call.what);
  }

  // After a deadline has passed, a host that does not even answer for a while is ended: nothing that
  // is asked of it would be done.
  #demandLife(what) {
    if (this.watch !== undefined) return;
    const condemn = () => this.condemn(`it was ended: no answer for ${this.#grace} ms after the`
      + ` deadline of ${what} had passed`);
    this.watch = setTimeout(condemn, this.#grace).unref();
    const alive = () => {
      clearTimeout(this.watch);
      this.watch = undefined;
    };
    this.request(OP.STATISTICS, 0, [], { what: "statistics" }).then(alive, alive);
  }

  #giveUp(callId, reason) {
    const call = this.#pending.get(callId);
    if (call === undefined) return;
    this.#pending.delete(callId);
    this.#send(FRAME.CANCEL, null, { callId });
    this.#settle(call, call.reject, reason);
  }

  // settle: the `resolve` or `reject` of the call.
  #settle(call, settle, value) {
    clearTimeout(call.timer);
    call.signal?.removeEventListener("abort", call.abort);
    if (this.#pending.size === 0) this.#process.keepAlive(false);
    settle(value);
  }

  // --------------------------------------------------------------------------- what comes in

  #take(frame) {
    switch (frame.kind) {
      case FRAME.REPLY:
      case FRAME.ERROR:
        this.#takeAnswer(frame);
        break;
      case FRAME.CALLBACK:
        this.#takeCallback(frame);
        break;
      case FRAME.RELEASE:
        for (const [id, sendings] of this.#decode(frame)) {
          this.localObjects.release(id, sendings);
        }
        break;
      case FRAME.CONTROL:
        this.#takeControl(this.#decode(frame));
        break;
      case FRAME.CANCEL:
        // A callback that Python does not wait for any more runs to its end, as any function does.
        break;
      default:
        throw new TypeError("a frame that no host sends");
    }
  }

  #decode({ payload, attachments }, int64) {
    return decode(payload, {
      int64,
      attachment: (index) => attachments[index],
      reference: (owner, kind, sendings, id, incarnation, name) => {
        if (owner === OWNER.CLIENT) return this.localObjects.get(id);
        return this.makeReference(this, sendings, [kind, id, incarnation, name]);
      },
    });
  }

  #takeControl([subject, ...details]) {
    if (subject === SUBJECT.REFUSED) {
      this.failure = new InternalError(`the host cannot go on: ${details[0]}`);
      this.condemn(String(details[0]));
      return;
    }
    if (subject !== SUBJECT.READY) throw new TypeError(`a CONTROL about ${subject}`);
    const [stream, wire, version, python, executable] = details;
    if (stream !== STREAM_VERSION || wire !== WIRE_VERSION) {
      this.failure = otherVersion({ stream, wire, version, executable });
      this.refused(this.failure);
      this.condemn("it speaks another version");
      return;
    }
    this.#process.keepAlive(false);
    this.greeted({ version, python, executable });
  }

  #takeAnswer(frame) {
    const call = this.#pending.get(frame.callId);
    let value;
    try {
      // Also when nobody waits any more: what it refers to is released then.
      value = this.#decode(frame, call?.int64);
    } catch (error) {
      if (error.code !== "WIRE_UNREADABLE") throw error;
      const summary = `the result of ${call?.what} has no form in JavaScript: ${error.message}`;
      value = new ForeignError({ summary });
      frame.kind = FRAME.ERROR;
    }
    if (call === undefined) return;
    this.#pending.delete(frame.callId);
    if (frame.kind === FRAME.REPLY) {
      this.#settle(call, call.resolve, value);
      return;
    }
    // What a callback of ours has thrown, and Python let through, comes back as itself.
    const passed = call.failures?.get(frame.context);
    if (passed === undefined) this.#origins.set(addSite(value, call.site), frame.callId);
    this.#settle(call, call.reject, passed === undefined ? value : passed.thrown);
  }

  // ------------------------------------------------------------------------------ callbacks

  #takeCallback(frame) {
    const { callId, context } = frame;
    serving.run({ link: this, callId }, async () => {
      try {
        const [operation, id, ...args] = this.#decode(frame);
        const result = await perform(operation, this.localObjects.get(id), args);
        this.#send(FRAME.REPLY, result, { callId });
      } catch (error) {
        this.#fail(callId, context, error);
      }
    });
  }

  #fail(callId, context, thrown) {
    const call = this.#pending.get(context);
    if (call !== undefined) {
      call.failures ??= new Map();
      call.failures.set(callId, { thrown });
    }
    const isObject = typeof thrown === "object" && thrown !== null;
    const origin = isObject ? this.#origins.get(thrown) ?? 0 : 0;
    this.#send(FRAME.ERROR, asError(thrown), { callId, context: origin });
  }

  // ------------------------------------------------------------------------------------ end

  // Lets the host finish in order; ends it if it has not after `milliseconds`.
  async close(milliseconds) {
    this.#send(FRAME.CONTROL, [SUBJECT.STOP]);
    this.failure ??= new InstanceUnavailableError("the Noodle host was closed");
    for (const callId of [...this.#pending.keys()]) {
      const call = this.#pending.get(callId);
      this.#pending.delete(callId);
      this.#settle(call, call.reject, this.failure);
    }
    this.#process.keepAlive(true);
    this.#socket.end();
    const timer = setTimeout(() => this.#process.kill(), milliseconds);
    await this.#process.ended;
    clearTimeout(timer);
    this.#socket.destroy();
  }
}

module.exports = { Link };
