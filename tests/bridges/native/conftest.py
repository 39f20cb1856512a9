"""A sample library, compiled once, and a function that loads libraries in each mode."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noodle.bridges.native import NativeBridge
from noodle.bridges.native.compilers import Compiler, find_compiler, find_ziglang
from noodle.bridges.native.libraries import NativeLibrary
from noodle.calls import LoadRequest

SAMPLE = Path(__file__).with_name("sample.c")

PROTOTYPES = """
    double add(double x, double y); double subtract(double x, double y); double twice(double x);
    int8_t same_i8(int8_t v); int16_t same_i16(int16_t v); int same_i32(int v);
    long same_i64(long v); unsigned char same_u8(unsigned char v); uint16_t same_u16(uint16_t v);
    unsigned same_u32(unsigned v); size_t same_u64(size_t v);
    float same_f32(float v); double same_f64(double v); bool negate(bool v);
    size_t length(const char *text); const char *greeting(int known); const char *latin1(void);
    void keep(const char *text); const char *recall(void);
    uint64_t total(const uint8_t *bytes, size_t count);
    double sum(const double *values, size_t count);
    void scale(double *values, size_t count, double factor);
    int is_null(const void *memory); void fill(void *memory, size_t size);
    typedef struct counter counter;
    counter *counter_new(int start); int counter_next(counter *counter);
    void counter_free(struct counter *counter); struct other *other_new(void);
    double *first(double *values);
    void set_flag(int value); int wait_for_flag(double seconds);
    void count_call(int unused); int calls_made(void);
"""

Load = Callable[..., NativeLibrary]


def system_compiler() -> Compiler:
    found = find_compiler()
    assert found is not None, "neither a C compiler nor ziglang is installed"
    return found


def compile_to(output: Path, source: str | Path, *flags: str) -> Path:
    """Compile a source, or its text, to a shared library; return the library."""
    if isinstance(source, str):
        text, source = source, output.with_suffix(".c")
        source.write_text(text, encoding="utf-8")
    system_compiler().shared_library(
        [str(source)], output, directory=output.parent, flags=["-O1", *flags]
    )
    return output


@pytest.fixture(scope="session", autouse=True)
def zig_cache() -> Iterator[None]:
    """Keeps what ziglang builds of libc from one run of the tests to the next: it takes seconds."""
    kept = Path(tempfile.gettempdir(), f"noodle-tests-zig-{os.getuid()}")
    kept.mkdir(mode=0o700, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", str(kept))
        yield


@pytest.fixture(scope="session")
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of compiled files that most tests share."""
    return tmp_path_factory.mktemp("cache") / "native"


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample library."""
    return compile_to(tmp_path_factory.mktemp("sample") / "libsample.so", SAMPLE)


@pytest.fixture(scope="session")
def bridges(cache_directory: Path) -> dict[str, tuple[NativeBridge, dict[str, Any]]]:
    """The bridge and the options of each way to call."""
    ziglang = find_ziglang()
    assert ziglang is not None, "ziglang is not installed: pip install noodle-ffi[test]"
    compiled = NativeBridge(cache_directory=cache_directory, compiler=system_compiler())
    by_zig = NativeBridge(cache_directory=cache_directory, compiler=ziglang)
    return {
        "compiled": (compiled, {"mode": "api"}),
        "ziglang": (by_zig, {"mode": "api"}),
        "libffi": (compiled, {"mode": "abi"}),
    }


def load_sample(bridges: Any, sample: Path, way: str) -> NativeLibrary:
    """Load the sample library; a way is a key of ``bridges``, behind ``isolated`` in a worker."""
    placement = "isolated" if way.startswith("isolated") else "inprocess"
    bridge, options = bridges[way.removeprefix("isolated ")]
    loaded: NativeLibrary = bridge.load(
        LoadRequest(
            "sample", str(sample), prototypes=PROTOTYPES, options=options, placement=placement
        )
    )
    return loaded


HERE = ["compiled", "ziglang", "libffi"]
IN_A_WORKER = ["isolated compiled", "isolated libffi"]


@pytest.fixture(params=[*HERE, *IN_A_WORKER])
def library(request: pytest.FixtureRequest, bridges: Any, sample: Path) -> NativeLibrary:
    """The sample library, called in each way, in this process and in a worker."""
    return load_sample(bridges, sample, request.param)


@pytest.fixture(params=HERE)
def library_here(request: pytest.FixtureRequest, bridges: Any, sample: Path) -> NativeLibrary:
    """The sample library, called in each way in this process."""
    return load_sample(bridges, sample, request.param)


@pytest.fixture(params=IN_A_WORKER)
def isolated(request: pytest.FixtureRequest, bridges: Any, sample: Path) -> NativeLibrary:
    """The sample library, called in each way in a worker."""
    return load_sample(bridges, sample, request.param)


@pytest.fixture
def load(bridges: Any) -> Load:
    """Load a library with the system's compiler."""

    def load(location: str | Path, prototypes: Any = None, **fields: Any) -> NativeLibrary:
        options = fields.pop("options", {})
        request = LoadRequest(
            "test", str(location), prototypes=prototypes, options=options, **fields
        )
        loaded: NativeLibrary = bridges["compiled"][0].load(request)
        return loaded

    return load


class Functions:
    """The functions of a library, as attributes."""

    def __init__(self, library: NativeLibrary) -> None:
        self.library = library

    def __getattr__(self, name: str) -> Any:
        return self.library.member(name).raw


LoadFunctions = Callable[..., Functions]


@pytest.fixture(params=[*HERE[::2], *IN_A_WORKER])
def functions(request: pytest.FixtureRequest, bridges: Any) -> LoadFunctions:
    """Load a library's functions, in each way and placement."""
    bridge, way = bridges[request.param.removeprefix("isolated ")]
    placement = "isolated" if request.param.startswith("isolated") else "inprocess"

    def load(location: str | Path, prototypes: Any, **options: Any) -> Functions:
        loading = LoadRequest(
            Path(location).name,
            str(location),
            prototypes=prototypes,
            options={**options, **way},
            placement=placement,
        )
        return Functions(bridge.load(loading))

    return load
