"""The types of values that cross a boundary: their names, how they are written, and what fits them.

One vocabulary serves prototypes in Noodle programs, dispatch by type, and error messages:

===============================  ==================================================================
written                          accepts
===============================  ==================================================================
``i8 i16 i32 i64 u8 … u64``      an integer within the range
``f32 f64``                      a float, or an integer that the float holds exactly
``bool``                         a bool
``str`` ``bytes``                text; any contiguous buffer of bytes
``array<T>``                     a C-contiguous buffer (NumPy array, ``array.array``, …) of ``T``
``ptr<T>`` ``ptr<void>``         the same, or null, or a pointer that a native function returned
``list map int float any``       the Python types of these names; ``map`` is ``dict``; anything
``ndarray`` ``tensor``           a NumPy array of any dtype and layout; a PyTorch tensor
``module.Class``                 an instance of that class or of a subclass
===============================  ==================================================================

Nothing here imports NumPy or PyTorch: their types are recognised by name.
"""

from __future__ import annotations

import operator
import re
import sys
from dataclasses import dataclass
from typing import Any

from noodle.errors import PrototypeError, did_you_mean

__all__ = [
    "ANY",
    "FLOAT_TYPES",
    "INTEGER_RANGES",
    "TYPE_NAMES",
    "VOID",
    "ValueType",
    "describe",
    "layout_refusal",
    "parse_type",
    "refusal",
    "type_of",
]

INTEGER_RANGES: dict[str, tuple[int, int]] = {
    f"{sign}{bits}": (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if sign == "i" else (0, 2**bits - 1)
    )
    for bits in (8, 16, 32, 64)
    for sign in "iu"
}
"""The smallest and the largest value of each integer type."""

FLOAT_TYPES = ("f32", "f64")

_FLOAT_BITS = {"f32": (24, 128), "f64": (53, 1024)}
"""Bits of the significand with the hidden one, and of the largest integer (IEEE 754)."""

_PLAIN_PYTHON_TYPES: dict[str, type] = {
    "int": int,
    "float": float,
    "list": list,
    "map": dict,
}

_NAMES_OF_PYTHON_TYPES: dict[type, str] = {
    bool: "bool",
    str: "str",
    bytes: "bytes",
    **{known: name for name, known in _PLAIN_PYTHON_TYPES.items()},
}

TYPE_NAMES = (
    *INTEGER_RANGES,
    *FLOAT_TYPES,
    "bool",
    "str",
    "bytes",
    "void",
    "any",
    *_PLAIN_PYTHON_TYPES,
    "ndarray",
    "tensor",
)
"""Every type that is written without an item type."""

_ITEM_TYPES = (*INTEGER_RANGES, *FLOAT_TYPES, "bool")

# Format codes of the buffer protocol (PEP 3118), native sizes on LP64, to our names.
_FORMAT_KINDS = {
    **dict.fromkeys("bhilqn", "i"),
    **dict.fromkeys("BHILQN", "u"),
    **dict.fromkeys("fd", "f"),
}

# ctypes marks its arrays with the byte order of the machine.
_NATIVE_ORDER = "@=<" if sys.byteorder == "little" else "@=>!"


@dataclass(frozen=True, slots=True)
class ValueType:
    """A type as it stands in a prototype or describes a value.

    Args:
        name: One of ``TYPE_NAMES``, ``ptr``, ``array``, or a dotted class name.
        item: The item type of a ``ptr`` or an ``array``; None for every other type.
    """

    name: str
    item: ValueType | None = None

    def __str__(self) -> str:
        return f"{self.name}<{self.item}>" if self.item else self.name


ANY = ValueType("any")
VOID = ValueType("void")
_BYTES = ValueType("array", ValueType("u8"))

MOST_NESTED = 16
"""Chosen: how deep pointers to pointers may nest; no library comes near it."""

_TYPE_TEXT = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(?:<(.*)>)?\s*", re.DOTALL)


def parse_type(text: str, *, where: str | None = None) -> ValueType:
    """Read a type as it is written in a prototype.

    Args:
        text: For example ``f64``, ``ptr<u8>`` or ``numpy.ndarray``.
        where: The place to name in an error.

    Returns:
        The type.

    Raises:
        PrototypeError: The text is no type, or an item type cannot be in memory.
    """
    match = _TYPE_TEXT.fullmatch(text)
    name, item = match.groups() if match else (text.strip(), None)
    if item is not None and text.count("<") <= MOST_NESTED:
        return _parse_container(name, item, text, where)
    if item is None and (name in TYPE_NAMES or _is_class_name(name)):
        return ValueType(name)
    raise PrototypeError(
        f"unknown type {_shortened(text)!r}",
        expected=f"one of {' '.join(TYPE_NAMES)} ptr<T> array<T>",
        received=_shortened(text) or "nothing",
        where=where,
        remedy=did_you_mean(name, [*TYPE_NAMES, "ptr<T>", "array<T>"]),
    )


def _is_class_name(name: str) -> bool:
    return "." in name and all(part.isidentifier() for part in name.split("."))


def _shortened(text: str) -> str:
    stripped = text.strip()
    return stripped if len(stripped) <= 80 else f"{stripped[:79]}…"


def _parse_container(name: str, item: str, text: str, where: str | None) -> ValueType:
    allowed = {"ptr": (*_ITEM_TYPES, "void", "ptr"), "array": _ITEM_TYPES}.get(name)
    if allowed is None:
        raise PrototypeError(
            f"type {name!r} takes no item type",
            expected="ptr<T> or array<T>",
            received=_shortened(text),
            where=where,
        )
    item_type = parse_type(item, where=where)
    if item_type.name not in allowed:
        raise PrototypeError(
            f"{name} cannot point to {item_type}",
            expected=f"{name}<T> with T one of {' '.join(allowed)}",
            received=_shortened(text),
            where=where,
        )
    return ValueType(name, item_type)


def type_of(value: object) -> ValueType:
    """Return the type that describes a value: ``int``, ``array<f64>``, ``decimal.Decimal``."""
    if value is None:
        return ValueType("null")
    python_type = type(value)
    for known, name in _NAMES_OF_PYTHON_TYPES.items():
        if python_type is known:  # a look-up would run the code of a metaclass
            return ValueType(name)
    if _is_tensor(value):
        return ValueType("tensor")
    item = buffer_item(value)
    if item:
        return ValueType("array", ValueType(item))
    if _is_ndarray(value):
        return ValueType("ndarray")
    if callable(value) and not issubclass(python_type, type):
        return ValueType("function")
    return ValueType(qualified_name(python_type))


# Read past the class, so that a metaclass cannot interfere; `isinstance` would ask the object.
_module_of = type.__dict__["__module__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__
_bases_of = type.__dict__["__mro__"].__get__
_members_of = type.__dict__["__dict__"].__get__


def qualified_name(python_type: type) -> str:
    """Return ``module.Class`` for a class, or its bare name when it is a builtin."""
    module, name = _module_of(python_type), str(_qualified_name_of(python_type))
    return name if type(module) is not str or module == "builtins" else f"{module}.{name}"


def buffer_item(value: object) -> str | None:
    """Return the item type of a buffer of numbers (``f64``), or None for any other value."""
    view = _memory_of(value)
    if view is None:
        return None
    with view:
        return item_of_format(view.format, view.itemsize)


def _memory_of(value: object) -> memoryview | None:
    """Return a view of a value's memory; None where it has none, or is a NumPy scalar.

    A NumPy scalar has a buffer too, but it is a number: what a function writes there is lost.
    """
    if _has_base(value, "numpy.generic"):
        return None
    try:
        return memoryview(value)  # type: ignore[arg-type]
    except Exception:  # an exporter's own code may raise anything
        return None


def item_of_format(format_code: str, itemsize: int) -> str | None:
    """Return the name of a buffer's item type, or None when it is not a native-endian number.

    Args:
        format_code: The ``format`` of a buffer (PEP 3118).
        itemsize: Its ``itemsize`` in bytes.
    """
    code = format_code.lstrip(_NATIVE_ORDER)
    if code == "?":
        return "bool"
    if code == "c":
        return "u8"
    kind = _FORMAT_KINDS.get(code)
    return f"{kind}{itemsize * 8}" if kind else None


def describe(value: object) -> str:
    """Return a short text for an error message: the type, and what of the value matters.

    Large values are shown by type and shape only, so that no data leaks into messages. A value
    whose own code raises is shown by its type.
    """
    try:
        return _description(value)
    except Exception:  # attributes and texts of foreign values may raise anything
        return qualified_name(type(value))


def _description(value: Any) -> str:
    python_type = type(value)
    if value is None or python_type is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if python_type is int or python_type is float:
        return f"{python_type.__name__} {_number_text(value)}"
    for base in (str, bytes, list, dict, tuple):
        if issubclass(python_type, base):
            length = base.__len__(value)
            short = base in (str, bytes) and length <= 40
            return f"{type_of(value)} {base.__repr__(value) if short else f'of length {length}'}"
    if _has_base(value, "numpy.generic") and value.dtype.kind in "biufcmM":
        return f"{qualified_name(python_type)} {value}"
    return f"{type_of(value)}{_layout_text(value)}"


def _number_text(number: float) -> str:
    if isinstance(number, float) or abs(number) < 10**24:
        return repr(number)
    return f"about {float(number):.3e}" if abs(number) < 1e308 else "huge"


def _layout_text(value: Any) -> str:
    """Return dtype, shape and memory order as far as a value has them."""
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    order = ""
    view = _memory_of(value)
    if view is not None:
        with view:
            shape = view.shape
            if not view.c_contiguous:
                order = ", Fortran order" if view.f_contiguous else ", not contiguous"
    if not isinstance(shape, tuple) or not all(type(length) is int for length in shape):
        return ""
    kind = f" with dtype {str(dtype)[:60]}," if dtype is not None else " with"
    return f"{kind} shape {tuple(shape)}{order}"


def _is_ndarray(value: object) -> bool:
    return _has_base(value, "numpy.ndarray")


def _is_sized(value: object) -> bool:
    return any("__len__" in _members_of(base) for base in _bases_of(type(value)))


def _is_tensor(value: object) -> bool:
    return _has_base(value, "torch.Tensor")


def _has_base(value: object, *names: str) -> bool:
    return any(qualified_name(base) in names for base in _bases_of(type(value)))


def refusal(declared: ValueType, value: object) -> str | None:
    """Say why a value does not fit a declared type, or return None when it does.

    Args:
        declared: The parameter's type.
        value: The argument.

    Returns:
        A text such as ``expected i32 (-2147483648 to 2147483647), got int 3000000000``.
    """
    name = declared.name
    if name == "any":
        return None
    if name in INTEGER_RANGES:
        return _integer_refusal(declared, value)
    if name in FLOAT_TYPES:
        return _float_refusal(declared, value)
    if name in ("ptr", "array"):
        return _memory_refusal(declared, value)
    return None if _is_instance(name, value) else f"expected {declared}, got {describe(value)}"


def _is_instance(name: str, value: object) -> bool:
    python_type = type(value)
    if name == "bool":
        return python_type is bool or _has_base(value, "numpy.bool", "numpy.bool_")
    if name == "int":
        return issubclass(python_type, int) and python_type is not bool
    if name in _PLAIN_PYTHON_TYPES:
        return issubclass(python_type, _PLAIN_PYTHON_TYPES[name])
    if name == "str":
        return issubclass(python_type, str)
    if name == "bytes":
        return issubclass(python_type, bytes) or layout_refusal(_BYTES, value) is None
    if name == "ndarray":
        return _is_ndarray(value)
    if name == "tensor":
        return _is_tensor(value)
    return _has_base(value, name)


def _integer_refusal(declared: ValueType, value: object) -> str | None:
    low, high = INTEGER_RANGES[declared.name]
    number = _whole_number(value)
    if number is not None and low <= number <= high:
        return None
    received = describe(value if number is None else number)
    return f"expected {declared} ({low} to {high}), got {received}"


def _whole_number(value: object) -> int | None:
    """Return the integer that a value stands for, or None; an array of one item is no integer."""
    if _is_sized(value):
        return None
    try:
        # An `int` subclass comes through `index` as it is, with comparisons of its own.
        return int.__index__(operator.index(value))  # type: ignore[arg-type]
    except Exception:  # the value's own code may raise anything
        return None


def _float_refusal(declared: ValueType, value: object) -> str | None:
    if issubclass(type(value), float):
        return None
    number = _whole_number(value)
    if number is None:
        return None if _is_real(value) else f"expected {declared}, got {describe(value)}"
    if _holds_exactly(declared, number):
        return None
    return f"expected a number that {declared} holds exactly, got {describe(number)}"


def _is_real(value: object) -> bool:
    """Return whether a value that is no integer converts to a float, as a ``Decimal`` does."""
    if _has_base(value, "numpy.generic") and not _has_base(value, "numpy.floating"):
        return False
    if _is_sized(value):
        return False
    try:
        float(value)  # type: ignore[arg-type]
    except Exception:  # the value's own code may raise anything
        return False
    return True


def _holds_exactly(declared: ValueType, number: int) -> bool:
    """Return whether an integer is a value of the IEEE 754 format."""
    significand, largest_exponent = _FLOAT_BITS[declared.name]
    trailing_zeros = (number & -number).bit_length() - 1
    bits = number.bit_length()
    return number == 0 or (bits - trailing_zeros <= significand and bits <= largest_exponent)


def _memory_refusal(declared: ValueType, value: object) -> str | None:
    if declared.name == "ptr" and (value is None or _is_pointer(value)):
        return None
    return layout_refusal(declared, value)


def _is_pointer(value: object) -> bool:
    return _has_base(value, "_cffi_backend._CDataBase", "noodle.bridges.native.pointers.AnyPointer")


def layout_refusal(declared: ValueType, value: object) -> str | None:
    """Say why a value's memory cannot be handed over as ``ptr<T>`` or ``array<T>``, or return None.

    Checked are the item type, native byte order and C order. Whether the memory is writable is the
    caller's to check, as only some functions write.
    """
    item = declared.item.name if declared.item else "void"
    view = _memory_of(value)
    if view is None:
        return f"expected {declared}, got {describe(value)}"
    with view:
        found = item_of_format(view.format, view.itemsize)
        contiguous = view.c_contiguous
    if item not in ("void", found):
        return f"expected {declared}, got {describe(value)}"
    if not contiguous:
        return f"expected {declared} in C order, got {describe(value)}"
    return None
