// What type checkers accept, and what they refuse; checked and not run.

import * as noodle from "noodle-ffi";
import { load, named, ref, shaped, start } from "noodle-ffi";

async function untyped(): Promise<void> {
  const np = await load("numpy", { version: "2", placement: "inprocess" });
  const c = await np.matmul([[1, 2]], [[3], [4]]);
  const shape: number[] = c.shape;
  const norm: number = await np.linalg.norm([3, 4], named({ ord: 2 }));
  const pi: number = await np.pi;
  for await (const item of np.arange) void item;
  const quick = np.$options({ deadline: 100, signal: new AbortController().signal });
  const kept = await quick.ones.$ref([2, 2]);
  const [first, second] = await np.add.$batch<number>([[1, 2], named({ a: 1 })]);
  const plan: noodle.Plan = await np.add.$explain(1, 2);
  await using held = kept;
  await new np.ndarray(shape);
  shaped(new Float64Array(4), [2, 2]).shape.length;
  await np.call(ref([1]), (x: number) => x + 1);
  await np.$execute("add", { a: norm, b: pi });
  await held.$set("x", first! + second! + plan.epoch);
  held.$release();
}

interface Json {
  dumps(value: unknown, indent?: number): string;
  decoder: { JSONDecoder(): { decode(text: string): unknown } };
  version: string;
}

async function typed(): Promise<void> {
  const json = await load<Json>("python:json");
  const text: string = await json.dumps([1], 2);
  const version: string = await json.version;
  await json.dumps(json.version, named({ indent: 2 }));
  await json.dumps.$options({ deadline: 5 })(1);
  const decoder = await json.decoder.JSONDecoder();
  decoder.decode(text + version);
  // @ts-expect-error dumps gives a promise
  const wrong: string = json.dumps(1);
  // @ts-expect-error there is no such function
  await json.dump(1);
  // @ts-expect-error indent is a number
  await json.dumps(1, "two");
  void wrong;
}

async function host(): Promise<number> {
  await using own = await start({ python: "python3", stdout: (text) => void text.length });
  const { references } = await own.stats();
  try {
    await own.dispatch("add", 1, 2);
  } catch (error) {
    if (error instanceof noodle.RemoteCallError) return error.notes?.length ?? 0;
    if (error instanceof noodle.UsageError) return (error.remedy ?? error.summary).length;
  }
  // @ts-expect-error an option that there is not
  await start({ pyton: "python3" });
  // @ts-expect-error a deadline in words
  (await own.load("numpy")).$options({ deadline: "soon" });
  return references;
}

void [untyped, typed, host];
