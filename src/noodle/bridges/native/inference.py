"""Annotations that a declaration itself suggests, where following them cannot lose anything.

An inferred out or length can be left out of a call, and a call that gives it works as before. An
inferred destructor runs when the program asks for it, never for what is dropped: who owns an
object is not in its declaration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from noodle.bridges.native.annotations import RESULT, Annotations
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.declarations import Declaration, DeclaredParameter
from noodle.bridges.native.native_types import NativeType
from noodle.values import INTEGER_RANGES, VOID

__all__ = ["destructors", "infer", "makes_objects"]

_DESTRUCTOR = re.compile(
    r"(?:^|.*_)(?:free|close|destroy|delete|release|finalize|dispose)", re.IGNORECASE
)
_ENDING = re.compile(
    rf"(?:{_DESTRUCTOR.pattern})|.*[a-z](?:Free|Close|Destroy|Delete|Release|Finalize|Dispose)"
    r"|[a-z]{1,3}close|closedir"
)
_VERSIONED = re.compile(rf"(?:{_ENDING.pattern})(?:_?v\d+|_ex|64)?")
_CONSTRUCTOR = re.compile(
    r"(?:.*[_a-z])?(?:new|open|create|alloc|init|make|dup|copy|clone|load)(?:_?\w{0,12})?",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"(?i:n|num|(?:\w*_|buf|in|src|data|max)?(?:len|length|size|count|bytes))"
    r"|[a-z]\w*(?:Len|Length|Size|Count|Bytes)|n_\w+|n[A-Z]\w*|num_?[A-Z_]\w*"
)
_BYTES = ("i8", "u8", "void")
_WIDE = ("i32", "u32", "i64", "u64")


def destructors(contents: Contents) -> dict[str, str]:
    """Return the function that releases objects of each structure, where there is just one.

    Args:
        contents: What a library is known to have; only functions that are named so are read.
    """
    found: dict[str, list[str]] = {}
    for name in contents.functions:
        declaration = contents.function(name) if _ENDING.fullmatch(name) else None
        if declaration and _takes_one_object(declaration):
            found.setdefault(declaration.parameters[0].type.structure, []).append(name)
    return {structure: names[0] for structure, names in found.items() if len(names) == 1}


def _takes_one_object(declaration: Declaration) -> bool:
    parameters = () if declaration.variadic else declaration.parameters
    result = declaration.result.type
    returns_status = result == VOID or result.name in INTEGER_RANGES
    return len(parameters) == 1 and _is_object(parameters[0].type) and returns_status


def _is_object(native: NativeType) -> bool:
    return bool(native.structure) and native.type.name == "ptr" and native.writes


def makes_objects(declaration: Declaration) -> bool:
    """Return whether a function's name says that it makes the object that it returns."""
    return bool(_CONSTRUCTOR.fullmatch(declaration.name)) and _is_object(declaration.result)


def infer(
    declaration: Declaration,
    released_by: Mapping[str, str],
    size_of: Callable[[str], int],
) -> Annotations:
    """Return what a declaration suggests.

    Args:
        declaration: The function.
        released_by: The function that releases objects of each structure.
        size_of: Gives the size of a structure in bytes; 0 where its fields are unknown.
    """
    out = _out(declaration)
    free: dict[str, str] = {}
    for name in out:
        target = declaration.parameters[-1].type.target
        if target and target.structure in released_by:
            free[name] = released_by[target.structure]
    if makes_objects(declaration) and declaration.result.structure in released_by:
        free[RESULT] = released_by[declaration.result.structure]
    return Annotations(
        out=out or None,
        lengths=_lengths(declaration, size_of) or None,
        free=free or None,
        frees=_frees(declaration, released_by) or None,
        nullable=_nullable(declaration),
    )


def _nullable(declaration: Declaration) -> tuple[str, ...] | None:
    """Return the pointers that may be null, where the declaration says that others are not."""
    parameters = declaration.parameters
    if not any(parameter.nonnull for parameter in parameters):
        return None
    named = [(p.name or f"argument_{i}", p) for i, p in enumerate(parameters, 1)]
    return tuple(name for name, p in named if p.is_pointer and not p.nonnull)


def _out(declaration: Declaration) -> tuple[str, ...]:
    """Return the last parameter of a function with a status, where it is ``T **`` of objects."""
    if not declaration.parameters or declaration.result.type.name not in INTEGER_RANGES:
        return ()
    last = declaration.parameters[-1]
    target = last.type.target
    is_out = target is not None and last.type.writes and _is_object(target)
    return (last.name,) if is_out and last.name else ()


def _lengths(declaration: Declaration, size_of: Callable[[str], int]) -> dict[str, str]:
    """Return the arrays that are followed by one length."""
    found = {}
    parameters = declaration.parameters
    for index, (array, length) in enumerate(pairwise(parameters)):
        if not array.name or not _is_length(length):
            continue
        if _may_be_structures(array, length) and size_of(array.type.structure):
            found[array.name] = length.name
        if not _is_array(array.type) or _counts_otherwise(array.type, length.name.lower()):
            continue
        two = index + 2 < len(parameters) and _is_length(parameters[index + 2])
        if not two or _is_named_after(length.name, array.name):
            found[array.name] = length.name
    return found


def _counts_otherwise(array: NativeType, length: str) -> bool:
    """Return whether a name may well stand for another number than that of the array's items."""
    item = array.type.item
    in_bytes = length.endswith("bytes") and item is not None and item.name not in _BYTES
    return in_bytes or (array.writes and length == "n")


def _is_named_after(length: str, array: str) -> bool:
    """Return whether a length's name says whose it is, as ``values_len`` and ``valuesCount`` do."""
    rest = length.removeprefix(array)
    return rest != length and rest.lower().strip("_") in ("len", "length", "size", "count")


def _may_be_structures(array: DeclaredParameter, length: DeclaredParameter) -> bool:
    """Return whether a pointer to structures leads to several, which its length's name has to say.

    A size is one in bytes, and so may be a length: ``const struct sockaddr *address, socklen_t
    address_len``. It is none where the name is a plural, or as wide as the length of Rust's slices.
    """
    native, counted = array.type, length.name.lower()
    named = (
        native.structure and native.type.name == "ptr" and _is_named_after(length.name, array.name)
    )
    if not named or counted.endswith("size"):
        return False
    is_plural = array.name.endswith("s") and not array.name.endswith("ss")
    return counted.endswith("count") or is_plural or length.type.type.name == "u64"


def _is_array(native: NativeType) -> bool:
    if native.structure or native.callback or native.target:
        return False
    if native.type.name == "ptr" and native.type.item and native.type.item.name == "ptr":
        return False
    return native.type.name in ("ptr", "bytes", "str")


def _is_length(parameter: DeclaredParameter) -> bool:
    native = parameter.type
    is_named = bool(_LENGTH.fullmatch(parameter.name))
    return native.type.name in _WIDE and is_named and not native.enumeration


def _frees(declaration: Declaration, released_by: Mapping[str, str]) -> tuple[str, ...]:
    """Return the object that a function releases, by its name."""
    if not _takes_one_object(declaration) or not declaration.parameters[0].name:
        return ()
    structure = declaration.parameters[0].type.structure
    named = released_by.get(structure) == declaration.name
    released = structure in released_by and bool(_VERSIONED.fullmatch(declaration.name))
    return (declaration.parameters[0].name,) if named or released else ()
