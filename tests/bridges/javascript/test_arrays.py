"""Arrays through JavaScript and back: shape, dtype, and whose memory it is."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest

import noodle
from noodle.errors import InputLimitError, WorkerCrashedError
from noodle.workers.arrays import is_shared

SOURCE = """
export const echo = (a) => a;
export const flat = (a) => a.subarray(0, a.length);
export const shaped = (length, shape) => Object.assign(new Float64Array(length), { shape });
export const trapped = () => Object.defineProperty(
  new Float64Array(2), "shape", { get() { throw new Error("no") } });
export const spoiled = (a) => { a[0] = 2; return a };
export const mask = (a) => Object.assign(new Uint8Array(a.map((x) => x % 2)), { dtype: "bool" });
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = Path(tmp_path_factory.mktemp("arrays")) / "arrays.mjs"
    path.write_text(SOURCE, encoding="utf-8")
    return noodle.load(str(path))


@pytest.mark.parametrize("shape", [(20_000,), (100, 200), (10, 20, 100), (1, 20_000, 1)])
@pytest.mark.parametrize("dtype", ["f8", "i4", "?", "u2", "i8"])
def test_a_shared_array_that_javascript_gives_back_is_the_same_array(
    javascript: ModuleType, shape: tuple[int, ...], dtype: str
) -> None:
    values = noodle.zeros((8, *shape), dtype)[3]
    result = javascript.echo(values)
    assert (values.dtype, shape, values.strides) == (result.dtype, result.shape, result.strides)
    result.flat[7] = 1
    assert 1 == values.flat[7]
    assert is_shared(result)


@pytest.mark.parametrize(
    "values",
    [
        numpy.arange(6.0).reshape(2, 3),
        numpy.array(2.5),
        numpy.zeros((0, 3)),
        numpy.array([[True, False], [False, False]]),
        numpy.arange(40_000.0).reshape(200, 200),
        numpy.asfortranarray(numpy.arange(40_000.0).reshape(200, 200)),
        numpy.arange(80_000.0).reshape(200, 400)[:, ::-2],
        numpy.arange(12, dtype="i2").reshape(2, 3, 2),
    ],
    ids=lambda values: f"{values.dtype}{values.shape}",
)
def test_a_copy_has_the_shape_too(javascript: ModuleType, values: Any) -> None:
    result = javascript.echo(values)
    assert (values.dtype, values.shape) == (result.dtype, result.shape)
    numpy.testing.assert_array_equal(values, result)


def test_another_view_has_one_axis(javascript: ModuleType) -> None:
    assert (20_000,) == javascript.flat(noodle.zeros((100, 200))).shape


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ([2, 3], (2, 3)),
        ([6], (6,)),
        ([], (6,)),
        ([2, 2], (6,)),
        ([-2, -3], (6,)),
        ([2.5, 2.4], (6,)),
        ([1e300, 0], (6,)),
        (["2", "3"], (6,)),
        ("shape", (6,)),
        ([1] * 70 + [6], (6,)),
    ],
)
def test_javascript_may_say_the_shape_if_it_fits(
    javascript: ModuleType, shape: object, expected: tuple[int, ...]
) -> None:
    assert expected == javascript.shaped(6, shape).shape


def test_a_shape_that_cannot_be_read_is_none(javascript: ModuleType) -> None:
    assert (2,) == javascript.trapped().shape


def test_bools_stay_bools_while_they_are(javascript: ModuleType) -> None:
    """NumPy takes a bool that is neither 0 nor 1 on trust, and counts wrong."""
    result = javascript.mask(numpy.arange(5.0))
    assert "bool" == result.dtype
    assert [False, True, False, True, False] == result.tolist()
    assert "uint8" == javascript.spoiled(numpy.zeros(10, "?")).dtype


def test_a_read_only_array_is_mapped_where_that_is_asked_for(tmp_path: Path) -> None:
    """The trap: writing to it is a signal, which the report explains."""
    source = "export const at = (a, i) => a[i]; export const put = (a) => { a[0] = 1 };"
    path = tmp_path / "mapped.mjs"
    path.write_text(source, encoding="utf-8")
    mapped = noodle.load(str(path), readonly="map")
    values = noodle.zeros(20_000)
    view = values.view()
    view.flags.writeable = False
    before = noodle.stats()
    assert 0.0 == mapped.at(view, 5)
    values[5] = 3.0
    assert 3.0 == mapped.at(view, 5)
    after = noodle.stats()
    assert before.copies == after.copies
    with pytest.raises(WorkerCrashedError, match="SIGSEGV") as caught:
        mapped.put(view)
    assert "readonly='map'" in "".join(caught.value.__notes__)
    assert 0.0 == values[0]
    mapped.put(values)
    assert 1.0 == values[0]
    noodle.unload(mapped)


def test_a_read_only_array_is_copied_otherwise(javascript: ModuleType) -> None:
    values = noodle.zeros(20_000)
    values.flags.writeable = False
    assert "float64" == javascript.spoiled(values).dtype
    assert 0.0 == values[0]


@pytest.mark.parametrize("make", [noodle.zeros, numpy.zeros])
def test_under_pressure_the_worker_looks_for_arrays_that_it_has_let_go(
    tmp_path: Path, make: Any
) -> None:
    """It keeps those used last for a second, and V8 finds what was let go when it likes."""
    path = tmp_path / "pressed.mjs"
    source = "const all = []; export const first = (a) => a[0], keep = (a) => { all.push(a) };"
    path.write_text(source, encoding="utf-8")
    pressed = noodle.load(str(path), shared_memory="3MB")
    for _ in range(50):
        assert 0.0 == pressed.first(make(100_000))
    for _ in range(3):
        pressed.keep(make(100_000))
    with pytest.raises(InputLimitError, match="more shared memory"):
        pressed.keep(make(100_000))
    assert 0.0 == pressed.first(make(10))
    noodle.unload(pressed)
