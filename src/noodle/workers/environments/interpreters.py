"""The Python interpreters of this machine: where they are, which version each is.

They are looked for on PATH, where version managers keep them, and, where none of these fits, by
``uv``. The shims of a version manager are passed over: they answer for the version that the manager
has chosen, or fail. Every interpreter is asked once what it is, and the answer is kept until its
file changes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from noodle.build_cache import BuildCache
from noodle.deadlines import remaining_seconds
from noodle.errors import DeadlineExceededError

__all__ = ["OLDEST", "Interpreter", "Interpreters", "running_interpreter", "search_path"]

OLDEST = (3, 8)
"""The oldest CPython whose stable ABI has all that the worker needs."""

_NAME = re.compile(r"python3\.[0-9]+t?")

_QUESTION = """
import sys
print(getattr(sys, "_base_executable", None) or sys.executable)
print("%d.%d.%d%s" % (sys.version_info[:3] + (
    "" if sys.version_info[3] == "final" else sys.version_info[3][0] + str(sys.version_info[4]),)))
print(sys.implementation.name)
print(int("t" in getattr(sys, "abiflags", "")))
print(getattr(sys.implementation, "_multiarch", ""))
"""
"""Runs on every Python 3: base executable, version, implementation, free-threading, platform."""

_QUESTION_SECONDS = 20.0  # chosen: a cold start on a slow disk takes less

_MEMORY_FORMAT = 1
_MEMORY_FILE = "interpreters.json"

_MANAGERS = (
    ("pyenv", ("PYENV_ROOT", "~/.pyenv"), "versions/*/bin"),
    ("asdf", ("ASDF_DATA_DIR", "~/.asdf"), "installs/python/*/bin"),
    ("mise", ("MISE_DATA_DIR", "~/.local/share/mise"), "installs/python/*/bin"),
    ("uv", ("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python"), "*/bin"),
    *(
        ("conda", ("MAMBA_ROOT_PREFIX", place), pattern)
        for place in ("~/miniconda3", "~/miniforge3", "~/mambaforge", "~/anaconda3", "/opt/conda")
        for pattern in ("bin", "envs/*/bin")
    ),
    ("system", ("", "/usr/bin"), "."),
    ("system", ("", "/usr/local/bin"), "."),
)
"""Version managers: the variable that names their folder, its usual place, what is in it."""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter.

    Args:
        path: The program itself, absolute, no link and no virtual environment.
        version: Its version, such as ``3.9.18`` or ``3.14.0b1``.
        implementation: ``cpython``, ``pypy``, …
        free_threaded: Whether it is a build without the GIL.
        platform: The triplet of its platform, such as ``x86_64-linux-gnu``; may be empty.
        source: Where it was found: ``running``, ``PATH``, ``pyenv``, …
    """

    path: Path
    version: str
    implementation: str = "cpython"
    free_threaded: bool = False
    platform: str = ""
    source: str = ""

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its version."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version)[:3])

    @property
    def series(self) -> str:
        """The first two numbers of its version, which decide what runs on it: ``3.9``."""
        return f"{self.numbers[0]}.{self.numbers[1]}"

    @property
    def is_release(self) -> bool:
        """Whether it is neither an alpha, a beta nor a release candidate."""
        return re.fullmatch(r"[0-9.]+", self.version) is not None

    @property
    def identity(self) -> tuple[str, ...]:
        """What an environment depends on: another file or version makes another one."""
        return str(self.path), self.version, self.implementation, self.platform

    def refusal(self) -> str | None:
        """Return why it cannot run a worker, or None when it can."""
        if self.implementation != "cpython":
            return f"{self.implementation} cannot load the worker, which is a CPython extension"
        if self.numbers[:2] < OLDEST:
            return f"older than {OLDEST[0]}.{OLDEST[1]}"
        if self.free_threaded:
            return "a free-threaded build, for which the worker's stable ABI is not made"
        return None

    def __str__(self) -> str:
        name = "" if self.implementation == "cpython" else f"{self.implementation} "
        return f"{name}{self.version} ({self.source})"


def running_interpreter() -> Interpreter:
    """Return the interpreter that runs this."""
    base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    level = sys.version_info.releaselevel
    suffix = "" if level == "final" else f"{level[0]}{sys.version_info.serial}"
    return Interpreter(
        Path(base),
        ".".join(map(str, sys.version_info[:3])) + suffix,
        sys.implementation.name,
        "t" in sys.abiflags,
        getattr(sys.implementation, "_multiarch", ""),
        "running",
    )


class Interpreters:
    """Finds interpreters, and remembers what they are.

    Args:
        cache: Where that is kept.
    """

    def __init__(self, cache: BuildCache) -> None:
        self._cache = cache
        self._remembered: dict[str, Any] | None = None
        self._learned = False

    def found(self) -> list[Interpreter]:
        """Return every interpreter: the running one, then the newest first, each file once.

        Raises:
            DeadlineExceededError: One that is not known yet did not answer before the deadline.
        """
        running = running_interpreter()
        known = {running.path: running}
        for path, source in _programs():
            interpreter = self.at(path, source)
            if interpreter is not None:
                known.setdefault(interpreter.path, interpreter)
        self._remember()
        others = sorted(
            (one for one in known.values() if one is not running),
            key=lambda one: (one.is_release, one.numbers, str(one.path)),
            reverse=True,
        )
        return [running, *others]

    def at(self, path: str | Path, source: str) -> Interpreter | None:
        """Return the interpreter behind a path, or None where there is none that answers.

        Args:
            path: A program; one of a virtual environment stands for the interpreter behind it.
            source: Where it was found.

        Raises:
            DeadlineExceededError: It did not answer before the deadline.
        """
        try:
            facts = os.stat(path)
        except OSError:
            return None
        # A link and its end are two programs: in a virtual environment they answer differently.
        mark = [facts.st_mtime_ns, facts.st_size, facts.st_ino]
        memory = self._memory()
        answer = memory.get(str(path))
        if answer is None or answer[0] != mark:
            answer = memory[str(path)] = [mark, _ask(path)]
            self._learned = True
        return _interpreter(answer[1], source)

    def _memory(self) -> dict[str, Any]:
        if self._remembered is None:
            self._remembered = _read_memory(self._cache.path(_MEMORY_FILE))
        return self._remembered

    def _remember(self) -> None:
        if not self._learned:
            return
        kept = {path: answer for path, answer in self._memory().items() if os.path.exists(path)}
        content = json.dumps({"format": _MEMORY_FORMAT, "answers": kept})
        self._cache.replace(_MEMORY_FILE, content)
        self._learned = False


def _read_memory(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("format") != _MEMORY_FORMAT:
        return {}
    answers: dict[str, Any] = content["answers"]
    return answers


def _interpreter(answer: list[str] | None, source: str) -> Interpreter | None:
    if answer is None:
        return None
    base, version, implementation, free_threaded, platform = answer
    path = Path(os.path.realpath(base))
    return Interpreter(path, version, implementation, free_threaded == "1", platform, source)


def _ask(path: str | Path) -> list[str] | None:
    """Return an interpreter's answers, or None where it gives none.

    Raises:
        DeadlineExceededError: It did not answer before the deadline.
    """
    left = remaining_seconds()
    try:
        result = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION],
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_QUESTION_SECONDS if left is None else min(_QUESTION_SECONDS, max(0.0, left)),
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except OSError:
        return None
    except subprocess.TimeoutExpired:
        if left is None or left >= _QUESTION_SECONDS:
            return None
        raise DeadlineExceededError(
            "the versions of Python on this machine were not found before the deadline",
            expected=f"an answer within {max(0.0, left):.3g} s",
            received=f"none from {os.path.basename(path)}",
            remedy="allow more time with noodle.deadline(seconds)",
        ) from None
    answer = result.stdout.split("\n")[:-1]
    sound = result.returncode == 0 and len(answer) == 5 and os.path.isabs(answer[0])
    return answer if sound else None


def _programs() -> Iterator[tuple[str, str]]:
    """Yield the path of each program that is named like an interpreter, and where it was found."""
    seen: set[str] = set()
    for folder, source in _folders():
        for name in _names(folder):
            program = os.path.join(folder, name)
            real = os.path.realpath(program)
            if real not in seen:
                seen.add(real)
                yield program, source


def _folders() -> Iterator[tuple[str, str]]:
    for folder in search_path():
        yield folder, "PATH"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    for source, (variable, usual), pattern in _MANAGERS:
        root = (variable and os.environ.get(variable)) or usual.replace("~/.local/share", data)
        folders = _matching(Path(os.path.expanduser(root)), pattern)
        yield from ((str(folder), source) for folder in folders)
    yield from ((os.path.join(prefix, "bin"), "conda") for prefix in _conda_environments())


def search_path() -> list[str]:
    """Return the folders of PATH, without those of shims."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [one for one in folders if os.path.isabs(one) and os.path.basename(one) != "shims"]


def _matching(root: Path, pattern: str) -> Iterable[Path]:
    try:
        return sorted(root.glob(pattern), reverse=True) if pattern != "." else [root]
    except OSError:
        return []


def _conda_environments() -> list[str]:
    try:
        content = Path("~/.conda/environments.txt").expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in content.splitlines() if os.path.isabs(line)]


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            # A folder may have thousands of programs.
            names = [entry.name for entry in entries if entry.name.startswith("python3.")]
    except OSError:
        return []
    return sorted(name for name in names if _NAME.fullmatch(name))
