"""Members of objects, by the paths in which the client names them.

A path is a text of attributes (``linalg.norm``), or a list in which a text is an attribute and a
list of one is an item. The interpreter's own attributes, and private ones, stay on this side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noodle.errors import ArgumentTypeError, NameNotFoundError
from noodle.values import describe

__all__ = ["Item", "Step", "attribute", "dotted", "follow", "names_of", "public", "steps"]


class Item:
    """A step of a path that is no attribute.

    Args:
        key: What stands between the brackets.
    """

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


Step = str | Item


def steps(path: Any) -> list[Step]:
    """Return the steps of a path.

    Raises:
        ArgumentTypeError: It is none.
    """
    if isinstance(path, str):
        return [*path.split(".")]
    if path is None:
        return []
    if isinstance(path, list):
        return [_step(step) for step in path]
    raise _no_path(path)


def _step(step: Any) -> Step:
    if isinstance(step, str):
        return step
    if isinstance(step, list) and len(step) == 1:
        return Item(step[0])
    raise _no_path(step)


def _no_path(path: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        "the path of a member cannot be read",
        expected="a text, or a list of texts and of lists of one key",
        received=describe(path),
    )


def dotted(path: Sequence[Step]) -> str | None:
    """Return a path as text, or None when it has items."""
    names = [step for step in path if isinstance(step, str)]
    return ".".join(names) if len(names) == len(path) else None


def public(name: Any) -> str:
    """Return an attribute's name.

    Raises:
        NameNotFoundError: It is private.
    """
    if not isinstance(name, str) or not name or name.startswith("_"):
        raise NameNotFoundError(
            f"{name!r} is not public",
            expected="a name that does not begin with an underscore",
            received=describe(name),
        )
    return name


def attribute(target: Any, name: str) -> Any:
    """Return a public attribute."""
    return getattr(target, public(name))


def follow(target: Any, path: Sequence[Step]) -> Any:
    """Return what a path leads to from an object."""
    for step in path:
        target = target[step.key] if isinstance(step, Item) else attribute(target, step)
    return target


def names_of(target: Any) -> list[str]:
    """Return the public attributes of an object."""
    return [name for name in dir(target) if not name.startswith("_")]
