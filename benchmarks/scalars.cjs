// What the benchmarks call in JavaScript; every library that is compared gets this file.

exports.add = (a, b) => a + b;
exports.later = async (a, b) => a + b;
exports.processId = () => process.pid;

exports.first = (values) => values[0];
exports.write = (values, index, value) => {
  values[index] = value;
};

exports.Point = class Point {
  constructor(x) {
    this.x = x;
  }
};

exports.collectGarbage = async () => {
  const { setFlagsFromString } = require("node:v8");
  setFlagsFromString("--expose-gc");
  const collect = require("node:vm").runInNewContext("gc");
  for (let round = 0; round < 4; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 1)); // finalizers run on the next turn
  }
};
