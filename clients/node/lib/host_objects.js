// Python's objects that are held here, by number; their proxies are made in remote.js.

"use strict";

const { ReferenceReleasedError } = require("./errors.js");
const { OWNER } = require("./wire.js");

function released(name, why) {
  return new ReferenceReleasedError({
    summary: `${name} cannot be used any more`,
    received: why,
    remedy: "ask the library for it again",
  });
}

// What is held of one object of Python. The garbage collector finds it when its proxies are gone.
class Reference {
  constructor(link, [kind, id, incarnation, name]) {
    this.link = link;
    this.kind = kind;
    this.id = id;
    this.incarnation = incarnation;
    this.name = name || "an object of the host";
    this.held = { id, sendings: 0 };
  }

  // Where to send what is asked of it.
  place() {
    if (this.held === undefined) throw released(this.name, "it was released");
    this.link.check(() => released(this.name, "its host has ended"));
    return this;
  }

  isReady() {
    return true;
  }

  reference() {
    return this;
  }

  fields() {
    return [OWNER.HOST, this.kind, 0, this.id, this.incarnation, ""];
  }

  release() {
    const { held, link } = this;
    if (held === undefined) return;
    this.held = undefined;
    link.hostObjects.letGo(this, held);
  }
}

// The objects of one host that are held here.
class HostObjects {
  #known = new Map();
  #released = [];
  #registry = new FinalizationRegistry((held) => this.#forget(held));

  // send: takes a list of [id, sendings], soon after the last of them was let go.
  constructor(send) {
    this.send = send;
  }

  get size() {
    return this.#known.size;
  }

  // The reference with that id, made by `make` unless it is held already.
  reference(id, sendings, make) {
    let reference = this.#known.get(id)?.deref();
    if (reference === undefined || reference.held === undefined) {
      reference = make();
      this.#known.set(id, new WeakRef(reference));
      this.#registry.register(reference, reference.held, reference.held);
    }
    reference.held.sendings += sendings;
    return reference;
  }

  letGo(reference, held) {
    this.#registry.unregister(held);
    this.#forget(held);
  }

  #forget(held) {
    const known = this.#known.get(held.id)?.deref();
    // A later sending may have made another reference to the same object meanwhile.
    if (known === undefined || known.held === undefined) this.#known.delete(held.id);
    if (this.#released.length === 0) setImmediate(() => this.#flush()).unref();
    this.#released.push([held.id, held.sendings]);
  }

  #flush() {
    const list = this.#released;
    this.#released = [];
    this.send(list);
  }
}

module.exports = { HostObjects, Reference };
