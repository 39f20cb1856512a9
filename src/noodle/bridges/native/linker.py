"""Finds a shared library as the dynamic linker would, without loading anything.

Searched are, in this order: the library paths of the load and of the configuration,
``LD_LIBRARY_PATH``, the linker's cache (``/etc/ld.so.cache``), the system's own directories. A file
for another processor is passed over, as the linker does.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from noodle.bridges.native.elf import NotElfError, machine_of, running_machine
from noodle.bridges.native.packages import install_command
from noodle.errors import LibraryLoadError, MissingLibraryError

__all__ = ["find_library", "missing_library", "pkg_config"]

_CACHE = Path("/etc/ld.so.cache")
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_SYSTEM_DIRECTORIES = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


def find_library(location: str, directory: Path, library_paths: Sequence[str] = ()) -> Path:
    """Return the absolute real path of a shared library.

    Args:
        location: A path with a slash; a file name (``libm.so.6``); or a bare name (``z``), which
            is looked up with pkg-config first.
        directory: Where a relative path begins.
        library_paths: Directories to search before all others.

    Raises:
        MissingLibraryError: It is nowhere; the message says where it was looked for.
        LibraryLoadError: There are only files of that name that this process cannot load.
    """
    if "/" in location:
        path = directory / location
        if os.path.isfile(path):
            return _follow_script(path, location)
        raise missing_library(location, [str(path.parent)], directory)
    searched = [*library_paths]
    names = [location] if ".so" in location else [f"lib{location}.so"]
    if ".so" not in location:
        flags = pkg_config(location)
        searched += [flag[2:] for flag in flags if flag.startswith("-L")]
        names = [f"lib{flag[2:]}.so" for flag in flags if flag.startswith("-l")][:1] or names
    found = _search(names[0], [*searched, *_loader_path()])
    if found is None:
        raise missing_library(location, _places(searched), directory)
    return found


def missing_library(location: str, places: Iterable[str], directory: Path) -> MissingLibraryError:
    """Return the error for a library that is nowhere."""
    remedy = install_command([location])
    if "/" not in location and os.path.isfile(directory / location):
        remedy = f"write './{location}' for the file beside the program"
    return MissingLibraryError(
        f"library {location!r} was not found",
        received=f"no such file in {', '.join(places)}",
        where=location,
        remedy=remedy or "install it, or name its directory: library_paths=[…]",
    )


def _places(searched: Sequence[str]) -> list[str]:
    variable = [f"LD_LIBRARY_PATH ({os.environ['LD_LIBRARY_PATH']})"] if _loader_path() else []
    return [*searched, *variable, f"the linker's cache ({_CACHE})", *_SYSTEM_DIRECTORIES]


def _loader_path() -> list[str]:
    return [part for part in re.split("[:;]", os.environ.get("LD_LIBRARY_PATH", "")) if part]


def _search(name: str, directories: Sequence[str]) -> Path | None:
    refused: list[Path] = []
    for candidate in _candidates(name, directories):
        path = _follow_script(candidate, name)
        if _loadable(path):
            return path
        refused.append(path)
    if refused:
        raise LibraryLoadError(
            f"library {name!r} was found, but not for this processor",
            expected=str(running_machine()),
            received=", ".join(map(str, refused)),
            where=name,
            remedy="install or build it for this machine",
        )
    return None


def _candidates(name: str, directories: Sequence[str]) -> Iterator[Path]:
    cached = list(_read_cache())
    everywhere = [Path(part) for part in (*directories, *_SYSTEM_DIRECTORIES)]
    for directory in map(Path, directories):
        if os.path.isfile(directory / name):
            yield directory / name
    yield from (Path(path) for listed, path in cached if listed == name)
    # The name without a version exists only where the development package is installed, mostly
    # beside the libraries that the linker's cache lists.
    everywhere += sorted({Path(path).parent for _, path in cached})
    for directory in everywhere:
        if os.path.isfile(directory / name):
            yield directory / name
    if name.endswith(".so"):
        versioned = [path for place in everywhere for path in place.glob(f"{_escape(name)}.*")]
        yield from sorted(filter(os.path.isfile, versioned), key=_version_order, reverse=True)


def _escape(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _version_order(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name.partition(".so.")[2])]


def _loadable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return running_machine() in (None, machine_of(file.read(64)))
    except NotElfError:
        return True
    except OSError:
        return False


def _follow_script(path: Path, location: str) -> Path:
    """Return the library that a linker script (``libm.so``) stands for, or the path itself."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\x7fELF") or not re.search(rb"GROUP|INPUT", head):
        return path.resolve()
    for part in re.findall(r"[^\s()]+", head.decode("utf-8", "replace").partition("(")[2]):
        if ".so" in part and os.path.isfile(part):
            return Path(part).resolve()
    raise LibraryLoadError(
        f"{location!r} is a linker script that names no shared library here", where=location
    )


def _read_cache() -> Iterator[tuple[str, str]]:
    """Yield name and path of each library in the linker's cache, in its order of preference."""
    try:
        content = _CACHE.read_bytes()
    except OSError:
        return
    start = content.find(_CACHE_MAGIC)
    if start < 0:
        return
    try:
        (count,) = struct.unpack_from("=I", content, start + 20)
        for index in range(count):
            place = start + 48 + 24 * index
            _, name, path, _, hardware = struct.unpack_from("=iIIIQ", content, place)
            if not hardware:
                yield _cache_text(content, start + name), _cache_text(content, start + path)
    except (struct.error, ValueError):
        return


def _cache_text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start)].decode("utf-8", "surrogateescape")


def pkg_config(name: str, kind: str = "--libs") -> list[str]:
    """Return the flags that pkg-config has for a package; none when it does not know it.

    Args:
        name: The package.
        kind: ``--libs`` for the linker's flags, ``--cflags`` for the compiler's.
    """
    import shutil
    import subprocess

    program = shutil.which("pkg-config")
    if program is None or not re.fullmatch(r"\w[\w.+-]*", name):
        return []
    result = subprocess.run(
        [program, kind, name], capture_output=True, text=True, timeout=20, check=False
    )
    return result.stdout.split() if result.returncode == 0 else []
