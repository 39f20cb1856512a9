"""The headers of six libraries that many programs use."""

from __future__ import annotations

import array
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.native.libraries import NativeLibrary
from noodle.errors import NameNotFoundError
from tests.bridges.native.headers.conftest import SYSTEM_HEADERS, require_header

System = Callable[..., NativeLibrary]
PLACES = ["inprocess", "isolated"]


@pytest.mark.parametrize("name", SYSTEM_HEADERS)
def test_nearly_all_exported_functions_that_a_header_declares_are_bound(
    system: System, name: str
) -> None:
    contents = system(name).contents
    bound, unbound = len(contents.functions), contents.unbound
    assert bound / (bound + len(unbound)) >= 0.95
    assert all(unbound.values())


@pytest.mark.parametrize("placement", PLACES)
def test_zlib_compresses(system: System, placement: str) -> None:
    z = system("zlib", placement=placement)
    text = b"hello " * 50
    size = array.array("L", [z.member("compressBound").raw(len(text))])
    packed = bytearray(size[0])
    assert z.member("compress2").raw(packed, size, text, len(text), 9) == z.member("Z_OK")
    assert zlib.decompress(packed[: size[0]]) == text


def test_constants_are_values_of_the_library(system: System) -> None:
    z = system("zlib")
    assert (z.member("Z_OK"), z.member("Z_DATA_ERROR")) == (0, -3)
    assert z.member("ZLIB_VERSION") == z.member("zlibVersion").raw()
    assert "Z_OK" in z.names()
    assert "deflate" in z.names()


@pytest.mark.parametrize("placement", PLACES)
def test_the_options_of_curl_have_types_for_each_handle(
    cache_directory: Path, tmp_path: Path, placement: str
) -> None:
    require_header("curl/curl.h", "libcurl4-openssl-dev")
    (tmp_path / "file").write_bytes(b"12345")
    curl = noodle.load(
        "libcurl.so.4",
        header="curl/curl.h",
        placement=placement,
        cache_directory=str(cache_directory),
    )
    set_text = curl.curl_easy_setopt.options(variadic="const char *")
    set_number = curl.curl_easy_setopt.options(variadic="long")
    set_writer = curl.curl_easy_setopt.options(variadic="curl_write_callback")
    number_of = curl.curl_easy_getinfo.options(variadic="curl_off_t *")
    handle, sizes = curl.curl_easy_init(), list[int]()
    with noodle.callback(lambda data, size, count, user: sizes.append(count) or count) as writer:
        assert set_text(handle, curl.CURLOPT_URL, (tmp_path / "file").as_uri()) == 0
        assert set_writer(handle, curl.CURLOPT_WRITEFUNCTION, writer) == 0
        for headers_only in (1, 0):
            assert set_number(handle, curl.CURLOPT_NOBODY, headers_only) == 0
            assert curl.curl_easy_perform(handle) == curl.CURLE_OK
    found = array.array("q", [0])
    assert number_of(handle, curl.CURLINFO_SIZE_DOWNLOAD_T, found) == 0
    curl.curl_easy_cleanup(handle)
    assert (sizes[-1], found[0]) == (5, 5)


@pytest.mark.parametrize("placement", PLACES)
def test_openssl_writes_a_formatted_text(cache_directory: Path, placement: str) -> None:
    require_header("openssl/bio.h", "libssl-dev")
    crypto = noodle.load(
        "libcrypto.so.3",
        header="openssl/bio.h",
        placement=placement,
        cache_directory=str(cache_directory),
    )
    text = bytearray(40)
    write = crypto.BIO_snprintf.options(variadic="int, const char *")
    assert write(text, len(text), "%d %s", 7, "dwarves") == len("7 dwarves")
    assert text.startswith(b"7 dwarves\0")


@pytest.mark.parametrize("placement", PLACES)
def test_sqlite_has_constants_text_and_variables(system: System, placement: str) -> None:
    sqlite = system("sqlite3", placement=placement)
    assert sqlite.member("SQLITE_ROW") == 100
    assert sqlite.member("SQLITE_IOERR_READ") == 10 | 1 << 8
    assert sqlite.member("sqlite3_version") == sqlite.member("SQLITE_VERSION")
    assert sqlite.member("sqlite3_libversion").raw() == sqlite.member("SQLITE_VERSION")
    assert sqlite.member("sqlite3_temp_directory") is None


@pytest.mark.parametrize("placement", PLACES)
def test_openssl_makes_a_digest(system: System, placement: str) -> None:
    crypto = system("openssl", placement=placement)
    names = [name for name in crypto.contents.functions if name.startswith("EVP_")]
    call = {name: crypto.member(name).raw for name in names}
    context, digest = call["EVP_MD_CTX_new"](), bytearray(crypto.member("EVP_MAX_MD_SIZE"))
    size = array.array("I", [0])
    assert call["EVP_DigestInit_ex"](context, call["EVP_sha256"](), None)
    assert call["EVP_DigestUpdate"](context, b"abc", 3)
    assert call["EVP_DigestFinal_ex"](context, digest, size)
    call["EVP_MD_CTX_free"](context)
    assert digest[: size[0]].hex().startswith("ba7816bf8f01cfea")


def test_members_of_enumerations_are_constants(system: System) -> None:
    assert system("curl").member("CURLE_COULDNT_CONNECT") == 7
    assert system("expat").member("XML_STATUS_OK") == 1


def test_a_structure_has_the_compiler_s_layout(system: System) -> None:
    stream = system("zlib").contents.structure("struct z_stream_s")
    assert stream is not None
    places = {field.name: field.offset for field in stream.fields or ()}
    assert (stream.size, stream.alignment, places["avail_out"], places["zalloc"]) == (
        112,
        8,
        32,
        64,
    )


@pytest.mark.parametrize("name", ["png", "zlib"])
def test_a_second_load_starts_nothing(
    system: System, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = system(name)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", refused)
    assert system(name).names() == first.names()


def test_a_load_in_another_process_imports_nothing_of_what_read_the_header(tmp_path: Path) -> None:
    require_header("zlib.h", "zlib1g-dev")
    program = (
        "import noodle, sys\n"
        "noodle.load('libz.so.1', header='zlib.h')\n"
        "print([name for name in ('pycparser', 'cffi', 'subprocess') if name in sys.modules])"
    )
    environment = {**os.environ, "NOODLE_CACHE_DIR": str(tmp_path)}
    shown = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert shown == ["['pycparser', 'cffi', 'subprocess']\n", "[]\n"]


def test_a_noodle_program_imports_a_library_with_its_header(
    tmp_path: Path, noodle_command: list[str]
) -> None:
    require_header("zlib.h", "zlib1g-dev")
    program = tmp_path / "version.noodle"
    program.write_text(
        'import ffi "c:z" as z with { header: "zlib.h" }\n'
        "print(z.zlibVersion() == z.ZLIB_VERSION, z.Z_DATA_ERROR)\n",
        encoding="utf-8",
    )
    command = [*noodle_command, "run", str(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("true -3\n", 0)


def test_a_variable_is_assigned_as_an_attribute() -> None:
    require_header("math.h", "libc6-dev")
    libm = noodle.load("libm.so.6", header="math.h")
    libm.signgam = 5
    assert libm.signgam == 5
    with pytest.raises(NameNotFoundError, match="no variable 'sngam'"):
        libm.sngam = 1
