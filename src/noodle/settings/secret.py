"""Secrets: texts that never show themselves."""

from __future__ import annotations

from typing import Any, Never

__all__ = ["Secret"]


class Secret:
    """A text that never shows itself: not in ``repr``, ``str``, a format, a pickle or an error.

    Args:
        value: The secret.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __str__(self) -> str:
        return "**********"

    def __eq__(self, other: object) -> bool:
        """Compare in constant time, so that the time taken tells nothing about the secret."""
        from hmac import compare_digest

        if not isinstance(other, Secret):
            return NotImplemented
        mine, its = (secret._value.encode("utf-8", "surrogatepass") for secret in (self, other))
        return compare_digest(mine, its)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> Never:
        raise TypeError("a secret cannot be pickled")
