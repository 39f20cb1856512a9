// TypeScript, which Node.js strips of its types.
interface Item { price: number; count: number }

export function total(items: Item[]): number {
  return items.reduce((sum: number, item: Item) => sum + item.price * item.count, 0);
}

export const fail = (message: string): never => {
  throw new TypeError(message);
};
