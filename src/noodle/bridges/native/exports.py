"""What a shared library exports, and the error for what it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from noodle.errors import MissingSymbolError, did_you_mean

__all__ = ["Exports", "missing_symbols"]


class Exports(Protocol):
    """What a library exports."""

    @property
    def exports(self) -> Mapping[str, bool]:
        """The exported names; the value says whether the name is a function."""

    def is_function(self, name: str) -> bool:
        """Return whether the library itself exports a function of that name."""

    def is_variable(self, name: str) -> bool:
        """Return whether the library itself exports a variable of that name."""


def missing_symbols(
    shown: str,
    functions: Sequence[str],
    variables: Sequence[str],
    exports: Mapping[str, bool],
) -> MissingSymbolError:
    """Return the error for what was declared and is not exported.

    Args:
        shown: The library's name in messages.
        functions: The functions.
        variables: The variables.
        exports: See ``Exports``.
    """
    lacking = {**dict.fromkeys(functions, True), **dict.fromkeys(variables, False)}
    wrong = [name for name in lacking if name in exports]
    found = [f"{name}: a {'function' if exports[name] else 'variable'}" for name in wrong]
    numbers = [
        f"{sum(one is kind for one in exports.values())} exported {called}"
        for kind, called in ((True, "functions"), (False, "variables"))
        if kind in lacking.values()
    ]
    return MissingSymbolError(
        f"{shown} does not export {', '.join(lacking)}",
        expected=f"one of its {' or '.join(numbers)}",
        received=", ".join(found or lacking),
        where=f"prototypes of {shown}",
        remedy=_near(lacking, exports),
    )


def _near(lacking: Mapping[str, bool], exports: Mapping[str, bool]) -> str | None:
    """Return what of the same kind to write instead, or None."""
    of_kind = {kind: [n for n, one in exports.items() if one is kind] for kind in (True, False)}
    hints = {name: did_you_mean(name, of_kind[kind]) for name, kind in lacking.items()}
    return "; ".join(f"{hint} instead of {name}" for name, hint in hints.items() if hint) or None
