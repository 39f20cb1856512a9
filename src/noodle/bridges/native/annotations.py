"""What a load says of functions beyond their declarations, checked against these.

An annotation is plain data, so that a Python option, an import in Noodle and a ``.toml`` file can
have it: names, words, numbers, lists and maps. Only ``errors`` and a buffer's ``size`` may also be
Python functions.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from noodle.bridges.native.declarations import Declaration
from noodle.errors import SettingsError, did_you_mean

__all__ = ["BYTES", "RESULT", "Annotations", "Buffer", "read_annotations", "wrong_annotation"]

RESULT = "result"
"""What stands for the result where parameters are named."""

BYTES = "bytes"
"""The encoding of what is bytes on both sides."""

_CONVENTIONS = ("nonzero", "null", "negative", "errno", "errno_set")
_CUTS = ("length", "result", "nul", "none")


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory that is allocated for a function to write to.

    Args:
        length: The parameter that says how long it is.
        size: How many items are allocated unless the call says so, or a function of the arguments
            by name; None where each call says it.
        cut: What tells how much of it was written: the parameter ``length``, the ``result``, a
            closing ``nul``, or ``none`` of them; None for what the types suggest.
    """

    length: str
    size: int | Callable[[Mapping[str, Any]], int] | None = None
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """What is said of one function. None stands for what is not said.

    Args:
        out: Parameters that become results.
        inout: Parameters that take a value and become results.
        lengths: Parameters that are arrays, and the parameter that each one's length is.
        buffers: Parameters whose memory is allocated, and becomes a result.
        encoding: The encoding of texts by parameter; ``result`` for the result, ``""`` for all.
        errors: How the function says that it failed: one of the conventions, or a function of
            result and arguments that returns an exception or None; ``""`` for not at all.
        ok: Results that are no failure beside those of the convention.
        message: The function that gives the text of a failure.
        free: The function that releases a result, by parameter; ``result`` for the result, ``""``
            for all of them.
        free_on_failure: Whether what a failed call has written is released too.
        same_thread: Whether only the thread that made an object may release it.
        frees: Parameters that the function releases.
        nullable: The pointers that may be null; True for all, False for none.
        borrowed: Whether pointers that the function returns end with the objects they came from.
        errno: Whether ``errno`` is a result.
        result: Whether the function's own result is kept.
    """

    out: tuple[str, ...] | None = None
    inout: tuple[str, ...] | None = None
    lengths: Mapping[str, str] | None = None
    buffers: Mapping[str, Buffer] | None = None
    encoding: Mapping[str, str] | None = None
    errors: str | Callable[[Any, Mapping[str, Any]], BaseException | None] | None = None
    ok: tuple[int, ...] | None = None
    message: str | None = None
    free: Mapping[str, str] | None = None
    free_on_failure: bool | None = None
    same_thread: bool | None = None
    frees: tuple[str, ...] | None = None
    nullable: bool | tuple[str, ...] | None = None
    borrowed: bool | None = None
    errno: bool | None = None
    result: bool | None = None

    def over(self, below: Annotations) -> Annotations:
        """Return these annotations, with those of ``below`` where nothing is said here."""
        merged = {
            one.name: value if (value := getattr(self, one.name)) is not None else other
            for one in fields(self)
            for other in (getattr(below, one.name),)
        }
        return Annotations(**merged)

    def said(self) -> bool:
        """Return whether anything is said at all."""
        return any(getattr(self, one.name) is not None for one in fields(self))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an annotation stands.

    Args:
        where: The place in messages.
        declaration: The function; None for what holds for a whole library.
        functions: The names of the declared functions.
    """

    where: str
    declaration: Declaration | None
    functions: Sequence[str]

    def wrong(self, key: str, value: Any, expected: str, remedy: str | None = None) -> Any:
        """Return the error for a wrong value."""
        remedy = remedy or self._for_functions(key, value)
        return wrong_annotation(self.where, key, value, expected, remedy)

    def _for_functions(self, key: str, value: Any) -> str | None:
        """Return what to write for a map of functions, where one value holds for all."""
        is_map = self.declaration is None and isinstance(value, Mapping)
        if not is_map or not value or not all(name in self.functions for name in value):
            return None
        said = {name: {key: one} for name, one in value.items()}
        return f"functions={said!r}"[:160]

    def parameter(self, key: str, name: Any, *, result: bool = False) -> str:
        """Return a parameter's name, if there is such a parameter.

        Of a name that is reserved in C, such as ``__n``, the underscores may be left out.
        """
        names = [p.name for p in self.declaration.parameters if p.name] if self.declaration else []
        known = [*names, *[RESULT] * result]
        if isinstance(name, str) and name in known:
            return name
        reserved = [one for one in names if one.lstrip("_") == name]
        if len(reserved) == 1:
            return reserved[0]
        shown = self.declaration.c_text if self.declaration else "no parameters"
        raise self.wrong(key, name, f"a parameter of {shown}", did_you_mean(str(name), known))

    def function(self, key: str, name: Any) -> str:
        """Return a function's name, if it is declared."""
        if isinstance(name, str) and name in self.functions:
            return name
        raise self.wrong(
            key,
            name,
            "a function that is declared",
            did_you_mean(str(name), self.functions) or f"declare {name} as well",
        )


def wrong_annotation(
    where: str, key: str, value: Any, expected: str, remedy: str | None = None
) -> SettingsError:
    """Return the error for an annotation with a wrong value.

    Args:
        where: What it is said of.
        key: The annotation.
        value: Its value.
        expected: What would have been accepted.
        remedy: What to write instead.
    """
    return SettingsError(
        f"the annotation {key!r} of {where} has a wrong value",
        expected=expected,
        received=repr(value)[:160],
        where=f"{where}: {key}",
        remedy=remedy,
    )


def read_annotations(
    written: Any, where: str, declaration: Declaration | None, functions: Sequence[str]
) -> Annotations:
    """Return checked annotations.

    Args:
        written: Names and values.
        where: What they are said of, in messages.
        declaration: The function; None for what holds for all functions of a library.
        functions: The names of all declared functions.

    Raises:
        SettingsError: A name is unknown, or a value is wrong.
    """
    if not isinstance(written, Mapping):
        raise SettingsError(
            f"the annotations of {where} are no map",
            expected='a map such as {"out": ["result"]}',
            received=repr(written)[:160],
            where=where,
        )
    place = _Place(where, declaration, functions)
    for key in written:
        if key not in _READERS:
            raise SettingsError(
                f"unknown annotation {key!r} of {where}",
                expected=f"one of {', '.join(sorted(_READERS))}",
                received=str(key),
                where=where,
                remedy=did_you_mean(str(key), _READERS),
            )
    return Annotations(**{key: _READERS[key](place, key, value) for key, value in written.items()})


def _names(place: _Place, key: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)):
        raise place.wrong(key, value, "a parameter's name, or a list of them")
    return tuple(place.parameter(key, name) for name in listed)


def _lengths(place: _Place, key: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise place.wrong(key, value, 'a map such as {"values": "count"}')
    return {place.parameter(key, a): place.parameter(key, b) for a, b in value.items()}


def _buffers(place: _Place, key: str, value: Any) -> dict[str, Buffer]:
    if not isinstance(value, Mapping):
        raise place.wrong(key, value, 'a map such as {"buffer": "size"}')
    return {place.parameter(key, a): _buffer(place, key, b) for a, b in value.items()}


def _buffer(place: _Place, key: str, value: Any) -> Buffer:
    told = value if isinstance(value, Mapping) else {"length": value}
    unknown = [one for one in told if one not in ("length", "size", "cut")]
    size, cut = told.get("size"), told.get("cut")
    if unknown or "length" not in told or (cut is not None and cut not in _CUTS):
        expected = f"the parameter for its length, or length, size and cut ({', '.join(_CUTS)})"
        raise place.wrong(key, value, expected)
    if size is not None and not callable(size) and (type(size) is not int or size < 0):
        raise place.wrong(key, value, "a number of items as size, or a function of the arguments")
    return Buffer(place.parameter(key, told["length"]), size, cut)


def _encoding(place: _Place, key: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {
            place.parameter(key, name, result=True): _codec(place, key, codec)
            for name, codec in value.items()
        }
    return {"": _codec(place, key, value)}


def _codec(place: _Place, key: str, value: Any) -> str:
    if value == BYTES:
        return BYTES
    try:
        name = codecs.lookup(value).name
        if b"\0" in "a".encode(name):
            expected = f"an encoding in which no character has a byte 0, or {BYTES!r}"
            raise place.wrong(key, value, expected)
    except (LookupError, TypeError):
        raise place.wrong(key, value, f"an encoding that Python knows, or {BYTES!r}") from None
    return name


def _errors(place: _Place, key: str, value: Any) -> Any:
    if value is None or value is False:
        return ""
    if callable(value) or (isinstance(value, str) and value in _CONVENTIONS):
        return value
    expected = f"one of {', '.join(_CONVENTIONS)}, a function, or none"
    raise place.wrong(key, value, expected, did_you_mean(str(value), _CONVENTIONS))


def _codes(place: _Place, key: str, value: Any) -> tuple[int, ...]:
    listed = [value] if type(value) is int else value
    if isinstance(listed, (list, tuple)) and all(type(code) is int for code in listed):
        return tuple(listed)
    raise place.wrong(key, value, "a number, or a list of numbers")


def _free(place: _Place, key: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {
            place.parameter(key, name, result=True): place.function(key, function)
            for name, function in value.items()
        }
    return {"": place.function(key, value)}


def _flag(place: _Place, key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise place.wrong(key, value, "true or false")


def _nullable(place: _Place, key: str, value: Any) -> bool | tuple[str, ...]:
    return value if isinstance(value, bool) else _names(place, key, value)


_READERS: Mapping[str, Callable[[_Place, str, Any], Any]] = {
    "out": _names,
    "inout": _names,
    "lengths": _lengths,
    "buffers": _buffers,
    "encoding": _encoding,
    "errors": _errors,
    "ok": _codes,
    "message": lambda place, key, value: place.function(key, value),
    "free": _free,
    "free_on_failure": _flag,
    "same_thread": _flag,
    "frees": _names,
    "nullable": _nullable,
    "borrowed": _flag,
    "errno": _flag,
    "result": _flag,
}
