// A minimal extension host: a process of its own, as editors have one, that loads an extension by its
// folder and does what it is told in messages.

"use strict";

const commands = new Map();
const output = [];
const subscriptions = [];

const [, , folder] = process.argv;
const extension = require(folder);

const context = {
  extensionPath: folder,
  subscriptions,
  createOutputChannel: () => ({ append: (text) => output.push(text) }),
  registerCommand(name, run) {
    commands.set(name, run);
    return { dispose: () => commands.delete(name) };
  },
};

const requests = {
  activate: () => extension.activate(context).then(() => [...commands.keys()]),
  execute: ({ command, args }) => commands.get(command)(...args),
  output: () => output.join(""),
  async deactivate() {
    for (const subscription of subscriptions) subscription.dispose();
    await extension.deactivate();
    return commands.size;
  },
};

process.on("message", async ({ id, request, ...rest }) => {
  try {
    process.send({ id, result: await requests[request](rest) });
  } catch (error) {
    process.send({ id, error: { name: error.name, message: error.message } });
  }
});
process.on("disconnect", () => process.exit());
