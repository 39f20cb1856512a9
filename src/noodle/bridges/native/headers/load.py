"""The part of a load that is about headers: from the options to the compiled extension."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from noodle.bridges.native.compilers import COMPILER_REMEDY, Compiler
from noodle.bridges.native.headers.library import HeaderExtension, HeaderExtensions
from noodle.bridges.native.headers.preprocessing import HeaderRequest
from noodle.bridges.native.linker import pkg_config
from noodle.bridges.native.options import NativeOptions
from noodle.build_cache import BuildCache
from noodle.errors import MissingToolError, SettingsError

__all__ = ["header_extension"]


def header_extension(
    options: NativeOptions,
    path: Path,
    identity: str,
    compiler: Compiler | None,
    cache: BuildCache,
    *,
    location: str,
    directory: Path,
    exports: Callable[[], Mapping[str, bool]],
) -> HeaderExtension:
    """Return the extension of a library's headers.

    Args:
        options: The options of the load, with the headers.
        path: The library's absolute real path.
        identity: Its build id or digest.
        compiler: The C compiler, or None.
        cache: Where extensions are kept.
        location: The library, as the user wrote it.
        directory: Where a relative path begins.
        exports: Gives what the library exports.

    Raises:
        MissingToolError: There is no C compiler.
        SettingsError: The options exclude one.
        MissingLibraryError: A header is nowhere.
        PrototypeError: The headers declare nothing that the library exports.
        CompilationError: The compiler rejected a header.
    """
    where = f"header of {location}"
    if options.mode == "abi":
        raise SettingsError(
            "a header is read with a C compiler, so calls are compiled",
            expected="mode='api', or no mode",
            received="mode='abi'",
            where=where,
            remedy="leave the mode out, or declare functions with prototypes",
        )
    if compiler is None:
        raise MissingToolError(
            f"a C compiler is needed to read {', '.join(options.header)}",
            expected="$CC, cc, gcc, clang or the package ziglang",
            received="none of them",
            where=where,
            remedy=f"{COMPILER_REMEDY}; or declare what is called with prototypes",
        )
    request = HeaderRequest(
        options.header, directory, _flags(options, directory, location), location
    )
    extensions = HeaderExtensions(request, path, identity, compiler, cache, options.variadic)
    return extensions.extension(exports)


def _flags(options: NativeOptions, directory: Path, location: str) -> tuple[str, ...]:
    own = [f"-I{directory / path}" for path in options.include_paths]
    defined = [f"-D{name}={text}" if text else f"-D{name}=" for name, text in options.defines]
    bare = location.removeprefix("c:")
    packaged = []
    if "/" not in bare and ".so" not in bare:
        packaged = [f for f in pkg_config(bare, "--cflags") if re.match(r"-[IDU]", f)]
    return (*own, *packaged, *defined)
