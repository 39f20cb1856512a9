"""``noodle explain``: each call's way through the dispatch flow (conformance S6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command

Write = Callable[[str, str], Path]

PROGRAM = """\
import ffi "numpy" as np
import ffi "libm.so.6" as m {
    fn cos(x: f64): f64
    fn pow(x: f64, y: f64): f64
}
let a = np.array([[1, 2], [3, 4]])
print(m.cos(1), m.pow(2, a))
a.sum(axis=0)
"""

STEPS = ("parse", "type analysis", "optimisation", "bridge routing", "result")


def calls_of(invoke: Command, file: str) -> dict[str, dict[str, Any]]:
    facts = json.loads(invoke("explain", "--json", file).stdout)
    return {call["callee"]: call for call in facts["calls"]}


def test_every_call_shows_each_step_of_the_flow(invoke: Command, write: Write):
    write("program.noodle", PROGRAM)
    result = invoke("explain", "program.noodle")
    assert (result.returncode, result.stderr) == (0, "")
    _, *calls = result.stdout.split("\n\n")
    *calls, last = calls
    assert len(calls) == 4
    for call in calls:
        lines = call.splitlines()
        positions = [
            next(i for i, line in enumerate(lines) if line.startswith(f"  {step} "))
            for step in STEPS
        ]
        assert positions == sorted(positions)
    assert last == "Calls of Noodle's own functions: 1. They pass no stage.\n"


def test_the_steps_tell_what_the_plan_says(invoke: Command, write: Write):
    write("program.noodle", PROGRAM)
    calls = calls_of(invoke, "program.noodle")
    array = calls["np.array"]
    assert (array["line"], array["column"], array["arguments"]) == (6, 9, ["list"])
    assert array["optimisation"] == "off, no arms registered"
    assert array["routing"].startswith("numpy==")
    assert array["routing"].endswith(", python bridge, inprocess")
    assert array["stages"]["authorise"] == "principal local, role admin, unrestricted"
    cos = calls["m.cos"]
    assert (cos["arguments"], cos["prototype"], cos["result"]) == (
        ["int"],
        "cos(x: f64): f64",
        "f64",
    )
    assert cos["routing"].startswith("libm.so.6")
    assert any("API mode" in note or "ABI mode" in note for note in cos["notes"])


def test_what_holds_for_a_native_function_is_told_and_what_of_it_was_inferred(
    invoke: Command, write: Write
):
    write(
        "program.noodle",
        """\
import ffi "libz.so.1" as z {
    fn crc32(crc: u64, buf: bytes, len: u32): u64
} with { functions: { crc32: { nullable: false } } }
import ffi "builtins" as py
z.crc32(0, py.bytes("abc", "ascii"))
""",
    )
    notes = calls_of(invoke, "program.noodle")["z.crc32"]["notes"]
    assert "lengths: buf by len (inferred; infer=False turns that off)" in notes
    assert "nullable: False" in notes


def test_an_argument_of_unknown_type_is_planned_as_the_prototype_declares(
    invoke: Command, write: Write
):
    write("program.noodle", PROGRAM)
    call = calls_of(invoke, "program.noodle")["m.pow"]
    assert call["arguments"] == ["int", "unknown"]
    assert call["stages"]["authorise"]
    assert "an unknown type is taken to be what the prototype declares" in call["notes"]


def test_a_method_of_a_value_goes_to_the_value(invoke: Command, write: Write):
    write("program.noodle", PROGRAM)
    call = calls_of(invoke, "program.noodle")["a.sum"]
    assert call["arguments"] == ["axis=int"]
    assert call["routing"].startswith("to the value")


def test_the_program_is_not_run(invoke: Command, write: Write):
    write("loud.noodle", 'print("running")\nimport ffi "sys" as s\ns.exit(9)\n')
    result = invoke("explain", "loud.noodle")
    assert result.returncode == 0
    assert not result.stdout.startswith("running")


def test_a_library_that_cannot_be_loaded_is_shown_at_its_calls(invoke: Command, write: Write):
    write(
        "partly.noodle",
        'import ffi "nmpy" as bad\nimport ffi "colorsys" as c\n'
        "bad.thing(1)\nc.rgb_to_hsv(0, 0, 0)\n",
    )
    result = invoke("explain", "partly.noodle")
    assert result.returncode == 4
    assert "1:1    nmpy as bad: no Python package 'nmpy'" in result.stdout
    calls = calls_of(invoke, "partly.noodle")
    assert calls["bad.thing"]["problem"].startswith("no Python package 'nmpy'")
    assert calls["bad.thing"]["routing"] is None
    assert calls["c.rgb_to_hsv"]["problem"] is None
    assert calls["c.rgb_to_hsv"]["routing"] == "colorsys, python bridge, inprocess"


@pytest.mark.parametrize(
    ("call", "key", "text"),
    [
        ("c.rgb_to_hsv(1)", "mismatch", "expected 3 arguments"),
        ("c.rgb_to_hvs(1, 2, 3)", "problem", "rgb_to_hsv"),
        ("c(1)", "problem", "cannot be called"),
    ],
)
def test_a_call_that_cannot_succeed_ends_with_3(
    invoke: Command, write: Write, call: str, key: str, text: str
):
    write("wrong.noodle", f'import ffi "colorsys" as c\n{call}\n')
    assert invoke("explain", "wrong.noodle").returncode == 3
    (explained,) = calls_of(invoke, "wrong.noodle").values()
    assert text in explained[key]
    assert explained["result"] is None


def test_a_role_that_may_not_call_is_told_by_the_authorisation(invoke: Command, write: Write):
    write(
        "noodle.toml",
        "[security.authorization.bridge_permissions]\ncolorsys = ['system']\n"
        "[security.authorization.user_roles]\nadmin = ['numpy']\n",
    )
    write("denied.noodle", 'import ffi "colorsys" as c\nc.rgb_to_hsv(1, 2, 3)\n')
    assert invoke("explain", "denied.noodle").returncode == 3
    (call,) = calls_of(invoke, "denied.noodle").values()
    assert "role admin may not call colorsys" in call["problem"]


def test_a_program_with_errors_is_not_explained(invoke: Command, write: Write):
    write("bad.noodle", "print(x)\n")
    result = invoke("explain", "bad.noodle")
    assert (result.returncode, result.stdout) == (3, "")
    assert "bad.noodle:1:7: error: " in result.stderr


def test_what_a_call_brings_when_it_runs_is_not_held_against_its_length(
    invoke: Command, write: Write
) -> None:
    write(
        "program.noodle",
        'import ffi "libz.so.1" as z {\n'
        "    fn crc32(crc: u64, data: bytes, length: u32): u64\n"
        "}\n"
        'let data = "text".encode("utf-8")\n'
        "print(z.crc32(0, data, 4))\n",
    )
    call = calls_of(invoke, "program.noodle")["z.crc32"]
    assert (call["problem"], call["result"]) == (None, "u64")


def test_an_unknown_argument_is_taken_for_its_own_parameter_where_a_length_is_given(
    invoke: Command, write: Write
) -> None:
    write("scale.c", "void scale(double *values, long count, double *sums) { (void)sums; }\n")
    write(
        "program.noodle",
        'import ffi "./scale.c" as c\n'
        'import ffi "numpy" as np\n'
        "let values = np.zeros(3)\n"
        "c.scale(values, 3, values)\n"
        "c.scale(values, values)\n",
    )
    calls = json.loads(invoke("explain", "--json", "program.noodle").stdout)["calls"]
    assert [call["problem"] for call in calls if call["callee"] == "c.scale"] == [None, None]
