"""Callbacks into the host, blocking and not, nested, cancelled, overdue; the host's objects."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.workers.conftest import Evaluate, LoadModule
from tests.workers.node_driver import (
    CALLBACK,
    CANCEL,
    REPLY,
    Driver,
    Message,
    NoAnswer,
    Reference,
    RemoteError,
    WorkerFailed,
    encode,
    failure,
)

from noodle.workers.operations import Operation

HOST_INCARNATION = 99


def host(kind: str, number: int, sent: int = 1, name: str = "host") -> Reference:
    return Reference(0, kind, sent, number, HOST_INCARNATION, name)


def refuse(kind: str, message: str) -> WorkerFailed:
    frames = [["/app/main.py", 3, None, "<module>"], ["/app/work.py", 12, None, "handle"]]
    return WorkerFailed(RemoteError("python", kind, message, frames, None, {"id": 5}))


class TestFunctions:
    def test_are_real_functions_and_wait(self, driver: Driver, evaluate: Evaluate) -> None:
        driver.on_request = lambda message: message.value[2] * 2
        answer = evaluate("(f) => [typeof f, f.name, f(4)]", host("function", 1, name="double"))
        assert ["function", "double", 8] == answer

    def test_can_be_called_without_waiting(self, driver: Driver, evaluate: Evaluate) -> None:
        driver.on_request = lambda message: message.value[2] * 2
        source = "async (f) => Promise.all([1, 2, 3].map((n) => f.async(n)))"
        assert [2, 4, 6] == evaluate(source, host("function", 2))

    def test_coroutine_functions_give_promises(self, driver: Driver, evaluate: Evaluate) -> None:
        driver.on_request = lambda message: "done"
        source = "async (f) => { const p = f(); return [p instanceof Promise, await p, f.sync()] }"
        assert [True, "done", "done"] == evaluate(source, host("async_function", 3))

    def test_the_same_function_is_the_same_object(self, evaluate: Evaluate) -> None:
        function = host("function", 4)
        assert evaluate("(a, b) => a === b && new Set([a, b]).size === 1", function, function)

    def test_come_back_as_themselves(self, evaluate: Evaluate) -> None:
        answer = evaluate("(f) => [f]", host("function", 5, sent=3))[0]
        assert (0, 5, HOST_INCARNATION) == (answer.owner, answer.id, answer.incarnation)

    def test_classes_are_called_and_constructed(self, driver: Driver, evaluate: Evaluate) -> None:
        driver.on_request = lambda message: message.value[:2]
        answer = evaluate("(C) => [C(1), new C(1)]", host("class", 6, name="Point"))
        assert [[Operation.CALL, 6], [Operation.NEW, 6]] == answer


class TestChains:
    def requests(self, driver: Driver) -> list[Message]:
        seen: list[Message] = []

        def remember(message: Message) -> str:
            seen.append(message)
            return "answer"

        driver.on_request = remember
        return seen

    def test_a_callback_carries_chain_channel_and_deadline_of_its_call(
        self, driver: Driver, module: LoadModule
    ) -> None:
        seen = self.requests(driver)
        function = driver.get(module("export const f = (g) => g()"), "f")
        other = driver.open_channel()
        call = driver.start(
            Operation.CALL, function, host("function", 7), chain_id=41, channel=other, timeout=30
        )
        assert "answer" == driver.finish(call)
        assert (41, other) == (seen[0].chain_id, seen[0].channel)
        assert 0 < seen[0].deadline_ns - driver.core.driver_now() < 30e9

    def test_so_does_a_callback_after_an_await(self, driver: Driver, module: LoadModule) -> None:
        seen = self.requests(driver)
        source = """export const f = async (g) => {
            await new Promise((done) => setTimeout(done, 2)); return g() }"""
        function = driver.get(module(source), "f")
        other = driver.open_channel()
        call = driver.start(
            Operation.CALL, function, host("function", 8), chain_id=42, channel=other
        )
        driver.finish(call)
        assert (42, other) == (seen[0].chain_id, seen[0].channel)

    def test_calls_that_interleave_keep_their_chains(
        self, driver: Driver, module: LoadModule
    ) -> None:
        seen = self.requests(driver)
        source = """export const f = async (g, ms) => {
            await new Promise((done) => setTimeout(done, ms)); return g.async(ms) }"""
        function = driver.get(module(source), "f")
        calls = [
            driver.start(Operation.CALL, function, host("function", 9), ms, chain_id=100 + ms)
            for ms in (9, 1, 5)
        ]
        for call in calls:
            driver.finish(call)
        assert [(101, 1), (105, 5), (109, 9)] == sorted(
            (message.chain_id, message.value[2]) for message in seen
        )

    def test_what_belongs_to_no_call_comes_on_channel_0(
        self, driver: Driver, module: LoadModule
    ) -> None:
        seen = self.requests(driver)
        source = """export const arm = (g) => { setTimeout(() => { setTimeout(g, 1) }, 1) };
            export const wait = () => new Promise((done) => setTimeout(done, 20))"""
        loaded = module(source)
        other = driver.open_channel()
        arm = driver.start(
            Operation.CALL, driver.get(loaded, "arm"), host("function", 10), channel=other
        )
        driver.finish(arm)
        driver.call(driver.get(loaded, "wait"))
        assert [0] == [message.channel for message in seen]
        assert seen[0].chain_id >= 1 << 63

    def test_nested_calls_of_the_chain_are_served_while_javascript_is_blocked(
        self, driver: Driver, module: LoadModule
    ) -> None:
        """Host, Node, host, Node, host: one chain, one stack."""
        loaded = module(
            """export const outer = (g, n) => n === 0 ? 'bottom' : `${n} ${g(n - 1)}`"""
        )
        outer = driver.get(loaded, "outer")
        back = host("function", 11)

        def nest(message: Message) -> Any:
            number = message.value[2]
            call = driver.start(Operation.CALL, outer, back, number, chain_id=message.chain_id)
            return driver.finish(call)

        driver.on_request = nest
        assert "5 4 3 2 1 bottom" == driver.call(outer, back, 5)

    def test_depth_is_limited(self, driver: Driver, module: LoadModule) -> None:
        outer = driver.get(module("export const outer = (g) => g()"), "outer")
        back = host("function", 12)

        def nest(message: Message) -> Any:
            call = driver.start(Operation.CALL, outer, back, chain_id=message.chain_id)
            return driver.finish(call)

        driver.on_request = nest
        error = failure(lambda: driver.call(outer, back))
        assert ("RangeError", "NOODLE_DEPTH") == (error.type, error.extra["code"])

    def test_calls_of_other_chains_wait_until_javascript_is_free(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module(
            """export let busy = false;
            export const block = (g) => { busy = true; const a = g(); busy = false; return a };
            export const look = () => busy"""
        )
        look = driver.get(loaded, "look")
        other: list[int] = []

        def interfere(message: Message) -> str:
            other.append(driver.start(Operation.CALL, look, chain_id=999))
            nested = driver.start(Operation.CALL, look, chain_id=message.chain_id)
            assert driver.finish(nested)
            assert other[0] not in driver.early
            return "answer"

        driver.on_request = interfere
        assert "answer" == driver.call(driver.get(loaded, "block"), host("function", 13))
        assert not driver.finish(other[0])

    def test_while_blocked_the_loop_does_not_turn(self, driver: Driver, module: LoadModule) -> None:
        """Documented, counted, and seen from outside by the progress that stands still."""
        function = driver.get(module("export const f = (g) => g()"), "f")
        seen: list[int] = []

        def watch(message: Message) -> None:
            for _ in range(2):
                seen.append(driver.core.driver_progress(driver.handle))
                time.sleep(0.01)

        driver.on_request = watch
        before = driver.statistics()["blocked_ns"]
        driver.call(function, host("function", 14))
        assert seen[0] == seen[1]
        assert driver.statistics()["blocked_ns"] - before >= 20_000_000


class TestDeadlines:
    def test_a_blocked_callback_ends_at_the_deadline(
        self, driver: Driver, module: LoadModule
    ) -> None:
        def ignore(message: Message) -> None:
            raise NoAnswer

        driver.on_request = ignore
        function = driver.get(module("export const f = (g) => g()"), "f")
        begin = time.monotonic()
        call = driver.start(Operation.CALL, function, host("function", 15), timeout=0.1)
        error = failure(lambda: driver.finish(call))
        assert ("TimeoutError", "NOODLE_DEADLINE") == (error.type, error.extra["code"])
        assert 0.1 <= time.monotonic() - begin < 5

    def test_the_host_is_told_that_nobody_waits(self, driver: Driver, module: LoadModule) -> None:
        function = driver.get(module("export const f = (g) => g()"), "f")
        driver.start(Operation.CALL, function, host("function", 16), timeout=0.05)
        request, cancel = driver.take(), driver.take()
        assert (CALLBACK, CANCEL) == (request.kind, cancel.kind)
        assert request.call_id == cancel.call_id
        late = Reference(0, "object", 1, 161, HOST_INCARNATION, "late")
        driver.send(REPLY, encode(late), call_id=request.call_id)
        assert 1 == driver.call(driver.get(module("export const f = () => 1"), "f"))

    def test_a_call_whose_deadline_has_passed_is_not_begun(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module("let n = 0; export const f = () => ++n, look = () => n")
        call = driver.start(Operation.CALL, driver.get(loaded, "f"), timeout=-1)
        assert "TimeoutError" == failure(lambda: driver.finish(call)).type
        assert 0 == driver.call(driver.get(loaded, "look"))


class TestSignals:
    SOURCE = """
        export const wait = () => new Promise((_, fail) => {
            const signal = noodle.signal();
            signal.addEventListener('abort', () => fail(signal.reason));
        });
        export const later = async () => {
            await null;
            return new Promise((_, fail) => {
                noodle.signal().addEventListener('abort', function () { fail(this.reason) });
            });
        };
        export const left = () => noodle.remaining();
        export const same = () => noodle.signal() === noodle.signal();
    """

    @pytest.mark.parametrize("name", ["wait", "later"])
    def test_abort_when_the_caller_gives_up(
        self, driver: Driver, module: LoadModule, name: str
    ) -> None:
        call = driver.start(Operation.CALL, driver.get(module(self.SOURCE), name))
        assert 1 == driver.call(driver.get(module("export const f = () => 1"), "f"))
        driver.send(CANCEL, b"", call_id=call)
        assert "AbortError" == failure(lambda: driver.finish(call)).type

    def test_abort_at_the_deadline(self, driver: Driver, module: LoadModule) -> None:
        call = driver.start(Operation.CALL, driver.get(module(self.SOURCE), "wait"), timeout=0.05)
        assert "TimeoutError" == failure(lambda: driver.finish(call)).type

    def test_of_one_call_are_one_signal(self, driver: Driver, module: LoadModule) -> None:
        assert driver.call(driver.get(module(self.SOURCE), "same"))

    def test_say_how_much_time_is_left(self, driver: Driver, module: LoadModule) -> None:
        left = driver.get(module(self.SOURCE), "left")
        assert 9_000 < driver.finish(driver.start(Operation.CALL, left, timeout=10)) <= 10_000
        assert float("inf") == driver.call(left)

    def test_a_cancelled_call_of_another_chain_is_not_begun(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module("let n = 0; export const f = () => ++n, look = () => n, block = (g) => g()")
        waiting: list[int] = []

        def interfere(message: Message) -> None:
            waiting.append(driver.start(Operation.CALL, driver_f, chain_id=998))
            driver.send(CANCEL, b"", call_id=waiting[0])

        driver_f = driver.get(loaded, "f")
        driver.on_request = interfere
        driver.call(driver.get(loaded, "block"), host("function", 17))
        assert "AbortError" == failure(lambda: driver.finish(waiting[0])).type
        assert 0 == driver.call(driver.get(loaded, "look"))


class TestErrors:
    def test_of_the_host_arrive_as_javascript_errors(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        def fail(message: Message) -> None:
            raise refuse("ValueError", "no such thing")

        driver.on_request = fail
        source = """(f) => { try { f() } catch (error) {
            return [error instanceof Error, error.name, error.message, error.language,
                    error.stack] } }"""
        is_error, name, message, language, stack = evaluate(source, host("function", 18))
        assert (True, "ValueError", "no such thing", "python") == (
            is_error,
            name,
            message,
            language,
        )
        assert "at handle (/app/work.py:12)" in stack

    def test_pass_through_javascript_unchanged(self, driver: Driver, evaluate: Evaluate) -> None:
        def fail(message: Message) -> None:
            raise refuse("ValueError", "no such thing")

        driver.on_request = fail
        error = failure(lambda: evaluate("(f) => f()", host("function", 19)))
        assert ("python", "ValueError", "no such thing") == (
            error.language,
            error.type,
            error.message,
        )
        assert ["/app/work.py", 12, None, "handle"] in error.frames
        assert 5 == error.extra["id"]

    def test_reject_promises(self, driver: Driver, evaluate: Evaluate) -> None:
        def fail(message: Message) -> None:
            raise refuse("KeyError", "x")

        driver.on_request = fail
        source = "(f) => f.async().catch((error) => error.name)"
        assert "KeyError" == evaluate(source, host("function", 20))


class TestObjects:
    @pytest.fixture
    def asked(self, driver: Driver) -> list[list[Any]]:
        seen: list[list[Any]] = []
        answers: dict[int, Any] = {
            Operation.GET: "value",
            Operation.HAS: True,
            Operation.NAMES: ["a", "b"],
            Operation.TEXT: "text",
            Operation.ITEM: "item",
            Operation.LENGTH: 2,
            Operation.ITERATE: host("iterator", 500),
            Operation.NEXT: [True, 1, 2],
            Operation.AWAIT: "settled",
        }

        def answer(message: Message) -> Any:
            seen.append(message.value)
            return answers.get(message.value[0])

        driver.on_request = answer
        return seen

    @pytest.mark.parametrize(
        ("expression", "expected", "request_"),
        [
            ("o.name", "value", [Operation.GET, "name"]),
            ("o[0]", "item", [Operation.ITEM, 0]),
            ("(o.name = 3)", 3, [Operation.SET, "name", 3]),
            ("(o[1] = 3)", 3, [Operation.SET_ITEM, 1, 3]),
            ("delete o.name", True, [Operation.DELETE, "name"]),
            ("'name' in o", True, [Operation.HAS, "name"]),
            ("`${o}`", "text", [Operation.TEXT]),
        ],
    )
    def test_members(
        self,
        evaluate: Evaluate,
        asked: list[list[Any]],
        expression: str,
        expected: object,
        request_: list[Any],
    ) -> None:
        assert expected == evaluate(f"(o) => {expression}", host("object", 21))
        operation, *rest = request_
        assert [operation, 21, *rest] == asked[-1]

    def test_iteration(self, evaluate: Evaluate, asked: list[list[Any]]) -> None:
        assert [1, 2] == evaluate("(o) => [...o]", host("object", 22))
        assert [Operation.CLOSE, 500] == asked[-1]

    def test_async_iteration(self, evaluate: Evaluate, asked: list[list[Any]]) -> None:
        source = "async (o) => { const all = []; for await (const n of o) all.push(n); return all }"
        assert [1, 2] == evaluate(source, host("object", 23))

    def test_awaitables_are_awaited(self, evaluate: Evaluate, asked: list[list[Any]]) -> None:
        assert "settled" == evaluate("async (o) => await o", host("awaitable", 24))

    def test_objects_are_not_mistaken_for_promises(
        self, evaluate: Evaluate, asked: list[list[Any]]
    ) -> None:
        answer = evaluate("async (o) => [await o]", host("object", 25))
        assert 25 == answer[0].id

    def test_a_missing_attribute_is_undefined(self, driver: Driver, evaluate: Evaluate) -> None:
        def fail(message: Message) -> None:
            raise refuse("AttributeError", "no")

        driver.on_request = fail
        assert evaluate("(o) => o.nothing === undefined", host("object", 26))

    def test_go_by_reference_in_every_place(
        self, evaluate: Evaluate, asked: list[list[Any]]
    ) -> None:
        answer = evaluate("(o) => ({ inside: [o] })", host("object", 27))
        assert 27 == answer["inside"][0].id


class TestReleases:
    def test_come_in_batches_after_collection(self, driver: Driver, module: LoadModule) -> None:
        """Finalizers never write to a ring; what they collect is sent by the loop."""
        loaded = module(
            """import v8 from 'node:v8'; import vm from 'node:vm';
            v8.setFlagsFromString('--expose-gc'); const gc = vm.runInNewContext('gc');
            export const drop = (all) => all.length;
            export const collect = async () => { for (let i = 0; i < 5; i++) {
                await new Promise((done) => setTimeout(done, 1)); gc() } }"""
        )
        functions = [host("function", 1_000 + number, sent=2) for number in range(300)]
        assert 300 == driver.call(driver.get(loaded, "drop"), functions)
        driver.call(driver.get(loaded, "collect"))
        records = 0
        while len(driver.releases) < 300:
            records += driver.take_one(timeout=5).kind == 6
        wanted = {(1_000 + number, 2) for number in range(300)}
        assert wanted <= {(number, sent) for number, sent in driver.releases}
        assert records < 30

    def test_name_how_many_sendings_were_seen(self, driver: Driver, module: LoadModule) -> None:
        loaded = module(
            """import v8 from 'node:v8'; import vm from 'node:vm';
            v8.setFlagsFromString('--expose-gc'); const gc = vm.runInNewContext('gc');
            export const drop = () => 1;
            export const collect = async () => { for (let i = 0; i < 5; i++) {
                await new Promise((done) => setTimeout(done, 1)); gc() } }"""
        )
        drop = driver.get(loaded, "drop")
        for _ in range(3):
            driver.call(drop, host("function", 2_000))
        driver.call(driver.get(loaded, "collect"))
        while not any(number == 2_000 for number, _ in driver.releases):
            driver.take_one(timeout=5)
        assert [2_000, 3] in driver.releases
