"""Noodle's words for what Python says about a running program."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import FunctionType
from typing import NamedTuple

from noodle.errors import did_you_mean
from noodle.language.prelude import Box

__all__ = ["Message", "reworded"]


class Message(NamedTuple):
    """What to tell.

    Args:
        summary: What happened.
        remedy: What to change, or None.
    """

    summary: str
    remedy: str | None


_TYPE_NAMES = {
    "NoneType": "null",
    "dict": "map",
    "builtin_function_or_method": "function",
    "module": "import",
}
_MEMBERS_ELSEWHERE = {
    "push": "append",
    "length": "len(…)",
    "size": "len(…)",
    "toString": "str(…)",
    "toUpperCase": "upper",
    "toLowerCase": "lower",
    "trim": "strip",
    "indexOf": "index",
    "forEach": "a `for` loop",
    "map": "map(f, items)",
    "filter": "filter(f, items)",
    "add": "append",
    "concat": "+",
    "charAt": "[index]",
    "contains": "in",
    "includes": "in",
}


_WITH_PATTERNS = (TypeError, ValueError, IndexError, OverflowError)


def reworded(error: BaseException, text: str) -> Message | None:
    """Return Noodle's message for an exception that was raised by Noodle code itself, or None.

    Args:
        error: The exception.
        text: The part of the program that raised it.
    """
    if isinstance(error, RecursionError):
        return Message(
            "the calls are nested too deeply", "make sure that the recursion ends, or write a loop"
        )
    if isinstance(error, AssertionError):
        return Message(str(error), None)
    if isinstance(error, NameError):
        return _unset(error)
    if isinstance(error, AttributeError):
        return _member(error, text)
    if isinstance(error, KeyError):
        remedy = "test it before: `if key in m { … }`"
        return Message(f"the map has no key {_shown(error)}", remedy)
    if isinstance(error, ZeroDivisionError):
        return Message("division by zero", None)
    return _by_pattern(error) if isinstance(error, _WITH_PATTERNS) else None


def _shown(error: KeyError) -> str:
    from noodle.language.printing import format_value

    return format_value(error.args[0]) if error.args else ""


def _unset(error: NameError) -> Message | None:
    match = re.search(r"(?:variable|name) '(.+?)'(?: where| is not defined)", str(error))
    if match is None:
        return None
    return _no_value_yet(match[1].partition("'")[0])


def _no_value_yet(name: str) -> Message:
    return Message(
        f"`{name}` is used before it has a value",
        f"call this after the declaration of `{name}` has run",
    )


def _member(error: AttributeError, text: str) -> Message | None:
    owner, name = error.obj, error.name
    if name is None:
        return _by_pattern(error)
    if isinstance(owner, Box):
        return _no_value_yet(text)
    if isinstance(owner, dict):
        before = text.rpartition(".")[0] or "m"
        remedy = f'write `{before}["{name}"]`' if type(owner) is dict else None
        return Message(f"a map has no member `{name}`", remedy)
    if owner is None:
        return Message(f"null has no member `{name}`", "test it before: `if x != null { … }`")
    if type(owner) not in (int, float, bool, str, list, tuple, range, FunctionType):
        return None
    meant = _MEMBERS_ELSEWHERE.get(name) or did_you_mean(
        name, [member for member in dir(owner) if not member.startswith("_")]
    )
    return Message(
        f"{type(owner).__name__} has no member `{name}`", f"use `{meant}`" if meant else None
    )


def _type(name: str) -> str:
    return _TYPE_NAMES.get(name, name)


def _function(name: str) -> str:
    return "the function" if "<fn>" in name else f"`{name.rpartition('.')[2]}`"


def _count(number: str) -> str:
    return f"{number} argument{'' if number == '1' else 's'}"


def _missing(m: re.Match[str]) -> Message:
    names = ", ".join(f"`{name}`" for name in re.findall(r"'(\w+)'", m[2]))
    return Message(f"{_function(m[1])} lacks an argument: {names}", f"pass {names}")


def _too_many(m: re.Match[str]) -> Message:
    wanted = f"{m[2]} to {_count(m[3])}" if m[2] else _count(m[3])
    return Message(f"{_function(m[1])} takes {wanted}, got {m[4]}", "leave out the others")


_PAIRS = "write a name for each value; a map gives its pairs as `m.items()`"

_PATTERNS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Message]]] = [
    (re.compile(pattern), make)
    for pattern, make in (
        (r"(\S+)\(\) missing \d+ required positional arguments?: (.*)", _missing),
        (
            r"(\S+)\(\) takes (?:from (\d+) to )?(\d+) positional arguments? "
            r"but (\d+) (?:was|were) given",
            _too_many,
        ),
        (
            r"(\S+)\(\) got an unexpected keyword argument '(.+)'",
            lambda m: Message(f"{_function(m[1])} has no parameter `{m[2]}`", "check its name"),
        ),
        (
            r"(\S+)\(\) got multiple values for argument '(.+)'",
            lambda m: Message(f"{_function(m[1])} got `{m[2]}` twice", "pass it once"),
        ),
        (
            r"'(\w+)' object is not callable",
            lambda m: Message(f"{_type(m[1])} cannot be called", "call a function"),
        ),
        (
            r"unsupported operand type\(s\) for (\S+?)=?(?: or \w+\(\))?: '(\S+)' and '(\S+)'",
            lambda m: _operands(m[1], m[2], m[3]),
        ),
        (
            r'can only concatenate (\w+) \(not "(\S+)"\) to \w+',
            lambda m: _operands("+", m[1], m[2]),
        ),
        (
            r"'(\S+)' not supported between instances of '(\S+)' and '(\S+)'",
            lambda m: _operands(m[1], m[2], m[3]),
        ),
        (
            r"bad operand type for unary (\S+): '(\S+)'",
            lambda m: Message(f"`{m[1]}` does not work on {_type(m[2])}", None),
        ),
        (
            r"(?:cannot unpack non-iterable (\S+) object|'(\S+)' object is not iterable)",
            lambda m: Message(
                f"{_type(m[1] or m[2])} has no items to loop over", "use a list or a range"
            ),
        ),
        (
            r"argument of type '(\S+)' is not iterable",
            lambda m: Message(f"`in` does not work on {_type(m[1])}", None),
        ),
        (
            r"'(\S+)' object is not subscriptable",
            lambda m: Message(f"{_type(m[1])} has no items", None),
        ),
        (
            r"'(\S+)' object does not support item (?:assignment|deletion)",
            lambda m: Message(f"the items of {_type(m[1])} cannot be changed", None),
        ),
        (
            r"'(\S+)' object cannot be interpreted as an integer",
            lambda m: Message(f"expected an int, got {_type(m[1])}", "convert it with `int(…)`"),
        ),
        (
            r"(\w+) indices must be integers or slices, not (\S+)",
            lambda m: Message(f"an index of {_type(m[1])} is an int, got {_type(m[2])}", None),
        ),
        (
            r"unhashable type: '(\S+)'",
            lambda m: Message(f"{_type(m[1])} cannot be a key", "use a string or a number"),
        ),
        (
            r"not enough values to unpack \(expected (\d+), got (\d+)\)",
            lambda m: Message(f"expected {m[1]} values, got {m[2]}", _PAIRS),
        ),
        (
            r"too many values to unpack \(expected (\d+)\)",
            lambda m: Message(f"expected {m[1]} values, got more", _PAIRS),
        ),
        (
            r"(\w+) (?:assignment )?index out of range",
            lambda m: Message(
                f"the index is outside of the {_type(m[1])}", "compare it with `len(…)`"
            ),
        ),
        (
            r"pop from empty (\w+)",
            lambda m: Message(f"the {_type(m[1])} is empty", "test it before with `len(…)`"),
        ),
        (
            r"(.+) is not in list",
            lambda m: Message(
                f"the list does not hold {m[1]}", "test it before: `if x in xs { … }`"
            ),
        ),
        (
            r"slice indices must be integers or None or have an __index__ method",
            lambda m: Message("the ends of a slice are ints", "convert them with `int(…)`"),
        ),
        (
            r"object of type '(\S+)' has no len\(\)",
            lambda m: Message(f"{_type(m[1])} has no length", "use a list, a map or a string"),
        ),
        (
            r"invalid literal for int\(\) with base 10: (.*)",
            lambda m: Message(f"{m[1]} is no int", 'pass digits, such as `int("42")`'),
        ),
        (
            r"could not convert string to float: (.*)",
            lambda m: Message(f"{m[1]} is no float", 'pass a number, such as `float("2.5")`'),
        ),
        (
            r"(max|min)\(\) (?:arg is an empty sequence|iterable argument is empty)",
            lambda m: Message(
                f"`{m[1]}` got nothing to choose from", "test it before with `len(…)`"
            ),
        ),
        (
            r"bad operand type for abs\(\): '(\S+)'",
            lambda m: Message(f"`abs` does not work on {_type(m[1])}", None),
        ),
        (
            r"type (\S+) doesn't define __round__ method",
            lambda m: Message(f"`round` does not work on {_type(m[1])}", None),
        ),
        (
            r"(\w+)\(\) takes exactly (one|\d+) arguments? \((\d+) given\)",
            lambda m: Message(
                f"`{m[1]}` takes {_count('1' if m[2] == 'one' else m[2])}, got {m[3]}", None
            ),
        ),
        (
            r"sequence item \d+: expected str instance, (\S+) found",
            lambda m: Message(f"`join` joins strings, got {_type(m[1])}", "convert with `str(…)`"),
        ),
        (
            r"cannot convert float (infinity|NaN) to integer",
            lambda m: Message(f"{m[1]} has no int", None),
        ),
        (
            r"(?:int too large to convert to float|integer division result too large for a float)",
            lambda m: Message("the int is too large for a float", "use `div(a, b)` for ints"),
        ),
        (
            r"\(34, 'Numerical result out of range'\)",
            lambda m: Message("the result is too large for a float", None),
        ),
        (r"negative shift count", lambda m: Message("a shift is by 0 bits or more", None)),
        (
            r"'(\S+)' object has no attribute '(\w+)'(?: .*)?",
            lambda m: Message(
                f"{_type(m[1])} has no member `{m[2]}` to assign to",
                f'keep values in a map: `m["{m[2]}"] = …`',
            ),
        ),
    )
]


def _operands(sign: str, left: str, right: str) -> Message:
    left, right = _type(left), _type(right)
    text = "str" in (left, right) and sign == "+"
    remedy = 'write `"… ${value}"`, or `str(value)`' if text else None
    return Message(f"`{sign}` does not work on {left} and {right}", remedy)


def _by_pattern(error: BaseException) -> Message | None:
    text = str(error)
    for pattern, make in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            return make(match)
    return None
