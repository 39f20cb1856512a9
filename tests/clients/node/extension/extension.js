// An extension as editors load them: CommonJS, activated with a context, ended by its deactivate().

"use strict";

const noodle = require("noodle-ffi");

let host;

async function activate(context) {
  const output = context.createOutputChannel("Noodle");
  host = await noodle.start({
    directory: context.extensionPath,
    stdout: (text) => output.append(text),
    stderr: (text) => output.append(text),
  });
  const statistics = await host.load("python:statistics");
  const helper = await host.load("./helper.py");
  context.subscriptions.push(
    context.registerCommand("statistics.mean", (selection) => statistics.mean(selection)),
    context.registerCommand("helper.shout", (text) => helper.shout(text)),
    context.registerCommand("helper.each", async (items) => {
      const seen = [];
      await helper.each(items, (item) => seen.push(item));
      return seen;
    }),
  );
}

async function deactivate() {
  await host?.close();
}

module.exports = { activate, deactivate };
