"""What functions of libraries in workers are called in messages."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["DeclaredName", "FunctionName"]


class FunctionName(str):
    """The name of a function, which knows the library that it belongs to.

    It goes where the name goes, so that whoever tells of a call can tell the library as well.

    Args:
        path: Its dotted name in the module.
        library: The name of the library.
    """

    __slots__ = ("library",)

    library: str

    def __new__(cls, path: str, library: str) -> FunctionName:
        """Return the name of a function of a library."""
        name = super().__new__(cls, path)
        name.library = library
        return name


class DeclaredName(str):
    """The name of a function, which knows how the function is declared in its own language.

    Args:
        name: Its name with the library's.
        declared: Gives the declaration; asked when something is told of a call.
    """

    __slots__ = ("declared",)

    declared: Callable[[], str]

    def __new__(cls, name: str, declared: Callable[[], str]) -> DeclaredName:
        """Return the name of a function with a declaration."""
        made = super().__new__(cls, name)
        made.declared = declared
        return made
