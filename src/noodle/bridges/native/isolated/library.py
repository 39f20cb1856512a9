"""Native libraries that are open in workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noodle import _host
from noodle.bridges.native.declarations import Variable
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.pointers import WorkerPointer
from noodle.bridges.remote import pools
from noodle.errors import LibraryLoadError, RemoteCallError, WorkerCrashedError
from noodle.workers.modules import RemoteModule
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
        self._process = 0
        self._process_of: object = None
        self._kept: dict[tuple[int, int], Any] = {}

    def function(self, name: str) -> _host.RemoteFunction:
        """Return a function of the library.

        Args:
            name: Its symbol.
        """
        shown = f"{self.specifier}.{name}"
        return _host.RemoteFunction(self.resolver(f"functions.{name}"), shown, self.pool.size)

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
        """Return what a method of the worker's half gives; see ``ServedMemory``."""
        return _host.request(self.reference(), Operation.METHOD, method, *arguments)

    def process(self) -> int:
        """Return what tells the worker's process from any other."""
        reference = self.reference()
        if self._process_of is not reference:
            self._process = self.ask("process")
            self._process_of = reference
        return self._process

    def keep(self, address: int, kept: Any) -> None:
        """Keep what a pointer in the worker's memory leads to, until another one is written."""
        if kept is None:
            self._kept.pop((address, self.process()), None)
        else:
            self._kept[address, self.process()] = kept

    def _load(self, worker: Worker) -> _host.Reference:
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
        from noodle.bridges.native.variables import value_from

        found = self._module.variable(variable.name)
        if not isinstance(found, list):
            return value_from(variable, found, shown)
        address, process = found
        return WorkerPointer((address, process), variable.pointee, shown)

    def write(self, variable: Variable, value: Any, shown: str) -> None:
        """Change a variable; see ``Variables``."""
        from noodle.bridges.native.variables import check_assignment

        check_assignment(variable, value, shown, WorkerPointer)
        pointer = isinstance(value, WorkerPointer)
        self._module.assign(variable.name, list(value.place) if pointer else value)


class IsolatedLibrary(NativeLibrary):
    """A native library in a worker; its arguments are those of ``NativeLibrary``.

    Args:
        module: The library in its worker.
    """

    def __init__(self, *args: Any, module: LibraryInWorker, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pool = module.pool
        pools.enter(self, self._pool)

    def close(self) -> None:
        """End its worker, unless another library runs in that."""
        pools.leave(self, self._pool)
