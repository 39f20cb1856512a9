"""JavaScript values as wire values: every kind, with @msgpack/msgpack and Python as peers.

Two codecs pass the same tests: the addon of the Node.js worker, and the one in plain JavaScript of
the npm package.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noodle._wire import decode, encode
from tests.native_core.test_wire_python import mixed_message, nested, take_array, without_pairs
from tests.native_core.wire_peers import (
    NODE,
    SANITIZED,
    NodeError,
    NodePeer,
    build_addon,
    compiler,
    install_msgpack,
)


@pytest.fixture(scope="session")
def addon(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_addon(repository, tmp_path_factory.mktemp("addon"))


@pytest.fixture(scope="session", params=["addon", "package"])
def codec(request: pytest.FixtureRequest, repository: Path) -> Path:
    """What Node.js loads as the codec."""
    if request.param == "addon":
        built: Path = request.getfixturevalue("addon")
        return built
    return repository / "tests" / "clients" / "node" / "codec.cjs"


@pytest.fixture(scope="session")
def node(codec: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePeer]:
    with NodePeer(codec, tmp_path_factory.mktemp("node")) as peer:
        yield peer


@pytest.fixture(scope="session")
def msgpack_node(codec: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePeer]:
    """Node.js with an independent MessagePack library beside the codec."""
    try:
        package = install_msgpack()
    except subprocess.SubprocessError as error:
        pytest.skip(f"npm could not install @msgpack/msgpack: {error}")
    with NodePeer(codec, tmp_path_factory.mktemp("msgpack"), package) as peer:
        yield peer


def read(data: bytes) -> Any:
    return decode(data, array=take_array, error=lambda *fields: fields)


def through_node(node: NodePeer, value: object) -> Any:
    """Send a value to Node.js and have it sent back."""
    return read(node.ask("again", encode(value)))


def evaluate(node: NodePeer, source: str) -> Any:
    """Have Node.js evaluate an expression and send its value."""
    return read(node.ask("evaluate", source.encode()))


SENT = [
    ("null", None),
    ("true", True),
    ("7", 7),
    ("7.0", 7),
    ("7.5", 7.5),
    ("2 ** 53 - 1", 2**53 - 1),
    ("2 ** 53", 2.0**53),
    ("-(2 ** 53 - 1)", -(2**53 - 1)),
    ("1e300", 1e300),
    ("Infinity", math.inf),
    ("5n", 5),
    ("2n ** 53n + 1n", 2**53 + 1),
    ("-(2n ** 63n)", -(2**63)),
    ("2n ** 64n - 1n", 2**64 - 1),
    ("2n ** 70n", 2**70),
    ("-(2n ** 700n) - 1n", -(2**700) - 1),
    ("''", ""),
    ("'Grüße, 世界 😀'.repeat(50)", "Grüße, 世界 😀" * 50),
    ("'\\ufffd'", "\ufffd"),
    ("'\\ud800'", "\ud800"),
    ("'é'.repeat(300) + '\\udc00'", "é" * 300 + "\udc00"),
    ("[1, [2, 'three']]", [1, [2, "three"]]),
    ("[1, , 3]", [1, None, 3]),
    ("[...Array(100).keys()]", list(range(100))),
    ("({a: 1, b: {c: undefined}})", {"a": 1, "b": {"c": None}}),
    ("({10: 'a', 2: 'b'})", {"2": "b", "10": "a"}),
    ("Object.assign(Object.create(null), {x: 1})", {"x": 1}),
    ("({[Symbol('hidden')]: 1, get seen() { return 2; }})", {"seen": 2}),
    ('JSON.parse(\'{"__proto__": {"x": 1}}\')', {"__proto__": {"x": 1}}),
    ("new Map([[1, 'a'], [[2], 'b'], ['c', null]])", {1: "a", (2,): "b", "c": None}),
    ("new Set([1, 'a'])", {1, "a"}),
    ("new Date(1234567890123)", datetime(2009, 2, 13, 23, 31, 30, 123_000, tzinfo=UTC)),
    ("new Date(-1)", datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ("Buffer.from('abc')", b"abc"),
    ("Buffer.from('abcdef').subarray(2, 4)", b"cd"),
    ("new Proxy({a: 1}, {})", {"a": 1}),
    ("(class extends Array {}).of(1, 2)", [1, 2]),
]


@pytest.mark.parametrize(("source", "expected"), SENT, ids=[source[:25] for source, _ in SENT])
def test_a_javascript_value_comes_as_its_python_one(node: NodePeer, source: str, expected: object):
    value = evaluate(node, source)
    assert value == expected
    assert type(value) is type(expected)


def test_minus_zero_and_not_a_number_are_floats(node: NodePeer):
    zero, nan = evaluate(node, "[-0, NaN]")
    assert (repr(zero), repr(nan)) == ("-0.0", "nan")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("new Float64Array([1.5, 2])", np.array([1.5, 2.0])),
        ("new Float32Array([1.5])", np.array([1.5], "f4")),
        ("new Int8Array([-1])", np.array([-1], "i1")),
        ("new Uint8Array([1, 2, 3]).subarray(1)", np.array([2, 3], "u1")),
        ("new Uint8ClampedArray([300])", np.array([255], "u1")),
        ("new BigInt64Array([-(2n ** 63n)])", np.array([-(2**63)])),
        ("new BigUint64Array([2n ** 64n - 1n])", np.array([2**64 - 1], "u8")),
        ("new Uint16Array([1, 2]).buffer", np.array([1, 0, 2, 0], "u1")),
        ("new DataView(new Uint8Array([1, 2, 3]).buffer, 1)", np.array([2, 3], "u1")),
        ("new Uint32Array(0)", np.array([], "u4")),
    ],
    ids=lambda value: str(value)[:25],
)
def test_memory_comes_as_an_array(node: NodePeer, source: str, expected: np.ndarray[Any, Any]):
    value = evaluate(node, source)
    assert value.dtype == expected.dtype
    np.testing.assert_array_equal(value, expected)


def test_an_array_becomes_a_typed_array_in_c_order_with_its_shape(node: NodePeer):
    value = np.arange(6.0).reshape(2, 3).T
    kind, name, text = read(node.ask("describe", encode(value)))
    assert (kind, name, text) == ("object", "Float64Array", "0,3,1,4,2,5")
    assert evaluate(node, "value.shape") == [3, 2]
    assert evaluate(node, "value.shape.length") == 2
    node.ask("describe", encode(np.arange(3)))
    assert evaluate(node, "[value.constructor.name, value.shape]") == ["BigInt64Array", None]


@pytest.mark.parametrize("value", [np.array([1j]), np.array(["a"])])
def test_an_array_without_a_typed_array_is_refused(node: NodePeer, value: Any):
    with pytest.raises(NodeError, match="no typed array"):
        node.ask("again", encode(value))


def test_half_precision_has_a_typed_array_only_in_the_package(node: NodePeer, codec: Path):
    """N-API knows no Float16Array yet; what is older than it holds the same numbers in another."""
    value = np.array([1.5, -2, np.inf, 6e-8], "f2")
    if codec.suffix == ".node":
        with pytest.raises(NodeError, match="no typed array"):
            node.ask("again", encode(value))
    else:
        np.testing.assert_array_equal(through_node(node, value), value)


@pytest.mark.parametrize(
    ("value", "kind", "name", "text"),
    [
        (2**53 - 1, "number", "Number", "9007199254740991"),
        (2**53, "bigint", "BigInt", "9007199254740992"),
        (-(2**53), "bigint", "BigInt", "-9007199254740992"),
        (2**64, "bigint", "BigInt", str(2**64)),
        (5.0, "number", "Number", "5"),
        (b"abc", "object", "Buffer", "abc"),
        ({"a": 1}, "object", "Object", "[object Object]"),
        ({1: 1, "a": 2}, "object", "Map", "[object Map]"),
        ({"a": 2, 1: 1}, "object", "Map", "[object Map]"),
        ({1}, "object", "Set", "[object Set]"),
        ((1, 2), "object", "Array", "1,2"),
        ("\ud800", "string", "String", "\ufffd"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_python_value_becomes_its_javascript_one(
    node: NodePeer, value: object, kind: str, name: str, text: str
):
    seen = read(node.ask("describe", encode(value)))
    assert [part.replace("\ud800", "\ufffd") for part in seen] == [kind, name, text]


def test_the_key_proto_is_a_property_and_no_prototype(node: NodePeer):
    node.ask("describe", encode({"__proto__": {"polluted": 1}}))
    source = (
        "[value.polluted, Object.keys(value), Object.getPrototypeOf(value) === Object.prototype]"
    )
    assert evaluate(node, source) == [None, ["__proto__"], True]


def test_a_date_cuts_to_milliseconds(node: NodePeer):
    value = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert through_node(node, value) == value.replace(microsecond=999_000)


def test_a_datetime_without_a_zone_is_refused(node: NodePeer):
    with pytest.raises(NodeError, match="without a zone"):
        node.ask("again", encode(datetime(2024, 1, 1)))


def test_an_error_comes_with_frames_cause_and_properties(node: NodePeer):
    source = """(() => {
      class Failed extends TypeError {}
      function inner() { return new Failed("über", {cause: new RangeError("cause")}); }
      return Object.assign(inner(), {code: "E_X", errno: -2, request: {secret: 1}});
    })()"""
    language, name, message, frames, cause, extra = evaluate(node, source)
    assert (language, name, message) == ("javascript", "TypeError", "über")
    assert frames[-1][3] == "inner"
    assert all(isinstance(frame[1], int) and isinstance(frame[2], int) for frame in frames[-2:])
    assert (cause[1], cause[2], cause[4]) == ("RangeError", "cause", None)
    assert extra == {"code": "E_X", "errno": -2}


def test_a_python_error_passes_through_node_with_its_frames(node: NodePeer):
    try:
        try:
            raise KeyError("deep")
        except KeyError as cause:
            raise ValueError("two\nlines") from cause
    except ValueError as error:
        sent = read(encode(error))
        again = through_node(node, error)
    assert again == sent
    name = sent[3][0][3]
    node.ask("describe", encode(error := ValueError("shown")))
    assert evaluate(node, "[value.name, value.stack, value instanceof Error]") == [
        "ValueError",
        f"ValueError: {error}",
        True,
    ]
    assert name == "test_a_python_error_passes_through_node_with_its_frames"


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        ("() => 1", "WIRE_UNSENDABLE", "by reference"),
        ("Symbol('s')", "WIRE_UNSENDABLE", "by reference"),
        ("Promise.resolve()", "WIRE_UNSENDABLE", "by reference"),
        ("new (class Point {})()", "WIRE_UNSENDABLE", "by reference"),
        ("new WeakMap()", "WIRE_UNSENDABLE", "by reference"),
        ("new Date(NaN)", "WIRE_UNSENDABLE", "invalid Date"),
        ("2n ** 600000n", "WIRE_TOO_LARGE", "BigInt"),
        ("(() => { const a = []; a.push({a}); return a; })()", "WIRE_TOO_DEEP", "through 2 cont"),
        ("(() => { const a = []; a.push(new Map([[1, new Set([a])]])); return a; })()",
         "WIRE_TOO_DEEP", "through 3 cont"),
        ("({get x() { throw new RangeError('mine'); }})", "RangeError", "mine"),
        ("new Proxy({}, {ownKeys() { throw new RangeError('trap'); }})", "RangeError", "trap"),
        ("(() => { const {proxy, revoke} = Proxy.revocable({}, {}); revoke(); return [proxy]; })()",
         "TypeError", "revoked"),
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_what_cannot_be_sent_is_a_typed_error(node: NodePeer, source: str, code: str, text: str):
    with pytest.raises(NodeError) as caught:
        evaluate(node, source)
    assert caught.value.args[0] == code
    assert text in caught.value.args[1]
    assert evaluate(node, "1 + 1") == 2


def test_references_go_through_the_hooks(node: NodePeer):
    source = """wire.decode(
      wire.encode([() => 1], (value) => [1, 2, 3, 4n, 2n ** 64n - 1n, typeof value]),
      (...fields) => fields)"""
    assert evaluate(node, source) == [[1, 2, 3, 4, 2**64 - 1, "function"]]


def test_large_containers_pass(node: NodePeer):
    value = {"list": list(range(100_000)), "map": {f"k{number}": number for number in range(5_000)}}
    assert through_node(node, value) == value


@pytest.mark.parametrize("values", [[], [1, 2.5, "three"], [None, [1], {"a": b"b"}, 2**70, True]])
def test_arguments_pass_without_an_array_between(node: NodePeer, values: list[object]):
    assert read(node.ask("list", encode(values))) == values


def test_arguments_beyond_the_room_are_counted_and_left(node: NodePeer):
    source = (
        "[[[1, 2, 3], 2], [[], 0]].map(([v, room]) => wire.decodeArguments(wire.encode(v), room))"
    )
    assert evaluate(node, source) == [3, []]
    with pytest.raises(NodeError, match="ends within"):
        evaluate(node, "wire.decodeArguments(Buffer.from([0x92, 1]), 8)")


@pytest.mark.parametrize("length", [7, 8, 9, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize("odd", [None, "text", 2**60, [1]])
def test_lists_of_numbers_with_another_value_anywhere_keep_every_item(
    node: NodePeer, length: int, odd: object
):
    """Long runs of numbers take another way than other items."""
    for at in {0, length // 2, length - 1}:
        numbers: list[object] = [number if number % 3 else number + 0.5 for number in range(length)]
        if odd is not None:
            numbers[at] = odd
        assert through_node(node, numbers) == numbers


def test_a_hole_in_a_long_list_is_undefined_and_minus_zero_stays(node: NodePeer):
    values = evaluate(node, "(() => { const a = Array(20).fill(-0); delete a[10]; return a; })()")
    assert [repr(value) for value in values] == ["-0.0"] * 10 + ["None"] + ["-0.0"] * 9


def test_nesting_ends_at_the_limit(node: NodePeer):
    assert through_node(node, nested(512)) == nested(512)
    with pytest.raises(NodeError, match="deeper"):
        node.ask("again", b"\x91" + encode(nested(512)))
    with pytest.raises(NodeError, match="deeper"):
        evaluate(node, "Array(513).fill().reduce((inner) => [inner], 0)")


# --------------------------------------------------------------- Random values, other libraries

floats = st.floats(allow_nan=False).filter(lambda number: not number.is_integer() or number == 0)
leaves = (
    st.none() | st.booleans() | st.integers() | floats | st.text() | st.binary()
    | st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
)  # fmt: skip
values = st.recursive(
    leaves.filter(lambda value: not (isinstance(value, float) and value == 0)),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.sets(st.integers() | st.text())
    ),
    max_leaves=20,
)
slow_enough = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow_enough
@given(value=values.filter(without_pairs))
def test_every_value_comes_back_from_node(node: NodePeer, value: Any):
    assert through_node(node, value) == value
    assert read(node.ask("shared", encode(value))) == value


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | floats
    | st.text(st.characters(exclude_categories=["Cs"])) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4).filter(
        lambda key: key != "__proto__"), inner),
    max_leaves=20,
)  # fmt: skip


@slow_enough
@given(value=plain_json)
def test_the_javascript_library_reads_and_writes_the_same(msgpack_node: NodePeer, value: Any):
    written = msgpack_node.ask("theirs", encode(value))
    assert msgspec.msgpack.decode(written) == value
    assert decode(msgpack_node.ask("ours", msgspec.msgpack.encode(value))) == value


# ------------------------------------------------------------------------------- Hostile bytes


@slow_enough
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_typed_error(node: NodePeer, data: bytes):
    code = "none"
    try:
        node.ask("shared", data)
    except NodeError as error:
        code = error.args[0]
    assert code == "none" or code.startswith("WIRE_")


def test_a_message_with_any_bytes_exchanged_is_a_value_or_a_typed_error(node: NodePeer):
    """The seed is fixed, so a failure comes again."""
    randomness = random.Random(20_240_102)
    original = mixed_message()
    codes = set()
    for turn in range(3_000):
        data = bytearray(original)
        for _ in range(randomness.randint(1, 4)):
            data[randomness.randrange(len(data))] = randomness.choice(
                (0, 1, 0xC0, 0xC7, 0xDD, 0xFF, 9)
            )
        try:
            node.ask("shared" if turn % 2 else "again", bytes(data))
        except NodeError as error:
            codes.add(error.args[0])
    assert codes >= {"WIRE_TRUNCATED", "WIRE_BAD_EXTENSION"}
    assert all(code.startswith("WIRE_") for code in codes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_mutated_messages_keep_the_addon_in_bounds(repository: Path, tmp_path: Path, seed: int):
    """Node.js is not built with the sanitizers, so their runtime is loaded first."""
    addon = build_addon(repository, tmp_path, *SANITIZED)
    script = repository / "tests" / "native_core" / "wire_fuzz.cjs"
    runtimes = [
        subprocess.run(
            [compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {"LD_PRELOAD": " ".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"}
    command = [NODE, script, addon, str(1000 + seed), "50000"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    outcome = json.loads(result.stdout)
    assert outcome["good"] > 0
    assert all(code.startswith("WIRE_") for code in outcome["codes"])
