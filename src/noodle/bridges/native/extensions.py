"""Compiled extensions: one small module per library and declarations, made once and cached.

A module links nothing. It opens the library by the absolute path that it is given, for itself
alone, and its functions are called by their addresses. With the usual linking, two libraries of one
SONAME would silently become one. The module also carries its declarations, so that a warm load
reads one file and starts neither parser nor compiler.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noodle.bridges.native.compiled_contents import CompiledContents
from noodle.bridges.native.compilers import Compiler, Part
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.extension_source import Item, Shape, extension_texts
from noodle.build_cache import BuildCache, digest
from noodle.errors import LibraryLoadError, MissingToolError

__all__ = [
    "Extension",
    "ExtensionParts",
    "compile_extension",
    "extension_key",
    "open_extension",
    "read_contents",
]

_FORMAT = "10"

_CALLS_LEVEL = "-O1"
"""Measured: wrappers compiled with more take twice as long to compile, and as long to run."""

_modules: dict[str, Any] = {}
"""The modules that were imported, by key; importing one opens no library."""

_opened: dict[str, Extension] = {}
_loading = threading.Lock()


def _renew_lock() -> None:
    global _loading
    _loading = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class Extension:
    """A loaded module, opened on its library.

    Args:
        module: The module.
        path: The library's absolute real path.

    Raises:
        LibraryLoadError: The library cannot be opened.
    """

    def __init__(self, module: Any, path: Path) -> None:
        failed = module.open(os.fsencode(path))
        if failed:
            raise LibraryLoadError(f"{path.name!r} does not load", received=failed)
        self._module = module
        self.contents: Contents = CompiledContents(module)

    def entry(self, declaration: Declaration) -> Callable[..., Any]:
        """Return the callable of one of the declared functions."""
        shape, _ = self._module.find(f"f {declaration.name}")
        items = b"".join(parameter.type.items for parameter in declaration.parameters)
        called: Callable[..., Any] = self._module.entry(declaration.exported, shape, items)
        return called


@dataclass(frozen=True, slots=True)
class ExtensionParts:
    """What an extension is compiled from.

    Args:
        items: What it knows.
        shapes: The shapes of its functions.
        sources: Further files to compile into it.
        reports_failures: Whether the library reports failures; see ``failures.py``.
    """

    items: Sequence[Item]
    shapes: Sequence[Shape]
    sources: Sequence[Part] = ()
    reports_failures: bool = False


def extension_key(text: str, path: Path, identity: str, compiler: str) -> str:
    """Return the key of an extension.

    Args:
        text: What its declarations come from, in full.
        path: The library's absolute real path; equal files at two places are two libraries.
        identity: The library's build id or content digest.
        compiler: The compiler's identity.
    """
    import _cffi_backend

    abi = f"{sys.implementation.cache_tag} {sysconfig.get_config_var('SOABI')}"
    return digest(_FORMAT, text, str(path), identity, compiler, abi, _cffi_backend.__version__)


def compile_extension(
    key: str,
    describe: Callable[[Path], ExtensionParts],
    cache: BuildCache,
    compiler: Compiler,
) -> Path:
    """Return the file of the extension for a key, compiled now if it was never compiled before.

    Args:
        key: See ``extension_key``.
        describe: Says what the extension is to know, and may write files to the private folder that
            it is given; called only when something must be compiled.
        cache: Where extensions are kept.
        compiler: The compiler to use.

    Raises:
        MissingToolError: Python's own headers are not installed.
        CompilationError: The compiler failed.
        PrototypeError: From ``describe``.
    """
    name = _module_name(key)

    def build(output: Path) -> None:
        parts = describe(output.parent)
        texts = extension_texts(
            name,
            parts.items,
            parts.shapes,
            facts=bool(parts.sources),
            reports_failures=parts.reports_failures,
        )
        sources = [output.with_name(f"{name}_{index}.c") for index in range(len(texts))]
        for source, text in zip(sources, texts, strict=True):
            source.write_text(text, encoding="ascii")
        flags = [_CALLS_LEVEL, "-w", "-fvisibility=hidden", *_include_flags()]
        compiler.shared_library_of_parts(
            [Part(source.name, tuple(flags)) for source in sources] + list(parts.sources),
            output,
            directory=output.parent,
        )

    return cache.get(f"{name}.so", build)


def read_contents(key: str, compiled: Path) -> Contents:
    """Return what a compiled extension knows, without opening its library.

    Args:
        key: Its key.
        compiled: Its file.

    Raises:
        ImportError: The file does not load.
    """
    with _loading:
        return CompiledContents(_module(key, compiled))


def open_extension(key: str, compiled: Path, path: Path) -> Extension:
    """Return an extension that is open on its library, the same one for the same key.

    Args:
        key: Its key.
        compiled: Its file.
        path: The library's absolute real path.

    Raises:
        ImportError: The file does not load.
        LibraryLoadError: The library cannot be opened.
    """
    known = _opened.get(key)
    if known:
        return known
    with _loading:
        if key not in _opened:
            _opened[key] = Extension(_module(key, compiled), path)
        return _opened[key]


def _module_name(key: str) -> str:
    return f"noodle_native_{key}"


def _module(key: str, compiled: Path) -> Any:
    if key not in _modules:
        _modules[key] = _import(_module_name(key), compiled)
    return _modules[key]


def _import(name: str, path: Path) -> Any:
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    loader = ExtensionFileLoader(name, str(path))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def _include_flags() -> list[str]:
    import cffi

    directory = sysconfig.get_path("include")
    if not os.path.isfile(os.path.join(directory, "Python.h")):
        raise MissingToolError(
            "Python's C headers are not installed",
            expected="Python.h",
            remedy=f"apt install python{sys.version_info.major}.{sys.version_info.minor}-dev",
        )
    return [f"-I{directory}", f"-I{Path(cffi.__file__).parent}"]
