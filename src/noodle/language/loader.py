"""Running programs: each Noodle file once, its imports on the way, its bytecode from the cache.

This module is part of every start, so it imports almost nothing: the compiler is loaded only when a
program has no usable bytecode, what describes foreign imports only when there are any.
"""

from __future__ import annotations

import os

from noodle.language.bytecode_cache import BytecodeCache, default_directory
from noodle.language.prelude import make_prelude

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from noodle.errors import SourceError
    from noodle.language.host import Host
    from noodle.language.program import CompiledProgram

__all__ = ["ProgramLoader"]

# The class of modules, without importing `types`, which every start would pay for.
_Module = type(os)


class ProgramLoader:
    """Runs programs for a host.

    Args:
        host: Loads foreign libraries, reads files, takes output.
        cache_directory: Where bytecode is kept; None for the default, ``""`` for nowhere.

    Not safe for use by several threads at once.
    """

    def __init__(self, host: Host, cache_directory: str | None = None) -> None:
        self._host = host
        directory = default_directory() if cache_directory is None else cache_directory
        self._cache = BytecodeCache(directory)
        self._builtins = make_prelude(host.write)
        self._modules: dict[str, ModuleType] = {}
        self._running: list[_Import] = []

    def run(self, path: str) -> ModuleType:
        """Run a program and the files that it imports, each once.

        Args:
            path: Its file.

        Returns:
            Its namespace: the names of its top level are attributes.

        Raises:
            LanguageError: It or a file that it imports cannot be read or compiled.
        """
        return self._module(_Import(os.path.realpath(path), path))

    def compile(self, path: str) -> CompiledProgram:
        """Return a program compiled, from the cache where possible.

        Raises:
            LanguageError: It cannot be read or compiled.
        """
        source = self._host.read_source(path)
        program = self._cache.load(path, source)
        if program is None:
            from noodle.language.compiler import compile_source

            program = compile_source(source, path)
            self._cache.store(program)
        return program

    def _module(self, request: _Import) -> ModuleType:
        if request.key in self._modules:
            return self._modules[request.key]
        self._check_cycle(request)
        self._running.append(request)
        try:
            program = self.compile(request.path)
            module = self.new_module(program)
            program.execute(module.__dict__)
        finally:
            self._running.pop()
        self._modules[request.key] = module
        return module

    def new_module(self, program: CompiledProgram) -> ModuleType:
        """Return the empty namespace in which a program will run."""
        name = os.path.basename(program.path).removesuffix(".noodle")
        module = _Module(name)
        module.__file__ = program.path
        self.prepare(module.__dict__, program.path)
        namespace, exports = module.__dict__, program.exports
        namespace["'program"] = program

        def missing(wanted: str) -> Any:
            if exports.get(wanted, wanted) != wanted and exports[wanted] in namespace:
                return namespace[exports[wanted]]
            raise _no_such_name(wanted, program)

        namespace["__getattr__"] = missing
        namespace["__dir__"] = lambda: sorted(exports)
        return module

    def prepare(self, namespace: dict[str, Any], path: str) -> None:
        """Put into a namespace what generated code calls."""
        namespace["__builtins__"] = self._builtins
        namespace["here"] = os.path.dirname(os.path.abspath(path))
        namespace["'foreign"] = lambda index: self._foreign(namespace["'program"], index)
        namespace["'module"] = lambda request, line, column: self._import(
            namespace["'program"], request, line, column
        )

    def _foreign(self, program: CompiledProgram, index: int) -> Any:
        from noodle.language.foreign_imports import from_plain

        return self._host.load_foreign(from_plain(program.plain_imports[index], program.path))

    def _import(
        self, importer: CompiledProgram, request: str, line: int, column: int
    ) -> ModuleType:
        path = os.path.normpath(os.path.join(os.path.dirname(importer.path), request))
        wanted = _Import(os.path.realpath(path), path, importer, line, column)
        from noodle.errors import SourceError

        try:
            return self._module(wanted)
        except SourceError as error:
            if error.path != path or error.line:
                raise
            raise _at_import(error, wanted, request) from None

    def _check_cycle(self, request: _Import) -> None:
        keys = [running.key for running in self._running]
        if request.key not in keys:
            return
        from noodle.errors import ImportCycleError

        circle = [*self._running[keys.index(request.key) + 1 :], request]
        steps = [f"{step.place} imports {step.path}" for step in circle]
        raise ImportCycleError(
            "Noodle files import each other in a circle",
            expected="files that import each other in one direction",
            received="; ".join(steps),
            remedy="move what both need into a third file",
            **_underlined(request),
        )


class _Import:
    """A file that is to be run, and the import that asks for it, if one does."""

    __slots__ = ("column", "importer", "key", "line", "path")

    def __init__(
        self,
        key: str,
        path: str,
        importer: CompiledProgram | None = None,
        line: int = 0,
        column: int = 0,
    ) -> None:
        self.key = key
        self.path = path
        self.importer = importer
        self.line = line
        self.column = column

    @property
    def place(self) -> str:
        """Where the import stands."""
        return f"{self.importer.path}:{self.line}" if self.importer else self.path


def _at_import(error: SourceError, wanted: _Import, request: str) -> SourceError:
    """Return the error of a file that cannot be read as one of the import that names it."""
    remedy = error.remedy
    if "/" not in request and not request.endswith(".noodle"):
        remedy = f'write `import ffi "{request}"` for a library'
    return type(error)(
        f"cannot import {request!r}: {error.summary}",
        expected=f"{error.expected}; a path starts at the importing file",
        received=wanted.path,
        remedy=remedy,
        **_underlined(wanted),
    )


def _underlined(request: _Import) -> dict[str, Any]:
    """Return the place of an import as the arguments of an error."""
    from noodle.language.source_text import SourceText

    importer = request.importer
    if importer is None:
        return {"path": request.path}
    return {
        "path": importer.path,
        "line": request.line,
        "column": request.column,
        "length": len("import"),
        "source_line": SourceText(importer.source, importer.path).lines[request.line - 1],
    }


def _no_such_name(wanted: str, program: CompiledProgram) -> Exception:
    if wanted.startswith("__"):
        return AttributeError(wanted)
    from noodle.errors import NameNotFoundError, did_you_mean

    known = sorted(program.exports)
    return NameNotFoundError(
        f"{program.path} has no name `{wanted}`",
        expected=", ".join(known[:20]) or "a name of its top level; it has none",
        received=wanted,
        remedy=did_you_mean(wanted, known),
    )
