"""The extension of a library's headers: compiled once, found again by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from noodle.bridges.native.compiled_contents import items_of
from noodle.bridges.native.compilers import Compiler, Part
from noodle.bridges.native.extension_source import Item
from noodle.bridges.native.extensions import ExtensionParts, compile_extension, extension_key
from noodle.bridges.native.failures import reports_failures
from noodle.bridges.native.headers.preprocessing import HeaderRequest
from noodle.build_cache import BuildCache, digest
from noodle.errors import CompilationError

__all__ = ["HeaderExtension", "HeaderExtensions"]

_FORMAT = "5"


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """A compiled extension.

    Args:
        key: Its key.
        file: Its file.
        headers: The headers that it was made from, with all that they include.
    """

    key: str
    file: Path
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderExtensions:
    """Makes the extension of a library and its headers.

    Args:
        request: The headers.
        path: The library's absolute real path.
        identity: Its build id or digest.
        compiler: The compiler.
        cache: Where extensions are kept.
        variadic: The types of further arguments, by the function's name or ``NAME as ALIAS``.
    """

    request: HeaderRequest
    path: Path
    identity: str
    compiler: Compiler
    cache: BuildCache
    variadic: Sequence[tuple[str, str]] = ()

    def extension(self, exports: Callable[[], Mapping[str, bool]]) -> HeaderExtension:
        """Return the extension; nothing is started where it was compiled before and still holds.

        It holds while every header that was read has the same content.

        Args:
            exports: Gives what the library exports.

        Raises:
            MissingLibraryError: A header is nowhere.
            PrototypeError: The headers declare nothing that the library exports.
            CompilationError: The compiler rejected a header.
        """
        build = self._build()
        manifest = f"header_{build}.json"
        known = _read_manifest(self.cache.path(manifest))
        if known and _unchanged(known):
            found = self._compiled(build, known)
            if found.file.exists():
                return found
        files: dict[str, str] = {}
        made = self._make(build, exports, files)
        self.cache.replace(manifest, json.dumps(files))
        return made

    def _build(self) -> str:
        request = self.request
        return extension_key(
            digest(_FORMAT, request.text, *request.flags, *map("=".join, self.variadic)),
            self.path,
            self.identity,
            self.compiler.identity,
        )

    def _compiled(self, build: str, files: Mapping[str, str]) -> HeaderExtension:
        key = digest(build, *files.values())
        return HeaderExtension(key, self.cache.path(f"noodle_native_{key}.so"), tuple(files))

    def _make(
        self, build: str, exports: Callable[[], Mapping[str, bool]], files: dict[str, str]
    ) -> HeaderExtension:
        from noodle.bridges.native.headers.preprocessing import preprocess

        with self.cache.private_folder() as private:
            preprocessed = preprocess(self.request, self.compiler, private)
            files.update((file, _digest_of(file)) for file in preprocessed.files)
            compiled = self._compiled(build, files)
            from noodle.bridges.native.headers.contents import HeaderContents

            exported = exports()
            contents = HeaderContents(self.request, preprocessed, exported, self.variadic)
            contents.read(self.compiler, private)
        describe = partial(self._describe, contents, reports_failures(exported))
        try:
            file = compile_extension(compiled.key, describe, self.cache, self.compiler)
        except CompilationError as error:
            if not contents.drop_refused(str(error)):
                raise
            file = compile_extension(compiled.key, describe, self.cache, self.compiler)
        if not _unchanged(files):
            raise CompilationError(
                f"a header of {self.request.location} changed while it was read",
                where=f"header of {self.request.location}",
                remedy="load it again",
            )
        return replace(compiled, file=file)

    def _describe(self, contents: object, reports: bool, private: Path) -> ExtensionParts:
        from noodle.bridges.native.headers.contents import HeaderContents

        assert isinstance(contents, HeaderContents)
        source = private / "noodle_facts.c"
        source.write_text(contents.facts(), encoding="utf-8", errors="surrogateescape")
        items, shapes = items_of(
            contents.declarations, headers=", ".join(self.request.headers), checked=True
        )
        items += contents.constant_items() + contents.definition_items() + contents.macro_items()
        items += [Item(f"u {name}", reason) for name, reason in contents.unbound.items()]
        items += [Item(f"m {name}") for name in contents.lacking]
        facts = Part(source.name, ("-O0", "-w", "-fvisibility=hidden", *self.request.flags))
        return ExtensionParts(items, shapes, (facts,), reports_failures=reports)


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if isinstance(content, dict) and all(isinstance(text, str) for text in content.values()):
        return content
    return {}


def _digest_of(file: str) -> str:
    with open(file, "rb") as content:
        return hashlib.blake2b(content.read(), digest_size=20).hexdigest()


def _unchanged(contents: Mapping[str, str]) -> bool:
    try:
        return all(_digest_of(file) == known for file, known in contents.items())
    except OSError:
        return False
