"""Objects of Python in Node.js, and of Node.js in Python: members, iteration, release."""

from __future__ import annotations

import pytest

from tests.clients.node.programs import JavaScriptError, Program

SAMPLE = 'const sample = await load("./sample.py");\n'

COLLECT = """
  const { setFlagsFromString } = require("node:v8");
  setFlagsFromString("--expose-gc");
  const collect = require("node:vm").runInNewContext("gc");
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const references = async () => (await (await host()).stats()).references;
"""

# ------------------------------------------------------------------------ Python's, in Node.js


def test_members_are_read_set_and_deleted(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter(2);
      await counter.$set("value", 5);
      await counter.me.$set("extra", [1]);
      const before = [await counter.double, await counter.extra, await counter.$has("extra")];
      await counter.$delete("extra");
      const after = [await counter.$has("extra"), await counter.$length(), await counter.$text()];
      return [...before, ...after];
    """) == [10, [1], True, False, 5, "at 5"]


def test_items_are_read_set_and_deleted(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter();
      await counter.$setItem(7, "seven");
      await counter.names.$setItem("b", 2);
      await counter.names.$delete(["a"]);
      return await counter.names;
    """) == {"Map": [[5, "five"], [7, "seven"], ["b", 2]]}


def test_the_names_of_a_library_and_of_an_object_are_listed(program: Program):
    names, members = program.run(f"""
      {SAMPLE}
      return [await sample.$names(), await (await sample.Counter()).$names()];
    """)
    assert {"echo", "Counter"} <= set(names)
    assert members == ["add", "double", "me", "names", "steps", "value"]


def test_one_object_is_one_proxy(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter();
      return [(await counter.me) === counter, (await sample.echo(counter)) === counter];
    """) == [True, True]


def test_an_object_sent_back_is_the_object_itself(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const operator = await load("python:operator");
      const counter = await sample.Counter();
      return [await operator.is_(counter, counter), await operator.is_(counter.me, counter)];
    """) == [True, True]


def test_a_name_of_a_library_cannot_be_assigned(program: Program):
    with pytest.raises(JavaScriptError, match="cannot be assigned"):
        program.run(f'{SAMPLE} await sample.$set("values", 1);')


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("counter.value = 1", "$set("),
        ("delete counter.value", "$delete("),
        ('"value" in counter', "$has("),
    ],
)
def test_what_javascript_cannot_wait_for_says_what_to_write(
    program: Program, statement: str, remedy: str
):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f"'use strict'; {SAMPLE} const counter = await sample.Counter(); {statement};")
    assert remedy in caught.value.told["remedy"]


def test_objects_have_no_members_that_javascript_would_stumble_over(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter();
      const {{ inspect }} = require("node:util");
      return [typeof counter.then, JSON.stringify({{ counter }}), `${{counter}}`, inspect(counter),
        inspect([counter.value]), typeof counter[Symbol.iterator]];
    """) == ["undefined", "{}", "[Counter of Python]", "[Counter of Python]",
             "[ [Counter.value of Python] ]", "undefined"]  # fmt: skip


def test_a_path_cannot_be_sent_inside_a_value(program: Program):
    with pytest.raises(JavaScriptError, match="is a path") as caught:
        program.run(f"{SAMPLE} return await sample.echo([sample.values]);")
    assert "await" in caught.value.told["remedy"]


# --------------------------------------------------------------------------------- Iteration


@pytest.mark.parametrize("iterable", ["count(200)", "count_later(20)"])
def test_generators_are_iterated(program: Program, iterable: str):
    items = program.run(f"""
      {SAMPLE}
      const items = [];
      for await (const item of await sample.{iterable}) items.push(item);
      return items;
    """)
    assert items == list(range(len(items)))
    assert len(items) in (200, 20)


def test_a_path_is_iterated(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const items = [];
      for await (const item of (await sample.Counter()).names.$item("a")) items.push(item);
      for await (const item of sample.Counter.steps) items.push(item);
      return items;
    """) == [10, 20, 1, 2, 3]


def test_an_iteration_that_is_left_early_closes_the_generator(program: Program):
    assert program.run(f"""
      {SAMPLE}
      for await (const item of await sample.count(10 ** 9)) if (item === 3) break;
      return await sample.seen("closed");
    """)


def test_a_generator_does_no_more_than_it_is_asked_for(program: Program):
    assert (
        program.run(f"""
      {SAMPLE}
      for await (const item of await sample.count(100)) {{
        if (item === 3) return await sample.seen("produced");
      }}
    """)
        == 3
    )


def test_an_error_within_an_iteration_comes_behind_the_items_before_it(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const items = [];
      try {{
        for await (const item of await sample.count_and_fail(3)) items.push(item);
      }} catch (error) {{
        items.push(error.message);
      }}
      return items;
    """) == [0, 1, 2, "no more"]


def test_what_is_read_of_a_shared_iterator_is_not_more_than_was_asked_for(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const shared = await sample.Slow();
      for await (const item of shared) if (item === 3) break;
      for await (const item of shared) return [item, await shared.at];
    """) == [4, 4]


def test_what_is_not_iterable_says_so(program: Program):
    with pytest.raises(JavaScriptError, match="not iterable") as caught:
        program.run(f"{SAMPLE} for await (const item of await sample.Point(1, 2)) return item;")
    assert caught.value.name == "TypeError"


# ----------------------------------------------------------------------------------- Release


@pytest.mark.parametrize(
    "release",
    [
        "counter.$release()",
        "await counter[Symbol.asyncDispose]()",
        "counter[Symbol.dispose]()",
    ],
)
def test_a_released_object_cannot_be_used(program: Program, release: str):
    assert program.run(f"""
      {SAMPLE}
      {COLLECT}
      const before = await references();
      const counter = await sample.Counter(1);
      await counter.value;
      {release};
      counter.$release();
      const use = await Promise.resolve().then(() => counter.value).catch((error) => error.name);
      const send = await sample.echo([counter]).catch((error) => error.name);
      while ((await references()) > before) await turn();
      return [use, send];
    """) == ["ReferenceReleasedError", "ReferenceReleasedError"]


def test_an_object_of_a_call_that_is_on_its_way_is_still_there(program: Program):
    """The release is read behind the call, whatever thread the call runs on."""
    assert program.run(f"""
      {SAMPLE}
      const results = [];
      for (let turn = 0; turn < 50; turn++) {{
        const counter = await sample.Counter(turn);
        const call = sample.told(counter);
        counter.$release();
        results.push(await call);
      }}
      return results.every((text) => text.startsWith("Counter "));
    """)


def test_objects_that_were_collected_here_are_released_there(program: Program):
    assert program.run(f"""
      {SAMPLE}
      {COLLECT}
      const before = await references();
      const make = async () => {{
        for (let number = 0; number < 300; number++) await sample.Counter(number);
      }};
      await make();
      const most = await references();
      for (let turns = 0; turns < 500 && (await references()) > before + 5; turns++) {{
        collect();
        await turn();
      }}
      return [most - before > 100, (await references()) <= before + 5];
    """) == [True, True]


def test_an_object_that_crosses_often_is_released_once(program: Program):
    """A release and another sending may cross: the object stays as long as anyone here has it."""
    assert (
        program.run(f"""
      {SAMPLE}
      {COLLECT}
      const before = await references();
      const kept = await sample.Counter(7);
      for (let turn = 0; turn < 100; turn++) {{
        const [again] = await Promise.all([sample.echo(kept), sample.echo(kept)]);
        if (again !== kept) return "another proxy";
      }}
      const value = await kept.value;
      kept.$release();
      while ((await references()) > before) await turn();
      return value;
    """)
        == 7
    )


# ---------------------------------------------------------------------- Node.js's, in Python


def test_an_instance_of_a_class_is_an_object_in_python(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const builtins = await load("python:builtins");
      class Point {{
        constructor(x) {{ this.x = x; }}
        get double() {{ return 2 * this.x; }}
        add(by) {{ this.x += by; return this; }}
      }}
      const point = new Point(3);
      const read = [await builtins.getattr(point, "x"), await builtins.getattr(point, "double")];
      await builtins.setattr(point, "x", 5);
      const add = await builtins.getattr(point, "add");
      const same = (await sample.call(add, 1)) === point && (await sample.echo(point)) === point;
      const made = await sample.call(Point, 9);
      return [read, point.x, same, made instanceof Point && made.x, await builtins.str(point),
        await builtins.dir(point), await builtins.callable(point)];
    """) == [[3, 6], 6, True, 9, "Point { x: 6 }", ["add", "double", "x"], False]


def test_a_member_that_an_object_of_node_does_not_have_is_an_error(program: Program):
    with pytest.raises(JavaScriptError, match="Point has no y"):
        program.run("""
          const builtins = await load("python:builtins");
          class Point {}
          return await builtins.getattr(new Point(), "y");
        """)


def test_iterables_of_node_are_iterated_in_python(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const builtins = await load("python:builtins");
      function* numbers() {{ yield* [1, 2, 3]; }}
      async function* later() {{ yield 4; await null; yield 5; }}
      class Bag {{ *[Symbol.iterator]() {{ yield 6; }} get size() {{ return 8; }} }}
      return [await builtins.list(numbers()), await builtins.sorted(later()),
        await builtins.list(new Bag()), await builtins.len(new Bag())];
    """) == [[1, 2, 3], [4, 5], [6], 8]


def test_an_error_within_an_iteration_of_node_comes_behind_its_items(program: Program):
    assert program.run(f"""
      {SAMPLE}
      function* failing() {{ yield 1; yield 2; throw new RangeError("no more"); }}
      const builtins = await load("python:builtins");
      const error = await sample.call(builtins.list, failing()).catch((error) => error);
      return [error instanceof RangeError, error.message];
    """) == [True, "no more"]


def test_items_of_objects_and_maps_are_items_in_python(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const operator = await load("python:operator");
      const object = noodle.ref({{ a: 1, list: [1, 2] }});
      const map = noodle.ref(new Map([["k", "v"]]));
      await operator.setitem(map, "k2", "v2");
      return [await operator.getitem(object, "a"), await operator.getitem(map, "k"),
        map.value.get("k2"), await operator.getitem(object, "none").catch((error) => error.name)];
    """) == [1, "v", "v2", "ReferenceError"]


def test_what_goes_by_reference_is_not_copied(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const builtins = await load("python:builtins");
      const list = [1, 2];
      const same = await sample.echo(noodle.ref(list));
      const promise = Promise.resolve(6);
      return [same === list, (await sample.echo([promise]))[0] === promise,
        await builtins.eval("promise.result()", {{ promise: [promise] }}).catch((e) => e.name),
        await builtins.eval("found[0].result()", {{ found: [promise] }})];
    """) == [True, True, "AttributeError", 6]


def test_objects_that_python_has_let_go_are_let_go_here(program: Program):
    assert program.run(f"""
      {SAMPLE}
      {COLLECT}
      const gc = await load("python:gc");
      const weak = await (async () => {{
        const held = function held() {{ return 1; }};
        await sample.hold(held);
        return new WeakRef(held);
      }})();
      await turn();
      collect();
      const kept = (await sample.held()) === 1 && weak.deref() !== undefined;
      await sample.let_go();
      for (let attempts = 0; attempts < 200 && weak.deref() !== undefined; attempts++) {{
        await gc.collect();
        await new Promise((resolve) => setTimeout(resolve, 5));
        collect();
      }}
      return [kept, weak.deref() === undefined];
    """) == [True, True]
