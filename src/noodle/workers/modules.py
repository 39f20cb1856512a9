"""Modules that are loaded in the workers of a pool, and their functions."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from contextvars import copy_context

from noodle import _host
from noodle.errors import NoodleError
from noodle.workers.operations import Operation
from noodle.workers.pool import Pool
from noodle.workers.worker import Worker

__all__ = ["RemoteModule", "Resolver"]


class RemoteModule:
    """A module in every worker of a pool, imported where it is needed, again after a restart.

    Args:
        pool: The workers.
        specifier: What to import, in the words of their runtime.
        directory: Where a relative specifier starts.
        library: What people call it; by default the specifier.
    """

    def __init__(
        self, pool: Pool, specifier: str, directory: str = ".", library: str | None = None
    ) -> None:
        self.pool = pool
        self.specifier = specifier
        self.directory = directory
        self.library = specifier if library is None else library
        self._imported: weakref.WeakKeyDictionary[Worker, _host.Reference] = (
            weakref.WeakKeyDictionary()
        )

    def reference(self, index: int = 0) -> _host.Reference:
        """Return the module's reference in one of the workers.

        Raises:
            RemoteCallError: The worker could not import it.
        """
        worker = self.pool.worker(index)
        known = self._imported.get(worker)
        if known is None:
            known = self._load(worker)
            _host.note_found(known)
            self._imported[worker] = known
            worker.libraries[self.library] = None
        return known

    def _load(self, worker: Worker) -> _host.Reference:
        """Let a worker load it, which has not loaded it yet."""
        root = worker.root()
        loaded: _host.Reference = _host.request_as(
            f"the import of {self.specifier}",
            root,
            Operation.IMPORT,
            self.specifier,
            str(self.directory),
        )
        return loaded

    def warm(self) -> None:
        """Start every worker and import the module there, all at once; wait until that is done.

        A failure is left to the call that needs that worker.
        """

        def run(index: int) -> None:
            with suppress(NoodleError):
                self.reference(index)

        threads = [
            threading.Thread(target=copy_context().run, args=(run, index))
            for index in range(self.pool.size)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def member(self, path: str, index: int = 0) -> object:
        """Return a member of the module by its dotted name, as one of the workers has it."""
        value: object = self.reference(index)
        for name in path.split("."):
            if not isinstance(value, _host.Reference):
                raise AttributeError(f"{self.specifier} has no member {path}")
            value = _host.request(value, Operation.GET, name)
        return value

    def function(self, path: str) -> _host.RemoteFunction:
        """Return a function of the module that runs in whichever worker has least to do.

        Args:
            path: Its dotted name in the module, which it is called in messages; as a
                ``FunctionName`` where those should tell the library too.
        """
        return _host.RemoteFunction(self.resolver(path), path, self.pool.size)

    def resolver(self, path: str, name: str = "") -> Resolver:
        """Return what finds a function of the module in the worker of an index.

        Args:
            path: Its dotted name in the module.
            name: What it is called in messages; by default the same.
        """
        return Resolver(self, path, name)

    def is_at_hand(self) -> bool:
        """Return whether a member can be asked for at once in every worker that runs.

        Not so where a worker has to be started, or the module to be imported, or where one stands
        still in a callback of another chain of calls than this thread works for.
        """
        workers = self.pool.workers()
        return bool(workers) and all(
            worker.is_ready and worker in self._imported and _answers(worker) for worker in workers
        )


class Resolver:
    """Finds a function of a module in a worker."""

    __slots__ = ("_module", "_name", "_path")

    def __init__(self, module: RemoteModule, path: str, name: str = "") -> None:
        self._module = module
        self._path = path
        self._name = name or path

    def __call__(self, index: int) -> _host.Reference:
        """Return the function in the worker of an index, started now if need be."""
        found = self._find(index)
        if not isinstance(found, _host.Reference):
            raise TypeError(
                f"{self._path} of {self._module.specifier} is no function but {found!r}"
            )
        _host.rename(found, self._name)  # in messages, as the program calls it
        _host.note_found(found)
        return found

    def _find(self, index: int) -> object:
        return self._module.member(self._path, index)

    def is_at_hand(self) -> bool:
        """Return what ``RemoteModule.is_at_hand`` does."""
        return self._module.is_at_hand()


def _answers(worker: Worker) -> bool:
    chain = _host.current_chain()
    return all(not blocks or served == chain for served, _, blocks in worker.link.served())
