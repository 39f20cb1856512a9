"""Workers that answer in a wrong form: an error here, or less is known; nothing else breaks."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest
from tests.workers.pythons import SAMPLES, PythonWorker, python_worker

import noodle
from noodle.errors import ForeignError, NoodleError, RemoteCallError
from noodle.workers.batches import read_results
from noodle.workers.error_fields import ENTRIES_MAX, MESSAGE_MAX, read_fields
from noodle.workers.operations import Operation

FORGE = """
import sys
describe = sys.modules["_noodle_worker.errors"].describe
describe.__code__ = (lambda error, with_cause: error.args[0]).__code__
"""
"""From then on an exception of the worker is sent as the fields that are its argument."""


@pytest.fixture(scope="module")
def forger() -> Iterator[PythonWorker]:
    """A worker whose errors are what it raises."""
    with python_worker("3.11") as worker:
        worker.run(FORGE)
        yield worker


def forged(worker: PythonWorker, *fields: Any) -> Any:
    """The exception that is raised here for the fields of an error."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any of them
        worker.run(f"raise Exception({list(fields)!r})")
    assert 5.0 == worker.function("math.hypot")(3, 4)
    "".join(traceback.format_exception(caught.value))
    return caught.value


def with_extra(worker: PythonWorker, **extra: Any) -> Any:
    return forged(worker, "python", "ValueError", "bad", [], None, extra)


@pytest.mark.parametrize(
    "name",
    [
        *("__class__", "__dict__", "__traceback__", "__notes__", "__init__", "_private"),
        *("args", "add_note", "with_traceback", "language", "type_name", "message", "frames"),
        *("extra", "summary", "expected", "received", "where", "remedy", "details"),
        *("", "no name", "1x", "a.b", "x" * 2 + "\0"),
    ],
)
def test_an_attribute_that_means_something_is_not_set(forger: PythonWorker, name: str):
    error = with_extra(forger, attributes={name: "forged", "code": 7})
    assert "forged" != getattr(error, name, None)
    assert ("bad", 7, "python") == (str(error), error.code, error.language)


def test_attributes_of_builtins_have_their_usual_type(forger: PythonWorker):
    fields = {"errno": "x", "strerror": 5, "filename": "f", "characters_written": "x"}
    error = forged(forger, "python", "OSError", "bad", [], None, {"attributes": fields})
    assert (None, None, "f") == (error.errno, error.strerror, error.filename)
    fields = {"lineno": "x", "offset": "x", "text": 5, "end_offset": "x", "msg": 5}
    error = forged(forger, "python", "SyntaxError", "bad", [], None, {"attributes": fields})
    assert error.lineno is None
    fields = {"name": "os", "name_from": "forged", "path": 5}
    error = forged(forger, "python", "ImportError", "bad", [], None, {"attributes": fields})
    assert "os" == error.name


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, (1,), {1}, 1j, "x" * 10_001, b"x" * 10_001, 1 << 10_001],
    ids=lambda value: f"{type(value).__name__}",
)
def test_only_small_plain_values_are_set(forger: PythonWorker, value: Any):
    error = with_extra(forger, attributes={"given": value, "other": 1})
    assert (False, 1) == (hasattr(error, "given"), error.other)


def test_there_are_only_so_many(forger: PythonWorker):
    error = with_extra(
        forger,
        attributes={f"a{number}": number for number in range(1000)},
        notes=[str(number) for number in range(1000)],
    )
    assert ENTRIES_MAX == len([name for name in vars(error) if name[1:].isdigit()])
    assert ENTRIES_MAX == len(error.__notes__)


@pytest.mark.parametrize(
    "extra",
    [
        {"notes": 5, "attributes": 5, "bases": 5, "code": []},
        {"notes": "text", "attributes": [], "bases": "text", "arguments": 5},
        {"notes": [1, None, []], "attributes": {1: 1, None: 2}, "bases": [1, [], None]},
        {1: 2, None: 3},
        {"bases": ["\ud800", "a b", "", ".", "a..b", "a\0b"]},
        {"bases": [f"a.B{number}" for number in range(100_000)]},
    ],
    ids=str,
)
def test_extras_in_a_wrong_form_are_left_out(forger: PythonWorker, extra: Any):
    error = forged(forger, "python", "own.ForgedError", "bad", [], None, extra)
    assert isinstance(error, RemoteCallError)
    assert ("own.ForgedError", "bad") == (error.type_name, error.message)


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "a b", "x" * 100_000, "a\nb", "..", "1.2"])
def test_a_type_without_a_name_is_an_error_all_the_same(forger: PythonWorker, name: str):
    for language in ("python", "javascript", "\x1b[2J" * 100):
        error = forged(forger, language, name, "bad", [], None, {})
        assert ("Error", "bad") == (error.type_name, error.message)
        assert error.language.isprintable()
        assert len(error.language) <= 40


def test_a_name_of_noodle_or_of_python_gives_no_class_that_is_none(forger: PythonWorker):
    for name in ("noodle.errors.Mapping", "noodle.errors.did_you_mean", "print", "BaseException"):
        assert isinstance(forged(forger, "python", name, "bad", [], None, {}), RemoteCallError)
    exits = forged(forger, "python", "SystemExit", "bad", [], None, {"bases": ["SystemExit"]})
    assert not isinstance(exits, SystemExit)


@pytest.mark.parametrize(
    "frames",
    [[1, 2], [[1, 2, 3, 4]], [["/dev/zero", 1, 1, "f"]], [["/a", 1, 1, "f\x1b[2J\n"]], [[]] * 1000],
    ids=str,
)
def test_frames_in_a_wrong_form_are_cleaned(forger: PythonWorker, frames: Any):
    error = forged(forger, "python", "ValueError", "bad", frames, None, {})
    shown = "".join(traceback.format_exception(error))
    assert "\x1b" not in shown
    assert shown.endswith("ValueError: bad\n")


def test_a_message_is_cut(forger: PythonWorker):
    error = forged(forger, "python", "ValueError", "x" * 1_000_000, [], None, {})
    assert len(str(error)) < MESSAGE_MAX + 100
    assert "(900,000 more characters)" in str(error)


def test_objects_of_the_worker_in_an_error_are_not_asked_anything(forger: PythonWorker):
    source = """
class Trap:
    def __getattr__(self, name): raise SystemExit
    __str__ = __iter__ = __len__ = items = __getattr__
raise Exception(["python", "ValueError", "bad", [Trap()], None,
    {"notes": Trap(), "attributes": Trap(), "bases": Trap(), "code": Trap(), "more": Trap()}])
"""
    with pytest.raises(ValueError, match="bad") as caught:
        forger.run(source)
    error: Any = caught.value
    assert {} == error.extra


def test_what_was_kept_can_be_sent_on(forger: PythonWorker):
    """Through another worker, and back."""
    extra = {"attributes": {"code": 7}, "bases": ["ValueError"], "arguments": [1, []], "more": 1.5}
    with python_worker("3.11") as other:
        relay = other.function("python_sample.py.call")
        with pytest.raises(ValueError, match="bad") as caught:
            relay(
                lambda: forger.run(f"raise Exception({['python', 'a.B', 'bad', [], None, extra]})")
            )
    assert 7 == caught.value.code  # type: ignore[attr-defined]


def test_fields_are_read_without_a_worker():
    told = read_fields(("python", "ValueError", "bad", [], ValueError("cause"), None))  # type: ignore[arg-type]
    assert ("ValueError", {}, ()) == (told.type_name, told.extra, told.notes)
    assert isinstance(told.cause, ValueError)


# -------------------------------------------------------------------------------- Descriptions


def load_forger(answers: dict[int, Any]) -> ModuleType:
    """A library whose worker answers operations as told."""
    told = repr({int(operation): answer for operation, answer in answers.items()})
    return noodle.load(
        str(SAMPLES / "forger.py"), placement="isolated", environment={"FORGED": told}
    )


ODD: list[Any] = [None, 5, "text", [], [1], [1, 2, 3], ["module"], {"a": 1}, [[], [], []]]


@pytest.mark.parametrize("answer", ODD, ids=str)
@pytest.mark.parametrize("operation", [Operation.DESCRIBE, Operation.NAMES, Operation.GET])
def test_a_module_that_is_described_wrongly_is_an_error_of_noodle(operation: int, answer: Any):
    with suppress(NoodleError):
        library = load_forger({operation: answer})
        assert isinstance(dir(library), list)
        _ = library.value
        noodle.unload(library)


@pytest.mark.parametrize(
    "details",
    [
        *ODD,
        {"parameters": 5},
        {"parameters": [["x"]], "result": None},
        {"parameters": [["x", 9, None, None]], "result": None},
        {"parameters": [["not a name", 1, None, None]], "result": None},
        {"parameters": [["x", 1, "1", None], ["y", 1, None, None]], "result": None},
        {"parameters": [["x", 1, None, None], ["x", 1, None, None]], "result": None},
        {"parameters": [["x", 1, [], {}]], "result": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["function", "class", "exception"])
def test_a_member_with_parameters_in_a_wrong_form_is_used_all_the_same(kind: str, details: Any):
    library = load_forger({Operation.DESCRIBE: [kind, details, 5]})
    try:
        found = library.value
        if kind == "function":
            assert 1 == found()
            assert not found.explain().prototype.readable
    finally:
        noodle.unload(library)


@pytest.mark.parametrize("answer", [None, 5, [], [1], [[1]], [[], 5], [[1, 2, 3]], {}], ids=str)
def test_a_batch_whose_results_are_wrong_is_an_error(answer: Any):
    with pytest.raises(ForeignError, match="cannot be read"):
        read_results(answer, 2)
    assert ([1, 2], None) == read_results([[1, 2]], 2)


def test_counts_that_are_none_count_nothing():
    library = load_forger({Operation.STATISTICS: {"copies_in": "x", "copies_out": None}})
    before = noodle.stats()
    assert 1 == library.value()
    assert before.copies_by_workers == noodle.stats().copies_by_workers
    noodle.unload(library)
