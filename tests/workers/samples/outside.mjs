// Callbacks in code that belongs to no call: a timer that fires when its call has been answered.

const given = [];
let gate;

const outside = (work) => {
  setTimeout(async () => {
    try {
      given.push(await work());
    } catch (error) {
      given.push(error.name);
    }
  });
};

export const pid = () => process.pid;
export const add = (a, b) => a + b;
export const spin = () => { for (;;); };
class Thing {}
export const thing = () => new Thing();
export const take = () => given.splice(0);
export const start = (f, ...rest) => outside(() => f(...rest));
export const startAll = (f, count) => {
  for (let i = 0; i < count; i++) start(f, i);
};
export const startAndAbort = (f, aborted) => {
  gate = new AbortController();
  outside(() => f.until(gate.signal));
  if (aborted) setTimeout(abort);
};
export const abort = () => gate.abort();
export const standStill = (f) => outside(() => f.sync(add));
