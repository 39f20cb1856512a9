"""npm packages with native parts that come built, as packages for a platform or within."""

from __future__ import annotations

import zlib
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.bridges.javascript.node import find_node
from noodle.bridges.javascript.packages import NpmPackages
from noodle.build_cache import user_cache_directory
from noodle.errors import WorkerCrashedError
from noodle.installation.policy import InstallPolicy
from noodle.lock_file import LockFile
from noodle.runtime.engine import default_engine

HERE = Path(__file__).parent


def package(target: str) -> ModuleType:
    """Load an npm package as the lock file of this folder has it."""
    return default_engine().load(target, directory=HERE)


def test_a_native_part_that_is_a_package_for_this_platform() -> None:
    crc32 = package("npm:@node-rs/crc32@1").crc32
    assert zlib.crc32(b"noodle") == crc32("noodle")
    assert zlib.crc32(bytes(range(256))) == crc32(bytes(range(256)))


def test_only_the_part_for_this_platform_is_installed() -> None:
    packages = NpmPackages(find_node(), user_cache_directory(), InstallPolicy("always"))
    installed = packages.install("@node-rs/crc32", "1", LockFile(HERE / "noodle.lock"), ())
    parts = [path.name for path in (installed.directory / "node_modules" / "@node-rs").iterdir()]
    assert 2 == len(parts)
    assert "crc32" in parts
    assert any(name.startswith("crc32-linux-") for name in parts)


def test_a_native_part_inside_of_the_package_needs_no_install_script() -> None:
    bufferutil = package("npm:bufferutil@4")
    masked = noodle.zeros(70_000, "uint8")
    bufferutil.mask(noodle.zeros(70_000, "uint8"), b"\1\2\3\4", masked, 0, 70_000)
    assert [1, 2, 3, 4, 1] == [int(value) for value in masked[:5]]


def test_a_native_part_that_crashes_costs_its_worker_and_nothing_else() -> None:
    bufferutil = package("npm:bufferutil@4")
    data = noodle.zeros(8, "uint8")
    with pytest.raises(WorkerCrashedError, match="ended during mask") as caught:
        bufferutil.mask(data, b"\1\2\3\4", data, 0, 2**31 - 1)  # writes far behind its memory
    assert "signal SIG" in (caught.value.received or "")
    assert zlib.crc32(b"noodle") == package("npm:@node-rs/crc32@1").crc32("noodle")
