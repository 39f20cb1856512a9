"""What a configured library is: target, version, dependencies, notes (conformance S8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.errors import MissingLibraryError, MissingPackageError, VersionError
from noodle.libraries import library_of
from noodle.runtime.engine import default_engine, use
from noodle.runtime.gpus import gpu_note

FFI_CONFIG: dict[str, Any] = {
    "bridges": {
        "numpy": {"path": "numpy", "version": "1.21.0", "dependencies": ["numpy", "scipy"]},
        "torch": {
            "path": "torch",
            "version": "1.9.0",
            "dependencies": ["torch", "torchvision"],
            "gpu_support": True,
        },
        "rust_blas": {
            "path": "libblas.so",
            "version": "0.3.0",
            "dependencies": ["blas-devel"],
            "optimization": "O3",
        },
    },
    "optimization": {"auto_vectorize": True, "gpu_offload": True, "parallel_execution": True},
}


@pytest.fixture(autouse=True)
def restored_engine() -> Iterator[None]:
    """Give the other tests back the engine that they had."""
    engine = default_engine()
    yield
    use(engine)


def configure(name: str, **bridge: Any) -> noodle.Engine:
    return noodle.configure(ffi={"bridges": {name: bridge}})


def test_the_specifications_dict_is_accepted_as_written() -> None:
    settings = noodle.configure(ffi=FFI_CONFIG).settings
    assert ["numpy", "torch", "rust_blas"] == list(settings.ffi.bridges)
    assert settings.ffi.optimization.auto_vectorize


def test_a_plain_version_is_an_exact_pin() -> None:
    import numpy

    configure("numpy", path="numpy", version=numpy.__version__, dependencies=["numpy", "scipy"])
    assert noodle.load("numpy").pi == numpy.pi
    noodle.configure(ffi=FFI_CONFIG, install="never")
    with pytest.raises(MissingPackageError) as caught:
        noodle.load("numpy")
    assert "numpy==1.21.0 + scipy" == caught.value.where
    assert f"this interpreter has numpy {numpy.__version__}" in str(caught.value.received)
    with pytest.raises(VersionError):
        noodle.load("numpy", placement="inprocess")


def test_the_version_of_a_call_wins_over_the_configured_one() -> None:
    noodle.configure(ffi=FFI_CONFIG)
    assert noodle.load("numpy", version=">=1").pi


def test_a_missing_dependency_needs_an_environment_of_its_own() -> None:
    maths = {"path": "math", "dependencies": ["noodle-no-such", "pytest"]}
    noodle.configure(ffi={"bridges": {"maths": maths}}, install="never")
    with pytest.raises(MissingPackageError) as caught:
        noodle.load("maths")
    assert "noodle-no-such + pytest" == caught.value.where
    assert "noodle sync 'noodle-no-such + pytest'" == caught.value.remedy


def test_a_missing_dependency_in_this_process_names_the_command_that_installs_it() -> None:
    configure("maths", path="math", dependencies=["noodle-no-such", "pytest"])
    with pytest.raises(MissingPackageError) as caught:
        noodle.load("maths", placement="inprocess")
    assert "python -m pip install noodle-no-such" == caught.value.remedy
    assert "ffi.bridges.maths.dependencies" == caught.value.where


def test_a_dependency_of_the_wrong_version_is_missing() -> None:
    configure("maths", path="math", dependencies=["pytest>=999"])
    with pytest.raises(MissingPackageError, match="pytest>=999"):
        noodle.load("maths", placement="inprocess")


def test_gpu_support_is_explained() -> None:
    configure("maths", path="math", gpu_support=True)
    assert gpu_note() in noodle.load("maths").sqrt.explain(4).notes


def test_a_switch_that_does_not_concern_a_library_says_so() -> None:
    switches = {"auto_vectorize": True, "gpu_offload": True, "parallel_execution": True}
    maths = {"path": "math", "optimization": "O3"}
    noodle.configure(ffi={"bridges": {"maths": maths}, "optimization": switches})
    assert noodle.load("maths").sqrt.explain(4).notes == (
        "gpu_offload: on, but no arm that runs on a GPU is registered",
        "auto_vectorize: concerns scalar native functions only",
        "parallel_execution: concerns thread-safe native functions only",
        "optimization: O3 concerns what Noodle compiles only",
    )
    noodle.configure(ffi={"bridges": {"maths": maths | {"optimization": "auto"}}})
    assert noodle.load("maths").sqrt.explain(4).notes == ()


@pytest.mark.parametrize(("stated", "level"), [({"optimization": "O3"}, "-O3"), ({}, "-O2")])
def test_a_configured_source_is_compiled_at_its_level(
    tmp_path: Path, stated: dict[str, str], level: str
) -> None:
    source = tmp_path / "half.c"
    source.write_text("double half(double x) { return x / 2; }\n")
    configure("half", path=str(source), **stated)
    half = noodle.load("half")
    assert 2.0 == half.half(4.0)
    assert any(note.endswith(level) for note in library_of(half).origin.notes)


def test_a_configured_name_wins_over_an_installed_package() -> None:
    configure("numpy", path="math")
    assert 2.0 == noodle.load("numpy").sqrt(4)


def test_prototypes_of_a_native_library_may_be_configured() -> None:
    configure("m", path="libm.so.6", prototypes="double cos(double);")
    assert 1.0 == noodle.load("m").cos(0.0)


def test_a_native_library_that_is_missing_names_the_debian_package() -> None:
    configure("blas", path="libnoodle_no_such_blas.so", dependencies=["blas-devel"])
    with pytest.raises(MissingLibraryError) as caught:
        noodle.load("blas")
    assert "libopenblas-dev" in str(caught.value)


def test_library_paths_are_searched_first(tmp_path: Path) -> None:
    noodle.configure(library_paths=[str(tmp_path)])
    with pytest.raises(MissingLibraryError) as caught:
        noodle.load("libnoodle_no_such.so", prototypes="int f(void);")
    assert "libnoodle_no_such.so" in str(caught.value)
