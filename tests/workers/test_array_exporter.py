"""The host's own exporter of arrays: buffers, DLPack, ownership, and life without NumPy."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
from typing import Any

import numpy
import pytest
from tests.workers.echo import Functions

from noodle import _host
from noodle.errors import ArgumentTypeError, ReferenceReleasedError
from noodle.workers.arrays import Array, exporter, zeros
from noodle.workers.references import release

NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
BYTES = 1 << 16


def array(dtype: str, shape: tuple[int, ...], **layout: Any) -> Array:
    return Array(_host.allocate(BYTES, True), dtype, shape, **layout)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("way", [numpy.from_dlpack, numpy.asarray])
def test_numpy_reads_the_same_memory(dtype: str, way: Any) -> None:
    size = numpy.dtype(dtype).itemsize
    exported = array(dtype, (4, 5), strides=(20 * size, 2 * size), offset=64)
    result = way(exported)
    assert (numpy.dtype(dtype), (4, 5)) == (result.dtype, result.shape)
    assert (20 * size, 2 * size) == result.strides == exported.strides
    result[1, 2] = 1
    assert 1 == numpy.asarray(exported)[1, 2]
    assert (1, 0) == exported.__dlpack_device__()


@pytest.mark.parametrize("dtype", ["S5", "U3", "<M8[ns]", "m8"])
def test_what_dlpack_has_no_type_for_is_a_buffer_all_the_same(dtype: str) -> None:
    exported = array(dtype, (3,))
    with pytest.raises(BufferError, match="DLPack has no type"):
        exported.__dlpack__()
    assert 3 * numpy.dtype(dtype).itemsize == memoryview(exported).nbytes == exported.nbytes


def test_a_memoryview_needs_no_numpy() -> None:
    exported = array("f8", (2, 3))
    view = memoryview(exported)
    view[1, 2] = 2.5
    assert [[0.0, 0.0, 0.0], [0.0, 0.0, 2.5]] == view.tolist()
    assert (2, (2, 3), (24, 8), 48) == (len(exported), view.shape, view.strides, exported.nbytes)
    assert "<array f8 (2, 3)>" == repr(exported)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((8193,), {}),
        ((2,), {"offset": BYTES - 8}),
        ((2,), {"offset": -8}),
        ((2,), {"strides": (1 << 62,)}),
        ((2,), {"strides": (-8,)}),
        ((-1,), {}),
        ((1 << 40, 1 << 40), {}),
        ((2, 2), {"strides": (8,)}),
    ],
)
def test_an_array_cannot_leave_its_memory(shape: tuple[int, ...], layout: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"leaves its memory|do not fit"):
        array("f8", shape, **layout)


@pytest.mark.parametrize("dtype", ["O", "f3", "V8", "", "S0", "S-1", "U99999999999", "<"])
def test_a_dtype_that_is_not_of_the_list_is_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match="no array can have the dtype"):
        array(dtype, (1,))


def test_read_only_is_told_and_kept() -> None:
    exported = array("f8", (4,), read_only=True)
    result = numpy.from_dlpack(exported)
    assert not result.flags.writeable
    assert memoryview(exported).readonly
    with pytest.raises(BufferError, match=r"from version 1\.0 on"):
        exported.__dlpack__()
    with pytest.raises(TypeError, match="not writable"):
        ctypes.c_char.from_buffer(exported)


def test_strides_that_are_parts_of_an_item_are_refused_by_dlpack_alone() -> None:
    exported = array("f8", (4,), strides=(12,))
    assert (12,) == numpy.asarray(exported).strides
    with pytest.raises(BufferError, match="parts of an item"):
        numpy.from_dlpack(exported)


def test_items_that_repeat_are_read_only() -> None:
    exported = array("f8", (100,), strides=(0,))
    assert exported.readonly
    assert not numpy.from_dlpack(exported).flags.writeable


def test_a_copy_is_its_own() -> None:
    exported = array("i4", (2, 3), strides=(4, 8), read_only=True)
    copied = numpy.from_dlpack(exported, copy=True)
    assert copied.flags.writeable
    copied[:] = 1
    assert not numpy.asarray(exported).any()


@pytest.mark.parametrize(
    "asked", [{"stream": 1}, {"dl_device": (2, 0)}, {"dl_device": (1, 1)}], ids=str
)
def test_only_the_processors_memory_can_be_asked_for(asked: dict[str, Any]) -> None:
    with pytest.raises(BufferError):
        array("f8", (1,)).__dlpack__(**asked)
    assert array("f8", (1,)).__dlpack__(dl_device=(1, 0), max_version=(1, 0), copy=False)


@pytest.mark.parametrize("way", [numpy.from_dlpack, numpy.asarray, memoryview, "capsule"])
def test_the_lease_lives_as_long_as_anybody_who_reads(way: Any) -> None:
    gc.collect()
    before = _host.arena_statistics()["leased_segments"]
    exported = array("f8", (100,))
    reader = exported.__dlpack__() if way == "capsule" else way(exported)
    del exported
    gc.collect()
    assert before + 1 == _host.arena_statistics()["leased_segments"]
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    del reader
    gc.collect()
    assert before == _host.arena_statistics()["leased_segments"]


def test_a_released_array_keeps_its_memory_for_those_who_read_it_and_no_longer() -> None:
    gc.collect()
    before = _host.arena_statistics()["leased_segments"]
    exported = array("f8", (100,))
    tensor, view = numpy.from_dlpack(exported), memoryview(exported)
    release(exported)
    tensor[3] = 4.0
    assert 4.0 == view[3]
    for use in (numpy.from_dlpack, memoryview, exporter_of_view):
        with pytest.raises(ReferenceReleasedError):
            use(exported)
    view.release()
    assert before + 1 == _host.arena_statistics()["leased_segments"]
    del tensor
    gc.collect()
    assert before == _host.arena_statistics()["leased_segments"]
    assert "released" in repr(exported)


def exporter_of_view(exported: Array) -> Any:
    return exported.__dlpack__(max_version=(1, 0))


def test_numpys_arrays_in_shared_memory_have_an_exporter(function: Functions) -> None:
    values = zeros((100, 200))
    exported = exporter(values[10:90:2, ::-1])
    result = numpy.from_dlpack(exported)
    result[0, 0] = 5.0
    assert 5.0 == values[10, 199]
    assert (1600 * 2, -8) == exported.strides
    assert exported is exporter(exported)
    function("fill")(exporter(values), 2.5)
    assert (values == 2.5).all()
    with pytest.raises(ArgumentTypeError, match="only an array in shared memory"):
        exporter(numpy.zeros(100_000))
    release(values)
    with pytest.raises(ReferenceReleasedError):
        exporter(values)


def test_an_exporter_goes_to_a_worker_without_a_copy(function: Functions) -> None:
    exported = array("f8", (8192,))
    function("fill")(exported, 2.5)
    assert {2.5} == set(memoryview(exported))
    release(exported)
    with pytest.raises(ReferenceReleasedError):
        function("fill")(exported, 2.5)


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import noodle
from tests.workers.faults import load_faults

values = noodle.zeros((100, 200))
view = memoryview(values)
with load_faults() as faults:
    again = faults.echo(values)
    assert type(again) is type(values) and again.shape == (100, 200), again
    memoryview(again)[3, 4] = 7.0
    assert view[3, 4] == 7.0
    assert faults.pool.worker().link.statistics()["copies"] == 0
    small = faults.echo(memoryview(b"abc"))
    floats = faults.floats(10)
    assert (floats.dtype, floats.shape, len(floats)) == ("<f8", (10,), 10)
    assert noodle.empty(3, "f4").nbytes == 12
    for wrong in (lambda: noodle.array([1]), lambda: noodle.empty(1, "M8[ns]")):
        try:
            wrong()
        except noodle.errors.NoodleError as error:
            print(type(error).__name__)
    noodle.release(values)
    try:
        faults.echo(values)
    except noodle.errors.ReferenceReleasedError:
        print("released")
"""


def test_arrays_without_numpy(repository: Any) -> None:
    program = [sys.executable, "-c", WITHOUT_NUMPY]
    result = subprocess.run(program, cwd=repository, capture_output=True, text=True, timeout=60)
    assert ("", 0) == (result.stderr, result.returncode)
    assert ["MissingPackageError", "ArgumentTypeError", "released"] == result.stdout.split()
