// CommonJS whose export is a function with members.
module.exports = function join(a, b) {
  return `${a}+${b}`;
};
module.exports.version = "7";
module.exports.reverse = (text) => [...text].reverse().join("");
