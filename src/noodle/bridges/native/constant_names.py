"""A library's names for the numbers by which its functions say that they failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from noodle.bridges.native.annotations import wrong_annotation
from noodle.bridges.native.contents import Contents
from noodle.bridges.native.native_types import NativeType
from noodle.errors import SettingsError, did_you_mean

__all__ = ["ConstantNames"]


class ConstantNames:
    """Finds the name of a number: that was stated, or that of the result's enumeration.

    Args:
        contents: What the library is known to have.
        where: Where names are stated, in messages.
        codes: Names with their numbers, or names and patterns of constants that a header has.

    Raises:
        SettingsError: That is neither, or there is no such constant.
    """

    def __init__(self, contents: Contents, where: str, codes: Any) -> None:
        self._contents = contents
        is_map = isinstance(codes, Mapping) and all(
            isinstance(name, str) and type(code) is int for name, code in codes.items()
        )
        listed = [codes] if isinstance(codes, str) else codes
        is_list = isinstance(listed, (list, tuple)) and all(isinstance(n, str) for n in listed)
        if not is_map and not is_list:
            expected = (
                'names and their numbers, such as {"Z_DATA_ERROR": -3}, or names of constants'
            )
            raise wrong_annotation(where, "codes", codes, expected)
        self._stated: Mapping[str, int] = codes if is_map else {}
        self._patterns = () if is_map else tuple(listed)
        for pattern in self._patterns:
            if next(self._matching(pattern), None) is None:
                raise self._unmatched(where, pattern)

    def _matching(self, pattern: str) -> Iterator[str]:
        return (name for name in self._contents.constants if fnmatchcase(name, pattern))

    def _unmatched(self, where: str, pattern: str) -> SettingsError:
        known = list(self._contents.constants)
        if known:
            expected = f"the name or a pattern of some of the {len(known)} constants"
            return wrong_annotation(where, "codes", pattern, expected, did_you_mean(pattern, known))
        expected = "names and their numbers: no header says which constants there are"
        return wrong_annotation(where, "codes", pattern, expected, 'state header="…" as well')

    @cached_property
    def _names(self) -> Mapping[int, set[str]]:
        stated = dict(self._stated)
        for pattern in self._patterns:
            for name in self._matching(pattern):
                stated[name] = self._contents.constant(name)
        found: dict[int, set[str]] = {}
        for name, code in stated.items():
            found.setdefault(code, set()).add(name)
        return found

    def of(self, code: int, result: NativeType) -> str | None:
        """Return the name of a number; None where there is none, or more than one.

        Args:
            code: The number.
            result: The type of the result that it is.
        """
        names = self._names.get(code, set()) | self._members(code, result)
        return names.pop() if len(names) == 1 else None

    def _members(self, code: int, result: NativeType) -> set[str]:
        found = self._contents.enumeration(result.enumeration) if result.enumeration else None
        members = found.members if found else ()
        return {name for name in members if self._contents.constant(name) == code}
