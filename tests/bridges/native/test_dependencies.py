"""What a native library is configured to need: by any distribution's names, never installed."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

import pytest

import noodle
from noodle.bridges.native.dependencies import check_dependencies
from noodle.bridges.native.packages import install_command, libraries_of, package_for
from noodle.errors import MissingLibraryError

RARE = {"blosc": "libblosc-dev", "gsl": "libgsl-dev", "usb-1.0": "libusb-1.0-0-dev"}


@pytest.fixture(scope="module")
def absent() -> str:
    """A known library that this machine does not have."""
    found = [name for name in RARE if ctypes.util.find_library(name) is None]
    assert found, f"one of {', '.join(RARE)} must be missing here"
    return found[0]


@pytest.mark.parametrize(
    ("name", "package", "files"),
    [
        ("blas-devel", "libopenblas-dev", ("libblas.so", "libopenblas.so")),
        ("libblas.so.3", "libopenblas-dev", ("libblas.so", "libopenblas.so")),
        ("openblas-devel", "libopenblas-dev", ("libopenblas.so",)),
        ("libopenblas-dev", "libopenblas-dev", ("libblas.so", "libopenblas.so")),
        ("zlib-devel", "zlib1g-dev", ("libz.so",)),
        ("zlib1g-dev", "zlib1g-dev", ("libz.so",)),
        ("bzip2-devel", "libbz2-dev", ("libbz2.so",)),
        ("xz-devel", "liblzma-dev", ("liblzma.so",)),
        ("sqlite-devel", "libsqlite3-dev", ("libsqlite3.so",)),
        ("libjpeg-turbo-devel", "libjpeg-dev", ("libjpeg.so",)),
        ("libcurl-devel", "libcurl4-openssl-dev", ("libcurl.so",)),
        ("openssl-devel", "libssl-dev", ("libssl.so",)),
        ("libpng-devel", "libpng-dev", ("libpng.so", "libpng16.so")),
        ("libsomething-dev", "libsomething-dev", ()),
        ("gcc", None, ()),
    ],
)
def test_a_package_is_known_by_the_names_of_several_distributions(
    name: str, package: str | None, files: tuple[str, ...]
) -> None:
    assert (package, files) == (package_for(name), libraries_of(name))


def test_the_command_names_each_package_once() -> None:
    command = install_command(["libblas.so", "blas-devel", "zlib-devel", "unknown"])
    assert command == "apt install libopenblas-dev zlib1g-dev"
    assert install_command(["unknown"]) is None


def test_dependencies_that_are_there_or_not_known_are_met(tmp_path: Path) -> None:
    check_dependencies("libfoo.so", tmp_path, (), ["zlib-devel", "gcc", "libsomething-dev"])


def test_a_dependency_is_met_by_a_library_in_the_stated_directories(
    tmp_path: Path, absent: str
) -> None:
    (tmp_path / f"lib{absent}.so.1").write_bytes(Path("/proc/self/exe").read_bytes())
    check_dependencies("libfoo.so", tmp_path, [str(tmp_path)], [f"{absent}-devel"])


@pytest.mark.parametrize("location", ["libm.so.6", "./half.c"])
@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_a_missing_dependency_is_an_error_with_the_command_that_installs_it(
    tmp_path: Path, absent: str, location: str, placement: str
) -> None:
    """Also where the library itself is there, and before a source is compiled."""
    (tmp_path / "half.c").write_text("#error must not be compiled")
    needed = ["zlib-devel", f"{absent}-devel"]
    with pytest.raises(MissingLibraryError) as caught:
        noodle.load(location, directory=tmp_path, dependencies=needed, placement=placement)
    assert caught.value.expected == f"zlib-devel, {absent}-devel"
    assert caught.value.received == f"without {absent}-devel"
    assert caught.value.remedy == f"apt install {RARE[absent]}"
