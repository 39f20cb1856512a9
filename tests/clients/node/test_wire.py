"""The package's codec beside the one in C: the same bytes for the same values.

``tests/native_core/test_wire_node.py`` holds what each of them does.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noodle._wire import encode
from tests.native_core.test_wire_node import SENT, read
from tests.native_core.test_wire_python import mixed_message
from tests.native_core.wire_peers import NODE, NodeError, NodePeer, build_addon

HERE = Path(__file__).parent

# `both` gives what the two make of one expression, or of one message.
_BOTH = """
const ours = require({ours});
const theirs = require({theirs});
const attempt = (work) => {{
  try {{ return work(); }} catch (error) {{ return error.code ?? error.name; }}
}};
module.exports = {{
  ...ours,
  encodeBoth: (source) => {{
    const value = (0, eval)(`(${{source}})`);
    return [attempt(() => ours.encode(value)), attempt(() => theirs.encode(value))];
  }},
  decodeBoth: (bytes) =>
    [ours, theirs].map((codec) => attempt(() => theirs.encode(codec.decode(bytes)))),
}};
"""


@pytest.fixture(scope="module")
def both(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePeer]:
    """A Node.js with both codecs, and an extra function for each direction."""
    folder = tmp_path_factory.mktemp("both")
    addon = build_addon(repository, folder)
    module = folder / "both.cjs"
    module.write_text(_BOTH.format(ours=repr(str(HERE / "codec.cjs")), theirs=repr(str(addon))))
    with NodePeer(module, folder) as peer:
        yield peer


def encoded_by_both(both: NodePeer, source: str) -> tuple[Any, Any]:
    ours, theirs = read(both.ask("evaluate", f"wire.encodeBoth({source!r})".encode()))
    return ours, theirs


def decoded_by_both(both: NodePeer, data: bytes) -> tuple[Any, Any]:
    numbers = f"wire.decodeBoth(Buffer.from([{','.join(map(str, data))}]))"
    ours, theirs = read(both.ask("evaluate", numbers.encode()))
    return ours, theirs


MORE = [
    "Array.from({length: 70_000}, (_, n) => n)",
    "Object.fromEntries(Array.from({length: 70_000}, (_, n) => ['key ' + n, n]))",
    *(f"[{sign}(2 ** {bits}), {sign}(2 ** {bits} - 1), {sign}(2 ** {bits} + 1)]"
      for sign in ("", "-") for bits in (5, 7, 8, 15, 16, 31, 32, 52, 53)),
    *(f"[{sign}(2n ** {bits}n), {sign}(2n ** {bits}n - 1n)]"
      for sign in ("", "-") for bits in (53, 63, 64, 65, 400)),
    *(f"'é'.repeat({count})" for count in (15, 16, 31, 32, 127, 128, 33_000)),
    *(f"Buffer.alloc({count})" for count in (0, 255, 256, 65_536)),
    *(f"new Date({moment})" for moment in
      (0, 1, -1, 2 ** 32 * 1000, 2 ** 32 * 1000 + 1, 2 ** 34 * 1000, -8.64e15, 8.64e15)),
    "new Set([new Set([1]), new Map([[{a: 1}, new Set()]])])",
    "new Float64Array(0)",
    "Object.assign(new TypeError('bad', {cause: new Error('why')}), {code: 'E', list: [1]})",
    "Object.assign(new Error('no stack'), {stack: undefined})",
    "Object.assign(new Error('odd'), {stack: 'Error: odd\\n    at async f (file:///a b.js:1:2)\\n"
    "    at new C (node:internal/x:3)\\n    at g (eval at h (z.js:4:5), <anonymous>:6:7)\\n"
    "    at /x (y)/z.js:8:9\\n    at <anonymous>\\n  at none'})",
    "(() => { const e = new Error('again'); e.cause = e; return e; })()",
    "new AggregateError([new TypeError('a', {cause: new Error('why')}), new Error('b')], 'both')",
    "Object.assign(new AggregateError([new AggregateError([new Error('low')])]), {code: 'E'})",
    "new AggregateError(Array(256).fill(new Error('x')))",
    "[200, 57, 56].map((count) => new AggregateError(Array(count).fill(new Error('x'))))",
    "new AggregateError([new Error('x'), 'no error'], 'mixed')",
    "Object.assign(new Error('odd'), {errors: null})",
    "(() => { const e = new AggregateError([], 'knot'); e.errors = [e, e]; return e; })()",
    "Array(600).fill().reduce((inner) => ({inner}), 0)",
    "[Infinity, -Infinity, 5e-324, 1.7976931348623157e308]",
]  # fmt: skip


@pytest.mark.parametrize(
    "source", [source for source, _ in SENT] + MORE, ids=lambda text: text[:30]
)
def test_a_value_makes_the_same_bytes_in_both(both: NodePeer, source: str):
    ours, theirs = encoded_by_both(both, source)
    assert ours == theirs


array_values = st.builds(
    lambda dtype, shape, order, step: np.zeros(shape, dtype, order)[..., :: step or 1],
    st.sampled_from(["?", "i1", "i2", "<i4", "<i8", "u1", "u2", "<u4", "<u8", "<f4", "<f8"]),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from(["C", "F"]),
    st.sampled_from([1, 2, -1]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=array_values)
def test_an_array_of_any_layout_is_the_same_in_both(both: NodePeer, value: Any):
    ours, theirs = decoded_by_both(both, encode(value))
    assert ours == theirs
    assert isinstance(ours, bytes)


def test_a_message_with_any_bytes_exchanged_is_the_same_in_both(both: NodePeer):
    """The seed is fixed, so a failure comes again."""
    randomness = random.Random(20_240_611)
    values = [mixed_message(), encode(np.arange(12, dtype="i2").reshape(3, 4)[:, ::2])]
    outcomes = set()
    for turn in range(400):
        data = bytearray(values[turn % 2][:600])
        for _ in range(randomness.randint(1, 3)):
            data[randomness.randrange(len(data))] = randomness.choice((0, 1, 2, 0xC7, 0xDD, 0xFF))
        ours, theirs = decoded_by_both(both, bytes(data))
        # Which of two faults is found first may differ; that there is one may not.
        refused = isinstance(ours, str) and isinstance(theirs, str)
        assert refused or ours == theirs, bytes(data)
        outcomes.add(ours if isinstance(ours, str) else "read")
    assert outcomes >= {"WIRE_TRUNCATED", "WIRE_BAD_ARRAY"}


def test_any_bytes_are_a_value_or_a_typed_error(both: NodePeer):
    """The seed is fixed, so a failure comes again."""
    randomness = random.Random(20_240_612)
    codes = set()
    for _ in range(3_000):
        try:
            both.ask("again", randomness.randbytes(randomness.randint(0, 60)))
        except NodeError as error:
            codes.add(error.args[0])
    assert {code for code in codes if not code.startswith("WIRE_")} == set()


def test_the_units_of_the_codec_pass(repository: Path):
    """The tests that need nothing but Node.js, in its own runner."""
    done = subprocess.run(
        [NODE, "--test", *sorted(map(str, (HERE / "units").glob("*.test.cjs")))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
