"""What a Rust source exports, functions and statics, as C declares them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from noodle.bridges.native.failures import SYMBOLS
from noodle.bridges.native.sources.interfaces import (
    Definition,
    Interface,
    LeftOut,
    escaped,
    read_interface,
)
from noodle.bridges.native.sources.rust_conversions import (
    NUMBERS,
    Conversion,
    CTypes,
    UnfitError,
    array_length,
    c_name,
    is_c_word,
)
from noodle.bridges.native.sources.rust_program import RustFunction, RustProgram, RustStatic

__all__ = ["conversions_of", "rust_interface"]

_NO_NUMBER = ("char", "c_void")
_NO_GUARD = "{} crosses only behind a guard, which cannot be put around this function; {}"


def rust_interface(
    program: RustProgram,
    exports: Collection[str],
    is_guarded: Callable[[RustFunction], bool],
    place: Callable[[RustFunction | RustStatic], str],
) -> Interface:
    """Return what a Rust program says of its functions and statics.

    Args:
        program: What it declares.
        exports: The names that its library exports.
        is_guarded: Whether Noodle has put a guard around a function.
        place: Gives ``file:line`` of a function or static.
    """
    types = CTypes(program)
    definitions, left_out = list[_Definition](), list[LeftOut]()
    for function in program.functions:
        if not _concerns(function, exports):
            continue
        try:
            prototype = _prototype(function, types, is_guarded(function))
            symbol = function.symbol or function.name
            definitions.append(_Definition(symbol, place(function), prototype, types))
        except UnfitError as unfit:
            left_out.append(LeftOut(function.name, place(function), str(unfit)))
    for static in program.statics:
        if static.symbol not in exports or static.symbol in SYMBOLS:
            continue
        try:
            variable = _variable(static, types)
            definitions.append(_Definition(static.symbol, place(static), variable, types))
        except UnfitError as unfit:
            left_out.append(LeftOut(static.symbol, place(static), str(unfit)))
    read = read_interface(definitions)
    return Interface(read.prototypes, [*left_out, *read.left_out])


def _concerns(function: RustFunction, exports: Collection[str]) -> bool:
    """Return whether a function is exported, or seems to be meant so."""
    if function.symbol is not None:
        return function.symbol in exports
    return function.has_c_abi and not function.is_method


def _prototype(function: RustFunction, types: CTypes, guarded: bool) -> str:
    refused = types.refuse(function)
    if refused:
        raise UnfitError(refused)
    parameters = conversions_of(function, types)
    result = types.result(function.result)
    if not guarded:
        for (_, rust), conversion in zip(function.parameters, parameters, strict=True):
            if conversion.needs_guard:
                raise UnfitError(_NO_GUARD.format(rust.text, "take a pointer and a length"))
        if result.needs_guard:
            raise UnfitError(_NO_GUARD.format(function.result.text, "return a number or pointer"))
    listed = ", ".join(text for parameter in parameters for text in parameter.declared)
    symbol = function.symbol or function.name
    name = escaped(symbol) if is_c_word(symbol) else symbol
    space = "" if result.declared.endswith("*") else " "
    return f"{result.declared}{space}{name}({listed or 'void'});"


def _variable(static: RustStatic, types: CTypes) -> str:
    """Return the declaration of a number, also an atomic one, or of an array of numbers."""
    rust, lengths = types.resolved(static.type), ""
    while rust.kind == "array":
        lengths += f"[{array_length(rust)}]"
        rust = types.resolved(rust.inner[0])
    is_path = rust.kind == "path" and not rust.inner and types.structure(rust) is None
    atomic = is_path and rust.name.startswith("Atomic")
    number = rust.name.removeprefix("Atomic").lower() if atomic else rust.name
    if not is_path or number not in NUMBERS or number in _NO_NUMBER:
        raise UnfitError(f"{static.type.text} is no number; write functions that read it")
    name = escaped(static.symbol) if is_c_word(static.symbol) else static.symbol
    const = "" if static.mutable or atomic else "const "
    return f"extern {const}{NUMBERS[number]} {name}{lengths};"


def conversions_of(function: RustFunction, types: CTypes) -> Sequence[Conversion]:
    """Return how the parameters of a function cross.

    Args:
        function: The function.
        types: The types of its program.

    Raises:
        UnfitError: One cannot.
    """
    found = []
    for index, (name, rust) in enumerate(function.parameters):
        shown = c_name(name) or f"argument_{index + 1}"
        try:
            found.append(types.parameter(rust, shown))
        except UnfitError as unfit:
            raise UnfitError(f"{shown}: {unfit}") from unfit
    return found


class _Definition(Definition):
    """An exported function or static.

    Args:
        types: The types of its program.
    """

    def __init__(self, name: str, where: str, prototype: str, types: CTypes) -> None:
        super().__init__(name, where, prototype)
        self._types = types

    def types_of(self, definitions: Sequence[Definition], *, opaque: bool) -> str:
        """Return the structures with C's layout."""
        return "" if opaque else self._types.definitions()

    def refusal(self) -> str | None:
        """Return None: what C lacks was found before."""
        return None
