// Callbacks that JavaScript does not want any more, and calls that are not wanted from it any more.

const reasonOf = async (promise) => {
  try {
    return await promise;
  } catch (error) {
    return error.name;
  }
};

export const pid = () => process.pid;
export const add = (a, b) => a + b;
export const awaited = async (f, ...rest) => f(...rest);
export const blocked = (f, ...rest) => f.sync(...rest);
export const timed = (f, ms) => reasonOf(f.until(AbortSignal.timeout(ms)));
export const aborted = (f) => reasonOf(f.until(AbortSignal.abort()));
export const kept = (f, ...rest) => f.until(new AbortController().signal, ...rest);

let gate;
export const opened = (f) => {
  gate = new AbortController();
  return reasonOf(f.until(gate.signal));
};
export const open = () => gate.abort();

const reasons = [];
export const seen = () => reasons.splice(0);
export const signalled = () => new Promise((_, fail) => {
  const signal = noodle.signal();
  signal.addEventListener("abort", () => {
    reasons.push(signal.reason.name);
    fail(signal.reason);
  });
});
