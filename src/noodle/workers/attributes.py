"""Attributes of this process's objects, as workers see them: the public ones."""

from __future__ import annotations

from typing import Any

__all__ = ["delete", "get", "has", "names", "set_value"]


def get(target: Any, name: str) -> Any:
    """Return an attribute; the interpreter's own stay on this side."""
    return getattr(target, _public(name))


def set_value(target: Any, name: str, value: Any) -> None:
    """Set an attribute."""
    setattr(target, _public(name), value)


def delete(target: Any, name: str) -> None:
    """Delete an attribute."""
    delattr(target, _public(name))


def has(target: Any, name: str) -> bool:
    """Return whether there is such an attribute."""
    return not name.startswith("_") and hasattr(target, name)


def names(target: Any) -> list[str]:
    """Return the names of all attributes."""
    return [name for name in dir(target) if not name.startswith("_")]


def _public(name: str) -> str:
    if name.startswith("_"):
        raise AttributeError(f"{name!r} is not public")
    return name
