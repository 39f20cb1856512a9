"""The links of this process that are in use."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from noodle import _host

__all__ = ["add", "ended", "forget_all", "links", "when_ended"]

_links: weakref.WeakSet[_host.Link] = weakref.WeakSet()
_listeners: list[Callable[[_host.Link], None]] = []
_is_exiting = False


def add(link: _host.Link) -> None:
    """Note a link."""
    _links.add(link)


def links() -> list[_host.Link]:
    """Return the links whose workers live."""
    return [link for link in list(_links) if not link.dead]


def when_ended(listener: Callable[[_host.Link], None]) -> None:
    """Have a function called, on the worker's own thread, whenever a worker has ended."""
    _listeners.append(listener)


def ended(link: _host.Link) -> None:
    """Tell the listeners that the worker of a link has ended."""
    _links.discard(link)
    for listener in _listeners:
        listener(link)


def note_exit() -> None:
    """Note that this process ends, and its workers with it."""
    global _is_exiting
    _is_exiting = True


def is_exiting() -> bool:
    """Return whether this process ends."""
    return _is_exiting


def forget_all() -> None:
    """Forget every link: the child of a fork has none of its own yet."""
    _links.clear()
