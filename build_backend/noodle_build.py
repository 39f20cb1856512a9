"""The build backend: scikit-build-core, with a C compiler from PyPI where the machine has none.

``ziglang`` becomes a build requirement only when neither ``$CC`` nor a compiler on the path exists.
During the build ``$CC`` then names a small script that calls ``zig cc``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scikit_build_core import build as scikit_build
from scikit_build_core.build import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ConfigSettings = dict[str, str | list[str]] | None

COMPILERS = ("cc", "gcc", "clang")
ZIG = "ziglang>=0.13"


def find_compiler() -> str | None:
    """Return the C compiler that ``$CC`` or the path gives, or None."""
    chosen = os.environ.get("CC", "").strip()
    return chosen or next(filter(None, map(shutil.which, COMPILERS)), None)


def get_requires_for_build_wheel(config_settings: ConfigSettings = None) -> list[str]:
    """Return what a wheel's build needs besides scikit-build-core."""
    return scikit_build.get_requires_for_build_wheel(config_settings) + _compiler_requirements()


def get_requires_for_build_editable(config_settings: ConfigSettings = None) -> list[str]:
    """Return what an editable build needs besides scikit-build-core."""
    return scikit_build.get_requires_for_build_editable(config_settings) + _compiler_requirements()


def build_wheel(
    wheel_directory: str,
    config_settings: ConfigSettings = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel and return its file name."""
    with _compiler():
        return scikit_build.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str,
    config_settings: ConfigSettings = None,
    metadata_directory: str | None = None,
) -> str:
    """Build an editable wheel and return its file name."""
    with _compiler():
        return scikit_build.build_editable(wheel_directory, config_settings, metadata_directory)


def _compiler_requirements() -> list[str]:
    return [] if find_compiler() else [ZIG]


@contextmanager
def _compiler() -> Iterator[None]:
    """Let ``$CC`` name a compiler for the time of the build."""
    _require_headers()
    if find_compiler():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="noodle-cc-") as directory:
        os.environ["CC"] = str(_write_zig_script(Path(directory)))
        try:
            yield
        finally:
            del os.environ["CC"]


def _write_zig_script(directory: Path) -> Path:
    # A script, because CMake wants one executable file; the baseline processor, because zig would
    # otherwise compile for the very one of this machine.
    script = directory / "cc"
    script.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ziglang cc -mcpu=baseline "$@"\n'
    )
    script.chmod(0o755)
    return script


def _require_headers() -> None:
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").is_file():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SystemExit(
            "noodle cannot be built: this Python has no C headers\n"
            f"  expected: {include / 'Python.h'}\n"
            "  received: no such file\n"
            f"  try:      apt install python{version}-dev (Debian, Ubuntu), "
            f"dnf install python{version}-devel (Fedora)"
        )
