// What the conformance suite asks of every bridge.
export const add = (x, y) => x + y;
export const subtract = (x, y) => x - y;
export const twice = (x) => 2 * x;
