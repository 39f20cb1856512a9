"""Arrays in shared memory: what JavaScript sees, what is copied, what is given back."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from tests.workers.conftest import Evaluate, LoadModule, StartDriver
from tests.workers.node_driver import Array, Driver, Message, Reference, Segment, failure

from noodle.workers.operations import Operation

I64, F64, F32, U8, BOOL, C128 = 5, 12, 11, 6, 1, 14
KIBIBYTE = 1024
MEGABYTE = 1 << 20

COLLECT = """import v8 from 'node:v8'; import vm from 'node:vm';
    v8.setFlagsFromString('--expose-gc'); const gc = vm.runInNewContext('gc');
    export const collect = async () => { for (let i = 0; i < 4; i++) {
        gc(); await new Promise((done) => setTimeout(done, 1)) } };"""


def floats(segment: Segment, length: int, **settings: Any) -> Array:
    return Array(F64, 8, (length,), segment.number, **settings)


@pytest.fixture
def segment(driver: Driver) -> Segment:
    return driver.allocate(MEGABYTE)


class TestViews:
    def test_javascript_sees_what_the_host_writes_later(
        self, driver: Driver, module: LoadModule, segment: Segment
    ) -> None:
        loaded = module("let kept; export const keep = (a) => { kept = a }, read = (i) => kept[i]")
        driver.call(driver.get(loaded, "keep"), floats(segment, 100))
        segment.memory[8:16] = struct.pack("d", 2.5)
        assert 2.5 == driver.call(driver.get(loaded, "read"), 1)

    def test_the_host_sees_what_javascript_writes(
        self, evaluate: Evaluate, segment: Segment
    ) -> None:
        evaluate("(a) => { a[3] = 7.25 }", floats(segment, 100))
        assert 7.25 == struct.unpack_from("d", segment.memory, 24)[0]

    def test_offset_length_and_type(self, evaluate: Evaluate, segment: Segment) -> None:
        view = Array(F32, 4, (5,), segment.number, offset=64)
        answer = evaluate("(a) => [a.constructor.name, a.length, a.byteOffset]", view)
        assert ["Float32Array", 5, 64] == answer

    def test_shape_is_a_property(self, evaluate: Evaluate, segment: Segment) -> None:
        view = Array(F64, 8, (3, 4), segment.number)
        assert [12, [3, 4]] == evaluate("(a) => [a.length, a.shape]", view)

    def test_one_array_buffer_per_mapped_segment(
        self, evaluate: Evaluate, segment: Segment
    ) -> None:
        view = floats(segment, 10)
        assert evaluate("(a, b) => a.buffer === b.buffer", view, view)

    def test_segments_never_share_an_array_buffer(
        self, driver: Driver, evaluate: Evaluate, segment: Segment
    ) -> None:
        other = driver.allocate(MEGABYTE)
        views = floats(segment, 10), floats(other, 10)
        assert [False, MEGABYTE] == evaluate(
            "(a, b) => [a.buffer === b.buffer, a.buffer.byteLength]", *views
        )

    def test_a_detached_buffer_is_dropped_from_the_cache(
        self, driver: Driver, module: LoadModule, segment: Segment
    ) -> None:
        loaded = module(
            """let kept; export const take = (a) => { kept = a.buffer.transfer(); return a.length };
            export const read = (a) => [a.length, a[0], new Float64Array(kept)[0]]"""
        )
        segment.memory[:8] = struct.pack("d", 1.5)
        assert 0 == driver.call(driver.get(loaded, "take"), floats(segment, 10))
        answer = driver.call(driver.get(loaded, "read"), floats(segment, 10))
        assert [10, 1.5] == answer[:2]

    def test_bigint_arrays(self, evaluate: Evaluate, segment: Segment) -> None:
        segment.memory[:8] = struct.pack("q", 2**60)
        view = Array(I64, 8, (1,), segment.number)
        assert ["BigInt64Array", 2**60] == evaluate("(a) => [a.constructor.name, a[0]]", view)

    def test_booleans_are_bytes(self, evaluate: Evaluate, segment: Segment) -> None:
        segment.memory[:2] = b"\x01\x00"
        view = Array(BOOL, 1, (2,), segment.number)
        assert ["Uint8Array", 1, 0] == evaluate("(a) => [a.constructor.name, ...a]", view)


class TestCopies:
    def count(self, driver: Driver) -> tuple[int, int]:
        numbers = driver.statistics()
        return numbers["copies_in"], numbers["views"]

    @pytest.mark.parametrize(
        "settings",
        [
            {"flags": 1},
            {"offset": 4},
            {"strides": (16,)},
            {"strides": (-8,), "offset": 800},
        ],
        ids=["read-only", "unaligned", "strided", "reversed"],
    )
    def test_everything_else_is_one_copy_and_counted(
        self, driver: Driver, evaluate: Evaluate, segment: Segment, settings: dict[str, Any]
    ) -> None:
        copies, views = self.count(driver)
        view = floats(segment, 10, **settings)
        evaluate("(a) => { a[0] = 9; return a.buffer.byteLength }", view)
        assert (copies + 1, views) == self.count(driver)
        assert 9 != struct.unpack_from("d", segment.memory, view.offset)[0]

    def test_the_loan_of_a_copied_array_is_given_back_at_once(
        self, driver: Driver, evaluate: Evaluate, segment: Segment
    ) -> None:
        evaluate("(a) => a.length", floats(segment, 10, flags=1))
        while driver.returned.get(segment.number) != 1:
            driver.take_one()

    def test_columns_come_in_c_order(self, evaluate: Evaluate, segment: Segment) -> None:
        segment.memory[:48] = struct.pack("6d", *range(6))
        view = Array(F64, 8, (2, 3), segment.number, strides=(8, 16), flags=2)
        assert [0, 2, 4, 1, 3, 5] == evaluate("(a) => [...a]", view)

    def test_inline_arrays(self, evaluate: Evaluate) -> None:
        memory = struct.pack("3d", 1, 2, 3)
        assert 6 == evaluate("(a) => a.reduce((x, y) => x + y)", Array(F64, 8, (3,), memory=memory))

    def test_dtypes_without_a_typed_array_are_refused(
        self, evaluate: Evaluate, segment: Segment
    ) -> None:
        error = failure(lambda: evaluate("(a) => 1", Array(C128, 16, (2,), segment.number)))
        assert "dtype" in error.message


class TestReadOnly:
    def test_a_read_only_segment_is_copied(self, driver: Driver, evaluate: Evaluate) -> None:
        segment = driver.allocate(MEGABYTE, read_only=True)
        assert 1 == evaluate("(a) => { a[0] = 1; return a[0] }", floats(segment, 10, flags=1))
        assert 0 == segment.memory[0]

    def test_mapped_when_that_is_asked_for(self, start_driver: StartDriver, tmp_path: Path) -> None:
        driver = start_driver(options={"mapReadOnly": True})
        path = tmp_path / "m.mjs"
        path.write_text(
            "let kept; export const keep = (a) => { kept = a }, read = () => kept[0],"
            "write = () => { kept[0] = 1 }"
        )
        loaded = driver.load(str(path))
        segment = driver.allocate(MEGABYTE, read_only=True)
        driver.request(Operation.METHOD, loaded, "keep", floats(segment, 10, flags=1))
        segment.memory[:8] = struct.pack("d", 3.5)
        assert 3.5 == driver.request(Operation.METHOD, loaded, "read")
        with pytest.raises(EOFError):
            driver.request(Operation.METHOD, loaded, "write")
        assert -11 == driver.process.wait(10)


class TestInt64:
    @pytest.fixture
    def numbers(self, start_driver: StartDriver, tmp_path: Path) -> Driver:
        return start_driver(options={"int64Numbers": True})

    def test_as_numbers(self, numbers: Driver) -> None:
        module = numbers.load("node:util")
        segment = numbers.allocate(MEGABYTE)
        segment.memory[:16] = struct.pack("2q", -5, 2**53 - 1)
        view = Array(I64, 8, (2,), segment.number)
        answer = numbers.request(Operation.METHOD, module, "inspect", view)
        assert "Float64Array(2) [ -5, 9007199254740991 ]" == answer

    def test_out_of_range_is_an_error_that_names_the_option(self, numbers: Driver) -> None:
        module = numbers.load("node:util")
        view = Array(I64, 8, (1,), memory=struct.pack("q", 2**53))
        error = failure(lambda: numbers.request(Operation.METHOD, module, "inspect", view))
        assert ("RangeError", "NOODLE_INT64") == (error.type, error.extra["code"])
        assert 'int64="number"' in error.message


class TestResults:
    def test_in_a_granted_segment_go_back_without_a_copy(
        self, driver: Driver, evaluate: Evaluate, segment: Segment
    ) -> None:
        answer = evaluate("(a) => a.subarray(2, 7)", floats(segment, 100, offset=64))
        assert (segment.number, 64 + 16, (5,), None) == (
            answer.segment,
            answer.offset,
            answer.shape,
            answer.memory,
        )

    def test_small_ones_travel_inside_the_record(self, evaluate: Evaluate) -> None:
        answer = evaluate("() => new Float64Array([1.5, 2.5])")
        assert struct.pack("2d", 1.5, 2.5) == answer.memory

    def lend(self, driver: Driver) -> list[Segment]:
        lent: list[Segment] = []

        def answer(message: Message) -> int:
            operation, _, length = message.value
            assert Operation.SEGMENT == operation
            lent.append(driver.allocate(length))
            return lent[-1].number

        driver.on_request = answer
        return lent

    @pytest.mark.parametrize("kind", ["", "async "])
    def test_large_ones_go_into_memory_that_the_host_lends(
        self, driver: Driver, evaluate: Evaluate, kind: str
    ) -> None:
        lent = self.lend(driver)
        answer = evaluate(f"{kind}() => ({{ result: new Float64Array(20_000).fill(0.5) }})")[
            "result"
        ]
        assert (lent[0].number, (20_000,)) == (answer.segment, answer.shape)
        assert 0.5 == struct.unpack_from("d", lent[0].memory, 8 * 19_999)[0]
        while driver.returned.get(lent[0].number) != 1:
            driver.take_one()

    def test_without_such_memory_they_travel_by_value(
        self, driver: Driver, evaluate: Evaluate
    ) -> None:
        answer = evaluate("() => new Uint8Array(200_000).fill(7)")
        assert b"\x07" * 200_000 == answer.memory


class TestLoans:
    def test_are_given_back_when_javascript_has_let_go(
        self, driver: Driver, module: LoadModule, segment: Segment
    ) -> None:
        loaded = module(COLLECT + "export const use = (a) => a.length")
        use = driver.get(loaded, "use")
        for _ in range(5):
            driver.call(use, floats(segment, 10))
        # The ArrayBuffer is kept for a second, as the same arrays come again and again.
        while driver.returned.get(segment.number) != 5:
            driver.take_one(timeout=5)

    def test_stay_while_only_the_buffer_is_held(self, driver: Driver, module: LoadModule) -> None:
        loaded = module(COLLECT + "const kept = []; export const keep = (a) => kept.push(a.buffer)")
        keep, collect = driver.get(loaded, "keep"), driver.get(loaded, "collect")
        segments = [driver.allocate(64 * KIBIBYTE) for _ in range(20)]
        for segment in segments:
            driver.call(keep, floats(segment, 10))
        driver.call(collect)
        driver.statistics()
        assert not {segment.number for segment in segments} & set(driver.returned)

    def test_memory_stays_flat_while_arrays_pass(self, driver: Driver, module: LoadModule) -> None:
        """Segments that come anew with each call: the worker must not keep what it has seen."""
        loaded = module("export const use = (a) => a.length")
        use = driver.get(loaded, "use")
        segments = [driver.allocate(MEGABYTE) for _ in range(300)]
        for segment in segments:
            driver.call(use, floats(segment, 10))
        driver.call(driver.get(module(COLLECT), "collect"))
        while len(driver.returned) < 292:
            driver.take_one(timeout=5)

    def test_a_dropped_segment_is_unmapped(self, driver: Driver, module: LoadModule) -> None:
        loaded = module(COLLECT + "export const use = (a) => a.length")
        segment = driver.allocate(MEGABYTE)
        driver.call(driver.get(loaded, "use"), floats(segment, 10))
        before = driver.statistics()["segments"]
        driver.send(0, b"\x92\x02\xce" + segment.number.to_bytes(4, "big"))
        assert before - 1 == driver.statistics()["segments"]

    def test_a_dropped_segment_stays_readable_while_it_is_in_use(
        self, driver: Driver, module: LoadModule
    ) -> None:
        loaded = module(
            COLLECT + "let kept; export const keep = (a) => { kept = a }, read = () => kept[0]"
        )
        segment = driver.allocate(MEGABYTE)
        segment.memory[:8] = struct.pack("d", 4.5)
        driver.call(driver.get(loaded, "keep"), floats(segment, 10))
        driver.send(0, b"\x92\x02\xce" + segment.number.to_bytes(4, "big"))
        driver.call(driver.get(loaded, "collect"))
        assert 4.5 == driver.call(driver.get(loaded, "read"))


class TestGarbage:
    @pytest.mark.parametrize(
        "array",
        [
            Array(F64, 8, (10,), segment=1 << 40),
            Array(F64, 8, (1 << 30,), segment=0),
            Array(99, 8, (10,), segment=0),
        ],
    )
    def test_descriptors(self, driver: Driver, array: Array) -> None:
        module = driver.load("node:util")
        segment = driver.allocate(MEGABYTE)
        number = segment.number if array.segment == 0 else array.segment
        bad = Array(array.dtype, array.item_size, array.shape, number)
        error = failure(lambda: driver.request(Operation.METHOD, module, "inspect", bad))
        assert error.extra["code"].startswith("WIRE_")


def test_arrays_reach_callbacks_too(driver: Driver, evaluate: Evaluate, segment: Segment) -> None:
    driver.on_request = lambda message: message.value[2].segment
    callback = Reference(0, "function", 1, 70, 99, "f")
    assert segment.number == evaluate("(f, a) => f(a)", callback, floats(segment, 10))
