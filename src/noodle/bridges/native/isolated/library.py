"""Native libraries that are open in workers."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from noodle import _host
from noodle.bridges.native.declarations import Declaration, Variable
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.pointers import WorkerPointer, place_of_pointer
from noodle.bridges.remote import pools
from noodle.errors import (
    ForeignError,
    LibraryLoadError,
    ReferenceReleasedError,
    RemoteCallError,
    WorkerCrashedError,
)
from noodle.workers.function_names import DeclaredName
from noodle.workers.modules import RemoteModule, Resolver
from noodle.workers.operations import Operation
from noodle.workers.pool import Pool
from noodle.workers.worker import Worker

__all__ = ["IsolatedLibrary", "LibraryInWorker", "WorkerVariables"]

_PARTS = ("summary", "expected", "received", "where", "remedy")
_SERVING = "noodle.bridges.native.isolated.serving"


class LibraryInWorker(RemoteModule):
    """A shared library in the worker of a pool, opened anew when that was started anew.

    Args:
        pool: The worker.
        shown: The library's name in messages.
        opening: The arguments of ``serving.open_library``.
    """

    def __init__(self, pool: Pool, shown: str, opening: Sequence[Any]) -> None:
        super().__init__(pool, shown)
        self._opening = opening
        self._processes: dict[int, weakref.ref[Worker]] = {}
        self._kept: dict[tuple[int, int], Any] = {}

    def declared(self, declaration: Declaration) -> _host.RemoteFunction:
        """Return a function of the library; the worker is told what it does not know of it.

        Args:
            declaration: What it takes and gives.
        """
        shown = self._shown(declaration)
        resolver = (
            _Declared(self, shown, "declared", declaration.pack())
            if declaration.late
            else self.resolver(f"functions.{declaration.name}", shown)
        )
        return _host.RemoteFunction(resolver, shown, self.pool.size)

    def annotated(
        self, kind: str, packed: Sequence[Any], declaration: Declaration
    ) -> _host.RemoteFunction:
        """Return an annotated function of the library.

        Args:
            kind: How it is called, as ``ServedLibrary.annotated`` has it.
            packed: Its plan, as ``natural_serving.pack_plan`` has it.
            declaration: What it takes and gives.
        """
        shown = self._shown(declaration)
        resolver = _Declared(self, shown, "annotated", kind, packed)
        return _host.RemoteFunction(resolver, shown, self.pool.size)

    def loop(self, declaration: Declaration) -> _host.RemoteFunction:
        """Return what calls a function for the elements of arrays; see ``serving.map_arrays``.

        Args:
            declaration: What it takes and gives.
        """
        shown = self._shown(declaration, ".map")
        return _host.RemoteFunction(self.resolver("map_arrays", shown), shown, self.pool.size)

    def _shown(self, declaration: Declaration, suffix: str = "") -> DeclaredName:
        name = f"{self.specifier}.{declaration.name}{suffix}"
        return DeclaredName(name, lambda: replace(declaration, name=declaration.exported).c_text)

    def version(self) -> str | None:
        """Return what the library says of its version."""
        found: str | None = _host.request(self.reference(), Operation.METHOD, "version")
        return found

    def variable(self, name: str) -> Any:
        """Return what lies in a variable, as ``ServedLibrary.variable`` sends it."""
        return _host.request(self.reference(), Operation.METHOD, "variable", name)

    def assign(self, name: str, value: Any) -> None:
        """Change a variable.

        Args:
            name: Its symbol.
            value: A number, the place of a pointer, or None.
        """
        _host.request(self.reference(), Operation.METHOD, "assign", name, value)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the worker's half gives; see ``ServedMemory``.

        Raises:
            ReferenceReleasedError: An argument lies in a worker that has ended.
        """
        try:
            return _host.request(self.reference(), Operation.METHOD, method, *arguments)
        except RemoteCallError as error:
            if not isinstance(error, ReferenceError):
                raise
            raise ReferenceReleasedError(
                f"what is asked for lay in a worker of {self.specifier} that has ended",
                expected="a pointer of the worker that there is now",
                received=error.message,
                where=self.specifier,
            ) from error

    def process(self) -> int:
        """Return what tells the worker's process from any other; 0 where it said nothing."""
        self.reference()
        return next(iter(self._processes), 0)

    def keep(self, address: int, kept: Any) -> None:
        """Keep what a pointer in the worker's memory leads to, until another one is written."""
        if kept is None:
            self._kept.pop((address, self.process()), None)
        else:
            self._kept[address, self.process()] = kept

    def hold(self, process: int) -> object:
        """Return what keeps a worker from being ended for idleness while it is referred to.

        Args:
            process: What the worker calls its process; see ``ServedMemory.process``.
        """
        found = self._processes.get(process)
        worker = found() if found is not None else None
        return worker.hold() if worker is not None else None

    def _load(self, worker: Worker) -> _host.Reference:
        opened = self._opened(worker)
        process = _host.request(opened, Operation.GET, "process")
        self._processes = {process: weakref.ref(worker)} if type(process) is int else {}
        return opened

    def _opened(self, worker: Worker) -> _host.Reference:
        try:
            serving = _host.request(worker.root(), Operation.IMPORT, _SERVING, "/")
            opened: _host.Reference = _host.request(
                serving, Operation.METHOD, "open_library", *self._opening
            )
            return opened
        except WorkerCrashedError as error:
            error.add_note(f"while {self.specifier} was opened")
            raise
        except RemoteCallError as error:
            if not isinstance(error, LibraryLoadError):
                raise
            raise _load_error(error) from None


class _Declared(Resolver):
    """Finds a function in a worker, which is told how it is called.

    Args:
        library: The library.
        shown: The function, in messages.
        method: The method of the worker's half that gives it.
        told: The arguments of that.
    """

    __slots__ = ("_library", "_method", "_told")

    def __init__(self, library: LibraryInWorker, shown: str, method: str, *told: Any) -> None:
        super().__init__(library, shown)
        self._library = library
        self._method = method
        self._told = told

    def _find(self, index: int) -> object:
        reference = self._library.reference(index)
        found: object = _host.request(reference, Operation.METHOD, self._method, *self._told)
        return found


def _load_error(error: RemoteCallError) -> LibraryLoadError:
    """Return an error of opening the library as one of this process, with its parts."""
    told = error.extra.get("attributes")
    texts = told.items() if isinstance(told, dict) else ()
    parts = {name: text for name, text in texts if name in _PARTS and isinstance(text, str)}
    return LibraryLoadError(parts.pop("summary", error.message), **parts)


class WorkerVariables:
    """The global variables of a library in a worker; see ``Variables``.

    Args:
        module: The library in its worker.
    """

    def __init__(self, module: LibraryInWorker) -> None:
        self._module = module

    def read(self, variable: Variable, shown: str) -> Any:
        """Return the value of a variable; ``shown`` is its name in messages."""
        from noodle.bridges.native.isolated.functions import pointer_of
        from noodle.bridges.native.variables import is_number, is_text, value_from

        found = self._module.variable(variable.name)
        if is_number(variable):
            if type(found) in (int, float, bool):
                return found
        elif found is None or (isinstance(found, bytes) and is_text(variable)):
            return value_from(variable, found, shown)
        elif not is_text(variable):
            return pointer_of(variable.pointee, shown, self._module, found)
        raise ForeignError(
            f"the worker sent no value of {shown}",
            expected=variable.type.c,
            received=type(found).__name__,
            where=shown,
        )

    def write(self, variable: Variable, value: Any, shown: str) -> None:
        """Change a variable; see ``Variables``."""
        from noodle.bridges.native.variables import check_assignment

        check_assignment(variable, value, shown, WorkerPointer)
        pointer = isinstance(value, WorkerPointer)
        self._module.assign(variable.name, place_of_pointer(value) if pointer else value)


class IsolatedLibrary(NativeLibrary):
    """A native library in a worker; its arguments are those of ``NativeLibrary``.

    Args:
        module: The library in its worker.
    """

    def __init__(self, *args: Any, module: LibraryInWorker, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._module = module
        pools.enter(self, module.pool)

    def retire(self) -> None:
        """End its worker once that is idle, unless another library runs in it."""
        pools.retire(self, self._module.pool)

    def close(self) -> None:
        """End its worker, unless another library runs in that."""
        pools.leave(self, self._module.pool)
