"""A loaded shared library: a namespace of the functions that were declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

from noodle.bridges.native.functions import DeclaredFunction, NativeFunctions
from noodle.errors import NameNotFoundError, did_you_mean

__all__ = ["NativeLibrary"]


class NativeLibrary:
    """What the native bridge makes of a target.

    Args:
        name: The library, as the target names it.
        functions: The declared functions.
        exports: Gives the names that the library exports; the value says whether it is a function.
        version: Gives the library's version.
        notes: What ``explain`` should tell.
        left_out: Why functions that it has cannot be called, by their names.
    """

    def __init__(
        self,
        name: str,
        functions: NativeFunctions,
        *,
        exports: Callable[[], Mapping[str, bool]],
        version: Callable[[], str | None],
        notes: tuple[str, ...],
        left_out: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._name = name
        self._functions = functions
        self._exports = exports
        self._find_version = version
        self._notes = notes
        self._left_out = left_out

    @property
    def name(self) -> str:
        """The library, as the target names it."""
        return self._name

    @cached_property
    def version(self) -> str | None:
        """Its version, or None where it tells none; found out when it is first asked for."""
        return self._find_version()

    @property
    def notes(self) -> tuple[str, ...]:
        """What ``explain`` should tell about the library as a whole."""
        return self._notes

    @property
    def documentation(self) -> str | None:
        """The library and the declared prototypes, as help shows them."""
        listed = [self._functions.declarations[name].c_text for name in self.names()]
        return "\n".join([f"Shared library {self._name}.", *(f"    {line}" for line in listed)])

    def available(self) -> bool:
        """Return True: a library in this process stays until the process ends."""
        return True

    def names(self) -> Sequence[str]:
        """Return the declared functions' names."""
        return sorted(self._functions.declarations)

    def member(self, name: str) -> DeclaredFunction:
        """Return a declared function.

        Args:
            name: Its name.

        Raises:
            NameNotFoundError: It is not declared; the message says whether the library exports it.
        """
        function = self._functions.get(name)
        if function is None:
            raise self._not_found(name)
        return function

    def _not_found(self, name: str) -> NameNotFoundError:
        if name in self._left_out:
            return NameNotFoundError(
                f"{self._name} has {name!r}, but it cannot be called",
                expected="a function whose types C has",
                received=self._left_out[name],
                where=self._name,
                remedy="change it, or give prototypes for it",
            )
        exports = self._exports()
        if name not in exports:
            return NameNotFoundError(
                f"{self._name} has no function {name!r}",
                expected=f"one of {', '.join(self.names())}" if self.names() else None,
                received=name,
                where=self._name,
                remedy=did_you_mean(name, {*self.names(), *exports}),
            )
        if not exports[name]:
            return NameNotFoundError(
                f"{name!r} is a variable of {self._name}, not a function",
                received=name,
                where=self._name,
            )
        return NameNotFoundError(
            f"{self._name} exports {name!r}, but no prototype says what it takes",
            expected="a prototype in the import or load",
            received=name,
            where=self._name,
            remedy=f"{{ fn {name}(x: f64): f64 }} after the import, or "
            f'prototypes="double {name}(double x);", with the types that its manual has',
        )
