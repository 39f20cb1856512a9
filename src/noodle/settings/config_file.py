"""The configuration file: where ``noodle.toml`` is found, what it holds, and at which line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from noodle.errors import SettingsError

__all__ = ["FILE_NAME", "MAX_BYTES", "ConfigFile", "find_config", "read_config"]

FILE_NAME = "noodle.toml"

MAX_BYTES = 1_048_576
"""The largest configuration file that is read (chosen: far above what a person writes)."""

_STATEMENT_LINES = 1000  # chosen: the longest statement whose line is looked for

_POSITION = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file that was read.

    Args:
        path: The file.
        name: How messages call it.
        tables: What it holds.
        text: Its text; left out of the representation, as it may hold secrets.
    """

    path: Path
    name: str
    tables: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)

    def place(self, key: tuple[str, ...]) -> str:
        """Return ``file:line`` of a key or table; the file's name alone where no line is known."""
        line = self._lines.get(key)
        return f"{self.name}:{line}" if line else self.name

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for line, is_header, keys in _statements(self.text):
            if is_header:
                table = keys[-1]
                keys = [table[:depth] for depth in range(1, len(table) + 1)]
            else:
                keys = [table + key for key in keys]
            for key in keys:
                lines.setdefault(key, line)
        return lines


def find_config(start: Path) -> Path | None:
    """Return the nearest ``noodle.toml`` in a directory or those above it, or None.

    Args:
        start: The directory to begin in.

    Raises:
        SettingsError: The file belongs to somebody who has no say over programs in ``start``. A
            configuration names code to load, and a directory above may be shared, as ``/tmp`` is.
    """
    beginning = start.absolute()
    for directory in (beginning, *beginning.parents):
        candidate = directory / FILE_NAME
        if os.path.lexists(candidate):
            _refuse_stranger(candidate, beginning)
            return candidate
    return None


def _refuse_stranger(file: Path, beginning: Path) -> None:
    owner = os.lstat(file).st_uid
    user = os.geteuid()
    program_owner = os.stat(beginning).st_uid if beginning.exists() else user
    if not has_say(owner, user=user, program_owner=program_owner):
        raise SettingsError(
            f"{FILE_NAME} belongs to another user, and is not read",
            expected="a file of this user, of root, or of the owner of the program's directory",
            received=f"a file of user {owner}",
            where=os.path.relpath(file, beginning),
            remedy=f"name it, if it is to be used: --config {os.path.relpath(file)}",
        )


def has_say(owner: int, *, user: int, program_owner: int) -> bool:
    """Return whether the owner of a configuration file may configure a program.

    Args:
        owner: The file's owner.
        user: Who runs the program.
        program_owner: The owner of the program's directory.
    """
    return owner in (0, user, program_owner)


def read_config(path: Path, *, relative_to: Path | None = None) -> ConfigFile:
    """Read a configuration file.

    Args:
        path: The file.
        relative_to: The directory from which messages name the file; None to name it as given.

    Raises:
        SettingsError: It cannot be read, is not UTF-8, or is not TOML; the message has the line.
    """
    import tomllib

    name = os.path.relpath(path, relative_to) if relative_to else str(path)
    text = _text(path, name)
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise SettingsError(
            "the configuration is nested too deeply",
            expected="tables and lists as docs/settings.md shows them",
            where=name,
        ) from None
    except ValueError as error:
        # The cause is left out: some versions of it carry the whole text, which may hold secrets.
        raise _syntax_error(name, text, str(error)) from None
    return ConfigFile(path.absolute(), name, tables, text)


def _text(path: Path, name: str) -> str:
    if path.exists() and not path.is_file():
        raise SettingsError("the configuration is not a file", expected="a TOML file", where=name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"the configuration cannot be read: {error.strerror}",
            expected="a TOML file",
            where=name,
        ) from None
    if len(content) > MAX_BYTES:
        raise SettingsError(
            "the configuration is too large", expected=f"at most {MAX_BYTES} bytes", where=name
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            "the configuration is not UTF-8",
            expected="text in UTF-8",
            received=f"the byte 0x{content[error.start]:02x}",
            where=f"{name}:{line}",
        ) from None


def _syntax_error(name: str, text: str, message: str) -> SettingsError:
    position = _POSITION.fullmatch(message)
    if not position:
        return SettingsError("the configuration is not TOML", expected="TOML 1.0", where=name)
    what, line, column = position.groups()
    if line is None:
        lines = text.split("\n")
        line, column = str(len(lines)), str(len(lines[-1]) + 1)
    return SettingsError(
        f"the configuration is not TOML: {what[0].lower()}{what[1:]}",
        expected='TOML 1.0, such as sample_every = 64 or version = "1.21.0"',
        where=f"{name}:{line}:{column}",
    )


def _statements(text: str) -> Iterator[tuple[int, bool, list[tuple[str, ...]]]]:
    """Yield the line of each statement, whether it is a table's header, and its keys.

    A TOML statement is complete at the first line end at which it parses by itself, so the parser
    that read the file also tells where each key stands, whatever the notation.
    """
    import tomllib

    pending: list[str] = []
    for line, text_line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        pending.append(text_line)
        if len(pending) > _STATEMENT_LINES:
            return
        try:
            parsed = tomllib.loads("\n".join(pending))
        except (ValueError, RecursionError):
            continue
        first, header = line - len(pending) + 1, pending[0].lstrip().startswith("[")
        pending = []
        if parsed:
            yield first, header, list(_keys(parsed))


def _keys(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in table.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _keys(value, (*above, name))
