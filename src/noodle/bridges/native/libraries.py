"""A loaded shared library: a namespace of the functions that were declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from noodle.bridges.native.contents import Address
from noodle.bridges.native.declarations import Variable
from noodle.bridges.native.functions import NativeFunctions
from noodle.bridges.native.pointers import AnyPointer
from noodle.errors import NameNotFoundError, did_you_mean

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes
    from noodle.bridges.native.opened_library import LoadedFile
    from noodle.bridges.native.sources import SourceFiles

__all__ = ["NativeLibrary", "Variables", "VariablesHere"]

_MOST_SHOWN = 20
"""Chosen: names in a message, beside the ones that are like what was asked for."""


class Variables(Protocol):
    """Reads and writes the global variables of a library, wherever that is loaded."""

    def read(self, variable: Variable, shown: str) -> Any:
        """Return the value of a variable; ``shown`` is its name in messages."""

    def write(self, variable: Variable, value: Any, shown: str) -> None:
        """Change a variable.

        Raises:
            UsageError: It cannot be changed, or the value does not fit.
        """


class VariablesHere:
    """Those of a library in this process.

    Args:
        address_of: Gives the address of a symbol.
    """

    def __init__(self, address_of: Callable[[str], int]) -> None:
        self._address_of = address_of

    def read(self, variable: Variable, shown: str) -> Any:
        """Return the value of a variable; ``shown`` is its name in messages."""
        from noodle.bridges.native.variables import read_variable, value_from

        found = read_variable(variable, self._address_of(variable.name))
        return value_from(variable, found, shown)

    def write(self, variable: Variable, value: Any, shown: str) -> None:
        """Change a variable; see ``Variables``."""
        from noodle.bridges.native.pointers import Pointer, own
        from noodle.bridges.native.variables import check_assignment, write_variable

        check_assignment(variable, value, shown)
        given = own(value, "cdata") if isinstance(value, Pointer) else value
        write_variable(variable, self._address_of(variable.name), given)


class NativeLibrary:
    """What the native bridge makes of a target.

    Args:
        name: The library, as the target names it.
        functions: The declared functions.
        exports: Gives the names that the library exports; the value says whether it is a function.
        version: Gives the library's version.
        notes: What ``explain`` should tell.
        variables: Reads and writes its global variables.
        types: Gives its types.
        left_out: Why functions and variables that it has cannot be used, by their names.
        file: The file that it was loaded from, where the program named that itself.
        sources: What it was compiled from when it was loaded.
    """

    def __init__(
        self,
        name: str,
        functions: NativeFunctions,
        *,
        exports: Callable[[], Mapping[str, bool]],
        version: Callable[[], str | None],
        notes: tuple[str, ...],
        variables: Variables,
        types: Callable[[], LibraryTypes],
        left_out: Mapping[str, str] = MappingProxyType({}),
        file: LoadedFile | None = None,
        sources: SourceFiles | None = None,
    ) -> None:
        self._name = name
        self._variables = variables
        self._types = types
        self.contents = functions.contents
        self._functions = functions
        self._exports = exports
        self._find_version = version
        self._notes = notes
        self._left_out = left_out
        self._file = file
        self._sources = sources

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
        if self.contents.headers:
            return f"Shared library {self._name}, with what {self.contents.headers} declares."
        contents = self.contents
        found = [contents.function(name) or contents.variable(name) for name in self.names()]
        listed = [declaration.c_text for declaration in found if declaration]
        return "\n".join([f"Shared library {self._name}.", *(f"    {line}" for line in listed)])

    @property
    def unbound(self) -> Mapping[str, str]:
        """What it exports and its headers or sources declare that cannot be used, and why."""
        return {**self.contents.unbound, **self._left_out}

    def outdated(self) -> bool:
        """Return whether its source has changed since it was compiled."""
        return self._sources is not None and self._sources.changed()

    def refuse_replaced(self) -> None:
        """Refuse to be loaded again from a file that is another one by now.

        Raises:
            LibraryLoadError: It was replaced.
        """
        if self._file is not None:
            self._file.refuse_replaced()

    def available(self) -> bool:
        """Return True: a library in this process stays until the process ends."""
        return True

    def names(self) -> Sequence[str]:
        """Return the names of the declared functions, variables and constants."""
        contents = self.contents
        return sorted({*contents.functions, *contents.variables, *contents.constants})

    def member(self, name: str) -> Any:
        """Return a declared function, the value of a variable now, or a constant.

        Args:
            name: Its name; ``struct`` and ``union`` give what gives a structure by its name.

        Raises:
            NameNotFoundError: It is not declared; the message says whether the library exports it.
        """
        function = self._functions.get(name)
        if function is not None:
            return function
        if name in ("struct", "union"):
            return partial(self._types().named, name)
        variable = self.contents.variable(name)
        if variable is not None:
            found = self._variables.read(variable, f"{self._name}.{name}")
            return self._types().led(variable, found) if isinstance(found, AnyPointer) else found
        constant = self.contents.constant(name)
        if constant is None:
            raise self._not_found(name)
        if isinstance(constant, Address):
            return self._types().pointer(constant.number, f"{self._name}.{name}")
        return constant

    def assigns(self) -> bool:
        """Return whether there are variables that may be changed."""
        return self.contents.assignable

    def assign(self, name: str, value: Any) -> None:
        """Change a global variable.

        Args:
            name: Its name.
            value: Its new value.

        Raises:
            UsageError: There is no such variable, or it cannot be changed.
            ArgumentError: The value does not fit.
        """
        variable = self.contents.variable(name)
        if variable is None:
            raise NameNotFoundError(
                f"{self._name} has no variable {name!r}",
                expected=f"one of {', '.join(self.contents.variables) or 'none'}",
                received=name,
                where=self._name,
                remedy=did_you_mean(name, self.contents.variables),
            )
        self._variables.write(variable, value, f"{self._name}.{name}")

    def _not_found(self, name: str) -> NameNotFoundError:
        if name in self._left_out:
            return NameNotFoundError(
                f"{self._name} has {name!r}, but it cannot be used",
                expected="types that C has",
                received=self._left_out[name],
                where=self._name,
                remedy="change it, or give prototypes for it",
            )
        reason = self.contents.unbound.get(name)
        if reason:
            return NameNotFoundError(
                f"{name!r} of {self._name} cannot be used: {reason}",
                received=name,
                where=self._name,
            )
        called = self.contents.macro(name)
        if called is not None:
            return self._is_macro(name, called)
        if self.contents.lacks(name):
            return NameNotFoundError(
                f"{self.contents.headers} declares {name!r}, which {self._name} does not export",
                expected="a header of the library's own version and build",
                received=name,
                where=self._name,
                remedy="compare the versions of both; a library may be built without a part of it",
            )
        exports = self._exports()
        if name in exports:
            return self._undeclared(name, is_function=exports[name])
        return NameNotFoundError(
            f"{self._name} has no function {name!r}",
            expected=_one_of(self.names()),
            received=name,
            where=self._name,
            remedy=self._meant(name, exports),
        )

    def _meant(self, name: str, exports: Mapping[str, bool]) -> str | None:
        """Return what to write for a name that the library does not export."""
        for kind in ("struct", "union"):
            if f"{kind} {name}" in self.contents.structures:
                return f"library.{kind}({name!r})"
        if any(symbol.startswith(f"_Z{len(name)}{name}") for symbol in exports):
            return f'extern "C" before {name} in the source: C++ gives it a symbol of its own'
        plain = (symbol for symbol in exports if not symbol.startswith("_Z"))
        return did_you_mean(name, {*self.names(), *plain})

    def _undeclared(self, name: str, *, is_function: bool) -> NameNotFoundError:
        """Return the error for a name that is exported and not declared."""
        headers = self.contents.headers
        if headers:
            listed = ", ".join(f'"{one}"' for one in headers.split(", "))
            return NameNotFoundError(
                f"{self._name} exports {name!r}, which is not declared by {headers}",
                expected="a header that declares it",
                received=name,
                where=self._name,
                remedy=f'header=[{listed}, "…"], with the one that its manual has',
            )
        if not is_function:
            return NameNotFoundError(
                f"{name!r} is a variable of {self._name}, not a function",
                expected="a function, or a variable that is declared",
                received=name,
                where=self._name,
                remedy=f'prototypes="extern int {name};", with the type that its manual has; or '
                'its header, as in header="name.h"',
            )
        return NameNotFoundError(
            f"{self._name} exports {name!r}, but no prototype says what it takes",
            expected="a prototype in the import or load",
            received=name,
            where=self._name,
            remedy=f"{{ fn {name}(x: f64): f64 }} after the import, or "
            f'prototypes="double {name}(double x);", with the types that its manual has; or its '
            'header, as in header="name.h"',
        )

    def _is_macro(self, name: str, called: str) -> NameNotFoundError:
        function = self.contents.function(called)
        prototype = f": {function.c_text}" if function else ""
        remedy = "write a C function that uses it, and load that source"
        if called:
            remedy = f"call {called}, to which it expands{prototype}"
        return NameNotFoundError(
            f"{name!r} is a macro with parameters in {self.contents.headers}, which no library has",
            expected=f"a function that {self._name} exports",
            received=f"the macro {name}",
            where=self._name,
            remedy=remedy,
        )


def _one_of(names: Sequence[str]) -> str | None:
    """Return what a name may be, for a message."""
    if not names:
        return None
    rest = len(names) - _MOST_SHOWN
    return f"one of {', '.join(names[:_MOST_SHOWN])}" + (f" and {rest} more" if rest > 0 else "")
