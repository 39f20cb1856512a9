"""Calls from Node.js: through the dispatcher, by path, with options, many at once."""

from __future__ import annotations

import pytest

from tests.clients.node.programs import JavaScriptError, Program

SAMPLE = 'const sample = await load("./sample.py");\n'
NUMPY = 'const np = await load("numpy");\n'


def test_the_example_of_the_specification(program: Program):
    assert program.run(f"""
      {NUMPY}
      const c = await np.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]);
      return [[...c].map(Number), c.shape];
    """) == [[19, 22, 43, 50], [2, 2]]


def test_a_native_library_is_called_by_its_prototypes(program: Program):
    assert program.run("""
      const libm = await load("libm.so.6", { prototypes: "double cos(double);" });
      return [await libm.cos(0), await libm.cos(Math.PI)];
    """) == [1, -1]


def test_an_argument_that_does_not_fit_is_the_error_that_it_is_in_python(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run("""
          const libm = await load("libm.so.6", { prototypes: "double cos(double);" });
          return await libm.cos("zero");
        """)
    assert caught.value.name == "ArgumentTypeError"
    assert caught.value.classes[:4] == [
        "ArgumentTypeError", "ArgumentError", "UsageError", "NoodleError",
    ]  # fmt: skip
    assert caught.value.told["expected"].startswith("f64")


def test_an_npm_package_is_called_through_python(program: Program):
    """Node.js, the host, and the Node.js of the host: values pass both borders."""
    assert program.run("""
      const path = await load("node:path");
      const url = await load("node:url");
      const parsed = await url.URL("https://example.org/a?b=1");
      return [await path.posix.join("a", "b"), await parsed.pathname, await path.sep];
    """) == ["a/b", "/a", "/"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ('{ placement: "remote" }', "PlacementError"),
        ('{ prototypes: "int f(void);" }', "TargetError"),
        ("{ prototype: 1 }", "SettingsError"),
    ],
)
def test_the_options_of_a_load_are_those_of_python(program: Program, options: str, name: str):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f'return await load("numpy", {options});')
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("no_such_package", "MissingPackageError"),
        ("libnothing.so.7", "MissingLibraryError"),
        ("foo bar", "TargetError"),
        ("./broken.py", "LibraryLoadError"),
    ],
)
def test_a_target_that_cannot_be_loaded_is_the_error_of_python(
    program: Program, target: str, name: str
):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f'return await load("{target}");')
    assert caught.value.name == name


def test_two_loads_of_one_library_are_one(program: Program):
    assert program.run(f"""
      {NUMPY}
      const again = await load("numpy");
      await np.sin(0);
      return (await np.sin.$stats()).calls === (await again.sin.$stats()).calls;
    """)


def test_arguments_by_keyword_come_last(program: Program):
    assert program.run(f"""
      {SAMPLE}
      {NUMPY}
      return [
        await sample.keywords(1, noodle.named({{ a: [2], b: null }})),
        await sample.keywords(noodle.named({{}})),
        Number(await np.sum([[1, 2], [3, 4]], noodle.named({{ axis: 0 }})).then((sums) => sums[1])),
      ];
    """) == [
        {"args": [1], "kwargs": {"a": [2], "b": None}},
        {"args": [], "kwargs": {}},
        6,
    ]


def test_a_class_is_called_with_and_without_new(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const made = [await sample.Counter(3), await new sample.Counter(4)];
      return Promise.all(made.map((counter) => counter.value));
    """) == [3, 4]


def test_a_path_is_not_looked_up_before_it_is_used(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const missing = sample.no.such.thing;
      const text = String(missing);
      const error = await missing.catch((error) => error.name);
      return [text, error, await sample["values"]["$names"]().catch((error) => error.name)];
    """) == ["[./sample.py.no.such.thing of Python]", "NameNotFoundError", "ArgumentTypeError"]


def test_private_names_stay_in_python(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter();
      const names = [];
      for (const ask of [
        () => counter._private, () => counter.__class__, () => sample._lock,
        () => counter.me.__dict__, () => sample.__builtins__, () => counter.__init__(1),
        () => counter.$set("_private", 1),
      ]) await ask().then(() => names.push("got it"), (error) => names.push(error.name));
      return [names, await counter.$has("_private"), (await counter.$names()).includes("_private")];
    """) == [["NameNotFoundError"] * 7, False, False]


def test_a_member_of_a_member_is_reached_in_one_request(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter(2);
      const before = (await (await host()).stats()).calls;
      const found = [
        await counter.me.me.double, await counter.names.$item("a")[1], await counter.me.$item(5),
        await counter.names.get("a"), await sample.Counter.steps[-1], await counter.$get("value"),
      ];
      return [found, (await (await host()).stats()).calls - before];
    """) == [[4, 20, "five", [10, 20], 3, 2], 7]


def test_arguments_that_are_promises_or_paths_are_waited_for(program: Program):
    assert program.run(f"""
      {NUMPY}
      return [
        await np.add(np.multiply(2, 3), np.pi.then(Math.floor)),
        await np.full([2], 1, np.float32),
        await np.isclose(np.pi, Math.PI),
      ];
    """) == [9, {"Float32Array": [1, 1]}, True]


def test_a_batch_is_one_request(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const before = (await (await host()).stats()).calls;
      const results = await sample.keywords.$batch([[1], noodle.named({{ a: 2 }}), []]);
      return [results, (await (await host()).stats()).calls - before];
    """) == [
        [{"args": [1], "kwargs": {}}, {"args": [], "kwargs": {"a": 2}}, {"args": [], "kwargs": {}}],
        2,
    ]


def test_explain_tells_the_plan_of_a_call(program: Program):
    plan = program.run(f"""
      {NUMPY}
      return await np.linalg.norm.$explain([3, 4], noodle.named({{ ord: 2 }}));
    """)
    assert plan["function"] == "linalg.norm"
    assert (plan["bridge"], plan["placement"]) == ("python", "inprocess")
    assert [stage["stage"] for stage in plan["stages"]] == ["authorise", "optimisation", "deadline"]
    assert plan["text"].startswith("numpy.linalg.norm(list, ord=int)")


def test_methods_of_objects_are_governed_and_counted(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const counter = await sample.Counter();
      await counter.add(2);
      await counter.add(3, noodle.named({{ times: 2 }}));
      const {{ calls }} = await counter.add.$stats();
      const plan = await counter.add.$explain(1);
      return [calls, plan.function, plan.library, await counter.value];
    """) == [2, "Counter.add", "./sample.py", 8]


def test_a_function_can_be_kept_and_passed_on(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const echo = await sample.echo;
      const bound = await (await sample.Counter(1)).add;
      const counter = await bound(4);
      return [await echo(1), await sample.call(echo, 2), await counter.value, String(echo)];
    """) == [1, 2, 5, "[echo of Python]"]


def test_dispatch_picks_who_accepts_the_arguments(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const noodles = await host();
      await noodles.register("node_shout", sample, {{
        operation: "told", prototype: "node_shout(text: str)" }});
      const failed = await noodles.dispatch("node_shout", 5).catch((error) => error.name);
      const unknown = await noodles.dispatch("node_none").catch((error) => error.name);
      return [await noodles.dispatch("node_shout", "hi"), failed, unknown];
    """) == ["str 'hi'", "NoMatchingSignatureError", "UnknownBridgeError"]


def test_execute_takes_arguments_as_data(program: Program):
    assert program.run(f"""
      {NUMPY}
      const product = await np.$execute("matmul", {{ a: [[1, 2]], b: [[3], [4]] }});
      return [Number(product[0]), await np.linalg.$execute("norm", [[3, 4]])];
    """) == [11, 5]


def test_describe_tells_names_of_parameters_and_documentation(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const {{ kind, parameters, documentation }} = await sample.Counter.add.$describe();
      return [kind, parameters, documentation, (await sample.Counter.$describe()).kind];
    """) == ["function", ["self", "by", "times"], "Add to the value.", "class"]


def test_thousands_of_calls_in_flight_are_all_answered(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const calls = Array.from({{ length: 5000 }}, (_, number) => sample.echo(number));
      const awaited = Array.from({{ length: 2000 }}, (_, number) => sample.later(number, 0.001));
      const results = await Promise.all([...calls, ...awaited]);
      return results.every((result, index) => result === index % 5000);
    """)


def test_a_slow_call_does_not_hold_up_others(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const order = [];
      const slow = sample.slow(0.3).then(() => order.push("slow"));
      for (let turn = 0; turn < 20; turn++) await sample.echo(turn);
      order.push("quick");
      await slow;
      return order;
    """) == ["quick", "slow"]


def test_a_coroutine_is_awaited_in_python(program: Program):
    assert program.run(f"""
      {SAMPLE}
      return [await sample.later([1]), await sample.fail_later().catch((error) => error.name)];
    """) == [[1], "LookupError"]


@pytest.mark.parametrize(
    "call",
    [
        "slow(5)",
        "later(1, 5)",
        "call(() => new Promise(() => {}))",
        "echo(new Promise(() => {}))",
        "slow(new Promise((resolve) => setTimeout(() => resolve(5), 20)))",
    ],
)
def test_a_deadline_ends_the_waiting_with_a_typed_error(program: Program, call: str):
    with pytest.raises(JavaScriptError, match="did not finish before its deadline") as caught:
        program.run(f"{SAMPLE} return await sample.$options({{ deadline: 50 }}).{call};")
    assert caught.value.name == "DeadlineExceededError"
    assert program.run(f"{SAMPLE} return await sample.echo(1);") == 1


def test_a_call_within_its_deadline_is_answered(program: Program):
    options = "{ deadline: 30_000, signal: new AbortController().signal }"
    assert program.run(f"{SAMPLE} return await sample.$options({options}).later(2, 0.001);") == 2


def test_a_signal_gives_up_the_call_and_cancels_the_coroutine(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const cancelled = async () => (await sample.seen("cancelled")) ?? 0;
      const begun = async () => (await sample.seen("begun")) ?? 0;
      const [before, others] = [await cancelled(), await begun()];
      const controller = new AbortController();
      const call = sample.never.$options({{ signal: controller.signal }})();
      while ((await begun()) === others);
      controller.abort(new Error("enough"));
      const reason = await call.catch((error) => error.message);
      while ((await cancelled()) === before);
      return [reason, (await cancelled()) - before];
    """) == ["enough", 1]


def test_a_signal_that_is_aborted_already_makes_no_call(program: Program):
    assert (
        program.run(f"""
      {SAMPLE}
      const options = {{ signal: AbortSignal.abort("too late") }};
      return await sample.echo.$options(options)(1).catch((reason) => reason);
    """)
        == "too late"
    )


def test_a_signal_gives_up_a_call_whose_arguments_are_waited_for(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const controller = new AbortController();
      const {{ echo }} = sample.$options({{ signal: controller.signal }});
      const waiting = echo(new Promise(() => {{}})).catch((reason) => reason);
      controller.abort("enough");
      const late = echo(new Promise(() => {{}})).catch((reason) => reason);
      return [await waiting, await late];
    """) == ["enough", "enough"]


def test_a_signal_cancels_a_call_in_a_worker(program: Program):
    """The host tells the worker, whose own signal is aborted."""
    assert (
        program.run("""
      const timers = await load("node:timers/promises");
      const controller = new AbortController();
      const call = timers.setTimeout.$options({ signal: controller.signal })(60_000);
      setTimeout(() => controller.abort(new Error("enough")), 20);
      const reason = await call.catch((error) => error.message);
      for (;;) {
        const { running } = await (await host()).stats();
        if (running <= 1) return reason;
      }
    """)
        == "enough"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("{ deadline: 0 }", "a positive number of milliseconds"),
        ("{ deadline: '5' }", "a positive number of milliseconds"),
        ("{ signal: {} }", "an AbortSignal"),
        ("{ dead: 1 }", "deadline"),
        ("null", "no object"),
    ],
)
def test_a_wrong_option_of_a_call_is_refused_at_once(program: Program, options: str, text: str):
    with pytest.raises(JavaScriptError, match=text) as caught:
        program.run(f"{SAMPLE} return sample.echo.$options({options});")
    assert caught.value.name == "SettingsError"


def test_statistics_tell_what_the_host_has_done(program: Program):
    counted = program.run(f"{SAMPLE} await sample.echo(1); return await (await host()).stats();")
    assert counted["calls"] > 1
    assert counted["running"] == 1
    assert counted["received_bytes"] > 0
