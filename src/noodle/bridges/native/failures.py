"""Failures that a library reports beside its results: panics of Rust, errors of ``Result``.

A library takes part by exporting two symbols, as the guards around Rust functions do::

    uint32_t noodle_failures;                  /* failures that nobody has taken, of all threads */
    const char *noodle_take_failure(void);     /* the calling thread's, or null */

A failure is three lines: its kind (``panic``, ``error``, ``argument``), its place as
``file:line:column`` or nothing, and a message, which may go on. Whoever calls a function looks at
the number afterwards, in the same thread: one load of a word while nothing has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, NoReturn

from noodle.errors import ArgumentTypeError, NoodleError, RemoteCallError
from noodle.foreign_frames import cleaned, with_frames

__all__ = [
    "C_CHECKS",
    "SYMBOLS",
    "NativeFailure",
    "checked",
    "failure_in_worker",
    "raise_failure",
    "reports_failures",
]

SYMBOLS = ("noodle_failures", "noodle_take_failure")
"""What a library exports that reports failures."""

C_CHECKS = r"""
/* Set when the library is opened. */
static const unsigned int *noodle_failure_count;
static const char *(*noodle_failure_taker)(void);

/* Returns whether this thread's last call has failed, an error then being set; needs the GIL. */
static int noodle_failed(void)
{
    if (!noodle_failure_count || !__atomic_load_n(noodle_failure_count, __ATOMIC_RELAXED))
        return 0;
    const char *told = noodle_failure_taker();
    if (told == NULL)
        return 0;
    PyObject *module = PyImport_ImportModule("noodle.bridges.native.failures");
    PyObject *none = module ? PyObject_CallMethod(module, "raise_failure", "y", told) : NULL;
    Py_XDECREF(none);
    Py_XDECREF(module);
    return 1;
}
"""
"""What the files of a compiled extension have for it, where the library reports failures."""

_MESSAGE_MAX = 4000
"""Chosen: characters of a message; what a library says may be of any length."""


class NativeFailure(Exception):
    """What a library has reported, before it is known which function was called.

    Args:
        kind: ``panic``, ``error`` or ``argument``.
        place: ``file:line:column``, or ``""``.
        message: What it said.
    """

    def __init__(self, kind: str, place: str, message: str) -> None:
        super().__init__(f"{kind} at {place}: {message}" if place else f"{kind}: {message}")
        self.kind = cleaned(kind, 20)
        self.place = cleaned(place)
        self.message = message[:_MESSAGE_MAX]

    def error(self, function: str) -> NoodleError:
        """Return the error to raise for it.

        Args:
            function: The function that was called, in messages.
        """
        if self.kind == "argument":
            return ArgumentTypeError(f"{function}: {self.message}", where=f"call of {function}")
        verb = "panicked" if self.kind == "panic" else "failed"
        where = self.place or f"call of {function}"
        error = RemoteCallError(f"{function} {verb}: {self.message}", where=where)
        error.language = "native"
        error.type_name = self.kind
        error.message = self.message
        error.frames = self._frames()
        return error.with_traceback(with_frames(error.frames, None, shows_lines=True))

    def _frames(self) -> tuple[tuple[str, int, int, str], ...]:
        file, line, column = [*self.place.rsplit(":", 2), "", ""][:3]
        if not (line.isdigit() and column.isdigit()):
            return ()
        return ((file, int(line), int(column), "native code"),)


def reports_failures(exports: Container[str]) -> bool:
    """Return whether a library reports failures.

    Args:
        exports: The names that it exports.
    """
    return all(name in exports for name in SYMBOLS)


def raise_failure(told: bytes) -> NoReturn:
    """Raise what a library has reported.

    Args:
        told: Kind, place and message, a line each.

    Raises:
        NativeFailure: Always.
    """
    parts = told.decode("utf-8", "replace").split("\n", 2)
    raise NativeFailure(*[*parts, "", "", ""][:3])


def checked(
    entry: Callable[..., Any], address_of: Callable[[str], int], exports: Container[str]
) -> Callable[..., Any]:
    """Return cffi's callable of a function with a look at failures behind it, where there may be.

    Args:
        entry: The callable.
        address_of: Gives the address of a symbol of its library.
        exports: The names that the library exports.
    """
    if not reports_failures(exports):
        return entry
    from _cffi_backend import FFI

    from noodle.bridges.native.results import content_of

    ffi = FFI()
    count = ffi.cast("uint32_t *", address_of(SYMBOLS[0]))
    take = ffi.cast("char *(*)(void)", address_of(SYMBOLS[1]))

    def call(*arguments: Any) -> Any:
        result = entry(*arguments)
        if count[0] and (told := take()):
            raise_failure(content_of(told) or b"")
        return result

    return call


def failure_in_worker(error: RemoteCallError) -> NativeFailure | None:
    """Return what a library in a worker has reported, or None for any other error.

    Args:
        error: What came from the worker.
    """
    told = error.extra.get("attributes")
    if error.type_name != f"{__name__}.NativeFailure" or not isinstance(told, dict):
        return None
    kind, place, message = (told.get(name) for name in ("kind", "place", "message"))
    if not (isinstance(kind, str) and isinstance(place, str) and isinstance(message, str)):
        return None
    return NativeFailure(kind, place, message)
