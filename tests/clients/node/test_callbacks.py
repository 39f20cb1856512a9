"""Functions of Node.js that Python calls: nested, asynchronous, from threads, failing."""

from __future__ import annotations

import pytest

from tests.clients.node.programs import JavaScriptError, Program

SAMPLE = 'const sample = await load("./sample.py");\n'


def test_a_function_is_called_from_python(program: Program):
    assert program.run(f"""
      {SAMPLE}
      return [
        await sample.call((a, b) => a + b, 1, 2),
        await sample.call_twice((n) => [n, {{ n }}]),
        await sample.call(function () {{ return this === undefined || this === globalThis; }}),
      ];
    """) == [3, [[1, {"n": 1}], [2, {"n": 2}]], True]


def test_keyword_arguments_become_the_last_argument(program: Program):
    assert program.run(f"{SAMPLE} return sample.call_named((...args) => args);") == [1, {"size": 2}]


def test_a_promise_is_awaited_while_the_thread_in_python_waits(program: Program):
    assert program.run(f"""
      {SAMPLE}
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      const result = await sample.call(async (value) => {{
        await new Promise((resolve) => setTimeout(resolve, 30));
        return value;
      }}, "late");
      clearInterval(timer);
      return [result, turns > 3];
    """) == ["late", True]


def test_a_function_is_called_from_any_thread(program: Program):
    assert program.run(f"{SAMPLE} return sample.call_in_thread((n) => n * 2, 21);") == 42


def test_python_functions_pass_as_callbacks_to_python(program: Program):
    assert program.run(f"{SAMPLE} return sample.call(sample.echo, 5);") == 5


def test_calls_and_callbacks_nest_on_one_thread_of_python(program: Program):
    """A lock that only its own thread can take again is taken at each level."""
    assert program.run(f"""
      {SAMPLE}
      const threads = [];
      const nest = async (depth) => {{
        threads.push(await sample.thread_id());
        return depth === 0 ? "bottom" : sample.holding(() => nest(depth - 1));
      }};
      const result = await sample.holding(() => nest(8));
      return [result, threads.length, new Set(threads).size];
    """) == ["bottom", 9, 1]


def test_nesting_without_end_is_a_typed_error(program: Program):
    with pytest.raises(JavaScriptError, match="nested too deeply") as caught:
        program.run(f"""
          {SAMPLE}
          const again = () => sample.call(again);
          return await again();
        """)
    assert caught.value.name == "CallDepthError"
    assert "RecursionError" not in caught.value.message


def test_a_chain_of_calls_that_are_not_nested_has_no_depth(program: Program):
    """Each is made within a callback, but none waits for the one before."""
    assert (
        program.run(f"""
      {SAMPLE}
      return await new Promise((resolve, reject) => {{
        const step = (left) => {{
          if (left === 0) return resolve("done");
          sample.call(() => setImmediate(step, left - 1)).catch(reject);
        }};
        step(200);
      }});
    """)
        == "done"
    )


def test_calls_within_a_callback_run_side_by_side(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const started = performance.now();
      const results = await sample.call(() =>
        Promise.all(Array.from({{ length: 10 }}, (_, n) => sample.slow(0.1 + n / 1000))));
      return [results.length, performance.now() - started < 900];
    """) == [10, True]


def test_more_callbacks_wait_than_calls_may_run_at_a_time(program: Program):
    """What waits for Node.js takes no one's turn; else the calls in the callbacks never came."""
    assert (
        program.run(f"""
      {SAMPLE}
      let open = 0;
      let release;
      const all = new Promise((resolve) => (release = resolve));
      const wait = async () => {{
        if (++open === 150) release();
        await all;
        return sample.echo(1);
      }};
      const results = await Promise.all(Array.from({{ length: 150 }}, () => sample.call(wait)));
      return results.length;
    """)
        == 150
    )


def test_a_function_that_python_has_kept_is_called_later(program: Program):
    assert program.run(f"""
      {SAMPLE}
      let calls = 0;
      await sample.hold(() => ++calls);
      const results = [await sample.held(), await sample.held()];
      await sample.let_go();
      return results;
    """) == [1, 2]


def test_a_coroutine_awaits_a_function_of_node(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const double = async (n) => 2 * (await sample.later(n));
      const many = Array.from({{ length: 100 }}, (_, n) => sample.call_later(double, n));
      return (await Promise.all(many)).every((result, n) => result === 2 * n);
    """)


def test_a_coroutine_calls_a_function_of_node_and_blocks(program: Program):
    assert program.run(f"""
      {SAMPLE}
      return [await sample.call_blocking((n) => n + 1, 1),
        await sample.call_blocking(async () => (await sample.echo(2)) + 1)];
    """) == [2, 3]


def test_a_coroutine_within_a_callback_that_blocks_the_event_loop_is_a_deadlock(program: Program):
    with pytest.raises(JavaScriptError, match="the event loop waits for") as caught:
        program.run(f"""
          {SAMPLE}
          return await sample.call_blocking(() => sample.later(1));
        """)
    assert caught.value.name == "DeadlockError"


def test_values_of_callbacks_cross_like_all_others(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const large = new Float64Array(20_000).fill(0.5);
      const result = await sample.call((array) => array.map((item) => 2 * item), large);
      const told = await sample.call((value) => value, new Map([[1, new Set([2n ** 70n])]]));
      return [result.length, result[19_999], told];
    """) == [20_000, 1, {"Map": [[1, {"Set": [{"bigint": str(2**70)}]}]]}]


# ------------------------------------------------------------------------------------ Errors


def test_what_a_callback_throws_comes_back_as_itself(program: Program):
    assert (
        program.run(f"""
      {SAMPLE}
      const thrown = new RangeError("mine");
      const values = [thrown, "a text", 42, undefined, {{ code: 1 }}];
      const same = [];
      for (const value of values) {{
        for (const call of ["call", "call_in_thread", "call_later", "call_blocking"]) {{
          if (call === "call_in_thread") continue;
          await sample[call](() => {{ throw value; }}).then(
            () => same.push("no error"), (error) => same.push(error === value));
        }}
      }}
      return same;
    """)
        == [True] * 15
    )


def test_what_a_callback_throws_passes_many_levels(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const thrown = new RangeError("deep");
      const nest = (depth) => {{
        if (depth === 0) throw thrown;
        return sample.call(() => nest(depth - 1));
      }};
      return await Promise.resolve(nest(5)).catch((error) => error === thrown);
    """)


def test_python_sees_the_error_of_a_callback_with_its_frames(program: Program):
    seen = program.run(f"""
      {SAMPLE}
      return await sample.catching(function failing() {{
        throw Object.assign(new RangeError("bad"), {{ code: "E_BAD" }});
      }});
    """)
    assert seen["kinds"][:3] == ["RemoteRangeError", "RemoteCallError", "ForeignError"]
    assert "ValueError" in seen["kinds"]
    assert seen["text"] == "RangeError: bad"
    assert seen["frames"][-1][3] == "failing"
    assert "failing" in seen["shown"]


def test_an_exception_of_python_passes_through_a_callback_as_itself(program: Program):
    """The outer function of Python gets the very exception that the inner one raised."""
    kinds = program.run(f"""
      {SAMPLE}
      return (await sample.catching(async () => {{
        await sample.fail_custom();
      }})).kinds;
    """)
    assert kinds[:2] == ["Custom", "Exception"]


def test_an_error_of_noodle_in_a_callback_keeps_its_type(program: Program):
    seen = program.run(f"""
      {SAMPLE}
      return await sample.catching(() => {{
        throw new noodle.ArityError({{ summary: "too few", expected: "two" }});
      }});
    """)
    assert {"ArityError", "ArgumentError", "TypeError"} <= set(seen["kinds"])
    assert seen["text"] == "too few\n  expected: two"


def test_a_callback_that_never_settles_ends_with_the_deadline(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const before = (await (await host()).stats()).waiting;
      const never = () => new Promise(() => {{}});
      const error = await sample.call.$options({{ deadline: 50 }})(never).catch((error) => error);
      while ((await (await host()).stats()).waiting > before);
      return [error.name, error instanceof noodle.DeadlineExceededError];
    """) == ["DeadlineExceededError", True]


def test_a_call_that_is_given_up_lets_its_thread_go(program: Program):
    assert (
        program.run(f"""
      {SAMPLE}
      const controller = new AbortController();
      const called = Promise.withResolvers?.() ?? {{}};
      const call = sample.call.$options({{ signal: controller.signal }})(() => {{
        controller.abort(new Error("enough"));
        return new Promise(() => {{}});
      }});
      const reason = await call.catch((error) => error.message);
      while ((await (await host()).stats()).waiting > 0);
      return reason;
    """)
        == "enough"
    )
