"""The arguments of a map: arrays of the parameters' types, or a clear error with what to type.

An array is taken in the parameter's own type, and in another one of which each value is a value of
the parameter's type too. Single numbers and lists are taken as the function itself takes numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noodle.bridges.native.argument_rules import Argument, Refusal
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.vectorized_source import item_types
from noodle.errors import ArgumentRangeError, ArgumentTypeError
from noodle.values import FLOAT_TYPES, INTEGER_RANGES, describe

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["PLACE", "dtypes_of", "has_array", "is_array", "operand", "out_refusal"]

_CODES = {"bool": "?", "f32": "f4", "f64": "f8"}
PLACE = "«name»"
"""Stands for the parameter's name in the remedy of a refusal."""

_SIGNIFICANDS = {"f32": 24, "f64": 53}
"""Bits of an integer that a float of the type holds whatever its value."""


def _code(item: str) -> str:
    """Return NumPy's code of an item type, such as ``i4`` of ``i32``."""
    return _CODES.get(item) or f"{item[0]}{int(item[1:]) // 8}"


def dtypes_of(declaration: Declaration) -> list[str]:
    """Return NumPy's codes of the parameters' types and, last, of the result's."""
    return [_code(native.type.name) for native in item_types(declaration)]


def is_array(value: Any) -> bool:
    """Return whether a value is an array, and no single number of NumPy's."""
    numpy = sys.modules.get("numpy")
    is_number = numpy is not None and isinstance(value, numpy.generic)
    return hasattr(type(value), "__array_interface__") and not is_number


def has_array(values: Sequence[Any]) -> bool:
    """Return whether there is an array among some values."""
    return any(map(is_array, values))


def operand(value: Any, dtype: numpy.dtype[Any], item: str, rule: Argument) -> Array | Refusal:
    """Return the array for a parameter, of its type but perhaps in another byte order.

    Args:
        value: An array, a list, or a number.
        dtype: NumPy's dtype of the parameter.
        item: The parameter's type.
        rule: The parameter's rules for a number.

    Returns:
        The array, or why there is none; ``PLACE`` stands for the parameter's name in the remedy.
    """
    import numpy

    if type(value) is numpy.ndarray and value.dtype is dtype:
        return value
    if is_array(value):
        return _from_array(value, dtype, item)
    if isinstance(value, (list, tuple)):
        return _from_list(value, dtype, item)
    refused = rule.refuse(value)
    if refused is not None:
        return refused
    python_type = {"i": int, "u": int, "f": float, "b": bool}[item[0]]
    with numpy.errstate(all="ignore"):
        return numpy.asarray(python_type(value), dtype=dtype)


def _from_array(value: Any, wanted: numpy.dtype[Any], item: str) -> Array | Refusal:
    import numpy

    if isinstance(value, numpy.ma.MaskedArray):
        remedy = f"{PLACE}.filled(value), with the value for what is masked"
        return Refusal(ArgumentTypeError, f"an array of {item}", "a masked array", remedy)
    array: Array = numpy.asarray(value)
    if _is_exact(array.dtype, wanted):
        return array
    if array.dtype.kind in "iu" and wanted.kind == "f" and numpy.can_cast(array.dtype, wanted):
        return _whole(array, wanted, item, PLACE)
    note = {"f": ", if rounding is meant", "b": ""}.get(wanted.kind, ", if wrapping is meant")
    if array.dtype.kind == "f" and wanted.kind in "iu":
        note = ", if cutting off fractions is meant"
    return Refusal(
        ArgumentTypeError,
        f"an array of {item}, or of a type whose values {item} holds exactly",
        describe(value),
        f"{PLACE}.astype(np.{wanted.name}){note}" if array.dtype.kind in "biuf" else None,
    )


def _is_exact(held: numpy.dtype[Any], wanted: numpy.dtype[Any]) -> bool:
    """Return whether each value of a type is a value of another one."""
    import numpy

    if held.kind not in "biuf" or (wanted.kind == "b" and held.kind != "b"):
        return False
    if held.kind in "iu" and wanted.kind == "f":
        return held.itemsize < wanted.itemsize
    return numpy.can_cast(held, wanted, "safe")


def _whole(array: Array, wanted: numpy.dtype[Any], item: str, shown: str) -> Array | Refusal:
    """Return integers that are too wide for a float's type if the float holds each of them."""
    largest = 1 << _SIGNIFICANDS[item]
    if not array.size or (-largest <= int(array.min()) and int(array.max()) <= largest):
        return array.astype(wanted)
    return Refusal(
        ArgumentRangeError,
        f"integers up to 2**{_SIGNIFICANDS[item]}, which {item} holds exactly",
        f"an array with {array.min()} to {array.max()}",
        f"{shown}.astype(np.{wanted.name}), if rounding is meant",
    )


def _from_list(values: Sequence[Any], wanted: numpy.dtype[Any], item: str) -> Array | Refusal:
    import numpy

    try:
        array = numpy.asarray(values)
    except (ValueError, TypeError):
        array = numpy.empty(0, dtype=object)
    if not array.size and array.dtype != object:
        return array.astype(wanted)
    kind = array.dtype.kind
    if kind in "iub" and item in INTEGER_RANGES:
        return _within(array, wanted, item, describe(values))
    if kind in "iu" and item in FLOAT_TYPES:
        return _whole(array, wanted, item, f"np.asarray({PLACE})")
    if (kind in "fb" and item in FLOAT_TYPES) or (kind == "b" and item == "bool"):
        with numpy.errstate(all="ignore"):
            return array.astype(wanted)
    expected = {"i": "integers", "u": "integers", "f": "numbers", "b": "bools"}[item[0]]
    return Refusal(ArgumentTypeError, f"a list of {expected} for {item}", describe(values))


def _within(array: Array, wanted: numpy.dtype[Any], item: str, described: str) -> Array | Refusal:
    low, high = INTEGER_RANGES[item]
    least, most = int(array.min()), int(array.max())
    if low <= least and most <= high:
        return array.astype(wanted)
    received = f"{described} with {least if least < low else most}"
    return Refusal(ArgumentRangeError, f"{item} ({low} to {high})", received)


def out_refusal(
    out: Any, dtype: numpy.dtype[Any], item: str, shape: tuple[int, ...]
) -> Refusal | None:
    """Say why results cannot be written to an array, or return None when they can.

    Args:
        out: What was given.
        dtype: The dtype of the results.
        item: Their type.
        shape: Their shape.
    """
    import numpy

    reason = None
    if not isinstance(out, numpy.ndarray) or out.dtype != dtype or out.shape != shape:
        reason = ""
    elif not out.flags.writeable:
        reason = ", read-only"
    elif out.size > 1 and 0 in out.strides and _repeats(out):
        reason = ", whose elements share memory"
    if reason is None:
        return None
    expected = f"a writable array of {item} with shape {shape}"
    remedy = f"out=np.empty({shape}, dtype=np.{dtype.name})"
    return Refusal(ArgumentTypeError, expected, describe(out) + reason, remedy)


def _repeats(array: Array) -> bool:
    pairs = zip(array.shape, array.strides, strict=True)
    return any(length > 1 and not stride for length, stride in pairs)
