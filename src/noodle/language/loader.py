"""Running programs: each Noodle file once, its imports on the way, its bytecode from the cache.

This module is part of every start, so it imports almost nothing: the compiler is loaded only when a
program has no usable bytecode, what describes foreign imports only when there are any.
"""

from __future__ import annotations

import os

from noodle.language.bytecode_cache import BytecodeCache, default_directory
from noodle.language.module_imports import ModuleImport, refuse_circle, unreadable_import
from noodle.language.prelude import make_prelude

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

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
        self._running: list[ModuleImport] = []

    def run(self, path: str) -> ModuleType:
        """Run a program and the files that it imports, each once.

        Args:
            path: Its file.

        Returns:
            Its namespace: the names of its top level are attributes.

        Raises:
            LanguageError: It or a file that it imports cannot be read or compiled.
        """
        return self._module(ModuleImport(path))

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

    def _module(self, request: ModuleImport) -> ModuleType:
        if request.key in self._modules:
            return self._modules[request.key]
        refuse_circle(self._running, request)
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
        wanted = ModuleImport(request, importer.path, importer.source, line, column)
        from noodle.errors import SourceError

        try:
            return self._module(wanted)
        except SourceError as error:
            if error.path != wanted.path or error.line:
                raise
            raise unreadable_import(error, wanted) from None


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
