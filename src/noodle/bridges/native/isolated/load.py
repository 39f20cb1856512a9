"""One load of a native library into a worker."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noodle.bridges.native.contents import Contents, DeclaredContents
from noodle.bridges.native.declarations import Declaration, Declarations, concerns_types
from noodle.bridges.native.elf import ElfFile, NotElfError
from noodle.bridges.native.functions import NativeFunctions
from noodle.bridges.native.isolated.functions import IsolatedFunction
from noodle.bridges.native.isolated.library import IsolatedLibrary, LibraryInWorker, WorkerVariables
from noodle.bridges.native.isolated.natural import (
    IsolatedNaturalFunction,
    companions_in_worker,
)
from noodle.bridges.native.isolated.vectorized import WorkerLoop
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.load import Load, notes_of_call
from noodle.bridges.native.opened_library import LOAD_ANEW
from noodle.bridges.remote.pools import SharedPools
from noodle.workers.pool import Pool
from noodle.workers.program import Program
from noodle.workers.python_program import python_program

if TYPE_CHECKING:
    from noodle.bridges.native.isolated.worker_types import WorkerTypes

__all__ = ["IsolatedLoad"]

_pools = SharedPools()


class _Exports:
    """What a library exports, as its file says.

    Args:
        elf: The file.
    """

    def __init__(self, elf: ElfFile) -> None:
        self._complete = elf.complete
        try:
            self.exports: Mapping[str, bool] = elf.exports()
        except (NotElfError, OSError):
            self.exports = {}

    def is_function(self, name: str) -> bool:
        """Return whether it exports such a function; where the file does not tell, it may."""
        return self.exports.get(name, False) or not self._complete

    def is_variable(self, name: str) -> bool:
        """Return whether it exports such a variable; where the file does not tell, it may."""
        return self.exports.get(name) is False or not self._complete


class IsolatedLoad(Load):
    """What is known while a library is being loaded into a worker; see ``Load``."""

    _worker_types: WorkerTypes | None = None

    def library(self) -> NativeLibrary:
        """Return the library, which its worker has opened. Everything is checked before."""
        functions = self._functions()
        self._module.reference()
        self._check_version()
        return IsolatedLibrary(
            self._shown,
            functions,
            exports=lambda: self._open().exports,
            version=self._version,
            notes=(*self._notes, f"in a worker of {sys.executable}"),
            left_out=self._left_out,
            module=self._module,
            variables=WorkerVariables(self._module),
            types=lambda: self._types(functions.contents),
            file=self._own_file(LOAD_ANEW),
            sources=self._file.sources,
        )

    def _open(self) -> _Exports:
        return _Exports(self._elf)

    def _own_version(self) -> str | None:
        return self._module.version()

    def _extension_functions(self, key: str, compiled: Path) -> NativeFunctions:
        from noodle.bridges.native.extensions import read_contents

        return self._in_worker(read_contents(key, compiled), Declarations(()), [key, str(compiled)])

    def _libffi_functions(self) -> NativeFunctions:
        declarations = self._declarations()
        return self._in_worker(DeclaredContents(declarations), declarations, None)

    def _no_functions(self) -> NativeFunctions:
        return self._in_worker(DeclaredContents(), Declarations(()), None)

    def _in_worker(
        self, contents: Contents, declared: Declarations, extension: list[str] | None
    ) -> NativeFunctions:
        parts = (declared.functions, declared.structures.values(), declared.variables)
        packed = [[one.pack() for one in listed] for listed in parts]
        opening = (str(self._path), self._identity, self._shown, packed, extension)
        library = self._request.library
        module = self._module = LibraryInWorker(self._pool(), library, opening)
        compiled = extension is not None
        table = self._annotations(contents)
        companions = companions_in_worker(contents, module, table)
        options = self._loop_options(contents)

        def make(declaration: Declaration) -> IsolatedFunction:
            plan = table.plan(declaration)
            loop = WorkerLoop(declaration, module.loop(declaration), options)
            types = self._types(contents) if plan or concerns_types(declaration) else None
            checks = compiled and not declaration.by_libffi
            notes = notes_of_call(declaration, compiled=compiled)
            given: Any = {"compiled": checks, "notes": notes, "loop": loop, "types": types}
            if plan:
                return IsolatedNaturalFunction(library, plan, module, companions, **given)
            remote = module.declared(declaration)
            return IsolatedFunction(library, declaration, remote, module, **given)

        made = companions.functions = NativeFunctions(contents, make, library)
        return made

    def _types(self, contents: Contents) -> WorkerTypes:
        """Return the types of the library, always the same."""
        if self._worker_types is None:
            from noodle.bridges.native.isolated.worker_types import WorkerTypes

            self._worker_types = WorkerTypes(self._request.library, contents, self._module)
        return self._worker_types

    def _pool(self) -> Pool:
        options = self._options
        own = options.worker or (str(self._path), self._identity)
        key = (own, options.environment, options.memory, options.shared_memory)
        program = partial(_program, self._name_of_worker(), options)
        return _pools.pool_for(key, program, 1, options.idle_seconds)

    def _name_of_worker(self) -> str:
        return self._options.worker or Path(self._shown).name


def _program(name: str, options: Any) -> Program:
    return python_program(
        Path(sys.executable),
        name=name,
        environment=dict(options.environment),
        search_path=tuple(sys.path),
        memory_bytes=options.memory,
        shared_bytes=options.shared_memory,
    )
