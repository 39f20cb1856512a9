"""How Python values become the arguments of a native function.

What depends on the Python type alone is decided once for a signature; what depends on the value
(range, exactness, memory layout) is checked at each call: by cffi and the compiled extension where
they can, else by a converter. A converter only raises; ``refuse`` then finds out why.
"""

from __future__ import annotations

import numbers
import operator
from typing import Any

from noodle.bridges.native.argument_rules import Argument, Converter, Kind, Refusal
from noodle.bridges.native.declarations import DeclaredParameter
from noodle.bridges.native.memory_arguments import BytesArgument, MemoryArgument, TextArgument
from noodle.errors import ArgumentRangeError
from noodle.values import FLOAT_TYPES, INTEGER_RANGES, describe, refusal

__all__ = ["argument_of"]

_LARGEST_F32 = float.fromhex("0x1.ffffffp+127")  # from here on, rounding to f32 gives infinity


def argument_of(parameter: DeclaredParameter, shown: str) -> Argument:
    """Return the rules of a parameter.

    Args:
        parameter: The parameter.
        shown: Its name in messages.
    """
    name = parameter.type.type.name
    if name in INTEGER_RANGES:
        return _Integer(parameter.type, shown)
    if name in FLOAT_TYPES:
        return _Float(parameter.type, shown)
    kinds: dict[str, type[Kind]] = {"bool": _Bool, "str": TextArgument, "bytes": BytesArgument}
    return kinds.get(name, MemoryArgument)(parameter.type, shown)


class _Integer(Kind):
    def refuse(self, value: Any) -> Refusal | None:
        if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
            return self._type_refusal(value)
        why = super().refuse(value)
        if why and hasattr(value, "__index__"):
            return Refusal(ArgumentRangeError, why.expected, why.received, why.remedy)
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        return None if issubclass(python_type, int) else operator.index

    def _remedy(self, value: Any) -> str | None:
        if isinstance(value, str):
            return f"int({self.shown})"
        is_number = isinstance(value, numbers.Real) and not hasattr(value, "__index__")
        return f"int({self.shown}), if cutting off a fraction is meant" if is_number else None


class _Float(Kind):
    def refuse(self, value: Any) -> Refusal | None:
        if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
            return self._type_refusal(value, f"{self.shown}.real, if dropping the rest is meant")
        why = super().refuse(value)
        if why and hasattr(value, "__index__") and not hasattr(value, "__len__"):
            return Refusal(
                ArgumentRangeError,
                why.expected,
                why.received,
                f"float({self.shown}), if rounding is meant",
            )
        if why is None and self.native.type.name == "f32" and not _fits_f32(float(value)):
            return Refusal(
                ArgumentRangeError, "f32 (up to 3.4028235e38)", describe(value), "declare f64"
            )
        return why

    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        is_integer = not issubclass(python_type, float) and hasattr(python_type, "__index__")
        if compiled:
            return operator.index if is_integer and not issubclass(python_type, int) else None
        if is_integer:
            return self._exact
        return self._within_f32 if self.native.type.name == "f32" else None

    def _exact(self, value: Any) -> float:
        if refusal(self.native.type, value):
            raise OverflowError
        return float(operator.index(value))

    @staticmethod
    def _within_f32(value: Any) -> float:
        number = float(value)
        if not _fits_f32(number):
            raise OverflowError
        return number

    def _remedy(self, value: Any) -> str | None:
        return f"float({self.shown})" if isinstance(value, str) else None


def _fits_f32(number: float) -> bool:
    return not _LARGEST_F32 <= abs(number) < float("inf")


class _Bool(Kind):
    def converter(self, python_type: type, *, compiled: bool) -> Converter | None:
        return None if python_type is bool else bool

    def _remedy(self, value: Any) -> str | None:
        return f"bool({self.shown})"
