"""The types of one library: its structures, and what its function pointers and results become."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import _cffi_backend
from _cffi_backend import FFI

from noodle.bridges.native.argument_rules import Argument
from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, DeclaredParameter, Variable
from noodle.bridges.native.libffi import with_further
from noodle.bridges.native.native_types import C_NUMBERS, Field, NativeType
from noodle.bridges.native.pointers import AnyPointer, Pointer, own
from noodle.bridges.native.resources import BorrowedPointer, is_dependent
from noodle.bridges.native.results import converter_of
from noodle.bridges.native.structure_pointers import FieldsHere, with_fields
from noodle.bridges.native.structures import StructureType
from noodle.errors import ArgumentTypeError, NameNotFoundError, PrototypeError, did_you_mean
from noodle.values import VOID

if TYPE_CHECKING:
    from noodle.bridges.native.declared_callbacks import DeclaredCallback

__all__ = ["LibraryTypes"]

_FFI = FFI()


class LibraryTypes:
    """The types of a library in this process.

    Args:
        library: The library's name in messages.
        contents: What it is known to have.
        checked: Puts a look at what the library reports behind a callable of cffi's.
    """

    def __init__(
        self,
        library: str,
        contents: Contents,
        checked: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    ) -> None:
        self.library = library
        self._contents = contents
        self._checked = checked
        self._structures: dict[str, StructureType | None] = {}

    def structure(self, name: str) -> StructureType | None:
        """Return a structure or union (``struct NAME``), always the same one, or None."""
        if name not in self._structures:
            found = self._contents.structure(name)
            self._structures[name] = StructureType(found, self) if found else None
        return self._structures[name]

    def named(self, kind: str, name: str) -> StructureType:
        """Return a structure or union.

        Args:
            kind: ``struct`` or ``union``.
            name: Its name.

        Raises:
            NameNotFoundError: There is none.
        """
        found = self.structure(f"{kind} {name}") or self._behind(kind, name)
        if found is None:
            other = {"struct": "union", "union": "struct"}[kind]
            known = [n.partition(" ")[2] for n in self._contents.structures if n.startswith(kind)]
            raise NameNotFoundError(
                f"{self.library} declares no {kind} {name}",
                expected=f"one of {', '.join(known) or 'none'}",
                received=name,
                where=self.library,
                remedy=f"library.{other}({name!r})"
                if self.structure(f"{other} {name}")
                else did_you_mean(name, known),
            )
        return found

    def _behind(self, kind: str, name: str) -> StructureType | None:
        """Return the structure that has another name than the typedef that is asked for."""
        definition = self._contents.definition(name)
        pattern = rf"typedef {kind} (\w+) (?:\{{.*\}} )?{re.escape(name)};"
        tag = re.fullmatch(pattern, definition[1]) if definition else None
        return self.structure(f"{kind} {tag[1]}") if tag else None

    def is_known(self, native: NativeType) -> bool:
        """Return whether values of a type can be read and written."""
        if not native.by_value:
            return True
        structure = self.structure(native.structure)
        return structure is not None and structure.known

    def rule(self, parameter: DeclaredParameter, shown: str, function: str = "") -> Argument:
        """Return the rules of a parameter.

        Args:
            parameter: The parameter.
            shown: Its name in messages.
            function: The function's.
        """
        from noodle.bridges.native.callback_arguments import CallbackArgument
        from noodle.bridges.native.declared_callbacks import DeclaredCallback
        from noodle.bridges.native.structure_arguments import (
            AnyMemoryArgument,
            StructureArgument,
            StructureByValue,
        )

        native = parameter.type
        if native.callback:
            origin = self.origin(shown, function)
            return CallbackArgument(native, shown, DeclaredCallback(native.callback, origin, self))
        structure = self.structure(native.structure) if native.structure else None
        if structure and structure.known:
            rule = StructureByValue if native.by_value else StructureArgument
            return rule(native, shown, structure)
        return AnyMemoryArgument(native, shown) if native.any else argument_of(parameter, shown)

    def origin(self, shown: str, function: str) -> str:
        """Return what a parameter, or a field of a structure, is called in messages."""
        return f"{shown} of {self.library}.{function}" if function else f"{shown} of {self.library}"

    def result(self, native: NativeType, function: str) -> Callable[[Any], Any] | None:
        """Return what turns cffi's result into the caller's, or None when it is that already.

        Args:
            native: The declared type of the result.
            function: The function's name in messages.
        """
        structure = self.structure(native.structure) if native.structure else None
        if structure and structure.known:
            return structure.copied if native.by_value else structure.view
        if native.callback:
            from noodle.bridges.native.function_pointers import function_pointer

            return function_pointer(native, function, self)
        if native.type.name == "ptr":
            from noodle.bridges.native.declared_callbacks import pointer_maker

            return pointer_maker(native, function, self)
        converter = converter_of(native, function)
        if converter and native.type.name in ("str", "bytes"):
            return lambda found: converter(_FFI.cast("char *", found))
        return converter

    def structure_at(self, type: StructureType, pointer: AnyPointer) -> Any:
        """Return the structure that a pointer leads to.

        Raises:
            ArgumentTypeError: It is a pointer of another process.
        """
        if not isinstance(pointer, Pointer):
            raise ArgumentTypeError(
                f"{pointer!r} means nothing in this process",
                expected=f"a pointer to {type} of this process",
                received="one of a worker",
                where=str(type),
            )
        cdata = own(pointer, "cdata")
        if not is_dependent(pointer.__class__):
            return type.view(cdata, pointer)
        part = BorrowedPointer(cdata, str(type), own(pointer, "origin"), (pointer,), ends=True)
        return with_fields(part, type, FieldsHere)

    def led(self, variable: Variable, pointer: AnyPointer) -> Any:
        """Return what a variable gives for a pointer: a structure, a function, texts, or that.

        Args:
            variable: The variable.
            pointer: To the variable where it is a structure or an array, else what lies in it.
        """
        native = variable.type
        structure = self.structure(native.structure) if native.structure else None
        if structure and structure.known:
            return self.structure_at(structure, pointer)
        if native.callback and not variable.dimensions:
            return self.function_at(native, pointer)
        if variable.dimensions and native.type.name == "str":
            return self.texts_at(pointer)
        return pointer

    def pointer(self, address: int, origin: str) -> AnyPointer | None:
        """Return a pointer to an address, which fits any pointer; None for null.

        Args:
            address: The address.
            origin: Where it comes from, in messages.
        """
        return Pointer(_FFI.cast("void *", address), "void", origin) if address else None

    def function_at(self, native: NativeType, pointer: AnyPointer) -> Any:
        """Return the function that a pointer leads to."""
        from noodle.bridges.native.function_pointers import FunctionPointer

        return FunctionPointer(own(pointer, "cdata"), native, own(pointer, "origin"), self)

    def texts_at(self, pointer: AnyPointer) -> Any:
        """Return a pointer to texts as one that reads them."""
        from noodle.bridges.native.pointed import TextsPointer

        return TextsPointer(own(pointer, "cdata"), "str", own(pointer, "origin"))

    def kept(self, ready: Any) -> Any:
        """Return an address that a field may hold for what its rules made of a value."""
        return _FFI.new("char[]", ready) if isinstance(ready, bytes) else ready

    def given(self, native: NativeType, origin: str) -> Callable[[Any], Any] | None:
        """Return what turns an argument of C into what a callback gets; see ``given`` there."""
        from noodle.bridges.native.declared_callbacks import given

        return given(native, origin, self)

    def taken(self, shape: DeclaredCallback) -> Callable[[Any], Any] | None:
        """Return what turns the results of a callback into what C takes; see ``taken`` there."""
        from noodle.bridges.native.declared_callbacks import taken

        return taken(shape, self)

    def c_type(self, native: NativeType) -> Any:
        """Return a type of cffi's; pointers to numbers know what they point to."""
        if native.by_value:
            structure = self.structure(native.structure)
            if structure is None or not structure.known:
                raise PrototypeError(f"{native.c} is not declared with its fields")
            return structure.c_type
        name = native.type.name
        if name == "ptr" and not native.structure and str(native.type.item) in C_NUMBERS:
            return _simple(f"{C_NUMBERS[str(native.type.item)]} *")
        return _simple("void" if native.type == VOID else native.binary)

    def _passed_type(self, native: NativeType) -> Any:
        """Return a type of cffi's that takes what the rules of a parameter make of values."""
        return self.c_type(native) if native.by_value else _simple(native.binary)

    def field_type(self, field: Field) -> Any:
        """Return the type of a field as cffi has it."""
        made = self.c_type(field.type)
        for length in reversed(field.dimensions):
            made = _cffi_backend.new_array_type(_cffi_backend.new_pointer_type(made), length)
        return made

    def function_type(
        self, parameters: Iterable[NativeType], result: NativeType, origin: str
    ) -> Any:
        """Return the type of a function as cffi has it; its pointers know what they point to.

        Args:
            parameters: The types of its parameters.
            result: The type of its result.
            origin: The function in messages.

        Raises:
            PrototypeError: A structure cannot be passed by value.
        """
        return self._function_type((*parameters, result), origin, self.c_type)

    def _function_type(
        self,
        listed: Sequence[NativeType],
        origin: str,
        c_type: Callable[[NativeType], Any],
        *,
        further: bool = False,
    ) -> Any:
        for native in listed:
            structure = self.structure(native.structure) if native.by_value else None
            if structure and structure.known and not structure.passable:
                raise PrototypeError(
                    f"{structure} cannot be passed by value to or from {origin}",
                    expected="a structure of numbers and pointers, or a pointer to it",
                    received="a union, or bit-fields or unions in it",
                    where=origin,
                )
        types = tuple(map(c_type, listed))
        made: Any = _cffi_backend.new_function_type
        return made(types[:-1], types[-1], further)

    def entry(self, declaration: Declaration, address: int) -> Callable[..., Any]:
        """Return what calls a function through libffi.

        Args:
            declaration: What the function takes and gives.
            address: Where it is.

        Raises:
            PrototypeError: A structure cannot be passed by value.
        """
        fixed = declaration.parameters[: declaration.fixed or None]
        types = [*(parameter.type for parameter in fixed), declaration.result]
        further = declaration.parameters[len(fixed) :]
        kind = self._function_type(
            types, declaration.name, self._passed_type, further=bool(declaration.fixed)
        )
        called: Callable[..., Any] = _FFI.cast(kind, address)
        if further:
            called = with_further(called, len(fixed), [one.type.binary for one in further])
        return self._checked(called) if self._checked else called


@cache
def _simple(text: str) -> Any:
    return _FFI.typeof(text)
