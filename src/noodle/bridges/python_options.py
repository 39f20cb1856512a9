"""The load options of Python libraries that run in workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from noodle.bridges.remote import options as shared

__all__ = ["PythonOptions"]


@dataclass(frozen=True, slots=True)
class PythonOptions:
    """How one library is loaded in workers.

    Args:
        workers: How many Python processes share its calls.
        environment: Variables of the workers beside the usual ones, as sorted pairs.
        interpreter: The absolute path of another Python, whose packages are used as they are; None
            for the one that is running.
    """

    workers: int = 1
    environment: tuple[tuple[str, str], ...] = ()
    interpreter: str | None = None

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names of the options."""
        return frozenset(field.name for field in fields(cls))

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> PythonOptions:
        """Check options as they were given.

        Args:
            options: Names and values.

        Raises:
            SettingsError: A name is unknown or a value is wrong.
        """
        return cls(**shared.read(options, _CHECKS, cls.names(), "a Python library"))


def _interpreter(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise shared.wrong(name, value, "the path of a Python interpreter")
    path = Path(value).expanduser()
    if not path.is_absolute() or not path.is_file():
        raise shared.wrong(name, value, "the absolute path of a Python interpreter that exists")
    return str(path)


_CHECKS: Mapping[str, Any] = {
    "workers": shared.count,
    "environment": shared.variables,
    "interpreter": _interpreter,
}
