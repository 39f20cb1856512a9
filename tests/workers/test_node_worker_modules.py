"""Loading modules in a Node worker, and the errors that come out of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import Evaluate, StartDriver
from tests.workers.node_driver import UNCAUGHT, Driver, Reference, decode, failure

from noodle.workers.operations import Operation

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def create(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return create


@pytest.fixture
def project(write: Write, tmp_path: Path) -> Path:
    """A folder with packages of every kind in node_modules."""
    write("node_modules/plain/package.json", '{"name": "plain", "version": "1.0.0"}')
    write("node_modules/plain/index.js", "exports.add = (a, b) => a + b; exports.version = '1.0.0'")
    write("node_modules/callable/package.json", '{"name": "callable", "main": "main.js"}')
    write(
        "node_modules/callable/main.js",
        "module.exports = (x) => x * 2; module.exports.extra = 'more';"
        "module.exports.self = function () { return this === module.exports }",
    )
    write(
        "node_modules/modern/package.json",
        '{"name": "modern", "type": "module", "exports": {"import": "./main.js"}}',
    )
    write(
        "node_modules/modern/main.js",
        "export const named = 1; export default { inner: () => 'inner', named: 'hidden' };",
    )
    write(
        "node_modules/dual/package.json",
        '{"name": "dual", "exports": {"import": "./main.mjs", "require": "./main.cjs"}}',
    )
    write("node_modules/dual/main.mjs", "export const format = 'esm'")
    write("node_modules/dual/main.cjs", "exports.format = 'cjs'")
    write("node_modules/compiled/package.json", '{"name": "compiled"}')
    write(
        "node_modules/compiled/index.js",
        "Object.defineProperty(exports, '__esModule', { value: true });"
        "exports.default = function main() { return 'main' }; exports.named = 2;",
    )
    write("node_modules/@scope/inner/package.json", '{"name": "@scope/inner"}')
    write("node_modules/@scope/inner/index.js", "module.exports = class Inner { x = 1 }")
    write("node_modules/@scope/inner/lib/part.js", "exports.part = true")
    return tmp_path


class TestImports:
    @pytest.mark.parametrize("specifier", ["node:path", "path"])
    def test_built_ins(self, driver: Driver, specifier: str) -> None:
        module = driver.load(specifier)
        assert ("module", "a/b") == (
            module.kind,
            driver.request(Operation.METHOD, module, "join", "a", "b"),
        )

    def test_a_built_in_that_does_not_exist(self, driver: Driver) -> None:
        error = failure(lambda: driver.load("node:nothing"))
        assert "ERR_UNKNOWN_BUILTIN_MODULE" == error.extra["code"]

    def test_commonjs(self, driver: Driver, project: Path) -> None:
        module = driver.load("plain", project)
        assert 3 == driver.call(driver.get(module, "add"), 1, 2)
        assert {"add", "version", "default"} == set(driver.request(Operation.NAMES, module))

    def test_a_function_that_is_the_module(self, driver: Driver, project: Path) -> None:
        module = driver.load("callable", project)
        assert 8 == driver.call(module, 4)
        assert "more" == driver.get(module, "extra")

    def test_functions_of_commonjs_get_their_module_as_this(
        self, driver: Driver, project: Path
    ) -> None:
        module = driver.load("callable", project)
        assert driver.call(driver.get(module, "self"))
        assert driver.request(Operation.METHOD, module, "self")

    def test_named_exports_come_before_those_of_the_default(
        self, driver: Driver, project: Path
    ) -> None:
        module = driver.load("modern", project)
        assert 1 == driver.get(module, "named")
        assert "inner" == driver.request(Operation.METHOD, module, "inner")
        assert {"named", "inner", "default"} == set(driver.request(Operation.NAMES, module))

    def test_a_package_with_both_formats_is_an_es_module(
        self, driver: Driver, project: Path
    ) -> None:
        assert "esm" == driver.get(driver.load("dual", project), "format")

    def test_commonjs_that_was_compiled_from_an_es_module(
        self, driver: Driver, project: Path
    ) -> None:
        module = driver.load("compiled", project)
        assert "main" == driver.call(module)
        assert 2 == driver.get(module, "named")

    def test_a_class_that_is_the_module(self, driver: Driver, project: Path) -> None:
        module = driver.load("@scope/inner", project)
        assert 1 == driver.get(driver.request(Operation.NEW, module), "x")
        assert driver.get(driver.load("@scope/inner/lib/part.js", project), "part")

    def test_a_package_that_does_not_exist(self, driver: Driver, project: Path) -> None:
        error = failure(lambda: driver.load("absent", project))
        assert "ERR_MODULE_NOT_FOUND" == error.extra["code"]
        assert "absent" in error.message

    def test_the_same_module_is_the_same_object(self, driver: Driver, project: Path) -> None:
        first = driver.load("plain", project)
        second = driver.load("plain", project)
        assert first.id == second.id

    @pytest.mark.parametrize(
        ("name", "source"),
        [
            ("tool.mjs", "export const answer = () => 42"),
            ("tool.cjs", "exports.answer = () => 42"),
            ("tool.js", "module.exports = { answer: () => 42 }"),
        ],
    )
    def test_local_files(self, driver: Driver, write: Write, name: str, source: str) -> None:
        path = write(name, source)
        assert 42 == driver.request(
            Operation.METHOD, driver.load(f"./{name}", path.parent), "answer"
        )

    def test_json(self, driver: Driver, write: Write) -> None:
        path = write("data.json", '{"a": [1, 2]}')
        assert [1, 2] == driver.get(driver.load(str(path)), "a")

    def test_typescript(self, driver: Driver, write: Write) -> None:
        source = "interface P { x: number }\nexport function twice(p: P): number { return 2 * p.x }"
        path = write("tool.ts", source)
        assert 6 == driver.request(Operation.METHOD, driver.load(str(path)), "twice", {"x": 3})

    def test_typescript_that_cannot_be_stripped_says_so(self, driver: Driver, write: Write) -> None:
        path = write("enum.ts", "export enum Colour { Red }")
        error = failure(lambda: driver.load(str(path)))
        assert "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX" == error.extra["code"]

    def test_a_syntax_error(self, driver: Driver, write: Write) -> None:
        path = write("broken.mjs", "export const = 1")
        assert "SyntaxError" == failure(lambda: driver.load(str(path))).type


class TestErrors:
    def test_frames_name_file_line_column_and_function(self, driver: Driver, write: Write) -> None:
        path = write(
            "thrower.mjs",
            "function inner() {\n  throw new RangeError('too far');\n}\n"
            "export function outer() { inner() }\n",
        )
        error = failure(lambda: driver.request(Operation.METHOD, driver.load(str(path)), "outer"))
        assert ("javascript", "RangeError", "too far") == (
            error.language,
            error.type,
            error.message,
        )
        assert [[str(path), 4, 27, "outer"], [str(path), 2, 9, "inner"]] == error.frames

    def test_frames_of_the_bridge_are_left_out(self, evaluate: Evaluate) -> None:
        error = failure(lambda: evaluate("async () => { await null; throw new Error('late') }"))
        assert all("noodle/workers" not in (frame[0] or "") for frame in error.frames)

    def test_source_maps_are_honoured(self, driver: Driver, write: Write) -> None:
        # One segment a line: line 1 of the output is line 10 of the original, in column 4.
        write(
            "built.mjs.map",
            '{"version": 3, "file": "built.mjs", "sources": ["original.ts"], "names": [],'
            ' "mappings": "AASI"}',
        )
        path = write(
            "built.mjs",
            "export function f() { throw new Error('mapped') }\n//# sourceMappingURL=built.mjs.map",
        )
        error = failure(lambda: driver.request(Operation.METHOD, driver.load(str(path)), "f"))
        assert str(path.parent / "original.ts") == error.frames[-1][0]
        assert 10 == error.frames[-1][1]

    def test_causes_codes_and_own_properties(self, evaluate: Evaluate) -> None:
        source = """() => { const error = new TypeError('outer', { cause: new Error('inner') });
            throw Object.assign(error, { code: 'E_CODE', status: 404, object: {} }) }"""
        error = failure(lambda: evaluate(source))
        assert error.cause is not None
        assert ("Error", "inner") == (error.cause.type, error.cause.message)
        assert {"code": "E_CODE", "status": 404} == error.extra

    @pytest.mark.parametrize(
        ("thrown", "message", "value"),
        [("42", "42", 42), ("'text'", "text", "text"), ("null", "null", None)],
    )
    def test_thrown_values_that_are_no_errors(
        self, evaluate: Evaluate, thrown: str, message: str, value: object
    ) -> None:
        error = failure(lambda: evaluate(f"() => {{ throw {thrown} }}"))
        assert ("ThrownValue", message, value) == (
            error.type,
            error.message,
            error.extra["thrown"],
        )

    def test_thrown_undefined_and_objects(self, evaluate: Evaluate) -> None:
        assert "undefined" == failure(lambda: evaluate("() => { throw undefined }")).message
        assert "{ a: 1 }" == failure(lambda: evaluate("() => { throw { a: 1 } }")).message

    def test_dom_exceptions(self, evaluate: Evaluate) -> None:
        error = failure(lambda: evaluate("() => { throw new DOMException('no', 'DataError') }"))
        assert ("DataError", "no") == (error.type, error.message)

    def test_rejections(self, evaluate: Evaluate) -> None:
        error = failure(lambda: evaluate("async () => { throw new SyntaxError('async') }"))
        assert ("SyntaxError", "async") == (error.type, error.message)

    def test_a_stack_that_overflows(self, evaluate: Evaluate) -> None:
        error = failure(lambda: evaluate("() => { const f = () => f() + 1; return f() }"))
        assert "RangeError" == error.type

    def test_an_error_whose_getters_throw(self, evaluate: Evaluate) -> None:
        source = """() => { const error = new Error('x');
            Object.defineProperty(error, 'stack', { get() { throw 1 } }); throw error }"""
        assert "x" == failure(lambda: evaluate(source)).message


def load_and_run(driver: Driver, path: Path, source: str) -> Any:
    path.write_text(source, encoding="utf-8")
    return driver.request(Operation.METHOD, driver.load(str(path)), "run")


class TestEnds:
    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("setTimeout(() => { throw new Error('uncaught') }, 1)", "uncaught"),
            ("Promise.reject(new Error('unhandled'))", "unhandled"),
        ],
    )
    def test_errors_that_nothing_handles_are_told_and_end_the_process_as_node_does(
        self, start_driver: StartDriver, tmp_path: Path, source: str, message: str
    ) -> None:
        driver = start_driver()
        load_and_run(driver, tmp_path / "m.mjs", f"export const run = () => {{ {source} }}")
        while not driver.controls:
            driver.take_one()
        subject, error = driver.controls[0]
        assert (UNCAUGHT, message) == (subject, error.message)
        with pytest.raises(EOFError, match=message):
            driver.take()
        assert 1 == driver.process.returncode

    def test_process_exit_ends_the_process(self, start_driver: StartDriver, tmp_path: Path) -> None:
        driver = start_driver()
        with pytest.raises(EOFError):
            load_and_run(driver, tmp_path / "m.mjs", "export const run = () => process.exit(7)")
        assert 7 == driver.process.wait(10)

    def test_a_stop_waits_for_calls_in_flight(
        self, start_driver: StartDriver, tmp_path: Path
    ) -> None:
        driver = start_driver()
        path = tmp_path / "m.mjs"
        path.write_text(
            "setInterval(() => {}, 1000);"
            "export const run = () => new Promise((done) => setTimeout(done, 30, 'finished'))",
            encoding="utf-8",
        )
        call = driver.start(Operation.METHOD, driver.load(str(path)), "run")
        driver.send(0, b"\x91\x01")
        assert "finished" == driver.finish(call)
        assert 0 == driver.process.wait(10)

    def test_a_worker_ends_with_its_lifeline(self, start_driver: StartDriver) -> None:
        driver = start_driver()
        # Of the link only; the process is this one's child, which nothing else ends.
        driver.core.driver_cut(driver.handle)
        assert -9 == driver.process.wait(10)

    def test_an_idle_worker_uses_no_processor(self, start_driver: StartDriver) -> None:
        driver = start_driver()

        def ticks() -> int:
            fields = Path(f"/proc/{driver.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        turns = driver.statistics()["turns"]
        begin = driver.core.driver_beat(driver.handle)
        before = ticks()
        while driver.core.driver_beat(driver.handle) < begin + 2:
            driver.process.poll()
        assert ticks() - before <= 3
        assert driver.statistics()["turns"] - turns < 50


class TestOldNode:
    """What the oldest Node.js that is supported lacks."""

    OLD = Path("/usr/bin/node")

    @pytest.fixture
    def old(self, start_driver: StartDriver) -> Driver:
        if not self.OLD.exists():
            pytest.skip("the system has no Node.js of its own")
        driver = start_driver(node=self.OLD)
        if int(driver.ready[5].split(".")[0]) >= 22:
            pytest.skip("the system's Node.js is a new one")
        return driver

    def test_it_serves(self, old: Driver, project: Path) -> None:
        module = old.load("callable", project)
        assert 8 == old.call(module, 4)
        assert "inner" == old.request(Operation.METHOD, old.load("modern", project), "inner")

    def test_typescript_is_refused_with_the_reason(self, old: Driver, write: Write) -> None:
        error = failure(lambda: old.load(str(write("tool.ts", "export const x: number = 1"))))
        assert "NOODLE_TYPESCRIPT" == error.extra["code"]
        assert "22.18" in error.message

    def test_contexts_last_over_awaits(self, old: Driver, write: Write) -> None:
        path = write(
            "m.mjs",
            "export const run = async (f) => {"
            " await new Promise((done) => setTimeout(done, 2)); return f() }",
        )
        chains: list[int] = []
        old.on_request = lambda message: chains.append(message.chain_id)
        function = old.get(old.load(str(path)), "run")
        callback = Reference(0, "function", 1, 7, 99, "f")
        old.finish(old.start(Operation.CALL, function, callback, chain_id=55))
        assert [55] == chains


class TestGarbage:
    """Whatever the host writes, the worker answers with an error or ends cleanly."""

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\xc1",
            b"\x91",
            b"\x92\x00",
            b"\x92\x00\xc0",
            b"\x92\xff\x00",
            b"\xdd\xff\xff\xff\xff",
            b"\x92\x00\x00",
            b"\x93\x02\x01\x07",
            b"\x92\x14\x01",
            b"\x93\x14\x01\x05",
            b"\x94\x00\x01\xc1\xc1",
            b"\x92\xcc\xc8\x00",
            b"\x92\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
        ],
    )
    def test_calls(self, driver: Driver, payload: bytes) -> None:
        driver.load("node:path")
        driver.calls += 1
        driver.send(1, payload, call_id=driver.calls, chain_id=1)
        error = failure(lambda: driver.finish(driver.calls))
        assert "" != error.message

    @pytest.mark.parametrize("kind", [0, 2, 3, 5, 6])
    @pytest.mark.parametrize(
        "payload", [b"", b"\xc1", b"\x91\x91", b"\x91\x92\x01", b"\x91\xcc\xff"]
    )
    def test_other_records(self, driver: Driver, kind: int, payload: bytes) -> None:
        driver.send(kind, payload, call_id=12345)
        assert driver.statistics()["calls"] > 0

    def test_an_unknown_record_ends_the_worker(self, start_driver: StartDriver) -> None:
        driver = start_driver()
        driver.send(77, b"\xc0")
        with pytest.raises(EOFError, match="unknown kind"):
            driver.take()

    def test_a_payload_in_a_segment_that_was_not_sent(self, start_driver: StartDriver) -> None:
        driver = start_driver()
        span = b"".join(number.to_bytes(8, "little") for number in (1, 0, 1 << 40))
        driver.send(1, span, call_id=1, flags=1)
        with pytest.raises(EOFError, match="not sent"):
            driver.take()

    def test_references_that_do_not_exist(self, driver: Driver) -> None:
        module = driver.load("node:util")
        for owner, number in ((1, 1 << 52), (0, 1 << 60), (1, 3)):
            reference = Reference(owner, "object", 1, number, 5, "nothing")
            error = failure(
                lambda r=reference: driver.request(Operation.METHOD, module, "inspect", r)
            )  # type: ignore[misc]
            assert error.extra["code"] in ("NOODLE_RELEASED", "NOODLE_PROTOCOL")


def test_the_protocol_of_javascript_is_that_of_the_header(
    evaluate: Evaluate, repository: Path, node_program: Path
) -> None:
    protocol = repository / "src" / "noodle" / "workers" / "node" / "protocol.mjs"
    numbers = evaluate(f"async () => ({{ ...(await import({str(protocol)!r})).OP }})")
    assert {operation.name: operation.value for operation in Operation} == numbers


def test_payloads_in_segments_of_the_host(driver: Driver) -> None:
    module = driver.load("node:path")
    payload = bytes([0x94, Operation.METHOD, module.id]) + b"\xa8basename"
    text = "/" + "x" * 200_000
    payload += b"\xdb" + len(text).to_bytes(4, "big") + text.encode()
    segment = driver.allocate(len(payload))
    segment.memory[: len(payload)] = payload
    span = b"".join(n.to_bytes(8, "little") for n in (segment.number, 0, len(payload)))
    driver.calls += 1
    driver.send(1, span, call_id=driver.calls, chain_id=1, flags=1)
    assert "x" * 200_000 == driver.finish(driver.calls)
    while segment.number not in driver.returned:
        driver.take_one()
    assert 1 == driver.returned[segment.number]


def test_decoding_is_the_drivers_own() -> None:
    assert [1, "a", None] == decode(b"\x93\x01\xa1a\xc0")
