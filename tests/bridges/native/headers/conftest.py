"""Libraries with headers: those of the system, and small ones that are compiled for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from noodle.bridges.native import NativeBridge
from noodle.bridges.native.libraries import NativeLibrary
from noodle.calls import LoadRequest
from tests.bridges.native.conftest import compile_to, system_compiler

LoadHeader = Callable[..., NativeLibrary]


class SystemHeader(NamedTuple):
    """A header of the system.

    Args:
        library: Its library.
        header: The header.
        package: The package that has it.
    """

    library: str
    header: str
    package: str


SYSTEM_HEADERS = {
    "sqlite3": SystemHeader("libsqlite3.so.0", "sqlite3.h", "libsqlite3-dev"),
    "zlib": SystemHeader("libz.so.1", "zlib.h", "zlib1g-dev"),
    "openssl": SystemHeader("libcrypto.so.3", "openssl/evp.h", "libssl-dev"),
    "png": SystemHeader("libpng16.so.16", "png.h", "libpng-dev"),
    "curl": SystemHeader("libcurl.so.4", "curl/curl.h", "libcurl4-openssl-dev"),
    "expat": SystemHeader("libexpat.so.1", "expat.h", "libexpat1-dev"),
}


def require_header(header: str, package: str) -> None:
    """Skip where a header is not installed; the reason has the command to type."""
    places = [Path("/usr/include", header), *Path("/usr/include").glob(f"*-linux-gnu/{header}")]
    if not any(place.is_file() for place in places):
        pytest.skip(f"{header} is not installed: apt install {package}")


@pytest.fixture
def load_header(cache_directory: Path, tmp_path: Path) -> LoadHeader:
    """Load a library with its header."""
    bridge = NativeBridge(cache_directory=cache_directory, compiler=system_compiler())

    def load(location: str | Path, header: Any, **fields: Any) -> NativeLibrary:
        options = {"header": header, **fields.pop("options", {})}
        directory = str(fields.pop("directory", tmp_path))
        request = LoadRequest("test", str(location), options=options, directory=directory, **fields)
        return bridge.load(request)

    return load


@pytest.fixture
def system(load_header: LoadHeader) -> Callable[..., NativeLibrary]:
    """Load a library of the system with its header, by a key of ``SYSTEM_HEADERS``."""

    def load(name: str, **fields: Any) -> NativeLibrary:
        library, header, package = SYSTEM_HEADERS[name]
        require_header(header, package)
        return load_header(library, header, **fields)

    return load


@pytest.fixture
def made(tmp_path: Path, load_header: LoadHeader) -> Callable[..., NativeLibrary]:
    """Compile a library, write its header, and load both."""

    def make(header: str, source: str, **fields: Any) -> NativeLibrary:
        (tmp_path / "own.h").write_text(header, encoding="utf-8")
        library = tmp_path / "libown.so"
        if not library.exists():
            compile_to(library, f'#include "own.h"\n{source}', f"-I{tmp_path}")
        return load_header("./libown.so", "./own.h", **fields)

    return make
