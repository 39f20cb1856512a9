"""Modules that are loaded in the workers of a pool, and their functions."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from noodle import _host
from noodle.workers.operations import Operation
from noodle.workers.pool import Pool
from noodle.workers.worker import Worker

__all__ = ["RemoteModule"]


class RemoteModule:
    """A module in every worker of a pool, imported where it is needed, again after a restart.

    Args:
        pool: The workers.
        specifier: What to import, in the words of their runtime.
        directory: Where a relative specifier starts.
    """

    def __init__(self, pool: Pool, specifier: str, directory: str = ".") -> None:
        self.pool = pool
        self.specifier = specifier
        self.directory = directory
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
            known = _host.request(
                worker.root(), Operation.IMPORT, self.specifier, str(self.directory)
            )
            self._imported[worker] = known
        return known

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
            path: Its dotted name in the module.
        """
        return _host.RemoteFunction(self.resolver(path), path, self.pool.size)

    def resolver(self, path: str) -> Callable[[int], _host.Reference]:
        """Return what finds a function of the module in the worker of an index."""

        def resolve(index: int) -> _host.Reference:
            found = self.member(path, index)
            if not isinstance(found, _host.Reference):
                raise TypeError(f"{path} of {self.specifier} is no function but {found!r}")
            return found

        return resolve
