"""Annotated functions are called naturally: the same in each way, here and in a worker."""

from __future__ import annotations

import array
import asyncio
import errno
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import (
    ArgumentRangeError,
    ArgumentTypeError,
    ArityError,
    ForeignError,
    FunctionErrnoError,
    FunctionFailedError,
)
from tests.bridges.native.conftest import Functions, LoadFunctions, compile_to

PROTOTYPES = """
int divide(int a, int b, int *quotient, int *remainder);
double weighted(const double *values, const double *weights, int count);
double sum(const double *values, size_t count); void scale(double *values, size_t n, double factor);
int squares(int upto, int64_t *items, size_t *length);
long copied(const char *text, size_t length, char *to, size_t room);
void halve(double *value); int fails_with(int number); void *missing(int number);
int status(int value); int is_null(const char *text);
char *echo(const char *text); void forget(void *memory); int times_forgotten(void);
int explain(int code, char **why); char *echo_and_warn(const char *text, int number);
"""
ANNOTATIONS: dict[str, Any] = {
    "divide": {"out": ["quotient", "remainder"], "errors": "nonzero"},
    "weighted": {"lengths": {"values": "count", "weights": "count"}},
    "scale": {"lengths": {"values": "n"}},
    "squares": {"buffers": {"items": {"length": "length", "size": 8}}, "errors": "nonzero"},
    "copied": {"lengths": {"text": "length"}, "buffers": {"to": "room"}, "result": False},
    "halve": {"inout": "value"},
    "fails_with": {"errors": "errno"},
    "missing": {"errors": "errno"},
    "status": {"errors": "negative"},
    "is_null": {"nullable": False},
    "echo": {"free": "forget"},
    "explain": {"out": "why", "free": {"why": "forget"}},
}


@pytest.fixture(scope="session")
def natural(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``natural.c``."""
    source = Path(__file__).with_name("natural.c")
    return compile_to(tmp_path_factory.mktemp("natural") / "libnatural.so", source)


@pytest.fixture
def lib(functions: LoadFunctions, natural: Path) -> Functions:
    """Its functions, annotated."""
    return functions(natural, PROTOTYPES, functions=ANNOTATIONS)


class TestOuts:
    def test_several_come_back_as_a_tuple_without_the_status(self, lib: Functions) -> None:
        assert (3, 2) == lib.divide(17, 5)
        assert (3, 2) == lib.divide(b=5, a=17)

    def test_a_call_may_give_the_memory_itself(self, lib: Functions) -> None:
        quotient, remainder = np.zeros(1, np.int32), np.zeros(1, np.int32)
        assert lib.divide(17, 5, quotient, remainder) is None
        assert (3, 2) == (quotient[0], remainder[0])

    def test_a_call_that_gives_only_some_is_refused(self, lib: Functions) -> None:
        with pytest.raises(ArityError, match="all of quotient, remainder, or none"):
            lib.divide(17, 5, quotient=np.zeros(1, np.int32))

    def test_a_value_goes_in_and_comes_back(self, lib: Functions) -> None:
        assert 2.5 == lib.halve(5)
        with pytest.raises(ArgumentTypeError):
            lib.halve("5")

    def test_a_text_is_copied_and_released(self, lib: Functions) -> None:
        before = lib.times_forgotten()
        assert (7, "no good") == lib.explain(7)
        assert (0, None) == lib.explain(0)
        assert "été" == lib.echo("été")
        assert 2 == lib.times_forgotten() - before

    def test_a_missing_argument_is_named(self, lib: Functions) -> None:
        with pytest.raises(ArityError, match="b: i32 is missing"):
            lib.divide(1)

    def test_a_wrong_argument_is_named(self, lib: Functions) -> None:
        lib.divide(1, 2)
        with pytest.raises(ArgumentTypeError, match=r"int\(b\)"):
            lib.divide(1, 2.0)
        with pytest.raises(ArgumentRangeError, match="i32"):
            lib.divide(1, 2**40)


class TestLengths:
    def test_they_are_taken_from_the_arrays(self, lib: Functions) -> None:
        assert 11.0 == lib.weighted(np.array([1.0, 2.0]), array.array("d", [3, 4]))
        assert 0.0 == lib.weighted(np.zeros(0), np.zeros(0))

    def test_a_length_may_be_given_and_is_compared(self, lib: Functions) -> None:
        values = np.array([1.0, 2.0])
        assert 1.0 == lib.weighted(values, values, 1)
        with pytest.raises(ArgumentRangeError) as caught:
            lib.weighted(values, np.ones(1), 2)
        assert ("at least 2 items", "1 items") == (caught.value.expected, caught.value.received)
        assert caught.value.remedy == "leave count out: it is the length of weights"

    def test_an_inferred_length_is_compared_as_well(self, lib: Functions) -> None:
        assert 3.0 == lib.sum(np.array([1.0, 2.0])) == lib.sum(np.array([1.0, 2.0]), 2)
        with pytest.raises(ArgumentRangeError, match="shorter than count says"):
            lib.sum(np.zeros(2), 3)

    def test_so_is_that_of_memory_which_is_written(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        prototype = "void scale(double *values, size_t count, double factor);"
        scale = functions(natural, prototype).scale
        values = np.ones(3)
        scale(values, 2, 2.0)
        with pytest.raises(ArgumentRangeError, match="shorter than count says") as caught:
            scale(values, 4, 2.0)
        assert str(caught.value.remedy).endswith("infer=False where it is not")
        assert [2.0, 2.0, 1.0] == list(values)

    @pytest.mark.parametrize("length", ["n", "value_bytes", "factor"])
    def test_what_may_be_another_number_is_no_length_of_memory_that_is_written(
        self, functions: LoadFunctions, natural: Path, length: str
    ) -> None:
        prototype = f"void scale(double *values, size_t {length}, double by);"
        scale = functions(natural, prototype).scale
        with pytest.raises(ArityError, match=f"{length}"):
            scale(np.ones(3), by=2.0)

    def test_arrays_of_one_length_must_have_it(self, lib: Functions) -> None:
        with pytest.raises(ArgumentRangeError, match="needs arrays of one length"):
            lib.weighted(np.zeros(2), np.zeros(3))

    @pytest.mark.parametrize(
        "wrong", [np.zeros(3, np.float32), np.zeros(6)[::2], np.zeros(3, ">f8")]
    )
    def test_what_is_no_such_array_is_refused_as_that(self, lib: Functions, wrong: Any) -> None:
        lib.weighted(np.zeros(3), np.zeros(3))
        for refused in ((np.zeros(3), wrong), (wrong, np.zeros(3)), (wrong, wrong, 3)):
            with pytest.raises(ArgumentTypeError, match=r"np\.ascontiguousarray"):
                lib.weighted(*refused)

    def test_what_is_written_is_in_the_array(self, lib: Functions) -> None:
        values = np.arange(3.0)
        lib.scale(values, 2.0)
        lib.scale(values, 2, 2.0)
        lib.scale(values, factor=0.5)
        assert [0.0, 2.0, 2.0] == values.tolist()

    def test_text_counts_in_bytes_and_may_hold_nul(self, lib: Functions) -> None:
        assert "é\0a".encode() == lib.copied("é\0a", 10)
        assert b"ab" == lib.copied(b"abc", room=2)
        assert b"xy" == lib.copied(np.frombuffer(b"xy", np.uint8), 9)

    def test_null_is_an_array_without_items(self, lib: Functions) -> None:
        assert b"" == lib.copied(None, 3)

    def test_an_error_in_a_cycle_with_its_arrays_can_be_collected(self, lib: Functions) -> None:
        def fail() -> None:
            try:
                lib.scale(np.zeros(3), 2**80, 1.0)
            except ArgumentRangeError as error:
                kept = error  # its traceback has this frame, which has it
                assert kept.__traceback__

        fail()
        gc.collect()

    def test_a_released_array_is_refused_in_a_worker(self, natural: Path) -> None:
        library = noodle.load(str(natural), prototypes=PROTOTYPES, placement="isolated")
        values = noodle.zeros(100_000)
        noodle.release(values)
        with pytest.raises(ReferenceError):
            library.sum(values)


class TestBuffers:
    def test_numbers_come_back_as_an_array_cut_to_its_length(self, lib: Functions) -> None:
        assert array.array("q", [0, 1, 4]) == lib.squares(3)
        assert 20 == len(lib.squares(20, length=20))

    def test_what_does_not_fit_is_the_functions_to_say(self, lib: Functions) -> None:
        with pytest.raises(FunctionFailedError):
            lib.squares(9)

    @pytest.mark.parametrize("room", [-1, 2**39, 2**60])
    def test_a_size_that_cannot_be_is_refused(self, lib: Functions, room: int) -> None:
        with pytest.raises(ArgumentRangeError, match="room"):
            lib.copied("abc", room)

    def test_a_size_for_which_no_memory_is_left_is_refused(self, natural: Path) -> None:
        program = f"""
import resource, noodle
said = {{"buffers": {{"to": "room"}}, "lengths": {{"text": "length"}}, "result": False}}
declared = "long copied(const char *text, size_t length, char *to, size_t room);"
lib = noodle.load({str(natural)!r}, prototypes=declared, functions={{"copied": said}})
print(lib.copied(b"abc", 3))
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
try:
    lib.copied(b"abc", 2**32)
except noodle.errors.ArgumentRangeError as error:
    print(error.expected)
"""
        command = [sys.executable, "-c", program]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert shown == "b'abc'\na number of items for which there is memory\n"

    def test_what_the_function_says_it_wrote_is_bounded_by_the_buffer(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        said = {"squares": {"buffers": {"items": "length"}}}
        lib = functions(natural, PROTOTYPES, functions=said)
        assert (1, array.array("q", [0, 0])) == lib.squares(9, 2)


class TestErrors:
    def test_a_status_is_an_exception_with_its_code(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        lib = functions(
            natural, PROTOTYPES, functions=ANNOTATIONS, codes={"E_ZERO": 7, "E_OTHER": 8}
        )
        with pytest.raises(FunctionFailedError) as caught:
            lib.divide(1, 0)
        error = caught.value
        assert (7, "E_ZERO", "E_ZERO (7)") == (error.code, error.constant, error.received)
        assert ("libnatural.so", "divide") == (error.library, error.function)
        assert "int divide(int a, int b" in str(error.where)

    def test_negative_is_a_failure_and_the_rest_a_result(self, lib: Functions) -> None:
        assert [0, 3] == [lib.status(0), lib.status(3)]
        with pytest.raises(FunctionFailedError, match="-2"):
            lib.status(-2)

    def test_further_codes_may_be_fine(self, functions: LoadFunctions, natural: Path) -> None:
        said = {"status": {"errors": "nonzero", "ok": [100, 101]}}
        lib = functions(natural, PROTOTYPES, functions=said)
        assert [0, 100, 101] == [lib.status(n) for n in (0, 100, 101)]
        with pytest.raises(FunctionFailedError) as caught:
            lib.status(102)
        assert caught.value.expected == "0 or 100 or 101"
        assert '{"status": {"ok": [100, 101, 102]}}' in str(caught.value.remedy)

    def test_errno_is_an_os_error_of_its_meaning(self, lib: Functions) -> None:
        assert lib.fails_with(0) == 0
        with pytest.raises(FileNotFoundError) as caught:
            lib.fails_with(errno.ENOENT)
        error = caught.value
        assert isinstance(error, FunctionErrnoError)
        assert (error.errno, error.strerror) == (errno.ENOENT, "No such file or directory")
        assert (error.code, error.constant) == (errno.ENOENT, "ENOENT")
        assert error.expected == "any result but -1"
        option = 'functions={"fails_with": {"errors": None}}'
        assert option in str(error.remedy)
        with pytest.raises(FunctionErrnoError, match="EDOM"):
            lib.fails_with(errno.EDOM)

    def test_null_with_errno_is_a_failure_and_without_it_none(self, lib: Functions) -> None:
        assert lib.missing(0) is None
        with pytest.raises(PermissionError):
            lib.missing(errno.EACCES)

    def test_null_alone_may_be_a_failure(self, functions: LoadFunctions, natural: Path) -> None:
        lib = functions(natural, PROTOTYPES, functions={"missing": {"errors": "null"}})
        with pytest.raises(FunctionFailedError, match="null"):
            lib.missing(0)

    def test_errno_may_be_a_result(self, functions: LoadFunctions, natural: Path) -> None:
        lib = functions(natural, PROTOTYPES, functions={"fails_with": {"errno": True}})
        assert (-1, 5) == lib.fails_with(5)
        assert (0, 0) == lib.fails_with(0)

    def test_a_function_may_judge(self, functions: LoadFunctions, natural: Path) -> None:
        def judge(result: Any, arguments: Any) -> BaseException | None:
            return ValueError(f"{arguments['value']} gave {result}") if result > 9 else None

        lib = functions(natural, PROTOTYPES, functions={"status": {"errors": judge}})
        assert lib.status(9) == 9
        with pytest.raises(ValueError, match="10 gave 10"):
            lib.status(10)

    def test_what_a_judge_raises_is_raised_too(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        def judge(result: Any, arguments: Any) -> BaseException | None:
            raise ValueError("not this")

        lib = functions(natural, PROTOTYPES, functions={"status": {"errors": judge}})
        with pytest.raises(ValueError, match="not this"):
            lib.status(10)

    @pytest.mark.parametrize("errors", ["nonzero", lambda result, arguments: OSError(result)])
    def test_the_text_of_a_failed_call_is_released(
        self, functions: LoadFunctions, natural: Path, errors: Any
    ) -> None:
        said = {**ANNOTATIONS["explain"], "errors": errors}
        lib = functions(natural, PROTOTYPES, functions={"explain": said})
        before = lib.times_forgotten()
        with pytest.raises((FunctionFailedError, OSError)):
            lib.explain(7)
        assert lib.times_forgotten() == before + 1

    def test_so_is_the_text_that_a_failed_call_returns(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        said = {"echo_and_warn": {"errors": "errno_set", "free": "forget"}}
        lib = functions(natural, PROTOTYPES, functions=said)
        before = lib.times_forgotten()
        assert lib.echo_and_warn("fine", 0) == "fine"
        with pytest.raises(PermissionError):
            lib.echo_and_warn("wrong", errno.EACCES)
        assert lib.times_forgotten() == before + 2

    def test_null_is_refused_where_it_is_forbidden(self, lib: Functions) -> None:
        assert lib.is_null("") == 0
        with pytest.raises(ArgumentTypeError, match="null is forbidden"):
            lib.is_null(None)


class TestEncodings:
    def test_a_library_may_have_one(self, functions: LoadFunctions, natural: Path) -> None:
        lib = functions(natural, PROTOTYPES, encoding="latin-1")
        assert lib.echo("né") == "né"
        with pytest.raises(ArgumentTypeError, match=r"text that iso8859-1 can encode"):
            lib.echo("€")

    def test_a_parameter_and_the_result_may_differ(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        said = {"echo": {"encoding": {"text": "latin-1", "result": "bytes"}}}
        lib = functions(natural, PROTOTYPES, functions=said)
        assert lib.echo("é") == b"\xe9"

    def test_what_is_no_such_text_is_an_error(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        lib = functions(natural, PROTOTYPES, functions={"echo": {"encoding": {"text": "latin-1"}}})
        with pytest.raises(ForeignError, match="not UTF-8"):
            lib.echo("é")

    def test_bytes_take_no_text(self, functions: LoadFunctions, natural: Path) -> None:
        lib = functions(natural, PROTOTYPES, functions={"echo": {"encoding": "bytes"}})
        assert lib.echo(b"\xff") == b"\xff"
        with pytest.raises(ArgumentTypeError, match=r"text.encode\(\)"):
            lib.echo("x")


def test_calls_may_be_awaited_in_each_placement(natural: Path) -> None:
    async def calls(library: Any) -> list[Any]:
        values = np.arange(4.0)
        listed = [
            library.sum.aio(values),
            library.divide.aio(7, 2),
            library.weighted.aio(values, values),
        ]
        return await asyncio.gather(*listed)

    for placement in ("inprocess", "isolated"):
        library = noodle.load(
            str(natural), prototypes=PROTOTYPES, functions=ANNOTATIONS, placement=placement
        )
        assert [6.0, (3, 1), 14.0] == asyncio.run(calls(library))


def test_a_batch_gives_what_calls_give(natural: Path) -> None:
    for placement in ("inprocess", "isolated"):
        library = noodle.load(
            str(natural), prototypes=PROTOTYPES, functions=ANNOTATIONS, placement=placement
        )
        assert [(3, 1), (2, 1)] == library.divide.batch([(7, 2), {"a": 5, "b": 2}])
        assert [0, 4] == library.status.batch([(0,), (4,)])
        with pytest.raises(FunctionFailedError):
            library.status.batch([(0,), (-4,)])


def test_a_noodle_program_calls_naturally(
    tmp_path: Path, noodle_command: list[str], natural: Path
) -> None:
    program = tmp_path / "natural.noodle"
    program.write_text(
        f"""
import ffi "{natural}" as lib {{
    fn divide(a: i32, b: i32, quotient: ptr<i32>, remainder: ptr<i32>): i32
    fn copied(text: bytes, length: u64, to: ptr<u8>, room: u64): i64
}} with {{
    functions: {{
        divide: {{ out: ["quotient", "remainder"], errors: "nonzero" }},
        copied: {{ buffers: {{ to: "room" }}, encoding: {{ to: "utf-8" }}, result: false }}
    }}
}}
import ffi "builtins" as py
let pair = lib.divide(17, 5)
print(pair[0], pair[1])
print(lib.copied(py.bytes("natural", "ascii"), 4))
lib.divide(1, 0)
"""
    )
    result = subprocess.run(
        [*noodle_command, "run", str(program)], capture_output=True, text=True, check=False
    )
    assert result.stdout == "3 2\nnatu\n"
    assert "divide failed" in result.stderr
    assert "natural.noodle:15:1" in result.stderr
    assert "native" not in result.stderr.partition("raised in")[2]
