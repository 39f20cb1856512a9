"""The builtin functions: names that every program may use, and shadow, without an import."""

from __future__ import annotations

from noodle.language.printing import format_value, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["PRELUDE_NAMES", "Box", "make_prelude"]


class Box:
    """A variable that one turn of a loop shares with the closures made in it."""

    __slots__ = ("value",)

    def __init__(self, *value: Any) -> None:
        if value:
            (self.value,) = value


def div(a: Any, b: Any) -> Any:
    """Return the floor of ``a / b``."""
    return a // b


def type_name(value: Any) -> str:
    """Return the name of a value's type, such as ``int`` or ``numpy.ndarray``."""
    from noodle.values import type_of

    return "range" if type(value) is range else str(type_of(value))


def expect(condition: Any, message: str = "what is expected does not hold") -> None:
    """Stop the program with a message unless a condition holds."""
    if not condition:
        raise AssertionError(message)


def awaited(value: Any) -> Any:
    """Return what a promise or coroutine gives, waiting for it; any other value as it is.

    It is waited for in an event loop of its own, which ends with it.

    Raises:
        RuntimeError: This thread runs an event loop, which waiting would stop.
    """
    if not hasattr(type(value), "__await__"):
        return value
    import asyncio

    async def result() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(result())
    if hasattr(value, "close"):
        value.close()  # a coroutine that never ran would be reported
    raise RuntimeError("await cannot wait here: this thread runs an event loop")


def listed(function: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Return a function that gives as a list what another gives step by step."""

    def wrapper(*args: Any, **kwargs: Any) -> list[Any]:
        return list(function(*args, **kwargs))

    wrapper.__name__ = wrapper.__qualname__ = function.__name__
    wrapper.__doc__ = function.__doc__
    return wrapper


def named(name: str, function: Any) -> Any:
    """Return a copy of a function that errors and ``print`` call by another name."""
    copy = type(function)(function.__code__, function.__globals__)
    copy.__name__ = copy.__qualname__ = name
    return copy


FUNCTIONS: dict[str, Any] = {
    "div": div,
    "type": named("type", type_name),
    "expect": expect,
    "str": named("str", text_of),
    "repr": named("repr", format_value),
    "len": len,
    "int": int,
    "float": float,
    "bool": bool,
    "bytes": bytes,
    "list": list,
    "abs": abs,
    "round": round,
    "min": min,
    "max": max,
    "sum": sum,
    "sorted": sorted,
    "all": all,
    "any": any,
    "reversed": listed(reversed),
    "enumerate": enumerate,
    "zip": zip,
    "map": listed(map),
    "filter": listed(filter),
}
"""Everything but ``print``, which needs to know where to write, and ``here``."""

HIDDEN: dict[str, Any] = {
    "'await": awaited,
    "'Box": Box,
    "'float": float,
    "'int": int,
    "'range": range,
    "'str": str,
    "'text": text_of,
    "'type": type,
}
"""What generated code calls; no program can spell these names."""

PRELUDE_NAMES = frozenset({"print", "here", *FUNCTIONS})
"""``here`` is the directory of the file in which it stands."""


def make_prelude(write: Callable[[str], Any]) -> dict[str, Any]:
    """Return the builtins of a program.

    Args:
        write: Takes the text that ``print`` makes.
    """

    def print(*values: Any, sep: Any = " ", end: Any = "\n") -> None:
        write(text_of(sep).join(map(text_of, values)) + text_of(end))

    # C code that imports something looks `__import__` up in the builtins of the running frame.
    return {**FUNCTIONS, **HIDDEN, "print": print, "__import__": __import__}
