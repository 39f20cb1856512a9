"""The Node worker: operations, values, members and iteration, in its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.workers.conftest import Evaluate, LoadModule
from tests.workers.node_driver import REPLY, UNDEFINED, Driver, Reference, failure

from noodle import _host
from noodle.workers.operations import Operation


class TestHandshake:
    def test_names_versions_runtime_and_incarnation(self, driver: Driver) -> None:
        subject, protocol, wire, channel, runtime, version, incarnation = driver.ready
        own = (_host.PROTOCOL_VERSION, _host.WIRE_VERSION, _host.CHANNEL_VERSION)
        assert (0, *own, "node") == (subject, protocol, wire, channel, runtime)
        assert 24 <= int(version.split(".")[0]) or version.startswith(("20.", "22."))
        assert 0 < incarnation < 2**53

    def test_each_process_is_another_incarnation(self, start_driver: Callable[[], Driver]) -> None:
        assert start_driver().ready[-1] != start_driver().ready[-1]


class TestCalls:
    def test_two_floats(self, evaluate: Evaluate) -> None:
        assert 3.75 == evaluate("(a, b) => a + b", 1.5, 2.25)

    def test_a_promise_is_waited_for(self, evaluate: Evaluate) -> None:
        assert 5 == evaluate("async (a) => { await null; return a + 1 }", 4)

    def test_a_promise_that_needs_turns_of_the_loop(self, evaluate: Evaluate) -> None:
        source = "(ms) => new Promise((done) => setTimeout(done, ms, 'later'))"
        assert "later" == evaluate(source, 5)

    def test_calls_in_flight_are_answered_in_the_order_in_which_they_settle(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module(
            """let open; export const first = () => new Promise((done) => { open = done });
            export const second = () => { open('released'); return 'second' }"""
        )
        waiting = driver.start(Operation.CALL, driver.get(loaded, "first"))
        assert "second" == driver.call(driver.get(loaded, "second"))
        assert "released" == driver.finish(waiting)

    def test_microtasks_run_between_calls(self, driver: Driver, module: LoadModule) -> None:
        """A function that napi_call_function calls from a libuv callback leaves them unrun."""
        loaded = module(
            """let ran = []; export const start = () => {
                Promise.resolve().then(() => ran.push('microtask'));
                process.nextTick(() => ran.push('tick'));
            }; export const look = () => ran"""
        )
        driver.call(driver.get(loaded, "start"))
        assert ["tick", "microtask"] == driver.call(driver.get(loaded, "look"))

    def test_the_loop_turns_while_calls_follow_one_another(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module(
            """let fired = false; export const arm = () => { setImmediate(() => fired = true) };
            export const look = () => fired"""
        )
        driver.call(driver.get(loaded, "arm"))
        look = driver.get(loaded, "look")
        assert any(driver.call(look) for _ in range(2_000))

    def test_many_arguments(self, evaluate: Evaluate) -> None:
        numbers = list(range(300))
        assert sum(numbers) == evaluate("(...all) => all.reduce((a, b) => a + b)", *numbers)

    def test_named_arguments_take_their_places(self, driver: Driver, module: LoadModule) -> None:
        function = driver.get(module("export const f = (a, b = 2, c = 3) => [a, b, c]"), "f")
        assert [1, 2, True] == driver.request(Operation.CALL_NAMED, function, {"c": True}, 1)
        error = failure(lambda: driver.request(Operation.CALL_NAMED, function, {"deep": 1}, 1))
        assert ("NOODLE_ARITY", "f has no deep") == (error.extra["code"], error.message)

    def test_named_arguments_construct(self, driver: Driver, module: LoadModule) -> None:
        source = "export class P { constructor(x, y) { this.sum = x + y } }"
        made = driver.request(
            Operation.CALL_NAMED, driver.get(module(source), "P"), {"y": 2, "x": 1}
        )
        assert 3 == driver.get(made, "sum")

    def test_a_batch(self, driver: Driver, module: LoadModule) -> None:
        function = driver.get(module("export const f = (a, b) => a * b"), "f")
        items = [item for number in range(1_000) for item in (number, 3)]
        expected = [3 * number for number in range(1_000)]
        assert [expected] == driver.request(Operation.BATCH, function, 2, items)

    @pytest.mark.parametrize("arity", [1, 2, 3, 4, 5])
    def test_a_batch_of_any_number_of_arguments(
        self, driver: Driver, module: LoadModule, arity: int
    ) -> None:
        function = driver.get(module("export const f = (...all) => all.join()"), "f")
        items = [str(number) for number in range(3 * arity)]
        rows = [",".join(items[begin : begin + arity]) for begin in range(0, len(items), arity)]
        assert [rows] == driver.request(Operation.BATCH, function, arity, items)

    def test_a_batch_whose_rows_differ(self, driver: Driver, module: LoadModule) -> None:
        function = driver.get(module("export const f = (...all) => all.length"), "f")
        assert [[0, 2, 1]] == driver.request(Operation.BATCH, function, None, [[], [1, 2], [3]])

    def test_a_batch_of_a_method_keeps_its_object(self, driver: Driver, module: LoadModule) -> None:
        source = "export const o = { step: 5, add(x) { return x + this.step; } }"
        method = driver.get(driver.get(module(source), "o"), "add")
        assert [[6, 7]] == driver.request(Operation.BATCH, method, 1, [1, 2])

    def test_a_batch_of_promises(self, driver: Driver, module: LoadModule) -> None:
        function = driver.get(module("export const f = async (a) => a + 1"), "f")
        assert [[2, 3]] == driver.request(Operation.BATCH, function, 1, [1, 2])

    def test_a_batch_fails_with_the_error_of_its_row(
        self, driver: Driver, module: LoadModule
    ) -> None:
        function = driver.get(
            module("export const f = (a) => { if (a > 1) throw Error(`no ${a}`) }"), "f"
        )
        done, error = driver.request(Operation.BATCH, function, 1, [1, 2, 3])
        assert [UNDEFINED] == done
        assert "no 2" == error.message

    def test_a_batch_ends_with_the_first_promise_that_fails(
        self, driver: Driver, module: LoadModule
    ) -> None:
        source = "export const f = async (a) => { if (a > 1) throw Error(`no ${a}`); return a; }"
        function = driver.get(module(source), "f")
        done, error = driver.request(Operation.BATCH, function, 1, [1, 1, 3, 2])
        assert [1, 1] == done
        assert "no 3" == error.message

    def test_answers_larger_than_a_ring(self, evaluate: Evaluate) -> None:
        assert "x" * 300_000 == evaluate("(n) => 'x'.repeat(n)", 300_000)

    def test_a_result_that_calls_the_host_while_it_is_written(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        """The ring's reservation for the answer must not be lost to the getter's own request."""
        driver.on_request = lambda message: message.value[2] + 1
        host = Reference(0, "function", 1, 7, 99, "increment")
        answer = evaluate(
            "(f) => ({ before: 1, get asked() { return f(41) }, after: 'end' })", host
        )
        assert {"before": 1, "asked": 42, "after": "end"} == answer


class TestValues:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("null", None),
            ("undefined", UNDEFINED),
            ("[1, undefined, null]", [1, UNDEFINED, None]),
            ("({ a: undefined })", {"a": UNDEFINED}),
            ("2 ** 53", float(2**53)),
            ("2n ** 70n", 2**70),
            ("-0", -0.0),
            ("new Set([1, 2])", {1, 2}),
            ("new Map([['a', 1]])", {"a": 1}),
            ("Buffer.from('ab')", b"ab"),
            ("'\\ud800'", "\ud800"),
            ("new Uint8Array([1, 2, 3])", b"\x01\x02\x03"),
        ],
    )
    def test_of_javascript(self, evaluate: Evaluate, expression: str, expected: object) -> None:
        answer = evaluate(f"() => ({expression})")
        assert expected == getattr(answer, "memory", None) or expected == answer

    def test_integers_beyond_2_53_are_bigints(self, evaluate: Evaluate) -> None:
        assert ["bigint", 2**53 + 1] == evaluate("(n) => [typeof n, n]", 2**53 + 1)

    def test_a_cycle_is_a_clear_error(self, evaluate: Evaluate) -> None:
        error = failure(lambda: evaluate("() => { const a = []; a.push(a); return a }"))
        assert "contains itself" in error.message

    def test_an_infinite_number(self, evaluate: Evaluate) -> None:
        assert float("inf") == evaluate("() => Infinity")


class TestReferences:
    @pytest.mark.parametrize(
        ("expression", "kind", "name"),
        [
            ("function add() {}", "function", "add"),
            ("class Point {}", "class", "Point"),
            ("async function later() {}", "async_function", "later"),
            ("new (class Point {})()", "object", "Point"),
            ("(function* () {})()", "iterator", "Object"),
            ("(async function* () {})()", "async_iterator", "Object"),
            ("new (class Query { then() {} })()", "awaitable", "Query"),
            ("Symbol('s')", "object", "Symbol(s)"),
        ],
    )
    def test_kinds(self, evaluate: Evaluate, expression: str, kind: str, name: str) -> None:
        reference = evaluate(f"() => [{expression}]")[0]
        assert (kind, 1) == (reference.kind, reference.owner)
        if kind not in ("iterator", "async_iterator"):
            assert name == reference.name

    def test_the_same_object_keeps_its_id_and_counts_its_sendings(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        first, second = evaluate("() => { const p = new (class P {})(); return [p, p] }")
        assert first.id == second.id
        assert (1, 1) == (first.sent, second.sent)

    def test_comes_back_as_the_object_itself(self, driver: Driver, module: LoadModule) -> None:
        loaded = module(
            "const p = new (class P {})(); export const get = () => p, same = (x) => x === p"
        )
        reference = driver.call(driver.get(loaded, "get"))
        assert driver.call(driver.get(loaded, "same"), reference)

    def test_a_release_that_crosses_a_sending_keeps_the_object(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module("const p = new (class P { x = 1 })(); export const get = () => p")
        function = driver.get(loaded, "get")
        first = driver.call(function)
        second = driver.call(function)
        driver.release(first)
        assert 1 == driver.get(second, "x")
        driver.release(second)
        error = failure(lambda: driver.get(second, "x"))
        assert ("ReferenceError", "NOODLE_RELEASED") == (error.type, error.extra["code"])

    def test_an_id_is_never_used_again(self, driver: Driver, evaluate: Evaluate) -> None:
        seen = set()
        for _ in range(5):
            reference = evaluate("() => new (class P {})()")
            driver.release(reference)
            seen.add(reference.id)
        assert 5 == len(seen)

    def test_released_objects_are_forgotten(self, driver: Driver, evaluate: Evaluate) -> None:
        before = driver.statistics()["objects"]
        references = evaluate("() => Array.from({ length: 500 }, () => new (class P {})())")
        assert before + 500 <= driver.statistics()["objects"]
        driver.release(*references)
        assert driver.statistics()["objects"] < before + 10

    def test_an_answer_that_cannot_be_sent_keeps_no_object(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        failure(lambda: evaluate("() => [new (class P {})(), new Date(NaN)]"))
        held = driver.statistics()["objects"]
        failure(lambda: evaluate("() => [new (class P {})(), new Date(NaN)]"))
        # The module and its function, which the evaluation itself keeps.
        assert held + 2 == driver.statistics()["objects"]


class TestMembers:
    SOURCE = """
        export class Counter {
            constructor(start) { this.value = start; this.list = [1, 2] }
            get double() { return 2 * this.value }
            add(n) { this.value += n; return this.value }
            static of(n) { return new Counter(n) }
        }
        export const nested = { deep: { answer: () => 42 } };
    """

    @pytest.fixture
    def counter(self, driver: Driver, module: LoadModule) -> Reference:
        loaded = module(self.SOURCE)
        created = driver.request(Operation.NEW, driver.get(loaded, "Counter"), 5)
        assert isinstance(created, Reference)
        return created

    def test_construct_read_and_call(self, driver: Driver, counter: Reference) -> None:
        assert 5 == driver.get(counter, "value")
        assert 10 == driver.get(counter, "double")
        assert 7 == driver.request(Operation.METHOD, counter, "add", 2)

    def test_a_method_comes_bound(self, driver: Driver, counter: Reference) -> None:
        method = driver.get(counter, "add")
        assert 6 == driver.call(method, 1)
        assert method.id == driver.get(counter, "add").id

    def test_a_bound_method_as_a_callback(
        self, driver: Driver, counter: Reference, evaluate: Evaluate
    ) -> None:
        method = driver.get(counter, "add")
        assert [6, 8] == evaluate("(f) => [f(1), f(2)]", method)

    def test_static_methods(self, driver: Driver, module: LoadModule) -> None:
        loaded = module(self.SOURCE)
        made = driver.request(Operation.METHOD, driver.get(loaded, "Counter"), "of", 3)
        assert 3 == driver.get(made, "value")

    def test_set_delete_has(self, driver: Driver, counter: Reference) -> None:
        driver.request(Operation.SET, counter, "extra", [1])
        assert driver.request(Operation.HAS, counter, "extra")
        assert [1] == driver.get(counter, "extra")
        driver.request(Operation.DELETE, counter, "extra")
        assert not driver.request(Operation.HAS, counter, "extra")

    @pytest.mark.parametrize(
        "source",
        [
            "Object.freeze(new (class A { a = 1 })())",
            "new (class A { get a() { return 1 } })()",
        ],
    )
    def test_what_cannot_be_set_says_so(
        self, driver: Driver, evaluate: Evaluate, source: str
    ) -> None:
        thing = evaluate(f"() => {source}")
        for operation in (Operation.SET, Operation.SET_ITEM):
            error = failure(lambda: driver.request(operation, thing, "a", 2))  # noqa: B023
            assert "TypeError" == error.type
        assert 1 == driver.get(thing, "a")

    def test_names(self, driver: Driver, counter: Reference) -> None:
        assert {"value", "list", "double", "add"} == set(driver.request(Operation.NAMES, counter))

    def test_items_and_length(self, driver: Driver, evaluate: Evaluate) -> None:
        typed = evaluate("() => new (class List extends Array {})(4).fill(7)")
        assert [7, 7, 7, 7] == typed
        keyed = evaluate("() => Object.assign(new (class Bag { length = 3 })(), { a: 1 })")
        assert 1 == driver.request(Operation.ITEM, keyed, "a")
        driver.request(Operation.SET_ITEM, keyed, "b", 2)
        assert 2 == driver.request(Operation.ITEM, keyed, "b")
        assert 3 == driver.request(Operation.LENGTH, keyed)

    def test_a_missing_name_says_so(self, driver: Driver, counter: Reference) -> None:
        error = failure(lambda: driver.get(counter, "nothing"))
        assert "NOODLE_NAME" == error.extra["code"]
        assert "Counter has no nothing" in error.message

    def test_a_missing_method_says_so(self, driver: Driver, counter: Reference) -> None:
        error = failure(lambda: driver.request(Operation.METHOD, counter, "nothing"))
        assert "no method nothing" in error.message

    def test_text_and_value(self, driver: Driver, counter: Reference) -> None:
        assert "Counter { value: 5, list: [ 1, 2 ] }" == driver.request(Operation.TEXT, counter)
        assert {"value": 5, "list": [1, 2]} == driver.request(Operation.VALUE, counter)

    def test_a_value_that_contains_itself_is_refused(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        cyclic = evaluate("() => { const n = new (class N {})(); n.self = n; return n }")
        assert "contains itself" in failure(lambda: driver.request(Operation.VALUE, cyclic)).message

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("(a, b = 2, ...rest) => 1", ["function", ["a", "b", "...rest"], None]),
            ("async function f(x) {}", ["async function", ["x"], None]),
            ("class C { constructor(size) {} }", ["class", ["size"], None]),
            ("x => x", ["function", ["x"], None]),
            ("3", ["number", [], None]),
        ],
    )
    def test_descriptions(
        self,
        driver: Driver,
        module: LoadModule,
        source: str,
        expected: list[object],
    ) -> None:
        loaded = module(f"export const member = {source};")
        assert expected == driver.request(Operation.DESCRIBE, loaded, "member")


class TestIteration:
    def items(self, driver: Driver, reference: Reference, most: int) -> list[Any]:
        iterator = driver.request(Operation.ITERATE, reference)
        collected: list[Any] = []
        done = False
        while not done:
            done, *batch = driver.request(Operation.NEXT, iterator, most)
            assert len(batch) <= most
            collected += batch
        return collected

    @pytest.mark.parametrize("most", [1, 3, 64])
    def test_generators(self, driver: Driver, evaluate: Evaluate, most: int) -> None:
        generator = evaluate("() => (function* () { yield* [1, 2, 3, 4, 5] })()")
        assert [1, 2, 3, 4, 5] == self.items(driver, generator, most)

    @pytest.mark.parametrize("most", [1, 3, 64])
    def test_async_generators(self, driver: Driver, evaluate: Evaluate, most: int) -> None:
        source = """() => (async function* () {
            yield 1; yield 2; await new Promise(setImmediate); yield 3;
        })()"""
        assert [1, 2, 3] == self.items(driver, evaluate(source), most)

    def test_an_async_iterator_gives_what_is_there(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        """An endless source must not hold its first item back until the batch is full."""
        source = "() => (async function* () { yield 1; await new Promise(() => {}) })()"
        assert [False, 1] == driver.request(Operation.NEXT, evaluate(source), 64)

    def test_what_came_before_an_error_is_not_lost(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        generator = evaluate("() => (function* () { yield 1; throw RangeError('end') })()")
        assert [False, 1] == driver.request(Operation.NEXT, generator, 64)
        error = failure(lambda: driver.request(Operation.NEXT, generator, 64))
        assert ("RangeError", "end") == (error.type, error.message)

    def test_closing_runs_finally(self, driver: Driver, module: LoadModule) -> None:
        loaded = module(
            """export let closed = false; export const looked = () => closed;
            export function* items() { try { yield 1; yield 2 } finally { closed = true } }"""
        )
        generator = driver.call(driver.get(loaded, "items"))
        assert [False, 1] == driver.request(Operation.NEXT, generator, 1)
        driver.request(Operation.CLOSE, generator)
        assert driver.call(driver.get(loaded, "looked"))

    def test_what_is_not_iterable_says_so(self, driver: Driver, evaluate: Evaluate) -> None:
        thing = evaluate("() => new (class Thing {})()")
        assert "not iterable" in failure(lambda: driver.request(Operation.ITERATE, thing)).message

    def test_awaiting(self, driver: Driver, evaluate: Evaluate) -> None:
        thenable = evaluate("() => new (class Query { then(done) { done('rows') } })()")
        assert "rows" == driver.request(Operation.AWAIT, thenable)


class TestOutput:
    def test_console_never_touches_the_protocol(self, driver: Driver, evaluate: Evaluate) -> None:
        assert 1 == evaluate(
            "() => { console.log('to stdout'); console.error('to stderr'); return 1 }"
        )
        assert driver.process.stdout is not None
        assert b"to stdout\n" == driver.process.stdout.readline()
        assert driver.process.stderr is not None
        assert b"to stderr\n" == driver.process.stderr.readline()

    def test_programs_that_javascript_starts_do_not_keep_the_channel_open(
        self, evaluate: Evaluate
    ) -> None:
        source = """async () => {
            const { spawnSync } = await import('node:child_process');
            const list = ['-c', 'ls /proc/self/fd'];
            return spawnSync('/bin/sh', list, { encoding: 'utf8' }).stdout }"""
        inherited = set(evaluate(source).split())
        assert not inherited & {"4", "5", "6"}


def test_an_answer_names_its_call_and_its_channel(driver: Driver, module: LoadModule) -> None:
    function = driver.get(module("export const f = (a) => a"), "f")
    other = driver.open_channel()
    call_id = driver.start(Operation.CALL, function, 1, channel=other, chain_id=77)
    message = driver.take()
    assert (other, REPLY, call_id, 77) == (
        message.channel,
        message.kind,
        message.call_id,
        message.chain_id,
    )
