"""The worker processes that the libraries of this process share.

Libraries that are loaded with equal options share the workers of one pool.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Hashable

from noodle.workers.pool import Pool
from noodle.workers.program import Program

__all__ = ["SharedPools", "enter", "leave", "retire"]


class SharedPools:
    """Pools by what their workers are started with; one such object for each runtime."""

    def __init__(self) -> None:
        self._pools: dict[Hashable, Pool] = {}
        self._lock = threading.Lock()
        _all.add(self)

    def pool_for(
        self,
        key: Hashable,
        program: Callable[[], Program],
        workers: int,
        idle_seconds: float | None = None,
    ) -> Pool:
        """Return the pool for a key, whose workers are started when they are first needed.

        Args:
            key: What is equal for libraries that share workers.
            program: Makes what they run.
            workers: How many there are at most.
            idle_seconds: A worker without calls for so long is ended; None keeps it.
        """
        with self._lock:
            whole = (key, workers, idle_seconds)
            if whole not in self._pools:
                self._pools[whole] = Pool(program(), workers, idle_seconds=idle_seconds)
            return self._pools[whole]

    def drop(self, pool: Pool) -> None:
        """Forget a pool: no library that is loaded from now on runs in it."""
        with self._lock:
            for key in [key for key, known in self._pools.items() if known is pool]:
                del self._pools[key]

    def forget(self) -> None:
        """In the child of a fork: the parent's workers stay the parent's."""
        self._lock = threading.Lock()
        self._pools.clear()


def enter(library: object, pool: Pool) -> None:
    """Note that a loaded library runs in a pool."""
    _users[library] = pool


def leave(library: object, pool: Pool) -> None:
    """Note that a library was unloaded; the pool is closed with the last one that runs in it."""
    if _is_left(library, pool):
        pool.close()


def retire(library: object, pool: Pool) -> None:
    """Note that another library took the place of one; see ``Pool.retire`` for the last one's."""
    if _is_left(library, pool):
        pool.retire()


def _is_left(library: object, pool: Pool) -> bool:
    """Forget that a library runs in a pool, and return whether none does any more."""
    _users.pop(library, None)
    if pool in list(_users.values()):
        return False
    for pools in list(_all):
        pools.drop(pool)
    return True


_users: weakref.WeakKeyDictionary[object, Pool] = weakref.WeakKeyDictionary()
"""The pool of each loaded library."""

_all: weakref.WeakSet[SharedPools] = weakref.WeakSet()


def _forget_all() -> None:
    _users.clear()
    for pools in _all:
        pools.forget()


os.register_at_fork(after_in_child=_forget_all)
