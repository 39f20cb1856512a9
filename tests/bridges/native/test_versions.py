"""Which version a library tells, and whether it is enough (conformance S8)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from noodle.bridges.native.elf import ElfFile
from noodle.bridges.native.opened_library import OpenedLibrary
from noodle.bridges.native.versions import satisfies, version_of
from noodle.errors import VersionError

Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Compile a library of this name, with this SONAME and source."""

    def build(name: str, soname: str = "", source: str = "") -> Path:
        path = tmp_path / name
        named = [f"-Wl,-soname,{soname}"] if soname else []
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", path, *named],
            input=source.encode(),
            check=True,
        )
        return path

    return build


def version(path: Path) -> str | None:
    return version_of(path, OpenedLibrary(path, ElfFile(path), path.name).handle)


def packaged(folder: Path, name: str, libs: str, version: str) -> None:
    (folder / "pkgconfig").mkdir(exist_ok=True)
    text = f"Name: some\nVersion: {version}\nLibs: {libs}\n"
    (folder / "pkgconfig" / name).write_text(text)


class TestWhatALibraryTells:
    def test_its_own_function_comes_first(self, build: Build, tmp_path: Path) -> None:
        source = 'const char *zlibVersion(void) { return "7.8"; }'
        path = build("libz.so.9.1", "libz.so.9", source)
        packaged(tmp_path, "zlib.pc", "-L/x -lz", "5.6")
        assert version(path) == "7.8"

    def test_its_own_function_is_found_by_the_soname(self, build: Build) -> None:
        source = 'const char *openblas_get_config(void) { return "OpenBLAS 0.3.99 NO_AFFINITY"; }'
        assert version(build("libopenblasp-r0.3.9.so", "libopenblas.so.77", source)) == "0.3.99"

    def test_the_package_of_its_name_comes_before_its_file(
        self, build: Build, tmp_path: Path
    ) -> None:
        path = build("libshape.so.9")
        packaged(tmp_path, "shape.pc", "-lshape", "5.6.1+ds")
        assert version(path) == "5.6.1+ds"

    def test_a_package_of_another_name_is_known_by_what_it_links_first(
        self, build: Build, tmp_path: Path
    ) -> None:
        path = build("libshape.so")
        packaged(tmp_path, "drawing.pc", "-L${libdir} -ldrawing -lshape", "1.0")
        packaged(tmp_path, "shapes-of-all-kinds.pc", "-L${libdir} -lshape -lm", "5.6")
        assert version(path) == "5.6"

    def test_the_file_name_comes_before_the_soname(self, build: Build) -> None:
        assert version(build("libshape.so.4.1.2", "libshape.so.4")) == "4.1.2"
        assert version(build("libshape-2.5.so", "libshape.so.4")) == "2.5"

    def test_the_soname_serves_where_nothing_else_does(self, build: Build) -> None:
        assert version(build("libshape.so", "libshape.so.4")) == "4"

    def test_a_library_may_tell_none(self, build: Build) -> None:
        assert version(build("libshape.so")) is None


@pytest.mark.parametrize(
    ("version", "requirement", "enough"),
    [
        ("0.3.21", "0.3.0", True),
        ("0.3.21+ds", ">=0.3.21", True),
        ("0.2.9", "0.3.0", False),
        ("1.10", "1.9", True),
        ("1.2", "1.2.0", True),
        ("1.2", ">=1.2,<2", True),
        ("2.0", ">=1.2,<2", False),
        ("1.4.5", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("1.5", "~=1.4", True),
        ("3", "3", True),
        ("4", "3.2", True),
        ("2", "3.2", False),
        ("3", "3.2", None),
        ("3", "==3.2", None),
        ("3", ">=2,<3.2", None),
        ("3", ">=4,<3.2", False),
        ("", "3.2", None),
    ],
)
def test_a_version_is_enough_or_not_or_does_not_say(
    version: str, requirement: str, enough: bool | None
) -> None:
    assert satisfies(version, requirement) is enough


@pytest.mark.parametrize("version", ["1.0", ""])
def test_a_requirement_that_cannot_be_read_is_an_error(version: str) -> None:
    with pytest.raises(VersionError, match="cannot be read"):
        satisfies(version, "new")
