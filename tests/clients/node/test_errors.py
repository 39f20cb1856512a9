"""Exceptions of Python in Node.js: names, parts, stacks, causes."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from noodle import errors
from tests.clients.node.programs import CLIENT, JavaScriptError, Program

SAMPLE = 'const sample = await load("./sample.py");\n'


def test_an_exception_is_an_error_with_its_name_message_and_cause(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f"{SAMPLE} await sample.fail();")
    error = caught.value.told
    assert (error["name"], error["message"]) == ("RuntimeError", "outer")
    assert error["classes"][:3] == ["RemoteCallError", "ForeignError", "NoodleError"]
    assert (error["cause"]["name"], error["cause"]["message"]) == ("ValueError", "it failed")


def test_a_native_function_that_failed_is_an_error_of_that_class(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run("""
          const libc = await load("libc.so.6", {
            prototypes: "int chdir(const char *path);",
            functions: { chdir: { errors: "errno" } },
          });
          await libc.chdir("/no/such/directory");
        """)
    classes = ["FunctionErrnoError", "FunctionFailedError", "ForeignError", "NoodleError"]
    assert caught.value.told["classes"][:4] == classes
    assert "ENOENT" in caught.value.told["message"]


def test_it_has_the_code_its_name_and_what_was_called(program: Program):
    found = program.run("""
      const libc = await load("libc.so.6", {
        prototypes: "int chdir(const char *path);",
        functions: { chdir: { errors: "errno" } },
      });
      const error = await libc.chdir("/no/such/directory").catch((error) => error);
      return [error.code, error.constant, error.library, error.function];
    """)
    assert found == [2, "ENOENT", "libc.so.6", "chdir"]


def test_a_class_of_the_library_has_its_full_name(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f"{SAMPLE} await sample.fail_custom();")
    assert re.fullmatch(r"sample.*\.Custom", caught.value.name)


def test_a_stack_has_the_frames_of_python_above_those_of_javascript(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f"""
          {SAMPLE}
          const caller = async () => sample.fail();
          await caller();
        """)
    lines = caught.value.stack.splitlines()
    assert lines[0] == "RuntimeError: outer"
    assert re.fullmatch(r"    at fail \(.*/samples/sample\.py:\d+\)", lines[1])
    assert re.fullmatch(r"    at caller \(.*\)", lines[2])
    assert "/clients/node/lib/" not in caught.value.stack
    assert "client_host" not in caught.value.stack
    cause = caught.value.told["cause"]["stack"].splitlines()
    assert [re.match(r" +at (\S+)", line)[1] for line in cause[1:]] == ["inner", "fail"]  # type: ignore[index]


def test_one_stack_shows_calls_that_go_to_and_fro(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f"""
          {SAMPLE}
          const inner = async () => {{ await sample.fail_custom(); }};
          const outer = async () => sample.call(inner);
          await outer();
        """)
    names = re.findall(r"^    at (?:async )?([\w.]+)", caught.value.stack, re.MULTILINE)
    assert names[:2] == ["fail_custom", "inner"]


def test_an_error_of_a_worker_of_the_host_stays_what_it_was(program: Program):
    """From an npm module, and from an isolated Python: name, code and frames of over there."""
    assert program.run("""
      const path = await load("node:path");
      const invalid = await path.join(5).catch((error) => error);
      const isolated = await load("python:statistics", { placement: "isolated" });
      const empty = await isolated.mean([]).catch((error) => error);
      const frame = empty.stack.split("\\n")[1].trim();
      return [invalid.name, invalid.code, invalid.language, empty.name, empty.message,
        /^at mean \\(.*statistics\\.py:\\d+\\)$/.test(frame), invalid.notes, empty.notes];
    """) == [
        "TypeError", "ERR_INVALID_ARG_TYPE", "javascript",
        "statistics.StatisticsError", "mean requires at least one data point", True,
        {"undefined": True}, {"undefined": True},
    ]  # fmt: skip


def test_the_cause_in_javascript_of_an_exception_of_python_keeps_its_frames(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const error = await sample.wrapping(function failing() {{ throw new RangeError("bad"); }})
        .catch((error) => error);
      const {{ name, message, stack }} = error.cause;
      return [error.name, name, message, /^ +at failing /.test(stack.split("\\n")[1]),
        stack.includes("/clients/node/lib/")];
    """) == ["RuntimeError", "RangeError", "bad", True, False]


def test_notes_and_the_parts_of_an_error_of_noodle_are_properties(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const failed = await sample.fail().catch((error) => error.cause.notes);
      const {{ summary, expected, received, remedy }} =
        await sample.ecko(1).catch((error) => error);
      return [failed, summary, expected, received, remedy];
    """) == [
        ["a note"],
        "sample has no 'ecko'",
        "a name of sample",
        "ecko",
        "echo",
    ]


def test_the_exceptions_of_a_group_are_its_errors(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const group = await sample.fail_together().catch((error) => error);
      const [first, second] = group.errors;
      return [group.name, first.name, first.message, first.cause.message, second.name,
        second.errors.map((error) => error.name), Object.keys(group).includes("errors"),
        /^ +at fail /.test(first.stack.split("\\n")[1])];
    """) == [
        "ExceptionGroup", "RuntimeError", "outer", "it failed", "ExceptionGroup", ["KeyError"],
        False, True,
    ]  # fmt: skip


def test_what_an_aggregate_error_has_collected_reaches_python_and_comes_back(program: Program):
    assert program.run(f"""
      {SAMPLE}
      const both = new AggregateError(
        [new TypeError("first"), new AggregateError([new RangeError("low")], "second")], "both");
      const texts = await sample.collected(() => {{ throw both; }});
      const back = await sample.echo(both);
      const thrown = await sample.call(() => {{ throw both; }}).catch((error) => error);
      return [texts, thrown === both, back.errors.map((error) => error.message),
        back.errors[1].errors[0].message];
    """) == [
        ["TypeError: first", "AggregateError: second", "RangeError: low"],
        True,
        ["TypeError: first", "AggregateError: second"],
        "RangeError: low",
    ]


def test_what_an_error_of_a_worker_has_collected_arrives(program: Program):
    assert program.run("""
      const { any } = await load("./collecting.mjs");
      const error = await any().catch((error) => error);
      return [error.name, error.language, error.errors.map((inner) => inner.message)];
    """) == ["AggregateError", "javascript", ["no 1", "no 2"]]


def test_a_library_that_wants_to_leave_does_not_end_the_host(program: Program):
    with pytest.raises(JavaScriptError) as caught:
        program.run(f"{SAMPLE} await sample.leave();")
    assert caught.value.name == "SystemExit"
    assert program.run(f"{SAMPLE} return sample.echo(1);") == 1


def tree() -> dict[str, list[str]]:
    """The names of the errors of Python's tree, each with those of the classes above it."""
    return {
        name: [base.__name__ for base in value.__mro__[1:] if issubclass(base, errors.NoodleError)]
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.NoodleError)
    }


def test_the_tree_of_errors_is_that_of_python(program: Program):
    known = program.run("""
      return Object.fromEntries(Object.entries(noodle)
        .filter(([, value]) => value?.prototype instanceof noodle.NoodleError
          || value === noodle.NoodleError)
        .map(([name, value]) => {
          const above = [];
          const parent = Object.getPrototypeOf;
          for (let at = parent(value); at !== Error; at = parent(at)) above.push(at.name);
          return [name, above];
        }));
    """)
    assert known.pop("HostCrashedError") == ["ForeignError", "NoodleError"]
    assert known == tree()


@pytest.mark.parametrize("entry", ["index.mjs", "index.d.ts", "index.js"])
def test_every_entry_exports_every_error(entry: str):
    text = Path(CLIENT, entry).read_text(encoding="utf-8")
    names = {*tree(), "HostCrashedError"}
    missing = {name for name in names if not re.search(rf"\b{name}\b", text)}
    assert missing == set() or (entry == "index.js" and "...errors" in text)
