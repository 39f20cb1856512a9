"""The worker's half of a native library: it is opened here, and its functions are called.

This module is imported in a Python worker that runs the host's own interpreter, so the extension
that the host has compiled fits. The host has checked the arguments, but for the range of numbers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Container, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _cffi_backend import FFI

from noodle._callbacks import PendingCall
from noodle.bridges.native.contents import Contents, DeclaredContents
from noodle.bridges.native.declarations import Declaration, Declarations, Variable
from noodle.bridges.native.elf import read_library
from noodle.bridges.native.failures import checked
from noodle.bridges.native.functions import adapted
from noodle.bridges.native.isolated.natural_serving import ServedCall
from noodle.bridges.native.isolated.places import PROCESS, address_at
from noodle.bridges.native.isolated.served_callbacks import (
    KeptCallback,
    ServedTypes,
)
from noodle.bridges.native.isolated.served_memory import ServedMemory
from noodle.bridges.native.native_types import NativeType, Structure
from noodle.bridges.native.opened_library import LOAD_ANEW, OpenedLibrary, replaced
from noodle.bridges.native.trampolines import lending
from noodle.bridges.native.vectorized_loops import open_loop
from noodle.bridges.native.vectorized_running import run_loop

__all__ = ["ServedLibrary", "open_library"]

_FFI = FFI()
_BYTES = _FFI.typeof("char[]")
_LINE_BUFFERED = 1  # _IOLBF of stdio.h


def open_library(
    path: str,
    identity: str,
    shown: str,
    packed: Sequence[Any],
    extension: Sequence[str] | None,
) -> ServedLibrary:
    """Open a shared library.

    Args:
        path: Its absolute real path.
        identity: The build id or digest that it had when the host looked at it.
        shown: Its name in messages.
        packed: Functions, structures and variables, as their ``pack`` has them.
        extension: Key and file of the compiled extension; None for calls through libffi.

    Raises:
        LibraryLoadError: The loader refused it, or it is another file by now.
    """
    elf = read_library(Path(path), shown)
    if elf.identity() != identity:
        raise replaced(shown, LOAD_ANEW)
    opened = OpenedLibrary(Path(path), elf, shown)
    if extension is None:
        functions, structures, variables = packed
        declared = Declarations(
            tuple(map(Declaration.unpack, functions)),
            {one[0]: Structure.unpack(one) for one in structures},
            variables=tuple(map(Variable.unpack, variables)),
        )
        entries = partial(_entry_through_libffi, opened)
        return ServedLibrary(opened, path, DeclaredContents(declared), entries, shown)
    from noodle.bridges.native.extensions import open_extension

    compiled = open_extension(extension[0], Path(extension[1]), Path(path))
    return ServedLibrary(opened, path, compiled.contents, compiled.entry, shown)


class ServedLibrary(ServedMemory):
    """What the host holds a reference to.

    Args:
        opened: The library.
        path: Its absolute real path.
        contents: What it is known to have.
        entry: Gives cffi's callable of a declared function.
        shown: The library's name in messages, by which the host knows what it asks for functions.
    """

    def __init__(
        self,
        opened: OpenedLibrary,
        path: str,
        contents: Contents,
        entry: Callable[[Declaration], Callable[..., Any]],
        shown: str,
    ) -> None:
        self._opened = opened
        self._path = path
        self._contents = contents
        check = partial(checked, address_of=opened.address_of, exports=opened.exports)
        self.types = ServedTypes(shown, contents, check)
        self._entry = self._entry_of(entry)
        self.functions = type(shown, (_Functions,), {})(contents, self._entry, self.types)

    def _entry_of(
        self, entry: Callable[[Declaration], Callable[..., Any]]
    ) -> Callable[[Declaration], Callable[..., Any]]:
        def made(declaration: Declaration) -> Callable[..., Any]:
            if declaration.by_libffi:
                address = self._opened.address_of(declaration.exported)
                called = self.types.entry(declaration, address)
            else:
                called = entry(declaration)
            calls_back = self._contents.calls_back or declaration.calls_back
            called = PendingCall(called) if calls_back else called
            shapes = self.types.shapes(declaration)
            return lending(called, list(shapes.items())) if shapes else called

        return made

    def keep(self, packed: Any, origin: str, function: Any, on_error: Any) -> KeptCallback:
        """Return a callback that C may call for as long as the host refers to it."""
        return self.types.keep(packed, origin, function, on_error)

    def annotated(self, kind: str, packed: Sequence[Any]) -> Callable[..., Any]:
        """Return what the host calls for an annotated function.

        Args:
            kind: ``natural`` where its outs are left out, ``checked`` where errno is read, else
                ``plain``.
            packed: Its plan, as ``natural_serving.pack_plan`` has it.
        """
        entry = self._entry(Declaration.unpack(packed[0]))
        called = ServedCall(entry, packed, self._called, self._given)
        declaration, known = called.declaration, self.types
        if kind == "natural":
            return _served(called.natural, declaration, known, None, called.sent, called.numbers)
        if kind == "checked":
            return _served(called.checked, declaration, known, None)
        return _served(called.entry, declaration, known, called.result)

    def declared(self, packed: Sequence[Any]) -> Callable[..., Any]:
        """Return what the host calls for a function whose types it has declared.

        Args:
            packed: The declaration, as its ``pack`` has it.
        """
        declaration = Declaration.unpack(packed)
        result = self._given(declaration)
        return _served(self._entry(declaration), declaration, self.types, result)

    def _given(self, declaration: Declaration) -> Callable[[Any], Any] | None:
        return self.types.given(declaration.result, declaration.name)

    def _called(self, name: str) -> Callable[..., Any]:
        declaration = self._contents.function(name)
        if declaration is None:
            raise AttributeError(name)
        return self._entry(declaration)

    def variable(self, name: str) -> Any:
        """Return what lies in a variable; the place of a pointer, or of what is no number."""
        from noodle.bridges.native.variables import is_number, is_text, read_variable

        variable = self._variable(name)
        found = read_variable(variable, self._opened.address_of(name))
        if is_number(variable) or is_text(variable):
            return found
        return [found, PROCESS] if found else None

    def assign(self, name: str, value: Any) -> None:
        """Change a variable; a pointer comes as its place."""
        from noodle.bridges.native.variables import write_variable

        given = address_at(*value) if type(value) is list else value
        write_variable(self._variable(name), self._opened.address_of(name), given)

    def _variable(self, name: str) -> Variable:
        variable = self._contents.variable(name)
        if variable is None:
            raise AttributeError(name)
        return variable

    def map_arrays(
        self, name: str, file: str, dtypes: Sequence[str], threads: int, out: Any, *arrays: Any
    ) -> Any:
        """Call a function for each element of arrays.

        Args:
            name: Its symbol.
            file: The compiled loop for its types.
            dtypes: NumPy's codes of the parameters' types and the result's.
            threads: The most threads that may be used.
            out: Where the results go, in memory of the host's; None to send them back.
            arrays: One for each parameter.

        Returns:
            The array of results, unless they went into ``out``.
        """
        import numpy

        run = open_loop(Path(file))
        address = self._opened.address_of(name)
        given = [numpy.asarray(array) for array in arrays]
        result = run_loop(run, address, given, out, dtypes, threads, name)
        return result if out is None else None

    def version(self) -> str | None:
        """Return what the library says of its version."""
        from noodle.bridges.native.versions import version_of

        return version_of(Path(self._path), self._opened.handle)


class _Functions:
    """What calls each declared function, made when it is first asked for.

    Args:
        contents: What the library is known to have.
        entry: Gives cffi's callable of a declared function.
        types: The types of the library.
    """

    def __init__(
        self,
        contents: Contents,
        entry: Callable[[Declaration], Callable[..., Any]],
        types: ServedTypes,
    ) -> None:
        self._contents = contents
        self._entry = entry
        self._types = types

    def __getattr__(self, name: str) -> Callable[..., Any]:
        declaration = self._contents.function(name)
        if declaration is None:
            raise AttributeError(name)
        result = self._types.given(declaration.result, name)
        served = _served(self._entry(declaration), declaration, self._types, result)
        setattr(self, name, served)
        return served


def _entry_through_libffi(opened: OpenedLibrary, declaration: Declaration) -> Callable[..., Any]:
    from noodle.bridges.native.libffi import entry

    plain = entry(declaration, opened.address_of(declaration.exported))
    return checked(plain, opened.address_of, opened.exports)


def _served(
    entry: Callable[..., Any],
    declaration: Declaration,
    known: ServedTypes,
    result: Callable[[Any], Any] | None,
    places: Sequence[int] | None = None,
    numbers: Container[int] = (),
) -> Callable[..., Any]:
    """Return what the host calls.

    Args:
        entry: What is called with arguments that cffi takes.
        declaration: What it takes.
        known: The types of the library.
        result: What converts the result.
        places: Those of the parameters that the host sends; None for all.
        numbers: The places of pointers for which it sends a number.
    """
    parameters = declaration.parameters
    listed = range(len(parameters)) if places is None else places
    types = [None if index in numbers else parameters[index].type for index in listed]
    converters = [
        (known.received(native) or _received(native)) if native else None for native in types
    ]
    writes = [bool(native and native.writes) for native in types]
    if any(writes):
        return _writing(entry, writes, converters, result)
    labels = [str(index) for index in range(len(types))]
    return adapted(entry, labels, [], list(converters), result)


def _received(native: NativeType) -> Callable[[Any], Any] | None:
    if native.callback:
        return _memory_or_function
    return _memory if native.type.name in ("str", "bytes", "ptr", "array") else None


def _writing(
    entry: Callable[..., Any],
    writes: Sequence[bool],
    converters: Sequence[Callable[[Any], Any] | None],
    result: Callable[[Any], Any] | None,
) -> Callable[..., Any]:
    """Return what calls a function that may write to memory.

    Memory that came as bytes goes back so: the result is then a list of the function's own and of
    the memory of each such argument. Memory that came as an array is the host's own.
    """

    def call(*arguments: Any) -> Any:
        copies: list[bytearray] = []
        ready = []
        for value, written, converter in zip(arguments, writes, converters, strict=True):
            if written and type(value) is bytes:
                value = bytearray(value)
                copies.append(value)
            ready.append(converter(value) if converter else value)
        outcome = entry(*ready)
        outcome = result(outcome) if result else outcome
        return [outcome, [bytes(copy) for copy in copies]] if copies else outcome

    return call


def _memory(value: Any) -> Any:
    """Return what cffi takes for a pointer: of bytes, null, a pointer of this worker, an array."""
    if type(value) is bytes:
        return value
    if value is None:
        return _FFI.NULL
    return address_at(*value) if type(value) is list else _FFI.from_buffer(_BYTES, value)


def _memory_or_function(value: Any) -> Any:
    return value if callable(value) else _memory(value)


def _buffer_lines() -> None:
    """Let what C code prints come out line by line: the output is a pipe, and a crash loses it."""
    libc = ctypes.CDLL(None)
    libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _LINE_BUFFERED, ctypes.c_size_t(0))


_buffer_lines()
