"""The lock file: exact versions and hashes of the packages that the programs of a folder load.

``noodle.lock`` is TOML, one table for a target and one line for a package, in sorted order, so that
the same content is the same text and changes of two people merge. People read it in reviews, and
only Noodle writes it: comments that were added by hand are lost when it is written again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from noodle.errors import SettingsError

__all__ = ["FILE_NAME", "FORMAT", "LockFile", "Packages", "table_digest"]

FILE_NAME = "noodle.lock"

FORMAT = 1
"""The format's number; a file with another one is refused. Further sections do not change it."""

MAX_BYTES = 64 * 1024 * 1024
"""Chosen: some hundred thousand packages."""

HEADER = """\
# The exact versions and hashes of the packages that programs here load. Written by Noodle; keep it
# under version control. A target that is listed is installed exactly so: delete its table to let it
# be resolved anew.
"""

Packages = Mapping[str, Mapping[str, Any]]
"""What is locked for one target: the facts of each package, by its place in the tree."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7})", re.MULTILINE)


def table_digest(packages: Packages) -> str:
    """Return a digest of what is locked for a target; the order of its lines does not matter."""
    text = json.dumps(packages, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class LockFile:
    """A lock file, which need not exist yet.

    Threads and processes may use the same file at once.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<lock file {self.path}>"

    @classmethod
    def of_directory(cls, directory: Path) -> LockFile:
        """Return the lock file of what is loaded from a directory.

        It lies beside the nearest ``noodle.toml``; where there is none, in the directory itself.

        Args:
            directory: The program's, or the working directory.

        Raises:
            SettingsError: The configuration file belongs to a stranger.
        """
        from noodle.settings import find_config

        start = directory.absolute()
        config = find_config(start)
        return cls((config.parent if config else start) / FILE_NAME)

    def packages(self, section: str, target: str) -> Packages | None:
        """Return what is locked for a target, or None where nothing is.

        Args:
            section: The kind of package: ``npm`` or ``pypi``.
            target: The target as its table is named, such as ``lodash@4``.

        Raises:
            SettingsError: The file cannot be read.
        """
        return self._read().get(section, {}).get(target)

    def targets(self, section: str) -> list[str]:
        """Return the targets of a section, sorted.

        Args:
            section: The kind of package.

        Raises:
            SettingsError: The file cannot be read.
        """
        return sorted(self._read().get(section, {}))

    def add(self, section: str, target: str, packages: Packages) -> Packages:
        """Lock the packages of a target, unless another process has done so meanwhile.

        Args:
            section: The kind of package.
            target: The target as its table is named.
            packages: The facts of each package: texts, numbers, booleans, lists and mappings.

        Returns:
            What is locked now.

        Raises:
            SettingsError: The file cannot be read.
            OSError: It cannot be written; it is unchanged.
        """
        with self._exclusive():
            content = self._read()
            locked = content.setdefault(section, {}).setdefault(target, packages)
            if locked is packages:
                self._write(_text(content))
        return locked

    def note(self, section: str, target: str, name: str, facts: Mapping[str, Any]) -> None:
        """Set one line of a target's table, in place of what it said.

        Args:
            section: The kind of package.
            target: The target as its table is named.
            name: What the line is about.
            facts: What it says: texts, numbers, booleans, lists and mappings.

        Raises:
            SettingsError: The file cannot be read.
            OSError: It cannot be written; it is unchanged.
        """
        with self._exclusive():
            content = self._read()
            table = dict(content.get(section, {}).get(target, {}))
            if table.get(name) != facts:
                table[name] = facts
                content.setdefault(section, {})[target] = table
                self._write(_text(content))

    def _read(self) -> dict[str, dict[str, Packages]]:
        import tomllib

        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unreadable(f"it cannot be opened: {error.strerror}") from None
        if len(raw) > MAX_BYTES:
            raise self._unreadable(f"it is larger than {MAX_BYTES} bytes")
        try:
            text = raw.decode("utf-8")
            content = tomllib.loads(text)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            merging = isinstance(error, tomllib.TOMLDecodeError) and _CONFLICT.search(text)
            raise self._unreadable(
                "it holds the marks of a merge conflict" if merging else str(error)
            ) from None
        form = content.pop("format", None)
        if type(form) is int and form > FORMAT:
            raise self._of_a_newer_noodle(form)
        if type(form) is not int or form != FORMAT:
            raise self._unreadable(f"its format is not {FORMAT}")
        if not _is_content(content):
            raise self._unreadable("it is not a table of packages for each target")
        return content

    def _of_a_newer_noodle(self, form: int) -> SettingsError:
        return SettingsError(
            f"{self.path.name} was written by a newer version of Noodle",
            expected=f"format {FORMAT}",
            received=f"format {form}",
            where=str(self.path),
            remedy="python -m pip install --upgrade noodle-ffi",
        )

    def _unreadable(self, why: str) -> SettingsError:
        return SettingsError(
            f"{self.path.name} cannot be read: {why}",
            expected="a lock file as Noodle wrote it",
            where=str(self.path),
            remedy=f"take {self.path.name} from version control again, or remove it",
        )

    def _write(self, text: str) -> None:
        final = Path(os.path.realpath(self.path))
        partial = final.with_name(f".{final.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            with partial.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        # The folder is locked, as the file itself is replaced by another one.
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_content(content: Mapping[str, Any]) -> bool:
    return all(
        isinstance(targets, dict)
        and all(
            isinstance(packages, dict) and all(isinstance(f, dict) for f in packages.values())
            for packages in targets.values()
        )
        for targets in content.values()
    )


def _text(content: Mapping[str, Mapping[str, Packages]]) -> str:
    lines = [HEADER, f"format = {FORMAT}"]
    for section, targets in sorted(content.items()):
        for target, packages in sorted(targets.items()):
            lines += ["", f"[{_key(section)}.{_key(target)}]"]
            lines += [f"{_key(name)} = {_value(packages[name])}" for name in sorted(packages)]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """Return a value on one line of TOML; mappings in sorted order."""
    if isinstance(value, Mapping):
        pairs = [f"{_key(name)} = {_value(value[name])}" for name in sorted(value)]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's texts, numbers and booleans are TOML's, but for the control character 127.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)
