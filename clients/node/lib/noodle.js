// A host as the program sees it: started when it is needed, and anew when it has died.

"use strict";

const path = require("node:path");
const {
  DeadlineExceededError, HostCrashedError, InstanceUnavailableError, SettingsError,
} = require("./errors.js");
const { Reference } = require("./host_objects.js");
const { Link } = require("./link.js");
const { hostOptions } = require("./options.js");
const { HostProcess, startError } = require("./process.js");
const { candidates, commandOf, refusal } = require("./python.js");
const { Target, makeProxy, proxyOf, referenceOf, targetOf } = require("./remote.js");
const { captureSite } = require("./sites.js");
const { OP } = require("./wire.js");

const DEFAULTS = {
  stdout: "inherit",
  stderr: "inherit",
  startTimeout: 30_000,
  grace: 5_000,
};

// As for workers: after so many crashes in so short a time a host is not started again for as long.
const CRASHES_MOST = 5;
const CRASHES_MILLISECONDS = 60_000;

// A loaded library: found again in the host that is there when it is called.
class Library {
  #noodle;
  #loading;
  #loadingOn;
  #reference;

  constructor(noodle, target, options, reference) {
    this.#noodle = noodle;
    this.target = target;
    this.options = options;
    this.#reference = reference;
    this.name = reference.name;
  }

  isReady() {
    const { link } = this.#reference;
    return link === this.#noodle.link && link.failure === undefined;
  }

  // Where to send what is asked of it; a promise while it is being loaded into a new host.
  place() {
    return this.isReady() ? this.#reference.place() : this.#reload();
  }

  async #reload() {
    const link = await this.#noodle.started();
    if (this.#loadingOn !== link) {
      this.#loadingOn = link;
      this.#loading = this.#noodle.reference(link, this.target, this.options);
      // What could not be loaded is tried again by the next call.
      this.#loading.catch(() => {
        if (this.#loadingOn === link) this.#loadingOn = undefined;
      });
    }
    this.#reference = await this.#loading;
    return this.#reference.place();
  }

  reference() {
    return this.#reference;
  }

  release() {
    this.#reference.release();
  }
}

class Noodle {
  #options;
  #callOptions;
  #starting;
  #crashes = [];
  #closed = false;
  link;

  constructor(options = {}) {
    this.#options = { ...DEFAULTS, ...hostOptions(options) };
    const { deadline, int64 } = this.#options;
    this.#callOptions = { deadline, int64 };
    if (options.python !== undefined && options.command !== undefined) {
      throw new SettingsError("a host has either the option python or the option command");
    }
  }

  // ---------------------------------------------------------------------------------- start

  // The link to a host that lives; it is started if there is none.
  async started() {
    if (this.#closed) throw new InstanceUnavailableError("this Noodle was closed");
    if (this.link !== undefined && this.link.failure === undefined) return this.link;
    this.#starting ??= this.#start().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  async #start() {
    this.#checkCrashes();
    this.link = await this.#firstThatWorks();
    this.link.ended.then(() => {
      if (!this.#closed) this.#crashes.push(Date.now());
    });
    return this.link;
  }

  #checkCrashes() {
    const since = Date.now() - CRASHES_MILLISECONDS;
    this.#crashes = this.#crashes.filter((moment) => moment > since);
    if (this.#crashes.length < CRASHES_MOST) return;
    throw new InstanceUnavailableError({
      summary: "the Noodle host is not started again for now",
      expected: `fewer than ${CRASHES_MOST} crashes in ${CRASHES_MILLISECONDS / 1000} s`,
      received: `${this.#crashes.length}`,
      remedy: "find out what ends it; or wait a minute",
    });
  }

  async #firstThatWorks() {
    const env = { ...process.env, ...this.#options.env };
    if (this.#options.command !== undefined) return this.#startOne(this.#options.command, env);
    let first;
    for (const candidate of candidates(this.#options.python, env)) {
      try {
        return await this.#startOne(commandOf(candidate.python, this.#settings()), env, candidate);
      } catch (error) {
        if (error.isRefusal !== true) throw error;
        first ??= error;
      }
    }
    delete first.isRefusal;
    throw first;
  }

  #settings() {
    const { directory, config, threads } = this.#options;
    return {
      directory: path.resolve(directory ?? "."),
      config: config === undefined ? undefined : path.resolve(config),
      threads,
    };
  }

  async #startOne(command, env, candidate) {
    const { stdout, stderr, startTimeout, grace } = this.#options;
    const hostProcess = new HostProcess(command, { env, stdout, stderr });
    const link = new Link(hostProcess, {
      grace,
      referenceOf,
      makeReference: (from, sendings, fields) =>
        proxyOf(referenceFrom(from, sendings, fields), this.#callOptions),
    });
    const ended = hostProcess.ended.then((end) => {
      const refused = candidate && refusal(candidate, end.code);
      throw refused ? Object.assign(refused, { isRefusal: true }) : startError(end, hostProcess);
    });
    ended.catch(() => {});
    const overdue = setTimeout(() => link.refused(this.#notReady(hostProcess)), startTimeout);
    try {
      await Promise.race([link.greeting, ended]);
    } finally {
      clearTimeout(overdue);
    }
    return link;
  }

  #notReady(hostProcess) {
    hostProcess.kill();
    return new DeadlineExceededError({
      summary: "the Noodle host was not ready in time",
      expected: `a start within ${this.#options.startTimeout} ms`,
      where: hostProcess.name,
      remedy: "allow more with the option startTimeout",
    });
  }

  // ------------------------------------------------------------------------------------- use

  // Loads a library; options are those of noodle.load in Python.
  async load(target, options = {}) {
    const site = captureSite(this.load);
    const link = await this.started();
    const reference = await this.reference(link, target, options, site);
    const library = new Library(this, target, options, reference);
    return makeProxy(new Target(library, [], this.#callOptions));
  }

  async reference(link, target, options, site) {
    const found = await link.request(OP.IMPORT, 0, [target, options], {
      what: `load(${JSON.stringify(target)})`,
      site,
    });
    return targetOf(found).base;
  }

  // Runs an operation on the first library whose signature accepts the arguments.
  async dispatch(operation, ...args) {
    return this.#ask(OP.METHOD, ["$dispatch", operation, ...args], `dispatch(${operation})`);
  }

  // Lets a library offer an operation for dispatch; options: operation, prototype.
  async register(operation, library, options = {}) {
    return this.#ask(OP.METHOD, ["$register", operation, library, options], "register");
  }

  // What was counted since the host was started, and what there is at present.
  async stats() {
    return this.#ask(OP.STATISTICS, [], "stats");
  }

  async #ask(operation, args, what) {
    const site = captureSite(this.#ask);
    const link = await this.started();
    return link.request(operation, 0, args, { ...this.#callOptions, what, site });
  }

  // Ends the host: in order, or after `grace` milliseconds at the latest.
  async close() {
    this.#closed = true;
    const starting = await this.#starting?.catch(() => undefined);
    const link = starting ?? this.link;
    this.link = undefined;
    await link?.close(this.#options.grace);
  }

  async [Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose")]() {
    await this.close();
  }
}

function referenceFrom(link, sendings, fields) {
  return link.hostObjects.reference(fields[1], sendings, () => new Reference(link, fields));
}

module.exports = { HostCrashedError, Noodle };
