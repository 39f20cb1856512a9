"""What a shared library exports, and the error for functions that it does not."""

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


def missing_symbols(
    shown: str, lacking: Sequence[str], exports: Mapping[str, bool]
) -> MissingSymbolError:
    """Return the error for functions that were declared and are not exported.

    Args:
        shown: The library's name in messages.
        lacking: The functions.
        exports: See ``Exports``.
    """
    functions = [name for name, is_function in exports.items() if is_function]
    variables = [name for name in lacking if name in exports]
    hints = {name: did_you_mean(name, functions) for name in lacking}
    near = [f"{hint} instead of {name}" for name, hint in hints.items() if hint]
    received = f"{', '.join(variables)}: a variable" if variables else None
    return MissingSymbolError(
        f"{shown} does not export {', '.join(lacking)}",
        expected=f"one of its {len(functions)} exported functions",
        received=received or ", ".join(lacking),
        where=f"prototypes of {shown}",
        remedy="; ".join(near) or None,
    )
