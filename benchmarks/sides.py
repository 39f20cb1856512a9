"""A library that is ready to be called, as the programs see it that call through one each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from typing import Any


class AbsentError(Exception):
    """The library is not here."""


class WrongError(Exception):
    """It did not do what it should."""


@dataclass(frozen=True)
class Side:
    """A library that is ready to be called.

    Args:
        add: The function.
        process: The process that it runs in.
        counted: Returns the calls that the library has counted, where it counts them.
        asleep: Returns whether the other side sleeps, where that can be seen.
    """

    add: Callable[[float, float], Any]
    process: int
    counted: Callable[[], int] | None = None
    asleep: Callable[[], bool] | None = None


def side_behind_pipe(function: Callable[[float, float], Any]) -> Side:
    """Return a function in a child process that answers on a pipe of ``multiprocessing``."""
    here, there = Pipe()
    process = Process(target=_serve, args=(there, function), daemon=True)
    process.start()

    def add(a: float, b: float) -> Any:
        here.send((a, b))
        return here.recv()

    assert process.pid is not None
    return Side(add, process.pid)


def _serve(connection: Connection, function: Callable[[float, float], Any]) -> None:
    while True:
        connection.send(function(*connection.recv()))


def link_of(process: int) -> Any:
    """Return our link to a worker."""
    from noodle.workers import registry
    from noodle.workers.worker import worker_of

    for link in registry.links():
        worker = worker_of(link)
        if worker is not None and worker.pid == process:
            return link
    raise WrongError(f"no worker is process {process}")


def side_of_noodle(module: Any, process: int) -> Side:
    """Return our side: the function ``add`` of a module in a worker."""
    import noodle

    module.add(1.5, 2.25)
    link = link_of(process)
    return Side(
        module.add,
        process,
        counted=lambda: noodle.stats(module.add).calls,
        asleep=lambda: link.state == "parked",
    )
