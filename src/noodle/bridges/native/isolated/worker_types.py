"""The types of a library in a worker: structures lie here, and what they lead to lies there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from _cffi_backend import FFI

from noodle import _host
from noodle.bridges.native.argument_rules import Argument, Converter, Refusal
from noodle.bridges.native.arguments import argument_of
from noodle.bridges.native.callback_arguments import CallbackArgument
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.declared_callbacks import DeclaredCallback
from noodle.bridges.native.isolated.library import LibraryInWorker
from noodle.bridges.native.isolated.places import sent_place
from noodle.bridges.native.isolated.worker_memory import (
    FieldsThere,
    TextsInWorker,
    part_in_worker,
    structure_in_worker,
)
from noodle.bridges.native.library_types import LibraryTypes
from noodle.bridges.native.memory_arguments import pointer_refusal
from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import AnyPointer, WorkerPointer, own, place_of_pointer
from noodle.bridges.native.results import text_of
from noodle.bridges.native.structure_arguments import StructureByValue
from noodle.bridges.native.structure_fields import made_for
from noodle.bridges.native.structure_objects import StructureObject
from noodle.bridges.native.structures import StructureType
from noodle.bridges.native.trampolines import unfit_result
from noodle.errors import ArgumentTypeError, ForeignError
from noodle.values import VOID, describe

__all__ = ["WorkerTypes"]

_FFI = FFI()


class WorkerTypes(LibraryTypes):
    """The types of a library in a worker.

    Args:
        library: The library's name in messages.
        contents: What it is known to have.
        module: The library in its worker.
    """

    def __init__(self, library: str, contents: Contents, module: LibraryInWorker) -> None:
        super().__init__(library, contents)
        self.module = module

    def rule(self, parameter: DeclaredParameter, shown: str, function: str = "") -> Argument:
        """Return the rules of a parameter, or of a pointer in a structure; see ``LibraryTypes``."""
        native = parameter.type
        if native.callback:
            origin = self.origin(shown, function)
            return _Function(native, shown, WorkerCallback(native, origin, self))
        if native.by_value:
            structure = self.structure(native.structure)
            if structure and structure.known:
                return _Value(native, shown, structure)
        if function or native.type.name not in ("ptr", "str", "bytes"):
            return super().rule(parameter, shown, function)
        return _Leading(parameter, shown)

    def result(self, native: NativeType, function: str) -> Callable[[Any], Any] | None:
        """Return what turns what lies in a structure here into the caller's; see there."""
        if native.type.name in ("str", "bytes"):
            return partial(self._text, function)
        return partial(self._pointer, native, function)

    def sent(self, native: NativeType, function: str) -> Callable[[Any], Any] | None:
        """Return what turns what a worker sends into the caller's, or None when it is that.

        Args:
            native: The declared type.
            function: The function's name in messages.
        """
        structure = self.structure(native.structure) if native.structure else None
        if native.type.name in ("str", "bytes"):
            return partial(text_of, function=function)
        if native.by_value and structure:
            return partial(_structure_of, structure, function)
        return partial(self._sent_pointer, native, function) if native.type.name == "ptr" else None

    def _sent_pointer(self, native: NativeType, function: str, sent: Any) -> Any:
        place = sent_place(sent, function)
        return place and self._led(native, function, place)

    def structure_at(self, type: StructureType, pointer: AnyPointer) -> Any:
        """Return the structure that a pointer leads to; see ``LibraryTypes``."""
        if not isinstance(pointer, WorkerPointer):
            raise ArgumentTypeError(
                f"{pointer!r} means nothing in the library's worker",
                expected=f"a pointer to {type} of the worker",
                received="one of this process",
                where=str(type),
            )
        origin = own(pointer, "origin")
        return part_in_worker(pointer, own(pointer, "place"), type, origin)

    def pointer(self, address: int, origin: str) -> AnyPointer | None:
        """Return a pointer to an address of the worker; see ``LibraryTypes``."""
        place = (address, self.module.process())
        return WorkerPointer(place, "void", origin, self.module) if address else None

    def function_at(self, native: NativeType, pointer: AnyPointer) -> Any:
        """Return the pointer itself: a function of the worker's is handed on, not called."""
        return pointer

    def texts_at(self, pointer: AnyPointer) -> Any:
        """Return a pointer to texts as one that reads them."""
        place, origin = own(pointer, "place"), own(pointer, "origin")
        return TextsInWorker(place, "str", origin, self.module)

    def kept(self, ready: Any) -> Any:
        """Return an address that a field may hold for what its rules made of a value."""
        if isinstance(ready, bytes):
            ready = _Kept(self.module.ask("keep_text", ready))
        if isinstance(ready, (_Kept, list)):
            place = ready.place if isinstance(ready, _Kept) else ready
            # cffi's address is what is compared; the worker's object lives as long as it is kept.
            return _FFI.gc(_FFI.cast("void *", place[0]), partial(_let_go, ready))
        return ready

    def _text(self, function: str, found: Any) -> str | None:
        place = [int(_FFI.cast("uintptr_t", found)), self.module.process()]
        return text_of(self.module.ask("text", place), function) if place[0] else None

    def _pointer(self, native: NativeType, function: str, found: Any) -> Any:
        address = int(_FFI.cast("uintptr_t", found))
        return self._led(native, function, (address, self.module.process())) if address else None

    def _led(self, native: NativeType, function: str, place: tuple[int, int]) -> Any:
        structure = self.structure(native.structure) if native.structure else None
        if structure and structure.known:
            return structure_in_worker(place, function, structure, self.module)
        texts = native.target is not None and native.target.type.name == "str"
        made = TextsInWorker if texts else WorkerPointer
        return made(place, native.pointee, function, self.module)


def _structure_of(structure: StructureType, function: str, content: Any) -> StructureObject:
    if type(content) is not bytes or len(content) != structure.size:
        raise ForeignError(
            f"{function} gave no {structure}",
            expected=f"{structure.size} bytes",
            received=describe(content),
            where=function,
        )
    return structure.of_content(content)


def _let_go(_: Any, __: Any) -> None:
    """The reference to the worker's object goes with the arguments."""


class _Kept:
    """An object of the worker, and its address.

    Args:
        reference: The object.
    """

    def __init__(self, reference: Any) -> None:
        from noodle.workers.operations import Operation

        self._reference = reference
        self.place: list[int] = _host.request(reference, Operation.METHOD, "place")


class WorkerCallback(DeclaredCallback):
    """A parameter or field that takes a function, of a library in a worker.

    Args:
        native: Its type.
        origin: The parameter or field in messages.
        types: The types of the library.
    """

    def __init__(self, native: NativeType, origin: str, types: WorkerTypes) -> None:
        assert native.callback
        self.callback = native.callback
        self.origin = origin
        self._worker_types = types
        self._given = [types.sent(one, origin) for one in self.callback.parameters]
        result = DeclaredParameter("result", self.callback.result)
        self._rule = None if result.type.type == VOID else types.rule(result, "result")
        self._last: Any = None
        """What was returned last: what its pointers lead to stays until the next result."""

    def place(self) -> object:
        """Return what an address belongs to: the worker."""
        return self._worker_types.module.reference()

    def acquire(self, function: Callable[..., Any], on_error: Any = None) -> _KeptCallback:
        """Return what leads to a function until it is released."""
        packed = self.callback.pack()
        forwarded = self.forwarded(function)
        asked = self._worker_types.module.ask("keep", packed, self.origin, forwarded, on_error)
        return _KeptCallback(asked)

    def forwarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what the worker calls: it takes and gives what is sent."""

        def forward(*sent: Any) -> Any:
            pairs = zip(self._given, sent, strict=True)
            return self._sent(function(*(given(v) if given else v for given, v in pairs)))

        forward.__qualname__ = getattr(function, "__qualname__", repr(function))
        return forward

    def _sent(self, value: Any) -> Any:
        if self._rule is None:
            return None
        refused = self._rule.refuse(value)
        is_pointer = self.callback.result.type.name == "ptr"
        if refused is None and is_pointer and not _crosses(value):
            expected = "a pointer of the worker, or None"
            refused = Refusal(ArgumentTypeError, expected, describe(value))
        if refused:
            shown = replace(refused, remedy=None) if is_pointer else refused
            raise unfit_result(self.origin, shown)
        if isinstance(value, WorkerPointer):
            return place_of_pointer(value)
        value = self._last = made_for(self._rule, value)
        converter = self._rule.converter(type(value), compiled=False)
        return converter(value) if converter and value is not None else value


def _crosses(value: Any) -> bool:
    return value is None or isinstance(value, WorkerPointer)


class _KeptCallback:
    """A callback that the worker keeps.

    Args:
        reference: The worker's half.
    """

    def __init__(self, reference: Any) -> None:
        self._reference = reference
        self.cdata = _Kept(reference).place

    def release(self) -> None:
        """Let go of it: the worker closes it when it hears of that."""
        self._reference = None


class _Function(CallbackArgument):
    """A function for a library in a worker."""

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if isinstance(value, WorkerPointer):
            return pointer_refusal(self.native, value)
        return super().refuse(value)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, WorkerPointer):
            return place_of_pointer
        if self.lends(python_type):
            return self._forwarded
        return super().converter(python_type, compiled=compiled)

    def lends(self, python_type: type) -> bool:
        """Return whether values of this type are functions; see ``Argument``."""
        return super().lends(python_type) and not issubclass(python_type, WorkerPointer)

    def _forwarded(self, function: Any) -> Any:
        if self.refuse(function):
            raise TypeError
        return self.shape.forwarded(function)  # type: ignore[attr-defined]


class _Value(StructureByValue):
    """A structure by value, which is sent as its content."""

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        return self._bytes

    def _bytes(self, value: Any) -> bytes:
        if self.structure.is_row(value):
            content: bytes = value.tobytes()
            return content
        if not self.structure.holds(value):
            raise TypeError
        if isinstance(value, FieldsThere):
            return value.__noodle_content__()
        return self.structure.content(value)


class _Leading:
    """A pointer in a structure here, which leads to the worker's memory.

    Args:
        parameter: Its type.
        shown: The field in messages.
    """

    def __init__(self, parameter: DeclaredParameter, shown: str) -> None:
        self._native = parameter.type
        self._rules = argument_of(parameter, shown)

    def refuse(self, value: Any) -> Refusal | None:
        """Say why a value does not fit; see ``Argument``."""
        if isinstance(value, WorkerPointer):
            return pointer_refusal(self._native, value)
        if value is None or (self._native.type.name == "str" and isinstance(value, (str, bytes))):
            return None
        expected = f"a pointer to {self._native.pointee} of the worker, or None"
        received = describe(value)
        if isinstance(value, StructureObject):
            received = f"{value.__noodle_type__} in memory of this process"
        return Refusal(ArgumentTypeError, expected, received)

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        """Return what makes a value ready; see ``Argument``."""
        if issubclass(python_type, WorkerPointer):
            return place_of_pointer
        return self._rules.converter(python_type, compiled=compiled)

    def shares(self, python_type: type) -> bool:
        """Return False; see ``Argument``."""
        return False

    def lends(self, python_type: type) -> bool:
        """Return False; see ``Argument``."""
        return False

    def note(self, python_type: type) -> str | None:
        """Return None; see ``Argument``."""
        return None
